package web

//go:generate go tool templ generate

import "time"

// instant is a moment and the moment it is looked at.
type instant struct {
	at, now time.Time
}

// machine is the moment as a time element's datetime attribute says it.
func (i instant) machine() string { return i.at.UTC().Format("2006-01-02T15:04:05.000Z") }

// documentTitle is what the browser's tab says.
func documentTitle(f Frame) string {
	if f.Title == "" {
		return "Nexus"
	}
	return f.Title + " · Nexus"
}
