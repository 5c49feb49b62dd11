package web

import "time"

// Tiers are the limits in force, for each group and model: GET /admin/api/tiers.
type Tiers struct {
	Tiers []Tier `json:"tiers"`
}

// Tier is one limit in force. Where nothing limits a group and a model, it is one without Kind and Limit.
type Tier struct {
	Group    *string `json:"group"`    // nil: no group
	Provider *string `json:"provider"` // nil: it limits requests
	Model    *string `json:"model"`    // nil: the provider's models that have no limit of their own
	Limit    *int64  `json:"limit"`
	Interval *string `json:"interval"` // as in the file; nil: of requests in flight
	Kind     *string `json:"kind"`     // input, output, total, requests, concurrent
	Level    string  `json:"level"`    // model+group, model, provider+group, provider, none
	Enforce  bool    `json:"enforce"`  // false: it refuses nothing
	Key      *string `json:"key"`      // where the file says it; nil: nothing limits
	Line     *int    `json:"line"`
}

// TiersPage is /admin/tiers.
type TiersPage struct {
	Frame   Frame
	Limiter *Limiter
	// Groups are the columns of the tables: the groups in file order, and nil for "no group".
	Groups []*string
	// Requests are the limits of requests; nil: there are none.
	Requests []TierRow
	// Providers have a table each, in file order.
	Providers []TierTable
	// MoreRows is how many rows the tables leave out, because there are too many for a page.
	MoreRows int
	File     string // the name of the configuration file, for the places of the keys
	Now      time.Time
}

// TierTable is the limits of one provider.
type TierTable struct {
	Name string
	Rows []TierRow
}

// TierRow is the limits of one model, or of one way to count requests.
type TierRow struct {
	Name string // a model, or what is counted in words
	Note string // what that means; empty: the name says it
	// Model is set where Name is a name of the file.
	Model bool
	// Cells has one cell for each of the page's groups, or a single one for all of them.
	Cells []TierCell
	// Span says what the single cell is for: "whatever the group". Empty: there is one for each group.
	Span string
}

// TierCell is what holds for one group; without limits, nothing does.
type TierCell struct {
	Group  *string
	Limits []Tier
}

// limited are the limits of a cell that limit.
func (c TierCell) limited() []Tier {
	var some []Tier
	for _, t := range c.Limits {
		if t.Limit != nil {
			some = append(some, t)
		}
	}
	return some
}

// groupWords names a group, and the callers without one.
func groupWords(group *string) string {
	if group == nil {
		return "no group"
	}
	return *group
}

// kindWords says what a limit counts, behind a number.
func kindWords(kind *string) string {
	switch text(kind) {
	case "input", "output", "total":
		return *kind + " tokens"
	case "concurrent":
		return "at once"
	default:
		return text(kind)
	}
}

// shortKind is kindWords where the table says that tokens are meant.
func shortKind(kind *string) string {
	if k := text(kind); k == "concurrent" {
		return "at once"
	}
	return text(kind)
}

// limitWords is a limit as one says it: "80 000 input / 30s".
func limitWords(t Tier) string {
	words := Count(*t.Limit) + " " + shortKind(t.Kind)
	if text(t.Interval) != "" {
		words += " / " + *t.Interval
	}
	return words
}

// levelWords says which of the four levels a limit comes from.
func levelWords(level string) string {
	switch level {
	case "model+group":
		return "of this group and model"
	case "model":
		return "of the model"
	case "provider+group":
		return "of the group at this provider"
	case "provider":
		return "of the provider"
	default:
		return ""
	}
}

// levelClass is the level as a class of the stylesheet.
func levelClass(level string) string {
	switch level {
	case "model+group":
		return "both"
	case "provider+group":
		return "group"
	case "model", "provider":
		return level
	default:
		return "plain"
	}
}

// storageWords says where limits are counted.
func storageWords(l Limiter) string {
	switch l.Storage {
	case "memory":
		return "In the memory of this instance"
	case "redis":
		return "On Redis, together with other instances"
	default:
		return l.Storage
	}
}

// storageOutcome says how the storage is.
func storageOutcome(l Limiter) outcome {
	switch l.State {
	case "ok":
		return outcome{"Ready", "good"}
	case "degraded":
		return outcome{"Degraded", "broken"}
	default:
		return outcome{capital(l.State), "idle"}
	}
}
