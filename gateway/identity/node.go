package identity

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"slices"
	"unicode/utf8"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is how deep the objects and lists of a token may be nested, the outermost object counted.
const maxDepth = 64

// kind is what a JSON value is.
type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	list
	object
)

// kindWords are the kinds in words, with their article.
var kindWords = [...]string{"null", "a boolean", "a number", "a text", "a list", "an object"}

// node is one JSON value. It is only read, and its strings own their bytes.
type node struct {
	kind  kind
	name  string // where it is the member of an object
	text  string // a text, a number exactly as it was written, "true" or "false"
	nodes []node // what a list holds, in its order; the members of an object, by name
}

// member is the member of an object with that name, or nil.
func (n *node) member(name string) *node {
	if n.kind != object {
		return nil
	}
	i, found := slices.BinarySearchFunc(n.nodes, name, func(m node, name string) int { return cmp.Compare(m.name, name) })
	if !found {
		return nil
	}
	return &n.nodes[i]
}

// scalar reports whether the value is a text, a number or a boolean.
func (n *node) scalar() bool { return n.kind == text || n.kind == number || n.kind == boolean }

// size is about how many bytes the value holds in memory besides the node itself. A string costs more than its length,
// since memory is given out in steps.
func (n *node) size() int {
	size := cap(n.nodes) * int(unsafe.Sizeof(node{}))
	for _, s := range [...]string{n.name, n.text} {
		if s != "" {
			size += len(s) + len(s)/8 + 16
		}
	}
	for i := range n.nodes {
		size += n.nodes[i].size()
	}
	return size
}

// What may be wrong with a JSON object, to follow the name of what should be one. None repeats what it says.
var (
	errNotUTF8    = errors.New("is not UTF-8")
	errNotJSON    = errors.New("is not valid JSON")
	errNoObject   = errors.New("is not a JSON object")
	errNamedTwice = errors.New("has a name twice in one object")
	errTooDeep    = errors.New("is nested more than 64 deep")
	errMore       = errors.New("has something after its end")
)

// parseObject reads one JSON object and nothing else (RFC 8259). Parsers disagree on which of two equal names counts, so
// they are refused at every depth, as is whatever is not UTF-8 when its escapes are undone.
func parseObject(document []byte) (node, error) {
	if !utf8.Valid(document) {
		return node{}, errNotUTF8
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(document), jsontext.AllowDuplicateNames(false), jsontext.AllowInvalidUTF8(false))
	switch d.PeekKind() {
	case jsontext.KindBeginObject:
	case jsontext.KindInvalid:
		return node{}, errNotJSON
	default:
		return node{}, errNoObject
	}
	n, err := parseNode(d, 0)
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return node{}, errNamedTwice
	case errors.Is(err, errTooDeep):
		return node{}, errTooDeep
	case err != nil:
		return node{}, errNotJSON
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return node{}, errMore
	}
	return n, nil
}

// parseNode reads one value that stands depth levels deep.
func parseNode(d *jsontext.Decoder, depth int) (node, error) {
	token, err := d.ReadToken()
	if err != nil {
		return node{}, err
	}
	switch token.Kind() {
	case jsontext.KindBeginObject, jsontext.KindBeginArray:
		if depth == maxDepth {
			return node{}, errTooDeep
		}
		return parseNodes(d, depth+1, token.Kind() == jsontext.KindBeginObject)
	case jsontext.KindString:
		return node{kind: text, text: token.String()}, nil
	case jsontext.KindNumber:
		return node{kind: number, text: token.String()}, nil
	case jsontext.KindTrue:
		return node{kind: boolean, text: "true"}, nil
	case jsontext.KindFalse:
		return node{kind: boolean, text: "false"}, nil
	}
	return node{}, nil
}

// parseNodes reads the rest of an object or a list, whose beginning was read.
func parseNodes(d *jsontext.Decoder, depth int, members bool) (node, error) {
	n := node{kind: list}
	if members {
		n.kind = object
	}
	for {
		switch d.PeekKind() {
		case jsontext.KindEndObject, jsontext.KindEndArray:
			_, err := d.ReadToken()
			if members {
				slices.SortFunc(n.nodes, func(a, b node) int { return cmp.Compare(a.name, b.name) })
			}
			return n, err
		}
		name := ""
		if members {
			token, err := d.ReadToken()
			if err != nil {
				return node{}, err
			}
			name = token.String()
		}
		inner, err := parseNode(d, depth)
		if err != nil {
			return node{}, err
		}
		inner.name = name
		n.nodes = append(n.nodes, inner)
	}
}
