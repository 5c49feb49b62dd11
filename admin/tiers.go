package admin

import (
	"net/http"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"nexus/gateway"
	"nexus/web"
)

// tierCells is how many cells the page of the tiers has at most; the JSON twin has all.
const tierCells = 5000

// tiers is the page of the limits in force, for each group and model.
func (v *visit) tiers() {
	page := web.TiersPage{
		Frame:   v.frame("tiers", "Tiers"),
		Limiter: limiterView(v.status.Limiter),
		File:    path.Base(v.status.Config.File()),
		Now:     time.Now(),
	}
	m := newMatrix(v.groupNames(), v.gw.Tiers())
	page.Groups = m.groups
	page.Requests = m.requestRows()
	page.Providers, page.MoreRows = m.providerTables()
	v.page(http.StatusOK, web.TiersView(page))
}

func (v *visit) apiTiers() {
	rows := v.gw.Tiers()
	tiers := make([]web.Tier, len(rows))
	for i := range rows {
		tiers[i] = tierView(&rows[i])
	}
	v.json(http.StatusOK, web.Tiers{Tiers: tiers})
}

// tierView is one limit; of a row that limits nothing, it says what is not limited.
func tierView(r *gateway.TierRow) web.Tier {
	t := web.Tier{
		Group: present(r.Group), Provider: present(r.Provider), Model: present(r.Model),
		Interval: present(r.Interval), Kind: present(r.Kind), Level: r.Level, Enforce: r.Enforce,
		Key: present(r.Key), Line: line(r.Line),
	}
	if r.Kind != "" {
		limit := r.Limit
		t.Limit = &limit
	}
	return t
}

// limiterView is where limits are counted; nil before the first generation.
func limiterView(s gateway.LimiterStatus) *web.Limiter {
	if s.Storage == "" {
		return nil
	}
	return &web.Limiter{Storage: s.Storage, State: s.State, Error: present(s.Error), Since: happened(s.Since)}
}

// limiterWarnings is that the store of the limits is out.
func limiterWarnings(s gateway.Status) []web.Warning {
	if s.Limiter.Error == "" {
		return nil
	}
	const key = "server.rate_limits.storage"
	return []web.Warning{{Key: present(key), Line: line(s.Config.Line(key)), Text: s.Limiter.Error, Limiter: true}}
}

// matrix is limits by what they count and for whom.
type matrix struct {
	groups []*string
	column map[string]int // of a group
	tables []matrixTable  // requests first, then the providers, in the order they come in
	at     map[[2]string]cellRow
	byName map[string]int
}

type matrixTable struct {
	name string
	rows []web.TierRow
}

// cellRow is the place of a row.
type cellRow struct{ table, row int }

// newMatrix puts the limits in their places. The models that the file does not list are left to the row of all others.
func newMatrix(groups []string, rows []gateway.TierRow) *matrix {
	m := &matrix{column: map[string]int{}, at: map[[2]string]cellRow{}, byName: map[string]int{"": 0}, tables: make([]matrixTable, 1)}
	for i, g := range groups {
		m.groups = append(m.groups, present(g))
		m.column[g] = i
	}
	m.groups = append(m.groups, nil)
	m.column[""] = len(groups)
	for i := range rows {
		if r := &rows[i]; !r.Discovered {
			m.add(r)
		}
	}
	return m
}

func (m *matrix) add(r *gateway.TierRow) {
	column, ok := m.column[r.Group]
	if !ok {
		return
	}
	row := m.row(r)
	if row.Span != "" {
		if column = 0; len(row.Cells[0].Limits) > 0 {
			return // each group has it once more
		}
	}
	row.Cells[column].Limits = append(row.Cells[column].Limits, tierView(r))
}

// row finds the row of a limit, or makes it.
func (m *matrix) row(r *gateway.TierRow) *web.TierRow {
	name, note, together := tierName(r)
	id := [2]string{r.Provider, name}
	if r.Provider != "" {
		id[1] = r.Model
	}
	if at, ok := m.at[id]; ok {
		return &m.tables[at.table].rows[at.row]
	}
	table, ok := m.byName[r.Provider]
	if !ok {
		table = len(m.tables)
		m.byName[r.Provider] = table
		m.tables = append(m.tables, matrixTable{name: r.Provider})
	}
	row := web.TierRow{Name: name, Note: note, Model: r.Model != "", Cells: make([]web.TierCell, 1)}
	if together {
		row.Span = "whatever the group"
	} else {
		row.Cells = make([]web.TierCell, len(m.groups))
		for i := range row.Cells {
			row.Cells[i].Group = m.groups[i]
		}
	}
	t := &m.tables[table]
	m.at[id] = cellRow{table, len(t.rows)}
	t.rows = append(t.rows, row)
	return &t.rows[len(t.rows)-1]
}

// tierName names what a limit counts, in words, and says whether all callers share it.
func tierName(r *gateway.TierRow) (name, note string, together bool) {
	switch {
	case r.Model != "":
		return r.Model, "", false
	case r.Provider != "":
		return "every other model", "one budget for all that have no limit of their own", false
	case r.Kind == "concurrent":
		return "Each client, in flight", "requests that are being answered", false
	case strings.HasSuffix(r.Key, ".global"):
		return "All requests together", "", true
	case strings.HasSuffix(r.Key, ".per_ip"):
		return "Each address", "an IPv6 /64 is one", true
	default:
		return "Each client", "", false
	}
}

func (m *matrix) requestRows() []web.TierRow { return folded(m.tables[0].rows) }

// folded makes one cell of those of a row that all hold the same.
func folded(rows []web.TierRow) []web.TierRow {
	for i := range rows {
		r := &rows[i]
		alike := func(c web.TierCell) bool { return slices.EqualFunc(c.Limits, r.Cells[0].Limits, sameLimit) }
		if len(r.Cells) > 1 && !slices.ContainsFunc(r.Cells, func(c web.TierCell) bool { return !alike(c) }) {
			r.Cells, r.Span = r.Cells[:1], "in every group alike"
		}
	}
	return rows
}

// sameLimit reports whether two groups have one limit, from one key.
func sameLimit(a, b web.Tier) bool {
	a.Group, b.Group = nil, nil
	return reflect.DeepEqual(a, b)
}

// providerTables are the tables of the providers, the row of all other models last in each, and how many rows are too many for
// a page.
func (m *matrix) providerTables() (tables []web.TierTable, more int) {
	room := tierCells / len(m.groups)
	for _, t := range m.tables[1:] {
		rows := folded(othersLast(t.rows))
		if len(rows) > room {
			more += len(rows) - room
			rows = rows[:room]
		}
		room -= len(rows)
		if len(rows) > 0 {
			tables = append(tables, web.TierTable{Name: t.name, Rows: rows})
		}
	}
	return tables, more
}

// othersLast puts the row of the models without a name behind those with one.
func othersLast(rows []web.TierRow) []web.TierRow {
	sorted := make([]web.TierRow, 0, len(rows))
	for _, named := range []bool{true, false} {
		for _, r := range rows {
			if r.Model == named {
				sorted = append(sorted, r)
			}
		}
	}
	return sorted
}
