package openai

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"nexus/gateway/llm"
)

// mustBe is the error of a value that is not what its field takes: the end of "stop must be …".
type mustBe string

func (e mustBe) Error() string { return "must be " + string(e) }

// elements decodes an array, one entry after the other, and gives each to take, together with what makes the
// path of one of its fields. Null is an array without entries.
func elements[T any](d *jsontext.Decoder, limit int, take func(at func(field string) string, entry *T) error) error {
	switch d.PeekKind() {
	case 'n':
		return d.SkipValue()
	case '[':
	default:
		return mustBe("an array")
	}
	list := path(d.StackPointer())
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	at := func(field string) string { return path(d.StackPointer()) + field }
	var entry, empty T
	for n := 0; d.PeekKind() != ']'; n++ {
		if n == limit {
			return wrong(list, "must have at most %d entries", limit)
		}
		entry = empty
		if err := json.UnmarshalDecode(d, &entry); err != nil {
			return err
		}
		if err := take(at, &entry); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// wireGiven is whether a field is there, whatever it holds.
type wireGiven bool

// UnmarshalJSONFrom passes over the value.
func (g *wireGiven) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	*g = d.PeekKind() != 'n'
	return d.SkipValue()
}

// wireObject is whether a field is there, which must be an object.
type wireObject bool

// UnmarshalJSONFrom passes over the object.
func (o *wireObject) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case '{':
		*o = true
	case 'n':
		*o = false
	default:
		return mustBe("an object")
	}
	return d.SkipValue()
}

// wireStop is a list of texts, where one may stand for itself. Empty texts stop nothing, and are left out.
type wireStop []string

// UnmarshalJSONFrom takes a text or a list.
func (l *wireStop) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	add := func(_ func(string) string, text *string) error {
		if *text != "" {
			*l = append(*l, *text)
		}
		return nil
	}
	switch d.PeekKind() {
	case '"':
		var text string
		if err := json.UnmarshalDecode(d, &text); err != nil {
			return err
		}
		return add(nil, &text)
	case '[', 'n':
		return elements(d, maxStops, add)
	}
	return mustBe("a string or an array of strings")
}

// wireModalities is whether the answer is to be spoken, too.
type wireModalities bool

// UnmarshalJSONFrom takes a list of what the answer consists of.
func (spoken *wireModalities) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	return elements(d, maxList, func(at func(string) string, modality *string) error {
		switch *modality {
		case "text":
		case "audio":
			*spoken = true
		default:
			return wrong(at(""), "must be text or audio")
		}
		return nil
	})
}

// wireContent is what a message says. The zero value is nothing.
type wireContent []llm.Part

// UnmarshalJSONFrom takes one text, a list of parts, or null.
func (c *wireContent) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case 'n':
		return d.SkipValue()
	case '"':
		*c = wireContent{{Kind: "text"}}
		return json.UnmarshalDecode(d, &(*c)[0].Text)
	case '[':
		err := elements(d, maxList, func(at func(string) string, w *wirePart) error {
			part, field, must := w.part()
			if field != "" {
				return wrong(at("."+field), "must be %s", must)
			}
			*c = append(*c, part)
			return nil
		})
		if err != nil || len(*c) > 0 {
			return err
		}
	}
	return mustBe("a string or a non-empty array of parts")
}

// wireToolChoice is a mode, or an object of a type that names a tool. The zero value leaves it open.
type wireToolChoice struct {
	Mode string
	Type string
	Name string
}

// UnmarshalJSONFrom takes either form.
func (c *wireToolChoice) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case 'n':
		return d.SkipValue()
	case '"':
		if err := json.UnmarshalDecode(d, &c.Mode); err != nil || c.Mode != "" {
			return err
		}
	case '{':
		var choice struct {
			Type     string `json:"type"`
			Function struct {
				Name string `json:"name"`
			} `json:"function"`
		}
		err := json.UnmarshalDecode(d, &choice)
		if c.Type, c.Name = choice.Type, choice.Function.Name; err != nil || c.Type != "" {
			return err
		}
	}
	return mustBe("none, auto, required or an object with a type")
}
