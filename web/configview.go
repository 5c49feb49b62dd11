package web

import (
	"bytes"
	"encoding/json"
	"time"
)

// Config is the effective configuration: GET /admin/api/config.
type Config struct {
	Generation uint64         `json:"generation"`
	Config     json.Marshaler `json:"config"` // the tables of the file, secrets masked
	Origins    Origins        `json:"origins"`
	Warnings   []Warning      `json:"warnings"`
}

// Origins say for each key of the configuration where its value comes from. As JSON they are one object, its keys
// in the order of the list.
type Origins []Origin

// Origin is where the value of one key comes from.
type Origin struct {
	Key  string `json:"-"`    // in full
	From string `json:"from"` // file, environment, flag, default
	Line *int   `json:"line"` // nil: the value does not stand in the file
}

// MarshalJSON is the object of origins by key.
func (o Origins) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, origin := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(origin.Key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(origin)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Reloads is the history of reloads, newest first: GET /admin/api/reloads.
type Reloads struct {
	Reloads []Reload `json:"reloads"`
}

// Reload is one try to put a configuration in force.
type Reload struct {
	Generation uint64    `json:"generation"` // the one that runs after it
	Time       time.Time `json:"time"`
	Cause      string    `json:"cause"`  // start, file, sighup, admin
	Result     string    `json:"result"` // success, unchanged, failed
	Hash       *string   `json:"hash"`   // nil: the file could not be read
	Diff       *string   `json:"diff"`   // nil: nothing changed
	Errors     []Mistake `json:"errors"`

	// MoreErrors is how many mistakes a page leaves out. Not part of the JSON.
	MoreErrors int `json:"-"`
	// Changes are the diff for the page. Not part of the JSON.
	Changes Changes `json:"-"`
}

// Mistake is one error of a file.
type Mistake struct {
	Line    *int    `json:"line"`
	Column  *int    `json:"column"`
	Key     *string `json:"key"` // nil: the file as a whole
	Message string  `json:"message"`
	Hint    *string `json:"hint"`
}

// Changes are a diff as far as a page shows it.
type Changes struct {
	Added, Removed int // lines, of the whole diff
	Lines          []DiffLine
	Cut            bool // there is more than Lines
}

// DiffLine is one line of a diff, its sign included.
type DiffLine struct {
	Kind string // added, removed, context, hunk, note
	Text string // without the line end
}

// ReloadDone is the answer to a reload that was asked for and left no mistake: POST /admin/api/reload.
type ReloadDone struct {
	Generation uint64 `json:"generation"` // the one that runs now
	Changed    bool   `json:"changed"`
}

// ReloadFailed is the answer to one that found mistakes; what ran before runs on.
type ReloadFailed struct {
	Errors []Mistake `json:"errors"`
}

// ConfigPage is /admin/config.
type ConfigPage struct {
	Frame  Frame
	Status Status
	// Late says that changes of the file are noticed seconds after they are made; the warnings say why.
	Late bool
	// Failed is the newest reload where that found mistakes: the file is not what runs. Else nil.
	Failed *Reload
	Tables []SettingTable
	// MoreSettings is how many keys the tables leave out, because there are too many for a page.
	MoreSettings int
	Reloads      []Reload
	Now          time.Time
}

// SettingTable is one table of the file with the keys that stand in it.
type SettingTable struct {
	Name     string // as the file writes it, without brackets: "server.health"; empty: the file itself
	Settings []Setting
}

// Setting is one key of the effective configuration.
type Setting struct {
	Key    string   // its name within its table
	Values []string // a list's entries, or the one value; empty: none
	List   bool
	More   int    // entries of a list that are left out
	From   string // file, environment, flag, default
	Line   *int   // nil: the value does not stand in the file
}
