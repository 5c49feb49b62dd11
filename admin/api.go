package admin

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"nexus/web"
)

// The JSON twins of the pages: the same view models, without the frame.

func (v *visit) apiStatus() {
	v.json(http.StatusOK, statusView(v.status, time.Now()))
}

func (v *visit) apiGroups() {
	v.json(http.StatusOK, web.Groups{Groups: v.groupRows()})
}

func (v *visit) apiRejections() {
	if limit, ok := v.limit(); ok {
		v.json(http.StatusOK, web.Rejections{Rejections: rows(v.gw.Journal().Rejections(v.filter(), limit))})
	}
}

func (v *visit) apiTraces() {
	if id := v.askedID(); id != "" {
		v.apiTrace(id)
		return
	}
	if limit, ok := v.limit(); ok {
		v.json(http.StatusOK, web.Traces{Traces: rows(v.gw.Journal().Traces(limit))})
	}
}

func (v *visit) apiTrace(id string) {
	t, ok := v.gw.Journal().Trace(id)
	if !ok {
		v.refuse(v.goneTrace(id))
		return
	}
	v.json(http.StatusOK, traceView(&t, true))
}

// limit is how many rows the query asks for; without one, all that are kept. Where it is no number
// from 1 on, limit has answered and ok is false.
func (v *visit) limit() (n int, ok bool) {
	text := v.r.URL.Query().Get("limit")
	if text == "" {
		return math.MaxInt, true
	}
	n, err := strconv.Atoi(text)
	if n < 1 || (err != nil && !errors.Is(err, strconv.ErrRange)) {
		v.refuse(refusal{status: http.StatusBadRequest, code: "invalid_limit", text: fmt.Sprintf("limit must be a whole number from 1 on, not %q.", clip(text))})
		return 0, false
	}
	return n, true
}
