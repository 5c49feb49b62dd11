package jwks

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// maxElements bounds how many elements of a set are looked at.
const maxElements = 1024

// errNoSet is a document that is no JWK Set at all.
var errNoSet = errors.New("no JSON object with keys")

// errNameTwice is a document of which two readers could see different keys.
var errNameTwice = errors.New("a name occurs twice in the JSON object")

// split takes a JWK Set (RFC 7517, section 5) apart. Each element of the list "keys" comes as it was written, to be read
// by itself; left is how many there are beyond maxElements.
//
// What is wrong within one value must cost that value alone, so the reader lets names that occur twice and bytes that
// are no UTF-8 pass there. It is strict about the names of the object itself, and about JSON's grammar everywhere: where
// brackets do not match, nobody can tell one key from the next.
func split(document []byte) (elements []jsontext.Value, left int, err error) {
	d := jsontext.NewDecoder(bytes.NewReader(document),
		jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if token, err := d.ReadToken(); err != nil || token.Kind() != '{' {
		return nil, 0, errNoSet
	}
	names := make(map[string]bool)
	for d.PeekKind() != '}' {
		name, err := readName(d)
		if err != nil {
			return nil, 0, err
		}
		if names[name] {
			return nil, 0, errNameTwice
		}
		names[name] = true
		if name != "keys" {
			err = d.SkipValue()
		} else {
			elements, left, err = readElements(d)
		}
		if err != nil {
			return nil, 0, errNoSet
		}
	}
	if _, err := d.ReadToken(); err != nil || !names["keys"] {
		return nil, 0, errNoSet
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, 0, errNoSet // something follows the object
	}
	return elements, left, nil
}

// readName reads the name of a member.
func readName(d *jsontext.Decoder) (string, error) {
	raw, err := d.ReadValue()
	if err != nil || raw.Kind() != '"' {
		return "", errNoSet
	}
	name, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return "", errNoSet
	}
	return string(name), nil
}

// readElements reads a list.
func readElements(d *jsontext.Decoder) (elements []jsontext.Value, left int, err error) {
	if token, err := d.ReadToken(); err != nil || token.Kind() != '[' {
		return nil, 0, errNoSet
	}
	for d.PeekKind() != ']' {
		if len(elements) == maxElements {
			left++
			if err := d.SkipValue(); err != nil {
				return nil, 0, err
			}
			continue
		}
		element, err := d.ReadValue()
		if err != nil {
			return nil, 0, err
		}
		elements = append(elements, element.Clone()) // the decoder takes its memory back
	}
	_, err = d.ReadToken()
	return elements, left, err
}
