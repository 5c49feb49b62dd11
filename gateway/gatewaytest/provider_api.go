package gatewaytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// openai is the handler that answers a path as OpenAI does.
func (p *Provider) openai(path string, got *Received) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := p.authenticate(got.Header); err != nil {
			err.write(w)
			return
		}
		if r.Method == http.MethodGet {
			p.list(w, r, path)
			return
		}
		endpoint, known := endpoints[path]
		if !known || r.Method != http.MethodPost {
			(&APIError{Status: 404, Type: "invalid_request_error",
				Message: fmt.Sprintf("Invalid URL (%s %s)", r.Method, r.URL.Path)}).write(w)
			return
		}
		fields, err := p.read(got, &endpoint)
		if err != nil {
			err.write(w)
			return
		}
		endpoint.answer(p, w, r, fields)
	}
}

// endpoint is one of OpenAI's.
type endpoint struct {
	fields map[string]check // the parameters that it knows, the nested ones included
	needs  []string         // without which nothing goes
	odd    func(fields) *APIError
	models string // a part of the name that every model of this endpoint has; empty: any
	answer func(*Provider, http.ResponseWriter, *http.Request, fields)
}

// fields are what a body says. Numbers are json.Number.
type fields map[string]any

func (f fields) text(name string) string {
	s, _ := f[name].(string)
	return s
}

func (f fields) is(name string) bool {
	b, _ := f[name].(bool)
	return b
}

func (f fields) number(name string, otherwise int) int {
	n, ok := f[name].(json.Number)
	if !ok {
		return otherwise
	}
	i, err := n.Int64()
	if err != nil {
		return otherwise
	}
	return int(i)
}

func (f fields) list(name string) []any {
	l, _ := f[name].([]any)
	return l
}

func (f fields) object(name string) fields {
	o, _ := f[name].(map[string]any)
	return o
}

// has is whether the field is there, and not null.
func (f fields) has(name string) bool { return f[name] != nil }

// read checks a request, in the order in which the real one complains.
func (p *Provider) read(r *Received, e *endpoint) (fields, *APIError) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, &APIError{Status: 400, Type: "invalid_request_error", Code: "unsupported_content_type",
			Message: fmt.Sprintf("Unsupported content type: '%s'. This API method only accepts 'application/json' requests.", kind)}
	}
	var f fields
	d := json.NewDecoder(bytes.NewReader(r.Body))
	d.UseNumber()
	if err := d.Decode(&f); err != nil || f == nil || d.More() {
		return nil, refuse("", "", "We could not parse the JSON body of your request. The OpenAI API expects a JSON payload, "+
			"but what was sent was not valid JSON.")
	}
	if err := p.checkModel(f, e); err != nil {
		return nil, err
	}
	for _, name := range e.needs {
		if !f.has(name) {
			return nil, refuse(name, "missing_required_parameter", "Missing required parameter: '%s'.", name)
		}
	}
	if err := checkFields("", f, e.fields); err != nil {
		return nil, err
	}
	if e.odd != nil {
		if err := e.odd(f); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (p *Provider) checkModel(f fields, e *endpoint) *APIError {
	model := f.text("model")
	switch {
	case !f.has("model"):
		return refuse("", "", "you must provide a model parameter")
	case model == "":
		return refuse("model", "invalid_type", "Invalid type for 'model': expected a string.")
	case !slices.Contains(p.offered(), model):
		return &APIError{Status: 404, Type: "invalid_request_error", Code: "model_not_found",
			Message: fmt.Sprintf("The model `%s` does not exist or you do not have access to it.", model)}
	case !strings.Contains(model, e.models):
		return &APIError{Status: 403, Type: "invalid_request_error",
			Message: fmt.Sprintf("You are not allowed to do this with the model %s", model)}
	}
	return nil
}

func (p *Provider) offered() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.models)
}

// created is when all of the provider's models, and all of its answers, were made.
const created = 1723000000

func (p *Provider) list(w http.ResponseWriter, r *http.Request, path string) {
	type model struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Created int64  `json:"created"`
		OwnedBy string `json:"owned_by"`
	}
	describe := func(id string) model { return model{id, "model", created, "system"} }
	id, one := strings.CutPrefix(path, "/models/")
	switch {
	case one && slices.Contains(p.offered(), id):
		writeJSON(w, describe(id))
	case one:
		(&APIError{Status: 404, Type: "invalid_request_error", Param: "model", Code: "model_not_found",
			Message: fmt.Sprintf("The model '%s' does not exist", id)}).write(w)
	case path == "/models":
		data := []model{}
		for _, id := range p.offered() {
			data = append(data, describe(id))
		}
		writeJSON(w, map[string]any{"object": "list", "data": data})
	default:
		(&APIError{Status: 404, Type: "invalid_request_error", Message: fmt.Sprintf("Invalid URL (%s %s)", r.Method, r.URL.Path)}).write(w)
	}
}

// writeJSON answers with v, and the headers that the real one adds.
func writeJSON(w http.ResponseWriter, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err) // what the provider says has a form in JSON
	}
	h := w.Header()
	decorate(h)
	h.Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n')) // a gateway that hangs up is none of the provider's business
}

// decorate sets what comes with every answer of the real one, most of which is nobody's business but its own.
func decorate(h http.Header) {
	h.Set("X-Request-Id", "req_of_the_provider")
	h.Set("Openai-Organization", "org-of-the-operator")
	h.Set("Openai-Processing-Ms", "17")
	h.Set("Openai-Version", "2020-10-01")
	h.Set("Set-Cookie", "__cf_bm=secret; path=/; HttpOnly")
	h.Set("Alt-Svc", `h3=":443"; ma=86400`)
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("X-Ratelimit-Remaining-Requests", "4999")
}
