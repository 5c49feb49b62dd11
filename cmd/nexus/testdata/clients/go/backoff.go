package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// attempt is one request of the client as it went over the network.
type attempt struct {
	at     time.Time
	status int
	after  string // the header Retry-After
}

// backoffChecks see how the client takes a limit of two requests in two seconds.
func backoffChecks() []check {
	return []check{
		{"waits as it is told and is answered", waitsAsTold},
		{"gives a rate limit error where it may not wait", givesUp},
	}
}

// limited is a client that may try again so often, and notes its attempts.
func limited(name string, retries int, attempts *[]attempt) openai.Client {
	return openai.NewClient(
		option.WithBaseURL(os.Getenv("NEXUS_URL")+"/llm/v1/"),
		option.WithAPIKey("unused"), option.WithMaxRetries(retries), option.WithHeader("X-Client-ID", name),
		option.WithMiddleware(func(r *http.Request, next option.MiddlewareNext) (*http.Response, error) {
			at := time.Now()
			answer, err := next(r)
			if err == nil {
				*attempts = append(*attempts, attempt{at, answer.StatusCode, answer.Header.Get("Retry-After")})
			}
			return answer, err
		}),
	)
}

func waitsAsTold(ctx context.Context) error {
	var attempts []attempt
	client := limited("patient-go", 5, &attempts)
	for range 3 {
		if _, err := client.Chat.Completions.New(ctx, say("Hello")); err != nil {
			return err
		}
	}
	for i, a := range attempts {
		if a.status != http.StatusTooManyRequests {
			continue
		}
		told, err := strconv.Atoi(a.after)
		if waited := attempts[i+1].at.Sub(a.at); err != nil || told < 1 || waited < time.Duration(told)*time.Second-20*time.Millisecond {
			return fmt.Errorf("told to wait %q s, waited %s", a.after, waited)
		}
		if len(attempts) > 5 {
			return fmt.Errorf("%d attempts for three answers", len(attempts))
		}
		return nil
	}
	return errors.New("no limit was met")
}

func givesUp(ctx context.Context) error {
	var attempts []attempt
	client := limited("hasty-go", 0, &attempts)
	var err error
	for range 3 {
		_, err = client.Chat.Completions.New(ctx, say("Hello"))
	}
	var told *openai.Error
	if !errors.As(err, &told) || told.StatusCode != http.StatusTooManyRequests || told.Code != "rate_limit_exceeded" || told.Type != "rate_limit_error" {
		return fmt.Errorf("got %v", err)
	}
	return nil
}
