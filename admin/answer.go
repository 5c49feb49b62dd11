package admin

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"nexus/gateway"
	"nexus/web"
)

// visit is one request to the pages or to their JSON twins.
type visit struct {
	*pageServer
	w        http.ResponseWriter
	r        *http.Request
	path     string         // below the admin's path, without a slash at its end: "", "/traces/abc"
	status   gateway.Status // read once the guard has let the request in, so that one page tells of one generation
	signedIn bool           // let in by a session
}

// refusal is an answer that says why there is no other one: as a page, as JSON, or as plain text.
type refusal struct {
	status   int
	code     string
	headline string
	text     string
	ways     []string
}

// sentence is the refusal in one line, for those who read no page.
func (f refusal) sentence() string {
	return strings.Join(append([]string{f.text}, f.ways...), " ")
}

// wantsJSON tells whether the path is one of the JSON twins, known or not.
func (v *visit) wantsJSON() bool {
	return v.path == "/api" || strings.HasPrefix(v.path, "/api/")
}

// frame is what stands around a page. Who has not been let in learns nothing of what runs.
func (v *visit) frame(page, title string) web.Frame {
	return web.Frame{
		Base:         v.base,
		Page:         page,
		Title:        title,
		Version:      v.status.Version,
		Generation:   v.status.Generation,
		SignedIn:     v.signedIn,
		ReloadFailed: v.status.LastReloadError != "",
	}
}

// page draws a component whole before a byte of it is sent, so that a page is never half a page.
func (v *visit) page(status int, c templ.Component) {
	var body bytes.Buffer
	if err := c.Render(v.r.Context(), &body); err != nil {
		if v.r.Context().Err() != nil {
			return // the reader has gone, which is no fault of the page
		}
		v.logger.Error("page not drawn", "path", v.r.URL.Path, "err", err)
		answerText(v.w, http.StatusInternalServerError, "The page could not be drawn; the log says why.")
		return
	}
	answer(v.w, status, "text/html; charset=utf-8", body.Bytes())
}

// json answers with a view model.
func (v *visit) json(status int, model any) {
	body, err := json.Marshal(model)
	if err != nil {
		v.logger.Error("answer not encoded", "path", v.r.URL.Path, "err", err)
		status, body = http.StatusInternalServerError, []byte(`{"error":{"code":"internal","message":"The answer could not be encoded; the log says why."}}`)
	}
	answer(v.w, status, "application/json", append(body, '\n'))
}

// refuse answers with f, in the form that the path asks for.
func (v *visit) refuse(f refusal) {
	if v.wantsJSON() {
		var body struct {
			Error struct {
				Code    string `json:"code"`
				Message string `json:"message"`
			} `json:"error"`
		}
		body.Error.Code, body.Error.Message = f.code, f.sentence()
		v.json(f.status, body)
		return
	}
	v.page(f.status, web.Message(web.MessagePage{
		Frame:    v.frame("", f.headline),
		Status:   f.status,
		Headline: f.headline,
		Text:     f.text,
		Ways:     f.ways,
	}))
}

// wrongMethod answers 405 to whatever is not among the methods.
func wrongMethod(w http.ResponseWriter, r *http.Request, methods ...string) (refusal, bool) {
	for _, m := range methods {
		if r.Method == m {
			return refusal{}, false
		}
	}
	allow := strings.Join(methods, ", ")
	w.Header().Set("Allow", allow)
	return refusal{
		status:   http.StatusMethodNotAllowed,
		code:     "method_not_allowed",
		headline: "Wrong method",
		text:     "This address takes " + allow + " alone.",
	}, true
}

// tooMany refuses an address that must wait, and says in the header for how long.
func tooMany(w http.ResponseWriter, wait time.Duration) refusal {
	seconds := strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)
	w.Header().Set("Retry-After", seconds)
	return refusal{
		status:   http.StatusTooManyRequests,
		code:     "too_many_attempts",
		headline: "Too many wrong tokens",
		text:     "Ten wrong tokens came from this address within a minute. It can try again in " + seconds + " s; until then the right token is refused too.",
	}
}

// answerText answers in plain text, for scrapers.
func answerText(w http.ResponseWriter, status int, text string) {
	answer(w, status, "text/plain; charset=utf-8", []byte(text+"\n"))
}

func answer(w http.ResponseWriter, status int, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a caller who has gone needs no answer
}
