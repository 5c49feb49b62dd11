package gatewaytest

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"net/http"
)

// endpoints are those that the provider has, by their paths.
var endpoints = map[string]endpoint{
	"/chat/completions": {fields: chatFields(), needs: []string{"messages"}, odd: oddChat, answer: (*Provider).chat},
	"/responses":        {fields: responsesFields(), needs: []string{"input"}, odd: oddResponses, answer: (*Provider).responses},
	"/completions": {fields: map[string]check{
		"model": aString, "prompt": either(listOf(1, 2048, nil)), "stream": aBoolean, "stream_options": anObject,
		"max_tokens": anInteger(0, math.MaxInt32), "temperature": aDecimal(0, 2), "top_p": aDecimal(0, 1),
		"n": anInteger(1, 128), "best_of": anInteger(1, 20), "logprobs": anInteger(0, 5), "echo": aBoolean, "suffix": aString,
		"stop": either(listOf(0, 4, aString)), "frequency_penalty": aDecimal(-2, 2), "presence_penalty": aDecimal(-2, 2),
		"logit_bias": weights, "seed": anInteger(math.MinInt64, math.MaxInt64), "user": aString,
	}, models: "instruct", needs: []string{"prompt"}, answer: (*Provider).completions},
	"/embeddings": {fields: map[string]check{
		"model": aString, "input": either(listOf(1, 2048, nil)), "encoding_format": oneOf("float", "base64"),
		"dimensions": anInteger(1, 3072), "user": aString,
	}, models: "embedding", needs: []string{"input"}, odd: oddEmbeddings, answer: (*Provider).embeddings},
	"/moderations": {fields: map[string]check{
		"model": aString, "input": either(listOf(1, 2048, nil)),
	}, models: "moderation", needs: []string{"input"}, answer: (*Provider).moderations},
	"/images/generations": {fields: map[string]check{
		"model": aString, "prompt": aString, "n": anInteger(1, 10), "size": oneOf("auto", "256x256", "512x512", "1024x1024", "1792x1024"),
		"quality": oneOf("auto", "standard", "hd", "low", "medium", "high"), "style": oneOf("vivid", "natural"),
		"response_format": oneOf("url", "b64_json"), "background": aString, "output_format": aString, "user": aString,
	}, needs: []string{"prompt"}, answer: (*Provider).images},
	"/audio/speech": {fields: map[string]check{
		"model": aString, "input": aString, "voice": oneOf("alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer"),
		"instructions": aString, "response_format": oneOf("mp3", "opus", "aac", "flac", "wav", "pcm"),
		"speed": aDecimal(0.25, 4), "stream_format": oneOf("sse", "audio"),
	}, models: "tts", needs: []string{"input", "voice"}, answer: (*Provider).speech},
}

func (p *Provider) completions(w http.ResponseWriter, r *http.Request, f fields) {
	want := wishOf(f.text("prompt"))
	if want.fail != nil {
		want.fail.write(w)
		return
	}
	s := answerTo(want, nil, f.number("max_tokens", 16))
	answer := func(text string, finish any, usage json.RawMessage) any {
		type choice struct {
			Text   string `json:"text"`
			Index  int    `json:"index"`
			Logs   any    `json:"logprobs"`
			Finish any    `json:"finish_reason"`
		}
		out := struct {
			ID      string          `json:"id"`
			Object  string          `json:"object"`
			Created int64           `json:"created"`
			Model   string          `json:"model"`
			Choices []choice        `json:"choices"`
			Usage   json.RawMessage `json:"usage,omitempty"`
		}{ID: "cmpl-uqkvlQyYK7bGYrRHQ0eXlWi7", Object: "text_completion", Created: created, Model: f.text("model") + ":20230824-v2",
			Choices: []choice{}, Usage: usage}
		if finish != false {
			out.Choices = append(out.Choices, choice{Text: text, Finish: finish})
		}
		return out
	}
	if !f.is("stream") {
		p.whole(w, r, want, answer(s.text(), "stop", chatUsage(s)))
		return
	}
	e := p.begin(w, r, want)
	asked := f.object("stream_options").is("include_usage")
	var none json.RawMessage
	if asked {
		none = json.RawMessage("null")
	}
	for _, piece := range s.pieces {
		e.event("", answer(piece, nil, none))
	}
	e.event("", answer("", "stop", none))
	if asked {
		e.event("", answer("", false, chatUsage(s)))
	}
	e.line("", "[DONE]")
	e.end()
}

func oddEmbeddings(f fields) *APIError {
	if f["input"] == "" {
		return refuse("input", "", "Invalid 'input': input cannot be an empty string.")
	}
	return nil
}

func (p *Provider) embeddings(w http.ResponseWriter, r *http.Request, f fields) {
	want := wishOf(f.text("input"))
	if want.fail != nil {
		want.fail.write(w)
		return
	}
	numbers := make([]float32, min(f.number("dimensions", 8), 3072))
	for i := range numbers {
		numbers[i] = float32(i)/8 - 0.5
	}
	var vector any = numbers
	if f.text("encoding_format") == "base64" {
		var raw []byte
		for _, n := range numbers {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(n))
		}
		vector = base64.StdEncoding.EncodeToString(raw)
	}
	data := []any{}
	for i := range max(len(f.list("input")), 1) {
		data = append(data, map[string]any{"object": "embedding", "index": i, "embedding": vector})
	}
	p.whole(w, r, want, map[string]any{
		"object": "list", "data": data, "model": f.text("model"), "usage": map[string]int{"prompt_tokens": 8, "total_tokens": 8},
	})
}

func (p *Provider) moderations(w http.ResponseWriter, _ *http.Request, f fields) {
	writeJSON(w, map[string]any{"id": "modr-1", "model": f.text("model"), "results": []any{map[string]any{
		"flagged": false, "categories": map[string]bool{"violence": false}, "category_scores": map[string]float64{"violence": 0.0001},
	}}})
}

func (p *Provider) images(w http.ResponseWriter, _ *http.Request, _ fields) {
	writeJSON(w, map[string]any{"created": created, "data": []any{map[string]any{"b64_json": "iVBORw0KGgo="}}})
}

// speechSound is what any text sounds like: bytes that are no text.
var speechSound = []byte{'I', 'D', '3', 4, 0, 0, 0xff, 0xfb, 0x90, 0x64, 0, 0x80, 0xfe}

func (p *Provider) speech(w http.ResponseWriter, _ *http.Request, _ fields) {
	decorate(w.Header())
	w.Header().Set("Content-Type", "audio/mpeg")
	_, _ = w.Write(speechSound) // a gateway that hangs up is none of the provider's business
}
