// Package web is what an operator sees: one view model for each page, the templ components that draw
// it, and the assets. A view model is also the body of its JSON twin under /admin/api/. The
// package computes nothing: it takes values in display order and never calls back.
package web

import "time"

// Status is what runs: GET /admin/api/status.
type Status struct {
	Generation      uint64          `json:"generation"`
	LiveGenerations int             `json:"live_generations"`
	Hash            string          `json:"hash"`
	File            string          `json:"file"`
	LoadedAt        time.Time       `json:"loaded_at"`
	StartedAt       time.Time       `json:"started_at"`
	UptimeSeconds   int64           `json:"uptime_seconds"`
	Version         string          `json:"version"`
	Identification  *Identification `json:"identification"`
	Warnings        []Warning       `json:"warnings"`
	LastReloadError *string         `json:"last_reload_error"`
	Limiter         *Limiter        `json:"limiter"`
	KeySet          *KeySet         `json:"-"` // nil: no token is asked for
}

// KeySet is the keys that tokens are verified with.
type KeySet struct {
	Keys      int
	FetchedAt time.Time // zero: not yet
}

// Identification says where client ids and groups come from.
type Identification struct {
	ClientID *Source `json:"client_id"`
	GroupID  *Source `json:"group_id"`
}

// Source is one place where an identity is found: a kind ("http_header") and the name looked up there.
type Source struct {
	Source string `json:"source"`
	Name   string `json:"name"`
}

// Warning is one thing that works and should still be looked at.
type Warning struct {
	Key  *string `json:"key"` // nil: it is about the file as a whole
	Line *int    `json:"line"`
	Text string  `json:"text"`

	// Provider is set where the page of the providers says more, Limiter where that of the tiers does. Not part of the JSON.
	Provider bool `json:"-"`
	Limiter  bool `json:"-"`
}

// Limiter is the state of the rate limiter's storage.
type Limiter struct {
	Storage string  `json:"storage"`
	State   string  `json:"state"`
	Error   *string `json:"error"`

	// Since is when the storage went out; nil: it is there. Not part of the JSON.
	Since *time.Time `json:"-"`
}

// Groups is the traffic of each group: GET /admin/api/groups.
type Groups struct {
	Groups []Group `json:"groups"`
}

// Group is the traffic of one group since the start. A nil name is "no group".
type Group struct {
	Group        *string `json:"group"`
	Requests     uint64  `json:"requests"`
	Rejections   uint64  `json:"rejections"`
	InputTokens  uint64  `json:"input_tokens"`
	OutputTokens uint64  `json:"output_tokens"`

	// Minutes are the last 60 minutes, oldest first, for the charts. Not part of the JSON.
	Minutes []Minute `json:"-"`
}

// Minute is the traffic of one group in one minute.
type Minute struct {
	Requests, Rejections, Tokens uint64
}

// Rejections is the list of refusals, newest first: GET /admin/api/rejections.
type Rejections struct {
	Rejections []Trace `json:"rejections"`
}

// Traces is the list of recent requests, newest first: GET /admin/api/traces.
type Traces struct {
	Traces []Trace `json:"traces"`
}

// Trace is one request. In lists Steps is nil and left out.
type Trace struct {
	ID            string     `json:"id"`
	Time          time.Time  `json:"time"`
	Generation    uint64     `json:"generation"`
	Method        string     `json:"method"`
	Path          string     `json:"path"`
	RemoteAddress *string    `json:"remote_address"`
	ClientID      *string    `json:"client_id"`
	Group         *string    `json:"group"`
	Model         *string    `json:"model"`
	Provider      *string    `json:"provider"`
	Fallback      *string    `json:"fallback"`
	Outcome       string     `json:"outcome"` // allowed, rejected, failed
	Reason        *string    `json:"reason"`
	Message       *string    `json:"message"`
	Status        int        `json:"status"`
	DurationMS    float64    `json:"duration_ms"`
	UpstreamMS    *float64   `json:"upstream_ms"`
	FirstTokenMS  *float64   `json:"first_token_ms"`
	InputTokens   *int64     `json:"input_tokens"`
	OutputTokens  *int64     `json:"output_tokens"`
	DecidedBy     *DecidedBy `json:"decided_by"`
	Steps         []Step     `json:"steps,omitzero"`

	// ReasonWords is the reason in plain English, for the tables. Not part of the JSON.
	ReasonWords string `json:"-"`
	// NotReached are the names of the steps after the one that failed. Not part of the JSON.
	NotReached []string `json:"-"`
	// Would are the observed limits that would have refused the request. Not part of the JSON.
	Would []WouldLimit `json:"-"`
}

// WouldLimit is one observed limit that would have refused a request.
type WouldLimit struct {
	Name string // the model, or what is counted in words
	Kind string // input, output, total, requests, concurrent
}

// DecidedBy is the configuration key that a refusal goes back to.
type DecidedBy struct {
	Key  string  `json:"key"`
	File *string `json:"file"`
	Line *int    `json:"line"` // nil: the file does not say the key, its default decided
}

// Step is one step of a trace, told in a sentence that an operator can act on.
type Step struct {
	Name    string  `json:"name"`
	Verdict string  `json:"verdict"` // passed, failed, skipped
	Text    string  `json:"text"`
	MS      float64 `json:"ms"`
}

// Frame is what every page shows around its content.
type Frame struct {
	Base       string // the admin's path, without a slash at the end: "/admin"
	Page       string // which entry of the navigation is current: "overview", "rejections", "traces", "tiers", "clients", "providers", "config"
	Title      string
	Version    string
	Generation uint64
	SignedIn   bool // a session to sign out of
	// ReloadFailed is set while the file on disk is not what runs, because it was refused.
	ReloadFailed bool
}

// OverviewPage is /admin.
type OverviewPage struct {
	Frame  Frame
	Status Status
	Groups []Group
	Latest []Trace // the latest refusals, newest first, ten at most
	Known  int     // clients that were seen
	Now    time.Time
	// Example is a curl command that would get an answer, for the page of an instance nobody has called yet.
	Example string
}

// Filter is what a list is narrowed to. Empty fields do not narrow.
type Filter struct {
	Reason, Client, Group, Text string
}

// Choice is one entry of a filter's drop-down list.
type Choice struct {
	Value, Label string
}

// RejectionsPage is /admin/rejections.
type RejectionsPage struct {
	Frame      Frame
	Filter     Filter
	Reasons    []Choice
	Groups     []Choice // the active group_values
	Rejections []Trace
	Kept       int // how many refusals are kept at most
	Now        time.Time
}

// TracesPage is /admin/traces.
type TracesPage struct {
	Frame  Frame
	Traces []Trace
	Kept   int // how many traces are kept at most
	Now    time.Time
}

// TracePage is /admin/traces/{request id}.
type TracePage struct {
	Frame Frame
	Trace Trace
	Now   time.Time
}

// SignInPage asks for the admin token.
type SignInPage struct {
	Frame Frame
	Next  string // where to go afterwards, a path below the admin's
	Wrong string // why the last try failed; empty at the first
}

// MessagePage is a page that says one thing: not found, not allowed.
type MessagePage struct {
	Frame    Frame
	Status   int
	Headline string
	Text     string   // what happened
	Ways     []string // what the reader can do about it
}
