package gateway

import (
	"net/http"

	"nexus/gateway/llm"
	"nexus/gateway/trace"
)

// maxModel is the longest name of a model, in bytes; the dialect holds those in bodies to the same.
const maxModel = 256

// listModels answers with the models that callers may name.
func (s *Snapshot) listModels(x *Exchange, _ string) error {
	x.trace.Note(trace.Route, trace.Passed, trace.Listed)
	x.out = x.dialect.Models(x.out[:0], s.router().Cards())
	x.send(http.StatusOK)
	return nil
}

// oneModel answers with one model of the list.
func (s *Snapshot) oneModel(x *Exchange, id string) error {
	if len(id) > maxModel {
		err := &llm.InvalidError{What: "the model's name is longer than 256 bytes", Offset: -1}
		s.noteRouteFailure(x, err)
		return err
	}
	x.trace.Model = keep(id, maxModel)
	card, err := s.router().Card(x.trace.Model)
	if err != nil {
		s.noteRouteFailure(x, err)
		return err
	}
	x.trace.Note(trace.Route, trace.Passed, trace.Listed)
	x.out = x.dialect.Model(x.out[:0], card)
	x.send(http.StatusOK)
	return nil
}
