package openai

import (
	"bytes"
	"math"
	"sync"

	"nexus/gateway/llm/cl100k"
	"nexus/gateway/llm/jsonscan"
)

const (
	perMessage = 3 // tokens that a message of a chat costs besides its role and its text
	perReply   = 3 // tokens that the reply to a chat begins with

	maxKeptText = 1 << 20 // bytes of a buffer that is kept for the next text
	maxDigits   = 15      // of a bound of the answer: what has more bounds nothing
)

// InputTokens is how many tokens of cl100k_base the prompt has: of the messages of a chat their roles and texts, each text
// for itself, and 3 for each message and for the reply; of the other endpoints the text of input, instructions and prompt
// (a list of numbers has as many tokens as numbers). Pictures, calls of tools and all else count nothing, nor do endpoints
// without such a prompt. The body must be the one that v was found in. The memo, which may be nil, remembers long texts.
//
// Members are found however their names are spelled, so that nobody slips past. A U+007F, which cl100k passes over, is a
// token of its own here: nobody may send a prompt full of them for nothing.
func (v *Envelope) InputTokens(body []byte, m *cl100k.Memo) int64 {
	c := counter{body: body, memo: m}
	switch v.endpoint {
	case Chat:
		c.chat(v.messages)
	case Completions:
		c.list(v.prompt)
	case Embeddings:
		c.list(v.input)
	case Responses:
		c.list(v.instructions)
		c.items(v.input)
	}
	return c.tokens
}

// MaxOutput is how many tokens the caller lets the answers have at most: the larger of the bounds that the endpoint knows,
// times the answers. 0: the caller does not say, or not in digits alone, or of each of several prompts.
func (v *Envelope) MaxOutput(body []byte) int64 {
	most := int64(0)
	switch v.endpoint {
	case Chat:
		most = max(bound(body, v.maxCompletion), bound(body, v.maxTokens))
	case Completions:
		if v.prompt.Kind != jsonscan.Array {
			most = bound(body, v.maxTokens)
		}
	case Responses:
		most = bound(body, v.maxOutput)
	}
	if n := max(bound(body, v.n), bound(body, v.bestOf)); n > 1 {
		if most > math.MaxInt64/n {
			return math.MaxInt64
		}
		return most * n
	}
	return most
}

// bound reads a number of digits alone; 0: it is none, or has too many.
func bound(body []byte, s jsonscan.Span) (n int64) {
	if s.Kind != jsonscan.Number || s.End-s.Start > maxDigits {
		return 0
	}
	for _, c := range s.Of(body) {
		if c < '0' || c > '9' {
			return 0
		}
		n = 10*n + int64(c-'0')
	}
	return n
}

// counter adds up the tokens of one body.
type counter struct {
	body   []byte
	memo   *cl100k.Memo
	tokens int64
}

func (c *counter) chat(messages jsonscan.Span) {
	c.tokens += perReply
	if messages.Kind != jsonscan.Array {
		return
	}
	at := jsonscan.NewCursor(c.body, messages)
	for at.Enter(); at.More(); {
		c.tokens += perMessage
		if at.Kind() != jsonscan.Object {
			at.Skip()
			continue
		}
		for at.Enter(); at.More(); {
			switch name := at.Name(); {
			case jsonscan.NameIs(name, "role") && at.Kind() == jsonscan.String:
				c.text(at.Skip())
			case jsonscan.NameIs(name, "content"):
				c.content(&at)
			default:
				at.Skip()
			}
		}
	}
}

// items counts the input of the Responses API: a string, or items with texts in content and output.
func (c *counter) items(input jsonscan.Span) {
	if input.Kind != jsonscan.Array {
		c.list(input)
		return
	}
	at := jsonscan.NewCursor(c.body, input)
	for at.Enter(); at.More(); {
		if at.Kind() != jsonscan.Object {
			c.content(&at)
			continue
		}
		for at.Enter(); at.More(); {
			if name := at.Name(); jsonscan.NameIs(name, "content") || jsonscan.NameIs(name, "output") {
				c.content(&at)
			} else {
				at.Skip()
			}
		}
	}
}

// content passes a string, or an array of parts of which the texts count.
func (c *counter) content(at *jsonscan.Cursor) {
	if at.Kind() != jsonscan.Array {
		c.text(at.Skip())
		return
	}
	for at.Enter(); at.More(); {
		if at.Kind() != jsonscan.Object {
			c.text(at.Skip())
			continue
		}
		for at.Enter(); at.More(); {
			if jsonscan.NameIs(at.Name(), "text") {
				c.text(at.Skip())
			} else {
				at.Skip()
			}
		}
	}
}

// list counts a string, a list of strings, a list of tokens, or a list of such lists.
func (c *counter) list(prompt jsonscan.Span) {
	if prompt.Kind != jsonscan.Array {
		c.text(prompt)
		return
	}
	at := jsonscan.NewCursor(c.body, prompt)
	for at.Enter(); at.More(); {
		if at.Kind() != jsonscan.Array {
			c.entry(at.Skip())
			continue
		}
		for at.Enter(); at.More(); {
			c.entry(at.Skip())
		}
	}
}

func (c *counter) entry(s jsonscan.Span) {
	if s.Kind == jsonscan.Number {
		c.tokens++
		return
	}
	c.text(s)
}

// texts are buffers for what texts with escapes stand for.
var texts = sync.Pool{New: func() any { return new([]byte) }}

// text counts a string; anything else counts nothing.
func (c *counter) text(s jsonscan.Span) {
	if s.Kind != jsonscan.String || s.End-s.Start < 2 {
		return
	}
	written := c.body[s.Start+1 : s.End-1]
	count, mark, ok := c.memo.Recall(written)
	if ok {
		c.tokens += int64(count)
		return
	}
	if bytes.IndexByte(written, '\\') < 0 {
		count = tokensOf(written)
	} else {
		buffer := texts.Get().(*[]byte)
		*buffer = jsonscan.AppendText((*buffer)[:0], s.Of(c.body), len(written))
		count = tokensOf(*buffer)
		if cap(*buffer) <= maxKeptText {
			texts.Put(buffer)
		}
	}
	c.memo.Keep(mark, count)
	c.tokens += int64(count)
}

// deleted is U+007F.
var deleted = []byte{0x7F}

func tokensOf(text []byte) int { return cl100k.Count(text) + bytes.Count(text, deleted) }
