package upstream

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"
)

// Payload is the body of a call: pieces of memory that are sent one after the other.
type Payload struct {
	Pieces [][]byte
	// Keeper is told who still reads the pieces; nil: nobody needs to know.
	Keeper Keeper
}

// Keeper keeps memory from being used again while somebody reads it.
type Keeper interface {
	Retain()
	Release()
}

// smallPayload is the largest body that is sent together with its head. The transport does so for the readers that it knows
// alone, and they do not tell when they are done: such a body has memory of its own.
const smallPayload = 32 << 10

func (p *Payload) size() int64 {
	n := int64(0)
	for _, piece := range p.Pieces {
		n += int64(len(piece))
	}
	return n
}

// open gives the body to read from its beginning. Whoever reads it must close it.
func (p *Payload) open() io.ReadCloser {
	switch size := p.size(); {
	case size == 0:
		return http.NoBody
	case len(p.Pieces) == 1 && p.Keeper == nil:
		return io.NopCloser(bytes.NewReader(p.Pieces[0]))
	case size <= smallPayload:
		whole := make([]byte, 0, size)
		for _, piece := range p.Pieces {
			whole = append(whole, piece...)
		}
		return io.NopCloser(bytes.NewReader(whole))
	}
	if p.Keeper != nil {
		p.Keeper.Retain()
	}
	r := &pieces{all: p.Pieces, keeper: p.Keeper}
	r.users.Store(1)
	return r
}

// pieces reads a payload. The keeper is told when it is closed and nobody reads it any more: the transport closes what it
// still sends when an answer came early.
type pieces struct {
	all    [][]byte
	next   int // the piece that is read
	offset int // of what is read next in it
	keeper Keeper
	users  atomic.Int32 // whoever has it open, and a read that goes on
	closed atomic.Bool
}

func (r *pieces) Read(p []byte) (int, error) {
	if !r.enter() {
		return 0, io.ErrClosedPipe
	}
	defer r.leave()
	for r.next < len(r.all) {
		n := copy(p, r.all[r.next][r.offset:])
		r.advance(n)
		if n > 0 || len(p) == 0 {
			return n, nil
		}
	}
	return 0, io.EOF
}

// WriteTo writes what is left, each piece at once.
func (r *pieces) WriteTo(w io.Writer) (int64, error) {
	if !r.enter() {
		return 0, io.ErrClosedPipe
	}
	defer r.leave()
	written := int64(0)
	for r.next < len(r.all) {
		n := 0
		if rest := r.all[r.next][r.offset:]; len(rest) > 0 {
			var err error
			n, err = w.Write(rest)
			written += int64(n)
			if err != nil {
				return written, err
			}
		}
		r.advance(n)
	}
	return written, nil
}

// advance goes on by n bytes of the piece that is read, and to the next one at its end.
func (r *pieces) advance(n int) {
	if r.offset += n; r.offset == len(r.all[r.next]) {
		r.next, r.offset = r.next+1, 0
	}
}

func (r *pieces) Close() error {
	if !r.closed.Swap(true) {
		r.leave()
	}
	return nil
}

// enter begins a read, unless all is over.
func (r *pieces) enter() bool {
	for {
		users := r.users.Load()
		if users == 0 || r.closed.Load() {
			return false
		}
		if r.users.CompareAndSwap(users, users+1) {
			return true
		}
	}
}

// leave ends a read, or what open began.
func (r *pieces) leave() {
	if r.users.Add(-1) == 0 && r.keeper != nil {
		r.keeper.Release()
	}
}
