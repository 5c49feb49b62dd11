package demo

import (
	"strconv"
	"strings"
	"time"

	"nexus/gateway/llm"
)

// maxPause bounds each wait of a slow answer.
const maxPause = time.Minute

// steer is what the last user message makes of the answer.
type steer struct {
	said   string        // that message
	result *string       // the last tool result after it; nil: there is none
	tool   *llm.Tool     // the tool to call; nil: answer in words
	status int           // fail with it; 0: do not
	pause  time.Duration // before each event
}

// steering reads the last user message. Of two words that steer the same the first one counts, and one that
// makes no sense is a word like any other.
func steering(r *llm.Request) steer {
	var s steer
	for i := len(r.Messages) - 1; i >= 0; i-- {
		m := &r.Messages[i]
		if m.Role == llm.RoleTool && s.result == nil {
			text := m.Text()
			s.result = &text
		}
		if m.Role == llm.RoleUser {
			s.said = m.Text()
			break
		}
	}
	asked := false
	for word := range strings.FieldsSeq(s.said) {
		name, value, ok := strings.Cut(word, ":")
		switch {
		case !ok:
		case name == "tool":
			asked = true
		case name == "error" && s.status == 0:
			if status, err := strconv.Atoi(value); err == nil && 400 <= status && status <= 599 {
				s.status = status
			}
		case name == "slow" && s.pause == 0:
			if pause, err := time.ParseDuration(value); err == nil && pause > 0 {
				s.pause = min(pause, maxPause)
			}
		}
	}
	if s.result == nil {
		s.tool = choose(r, asked)
	}
	return s
}

// choose finds the tool to call; nil: none. asked is whether the message asks for the first one.
func choose(r *llm.Request, asked bool) *llm.Tool {
	for i := range r.Tools {
		switch r.ToolChoice.Mode {
		case llm.ToolNamed:
			if r.Tools[i].Name == r.ToolChoice.Name {
				return &r.Tools[i]
			}
		case llm.ToolRequired:
			return &r.Tools[i]
		case llm.ToolAuto:
			if asked {
				return &r.Tools[i]
			}
		}
	}
	return nil
}
