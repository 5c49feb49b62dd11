package admin

import "net/http"

// metricServer is the metrics of one generation. Scrapers send the token with each request and read no
// pages, so there is no session, and errors are plain text.
type metricServer struct {
	gw    Gateway
	guard guard
}

// ServeHTTP answers with the metrics, or says why not.
func (m *metricServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w, r)
	verdict, why, wait := m.guard.judge(r)
	switch verdict {
	case passed:
	case denied:
		f := refusal{text: why + " Without " + m.guard.key + " the metrics are for direct callers on this machine alone.", ways: m.guard.ways()}
		answerText(w, http.StatusForbidden, f.sentence())
		return
	case mustWait:
		f := tooMany(w, wait)
		answerText(w, f.status, f.sentence())
		return
	default:
		answerText(w, http.StatusUnauthorized, challenge(w, verdict)+" Send "+m.guard.key+" as a bearer token.")
		return
	}
	if f, no := wrongMethod(w, r, http.MethodGet, http.MethodHead); no {
		answerText(w, f.status, f.sentence())
		return
	}
	m.gw.Metrics().ServeHTTP(w, r)
}
