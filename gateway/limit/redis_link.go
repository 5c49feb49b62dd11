package limit

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// maxLinkConnections bounds the connections: calls share them, many at a time, and more would only cost.
const maxLinkConnections = 16

// link is some connections to one server. It never comes back once it is broken: the next one is opened anew.
type link struct {
	settings RedisSettings
	ctx      context.Context // ends with the link
	end      context.CancelFunc
	clients  []rueidis.Client
	turn     atomic.Uint32

	mu    sync.Mutex
	conns map[net.Conn]struct{} // nil: the link is cut
}

// target is what a Redis URL says.
type target struct {
	address, host  string
	user, password string
	database       int
	tls            bool
}

// errSettings are settings that nothing can be reached with. The configuration is checked before; files may change.
var errSettings = errors.New("its settings cannot be used")

// parseTarget reads redis://[user:password@]host:port[/database], or rediss:// for TLS. The error says nothing of the URL.
func parseTarget(s string) (t target, err error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Hostname() == "" {
		return t, errSettings
	}
	port := u.Port()
	if port == "" {
		port = "6379"
	}
	t = target{host: u.Hostname(), address: net.JoinHostPort(u.Hostname(), port), tls: u.Scheme == "rediss"}
	t.user = u.User.Username()
	t.password, _ = u.User.Password()
	if database := strings.Trim(u.Path, "/"); database != "" {
		if t.database, err = strconv.Atoi(database); err != nil || t.database < 0 {
			return t, errSettings
		}
	}
	return t, nil
}

// openLink connects to the server of the settings, or to another node of its cluster, and returns once all connections
// stand or one does not. The link ends with ctx at the latest.
func openLink(ctx context.Context, s RedisSettings, node string) (*link, error) {
	t, err := parseTarget(s.URL.Reveal())
	if err != nil {
		return nil, err
	}
	secure, err := secured(&s, &t)
	if err != nil {
		return nil, err
	}
	if node != "" {
		t.address = node
	}
	l := &link{settings: s, conns: make(map[net.Conn]struct{})}
	l.ctx, l.end = context.WithCancel(ctx)
	context.AfterFunc(l.ctx, l.hangUp) // also of one that is still being opened
	for range s.connections() {
		client, err := rueidis.NewClient(l.options(&t, secure))
		if client != nil {
			l.clients = append(l.clients, client)
		}
		if err != nil {
			l.cut()
			return nil, connectError{err, secure != nil}
		}
	}
	return l, nil
}

// connections is how many are opened: as many as are to be kept when nothing happens, since calls share them.
func (s *RedisSettings) connections() int {
	return max(1, min(s.MinIdle, s.MaxSize, maxLinkConnections))
}

// options has the client do nothing by itself: no second try of a call, no cache, no command that a server or a user of few
// rights might not know.
func (l *link) options(t *target, secure *tls.Config) rueidis.ClientOption {
	const ping = 5 * time.Second // a connection on which nothing happens is looked after so often
	return rueidis.ClientOption{
		InitAddress:       []string{t.address},
		Username:          t.user,
		Password:          t.password,
		SelectDB:          t.database,
		TLSConfig:         secure,
		DialCtxFn:         l.dial,
		Dialer:            net.Dialer{Timeout: l.settings.ConnectionTimeout, KeepAlive: ping},
		ConnWriteTimeout:  max(l.settings.ResponseTimeout, l.settings.ConnectionTimeout),
		ClientSetInfo:     rueidis.DisableClientSetInfo,
		PipelineMultiplex: -1,
		RingScaleEachConn: 9, // 512 calls under way; the next wait, as they would for the server
		AlwaysRESP2:       true,
		ForceSingleClient: true,
		DisableRetry:      true,
		DisableCache:      true,
	}
}

// secured is how TLS is spoken; nil: it is not. The files are read here, so that renewed ones count from the next link on.
func secured(s *RedisSettings, t *target) (*tls.Config, error) {
	if !t.tls {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.host, InsecureSkipVerify: s.Insecure}
	if s.CACert != "" {
		pem, err := os.ReadFile(s.CACert)
		if err != nil {
			return nil, fileError{"ca_cert_path"}
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fileError{"ca_cert_path"}
		}
	}
	if s.ClientCert != "" {
		pair, err := tls.LoadX509KeyPair(s.ClientCert, s.ClientKey)
		if err != nil {
			return nil, fileError{"client_cert_path or client_key_path"}
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// dial makes one connection, which ends with the link.
func (l *link) dial(ctx context.Context, address string, dialer *net.Dialer, secure *tls.Config) (net.Conn, error) {
	ctx, stop := context.WithTimeout(ctx, l.settings.ConnectionTimeout)
	defer stop()
	defer context.AfterFunc(l.ctx, stop)()
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if secure != nil {
		wrapped := tls.Client(conn, secure)
		if err := wrapped.HandshakeContext(ctx); err != nil {
			_ = conn.Close() // nothing was said on it
			return nil, fmt.Errorf("%w: %w", errHandshake, err)
		}
		conn = wrapped
	}
	return l.keep(conn)
}

// tracked is a connection that the link knows.
type tracked struct {
	net.Conn
	link *link
}

// Close closes the connection and forgets it.
func (c *tracked) Close() error {
	c.link.mu.Lock()
	delete(c.link.conns, c)
	c.link.mu.Unlock()
	return c.Conn.Close()
}

func (l *link) keep(conn net.Conn) (net.Conn, error) {
	c := &tracked{conn, l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns == nil {
		_ = conn.Close() // the link was cut meanwhile
		return nil, net.ErrClosed
	}
	l.conns[c] = struct{}{}
	return c, nil
}

// hangUp closes all connections, and those to come: calls that wait get an error.
func (l *link) hangUp() {
	l.mu.Lock()
	conns := l.conns
	l.conns = nil
	l.mu.Unlock()
	for conn := range conns {
		_ = conn.(*tracked).Conn.Close() // nobody listens any more
	}
}

// cut ends the link at once, whatever is under way.
func (l *link) cut() {
	l.end()
	l.hangUp()
	for _, client := range l.clients {
		client.Close()
	}
}

// do runs a script in one round trip, and in two where the server does not know it yet.
func (l *link) do(ctx context.Context, script *rueidis.Lua, keys, args []string) (string, error) {
	client := l.clients[int(l.turn.Add(1))%len(l.clients)]
	return script.Exec(ctx, client, keys, args).ToString()
}

// everywhere runs a script on each connection, and gives its last answer.
func (l *link) everywhere(script *rueidis.Lua, keys, args []string) (text string, err error) {
	for _, client := range l.clients {
		ctx, end := context.WithTimeout(l.ctx, l.settings.ResponseTimeout)
		text, err = script.Exec(ctx, client, keys, args).ToString()
		end()
		if err != nil {
			return "", err
		}
	}
	return text, nil
}
