package gateway

import (
	"net"
	"sync"
)

// cappedListener lets in so many connections at once and has the next one wait. It hands out the connections as they are:
// behind a wrapper that hides CloseWrite, net/http cannot close one side first, and a refused caller sees a
// reset in place of its answer.
type cappedListener struct {
	*net.TCPListener
	free   chan struct{}
	closed chan struct{}
	once   sync.Once
}

// sendBuffer is how much the system keeps for a caller who reads more slowly than we write, in bytes: what is on its way over
// a long and fast line fits.
const sendBuffer = 256 << 10

// capListener bounds the connections of l to most.
func capListener(l *net.TCPListener, most int) *cappedListener {
	return &cappedListener{TCPListener: l, free: make(chan struct{}, most), closed: make(chan struct{})}
}

// cappedConn makes room for another connection when it is closed.
type cappedConn struct {
	*net.TCPConn
	leave  func()
	caller *caller
}

// Accept waits for a connection, and for room for it.
func (l *cappedListener) Accept() (net.Conn, error) {
	c, err := l.accept()
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (l *cappedListener) accept() (*cappedConn, error) {
	select {
	case l.free <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.AcceptTCP()
	if err != nil {
		<-l.free
		return nil, err
	}
	// Else the system takes megabytes for a caller who reads nothing, and it is long before anybody notices.
	_ = c.SetWriteBuffer(sendBuffer)
	return &cappedConn{TCPConn: c, leave: sync.OnceFunc(func() { <-l.free })}, nil
}

// Close ends every wait of Accept.
func (l *cappedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.TCPListener.Close()
}

// Close closes the connection.
func (c *cappedConn) Close() error {
	defer c.leave()
	return c.TCPConn.Close()
}
