package web

import (
	"strconv"
	"strings"
)

// outcome is how a request ended, as the pages say it.
type outcome struct {
	word string // Allowed, Refused, Failed
	mark string // the name of the mark and of its colour
}

func outcomeOf(t Trace) outcome {
	switch t.Outcome {
	case "allowed":
		return outcome{"Allowed", "good"}
	case "rejected":
		return outcome{"Refused", "bad"}
	case "failed":
		return outcome{"Failed", "broken"}
	default:
		return outcome{capital(t.Outcome), "idle"}
	}
}

// what says in a few words what happened to a request: the reason, or that it was answered.
func what(t Trace) string {
	switch {
	case t.ReasonWords != "":
		return t.ReasonWords
	case text(t.Reason) != "":
		return *t.Reason
	case t.Outcome == "allowed":
		return "answered"
	default:
		return outcomeOf(t).word
	}
}

// verdict is the headline of a trace: one sentence that says how it ended.
func verdict(t Trace) string {
	status := ""
	if t.Status != 0 {
		status = " with " + strconv.Itoa(t.Status)
	}
	o := outcomeOf(t)
	if t.Outcome == "allowed" {
		return o.word + ", answered" + status
	}
	if t.ReasonWords == "" && text(t.Reason) == "" {
		return o.word + status
	}
	return o.word + status + ": " + what(t)
}

// failedStep is the step that ended the request, or nil.
func failedStep(t Trace) *Step {
	for i := range t.Steps {
		if t.Steps[i].Verdict == "failed" {
			return &t.Steps[i]
		}
	}
	return nil
}

// stepTitle is the name of a step for people: "client_id" is "Client id".
func stepTitle(name string) string {
	switch name {
	case "cors", "csrf":
		return strings.ToUpper(name)
	default:
		return capital(strings.ReplaceAll(name, "_", " "))
	}
}

// stepMark is the name of the mark that stands before a step.
func stepMark(verdict string) string {
	switch verdict {
	case "passed":
		return "good"
	case "failed":
		return "bad"
	default:
		return "idle"
	}
}

// place names a line of a file as compilers do: "nexus.toml:42".
func place(d DecidedBy) string {
	file := fileName(text(d.File))
	switch {
	case d.Line == nil:
		return file
	case file == "":
		return "line " + strconv.Itoa(*d.Line)
	default:
		return file + ":" + strconv.Itoa(*d.Line)
	}
}

// sourceWords names the kind of place where an identity is found.
func sourceWords(kind string) string {
	switch kind {
	case "http_header":
		return "the request header"
	case "jwt_claim":
		return "the token's claim"
	case "client_certificate":
		return "the client certificate's"
	default:
		return kind
	}
}

// duration says how long a request took, and how much of that was the provider's.
func duration(t Trace) string {
	if t.UpstreamMS == nil {
		return Millis(t.DurationMS)
	}
	return Millis(t.DurationMS) + ", of which " + Millis(*t.UpstreamMS) + " at the provider"
}

// tokens writes a token count that may be unknown.
func tokens(n *int64) string {
	if n == nil {
		return "–"
	}
	return Count(*n)
}

// plural is a count with its noun in the right number.
func plural[N int | uint64](n N, one, many string) string {
	if n == 1 {
		return Count(n) + " " + one
	}
	return Count(n) + " " + many
}

// capital raises the first letter, where it is an ASCII one.
func capital(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}

// text is the string behind a pointer, empty for nil.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// reloadOutcome is how a reload ended, as the pages say it.
func reloadOutcome(r Reload) outcome {
	switch r.Result {
	case "success":
		return outcome{"Loaded", "good"}
	case "unchanged":
		return outcome{"Unchanged", "idle"}
	case "failed":
		return outcome{"Failed", "broken"}
	default:
		return outcome{capital(r.Result), "idle"}
	}
}

// reloadHeadline says how a reload ended and what ran after it.
func reloadHeadline(r Reload) string {
	word, n := reloadOutcome(r).word, "generation "+Count(r.Generation)
	switch r.Result {
	case "success":
		return word + " as " + n
	case "failed":
		return word + ": " + n + " went on"
	default:
		return word + ": still " + n
	}
}

// causeWords says what started a reload.
func causeWords(cause string) string {
	switch cause {
	case "start":
		return "start of the process"
	case "file":
		return "the file changed"
	case "sighup":
		return "SIGHUP"
	case "admin":
		return "asked for in the admin"
	default:
		return cause
	}
}

// changeWords says what there is to see of a reload: its mistakes and what changed in the file.
func changeWords(r Reload) string {
	var parts []string
	if n := len(r.Errors) + r.MoreErrors; n > 0 {
		parts = append(parts, plural(n, "mistake", "mistakes"))
	}
	if len(r.Changes.Lines) > 0 {
		lines := plural(r.Changes.Added, "line", "lines") + " added"
		if n := r.Changes.Removed; n > 0 {
			lines += ", " + Count(n) + " removed"
		}
		parts = append(parts, lines)
	}
	return strings.Join(parts, "; ")
}

// originWords says where the value of a key comes from.
func originWords(s Setting) string {
	if s.Line == nil {
		return s.From
	}
	line := "line " + strconv.Itoa(*s.Line)
	switch s.From {
	case "file":
		return line
	default:
		return s.From + ", " + line
	}
}

// fullKey is the key of a setting with the table that it stands in.
func fullKey(t SettingTable, s Setting) string {
	if t.Name == "" {
		return s.Key
	}
	return t.Name + "." + s.Key
}

// generations says whether older generations still have something to do; empty: none has.
func generations(live int) string {
	switch older := live - 1; {
	case older <= 0:
		return ""
	case older == 1:
		return "an older one still finishes its requests"
	default:
		return Count(older) + " older ones still finish their requests"
	}
}

// mistakePlace is where a mistake stands, as compilers say it: "nexus.toml:42:1".
func mistakePlace(file string, m Mistake) string {
	if m.Line == nil {
		return ""
	}
	at := place(DecidedBy{File: &file, Line: m.Line})
	if m.Column != nil {
		at += ":" + strconv.Itoa(*m.Column)
	}
	return at
}

// firstLine is the first of the mistakes of a file, which stand on a line each.
func firstLine(mistakes string) string {
	first, _, _ := strings.Cut(mistakes, "\n")
	return first
}

// moreMistakes leads from the first of the mistakes to all of them.
func moreMistakes(mistakes string) string {
	if more := strings.Count(mistakes, "\n"); more > 0 {
		return plural(more, "more mistake", "more mistakes") + ", and what changed in the file"
	}
	return "What changed in the file"
}
