// Command bare is the yardstick of the benchmarks: the least that a proxy in Go can do, in front of the
// least that a provider can do.
//
//	bare origin ADDRESS FILE   answers every request with the content of FILE, and lists one model
//	bare script ADDRESS MODEL  answers each request as its header X-Script says, and tells what became of it
//	bare proxy ADDRESS URL     passes every request on to URL with httputil.ReverseProxy
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
)

func main() {
	if len(os.Args) != 4 {
		fail("usage: bare origin|script|proxy ADDRESS FILE|MODEL|URL")
	}
	handler, err := handlerFor(os.Args[1], os.Args[3])
	if err != nil {
		fail(err)
	}
	listener, err := net.Listen("tcp", os.Args[2])
	if err != nil {
		fail(err)
	}
	fmt.Println("listening")
	fail(http.Serve(listener, handler))
}

func fail(reason any) {
	fmt.Fprintln(os.Stderr, "bare:", reason)
	os.Exit(1)
}

func handlerFor(role, argument string) (http.Handler, error) {
	switch role {
	case "origin":
		return origin(argument)
	case "script":
		return newScript(argument), nil
	}
	target, err := url.Parse(argument)
	if err != nil {
		return nil, fmt.Errorf("read the address of the origin: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	// The default keeps two connections and opens the other thirty anew for each request.
	transport.MaxIdleConnsPerHost = 64
	return &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: transport,
	}, nil
}

// origin answers with a recorded body: a stream is sent event by event, as it once came.
func origin(file string) (http.Handler, error) {
	body, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	kind, pieces := "application/json", [][]byte{body}
	if bytes.HasPrefix(body, []byte("data:")) {
		kind, pieces = "text/event-stream", bytes.SplitAfter(body, []byte("\n\n"))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		if strings.HasSuffix(r.URL.Path, "/models") {
			listModels(w, "gpt-4o-2024-08-06")
			return
		}
		w.Header().Set("Content-Type", kind)
		if len(pieces) == 1 {
			_, _ = w.Write(body)
			return
		}
		flush := http.NewResponseController(w)
		for _, piece := range pieces {
			if _, err := w.Write(piece); err != nil || flush.Flush() != nil {
				return
			}
		}
	}), nil
}

// listModels answers a request for the list of models.
func listModels(w http.ResponseWriter, model string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"object":"list","data":[{"id":%q,"object":"model","created":1722814719,"owned_by":"system"}]}`, model)
}
