package gatewaytest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Redis is a true redis-server on loopback, on a port of its own, which keeps nothing on disk and ends with its test.
type Redis struct {
	// Address is its host and port.
	Address string

	t       testing.TB
	options RedisOptions
	program string
	process *Process
}

// RedisOptions are a server out of the ordinary. The zero value: clear text, no password.
type RedisOptions struct {
	// Password is that of the default user. Empty: none.
	Password string
	// Certificate and Key are files with what the server shows of itself; it speaks TLS alone then. Empty: no TLS.
	Certificate, Key string
	// ClientCA is a file with the authority of the certificates that callers must show. Empty: they need none.
	ClientCA string
	// Client is what [Redis.Do] shows of itself, where callers must.
	Client []tls.Certificate
	// More directives of the configuration, as arguments: "--maxmemory", "2mb".
	More []string
}

// StartRedis starts a server. Where redis-server is not installed the test skips, or fails, as [Need] decides.
func StartRedis(t testing.TB, options RedisOptions) *Redis {
	t.Helper()
	r := &Redis{t: t, options: options, program: Need(t, "redis-server")}
	for try := 1; ; try++ {
		r.Address = FreeAddress(t)
		err := r.start()
		if err == nil {
			return r
		}
		if try == startTries {
			t.Fatalf("start redis-server: %v\n%s", err, r.process.Output())
		}
	}
}

// Start starts a server that was stopped again, at the same address, with nothing in it.
func (r *Redis) Start() {
	r.t.Helper()
	if err := r.start(); err != nil {
		r.t.Fatalf("start redis-server again: %v\n%s", err, r.process.Output())
	}
}

func (r *Redis) start() error {
	r.t.Helper()
	r.process = Run(r.t, r.program, r.arguments()...)
	end := time.Now().Add(startLimit)
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for time.Now().Before(end) {
		if _, err := r.do("PING"); err == nil {
			return nil
		}
		select {
		case <-r.process.done:
			return errors.New("it has ended")
		case <-poll.C:
		}
	}
	return errors.New("it does not answer")
}

func (r *Redis) arguments() []string {
	host, port, _ := net.SplitHostPort(r.Address) // it was made from the two
	args := []string{"--bind", host, "--save", "", "--appendonly", "no"}
	if r.options.Certificate == "" {
		args = append(args, "--port", port)
	} else {
		args = append(args, "--port", "0", "--tls-port", port, "--tls-cert-file", r.options.Certificate, "--tls-key-file", r.options.Key)
		if r.options.ClientCA == "" {
			args = append(args, "--tls-auth-clients", "no", "--tls-ca-cert-file", r.options.Certificate)
		} else {
			args = append(args, "--tls-auth-clients", "yes", "--tls-ca-cert-file", r.options.ClientCA)
		}
	}
	if r.options.Password != "" {
		args = append(args, "--requirepass", r.options.Password)
	}
	return append(args, r.options.More...)
}

// URL is what a nexus.toml says to reach it, with the password of the default user.
func (r *Redis) URL() string { return r.URLAs("", r.options.Password) }

// URLAs is [Redis.URL] for another user or password.
func (r *Redis) URLAs(user, password string) string {
	u := url.URL{Scheme: "redis", Host: r.Address}
	if r.options.Certificate != "" {
		u.Scheme = "rediss"
	}
	if user != "" || password != "" {
		u.User = url.UserPassword(user, password)
	}
	return u.String()
}

// Stop kills the server: whatever it held is gone.
func (r *Redis) Stop() {
	r.t.Helper()
	r.signal(os.Kill)
	r.process.Wait(r.t, stopLimit)
}

// Pause has the server stand still: it accepts connections, and answers nothing, until Resume.
func (r *Redis) Pause() {
	r.t.Helper()
	r.signal(stand)
}

// Resume has a server go on that stands still. It carries out what it was sent meanwhile.
func (r *Redis) Resume() {
	r.t.Helper()
	r.signal(goOn)
}

func (r *Redis) signal(s os.Signal) {
	r.t.Helper()
	if err := r.process.Signal(s); err != nil {
		r.t.Fatalf("signal redis-server: %v", err)
	}
}

// Do runs a command as the default user, and gives the answer as redis-cli would write it to a file: the elements of a list
// on lines of their own. The test fails if the server refuses.
func (r *Redis) Do(command ...string) string {
	r.t.Helper()
	answer, err := r.do(command...)
	if err != nil {
		r.t.Fatalf("redis: %s: %v", command[0], err)
	}
	return answer
}

func (r *Redis) do(command ...string) (string, error) {
	const limit = 5 * time.Second
	conn, err := net.DialTimeout("tcp", r.Address, limit)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if r.options.Certificate != "" {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, Certificates: r.options.Client})
	}
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return "", err
	}
	in := bufio.NewReader(conn)
	if r.options.Password != "" {
		if _, err := ask(conn, in, "AUTH", r.options.Password); err != nil {
			return "", err
		}
	}
	return ask(conn, in, command...)
}

// ask sends a command and reads its answer, as the Redis serialization protocol, version 2, has them.
func ask(out io.Writer, in *bufio.Reader, command ...string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(command))
	for _, part := range command {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(part), part)
	}
	if _, err := io.WriteString(out, b.String()); err != nil {
		return "", err
	}
	lines, err := reply(in)
	return strings.Join(lines, "\n"), err
}

// reply reads one answer, as lines.
func reply(in *bufio.Reader) ([]string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return nil, errors.New("an empty answer")
	}
	count, _ := strconv.Atoi(line[1:]) // of a bulk or a list; of others it is not looked at
	switch line[0] {
	case '+', ':':
		return []string{line[1:]}, nil
	case '-':
		return nil, errors.New(line[1:])
	case '$':
		if count < 0 {
			return []string{""}, nil
		}
		text := make([]byte, count+2)
		_, err := io.ReadFull(in, text)
		return []string{string(text[:count])}, err
	case '*':
		var all []string
		for range count {
			one, err := reply(in)
			if err != nil {
				return nil, err
			}
			all = slices.Concat(all, one)
		}
		return all, nil
	}
	return nil, fmt.Errorf("an answer of an unknown kind %q", line[0])
}
