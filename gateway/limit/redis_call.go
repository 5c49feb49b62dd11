package limit

import (
	"errors"
	"strconv"
	"strings"
	"sync"
)

// call is what is sent with one script: names of keys and arguments, written into one buffer. It is used again.
type call struct {
	prefix string
	text   []byte
	ends   []int // where each part ends in text
	keys   []string
	args   []string
	split  int    // how many parts are keys
	tail   []byte // what follows the deadline in the first argument
}

// calls are those not in use.
type calls struct{ pool sync.Pool }

func (p *calls) take(prefix string) *call {
	c, _ := p.pool.Get().(*call)
	if c == nil {
		c = new(call)
	}
	*c = call{prefix: prefix, text: c.text[:0], ends: c.ends[:0], keys: c.keys[:0], args: c.args[:0], tail: c.tail[:0]}
	return c
}

// giveBack takes one that nobody uses any more. What a great bill has left behind is not kept.
func (p *calls) giveBack(c *call) {
	const most = 64 << 10
	if cap(c.text) > most {
		return
	}
	clear(c.keys)
	clear(c.args)
	p.pool.Put(c)
}

// key adds the name of a key. All keys come before all arguments.
func (c *call) key(k *Key) {
	c.text = appendName(c.text, c.prefix, k)
	c.end()
	c.split++
}

// letter begins an argument with a letter.
func (c *call) letter(b byte) { c.text = append(c.text, b) }

// number adds a number to the argument that a letter has begun.
func (c *call) number(n int64) { c.text = strconv.AppendInt(append(c.text, ' '), n, 10) }

// slot adds what a slot is called.
func (c *call) slot(id uint64) { c.text = strconv.AppendUint(append(c.text, ' '), id, 10) }

// yes adds 1 or 0.
func (c *call) yes(is bool) {
	n := int64(0)
	if is {
		n = 1
	}
	c.number(n)
}

// plain is an argument that is one number.
func (c *call) plain(n uint64) {
	c.text = strconv.AppendUint(c.text, n, 10)
	c.end()
}

// end ends an argument.
func (c *call) end() { c.ends = append(c.ends, len(c.text)) }

// written are the keys and the arguments; the first, which is the head, is still empty. One string holds them all:
// the client may look at them for longer than the call takes.
func (c *call) written() (keys, args []string) {
	whole, begin := string(c.text), 0
	c.keys, c.args = c.keys[:0], append(c.args[:0], "")
	for i, end := range c.ends {
		if i < c.split {
			c.keys = append(c.keys, whole[begin:end])
		} else {
			c.args = append(c.args, whole[begin:end])
		}
		begin = end
	}
	return c.keys, c.args
}

// head is the first argument: until when the call may be carried out, by the clock of Redis, and what belongs to it.
func (c *call) head(deadline int64) string {
	var room [128]byte
	return string(append(strconv.AppendInt(room[:0], deadline, 10), c.tail...))
}

// bill writes a bill for pay.lua, whose slots would be called so, and live so long.
func (c *call) bill(b *Bill, slot uint64, life int64) {
	dry := int64(0)
	if b.Dry {
		dry = 1
	}
	for _, n := range [...]int64{b.At, dry, int64(b.Candidates), life} {
		c.tail = strconv.AppendInt(append(c.tail, ' '), n, 10)
	}
	for i := range b.Lines {
		c.key(&b.Lines[i].Key)
	}
	c.plain(slot)
	for i := range b.Lines {
		l := &b.Lines[i]
		if l.Key.Kind == Concurrent {
			c.letter('s')
		} else {
			c.letter('w')
		}
		c.number(int64(l.Candidate))
		c.yes(l.Key.Address.IsValid())
		c.yes(l.Observe)
		c.number(l.Amount)
		c.number(l.Reserve)
		c.number(l.Limit)
		c.number(l.Interval)
		c.end()
	}
}

// errAnswer is an answer that none of our scripts gives.
var errAnswer = errors.New("an answer that makes no sense")

// answer reads what a script has written: words and numbers, each behind a space or the end of a line.
type answer struct{ text string }

// word is what comes up to the next space; the rest of the line stays.
func (a *answer) word() string {
	end := strings.IndexAny(a.text, " \n")
	if end < 0 {
		end = len(a.text)
	}
	word := a.text[:end]
	a.text = a.text[min(end+1, len(a.text)):]
	return word
}

// number is the next word as a number.
func (a *answer) number() (int64, error) {
	n, err := strconv.ParseInt(a.word(), 10, 64)
	if err != nil {
		return 0, errAnswer
	}
	return n, nil
}

// numbers are the next words as numbers.
func (a *answer) numbers(to ...*int64) (err error) {
	for _, n := range to {
		if *n, err = a.number(); err != nil {
			return err
		}
	}
	return nil
}

// line is what comes up to the end of the line.
func (a *answer) line() (line string) {
	line, a.text, _ = strings.Cut(a.text, "\n")
	return line
}

// spansIn reads a counter.
func spansIn(text string, to *[spanCount]span) ([]span, error) {
	count := 0
	for text != "" {
		if count == spanCount {
			return nil, errAnswer
		}
		var one string
		one, text, _ = strings.Cut(text, " ")
		s := &to[count]
		for _, n := range [...]*int64{&s.interval, &s.index, &s.cur, &s.prev} {
			var digits string
			var err error
			digits, one, _ = strings.Cut(one, ":")
			if *n, err = strconv.ParseInt(digits, 10, 64); err != nil || *n < 0 {
				return nil, errAnswer
			}
		}
		if s.interval == 0 || one != "" {
			return nil, errAnswer
		}
		count++
	}
	return to[:count], nil
}

// correction writes a correction of what was paid at a time, for settle.lua.
func (c *call) correction(of *Correction, at int64) {
	c.letter('c')
	c.number(of.Delta)
	c.number(at)
	c.number(of.Interval)
	c.end()
}

// debt writes what is owed, for settle.lua.
func (c *call) debt(of *claim) {
	c.letter('o')
	c.number(of.delta)
	c.number(of.at)
	c.number(of.interval)
	c.end()
}

// free writes that a slot is free, for settle.lua.
func (c *call) free(id uint64) {
	c.letter('z')
	c.slot(id)
	c.number(0)
	c.number(0)
	c.end()
}
