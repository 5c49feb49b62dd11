package openai

import (
	"bytes"
	"errors"

	"nexus/gateway/llm"
	"nexus/gateway/llm/jsonscan"
)

// Rewrite gives a whole answer as the caller gets it, in pieces, and what it cost (-1: it does not say). The error is an
// [*llm.BrokenError]: the body is no JSON object, or an [*llm.Error]: it tells of a failure in the place of an answer. An answer without a model, and an empty model, leave the bytes as they are.
func Rewrite(e Endpoint, body []byte, model string) (pieces [][]byte, usage llm.Usage, err error) {
	var name, spent, problem jsonscan.Span
	payload := false
	if err := walkObject(body, func(member []byte, v jsonscan.Span) {
		switch string(member) {
		case "model":
			name = v
		case "usage":
			spent = v
		case "error":
			problem = v
		case "choices", "data", "results", "output":
			payload = payload || v.Kind != jsonscan.Null
		case "status":
			payload = payload || e == Responses // a response that failed is one
		}
	}); err != nil {
		return nil, unsaid, &llm.BrokenError{Why: "the answer is not JSON"}
	}
	if !payload && holds(body, problem) {
		told := readComplaint(body)
		status := told.statusOr(500)
		return nil, unsaid, &llm.Error{Status: status, Message: told.message(status), Code: told.code, Param: told.param}
	}
	usage = unsaid
	if spent.Kind == jsonscan.Object {
		usage = readUsage(e, spent.Of(body))
	}
	if name.Kind != jsonscan.String || model == "" {
		return [][]byte{body}, usage, nil
	}
	return cut(body, []edit{{name.Start, name.End, appendString(nil, model)}}), usage, nil
}

// walkObject is [jsonscan.Walk] over what must be an object.
func walkObject(value []byte, visit func(name []byte, v jsonscan.Span)) error {
	if trimmed := bytes.TrimLeft(value, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return errors.New("not an object")
	}
	return jsonscan.Walk(value, visit)
}
