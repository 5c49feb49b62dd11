package admin

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"nexus/config"
	"nexus/gateway"
	"nexus/gateway/journal"
	"nexus/web"
)

// What a page shows of the configuration at most; the JSON twins have all.
const (
	settingRows  = 2000     // keys
	valueBytes   = 1000     // of one value
	listEntries  = 100      // of one list
	diffLines    = 200      // of one reload
	diffBytes    = 16 << 10 // of one reload
	mistakesEach = 10       // of one reload of the history; the newest failed one is shown whole
)

// config is the page of what runs, where it comes from, and how reloads ended.
func (v *visit) config() {
	now := time.Now()
	page := web.ConfigPage{
		Frame:  v.frame("config", "Configuration"),
		Status: statusView(v.status, now),
		Late:   v.status.Watching != "",
		Now:    now,
	}
	page.Tables, page.MoreSettings = settingTables(v.status.Config.Settings())
	page.Reloads, page.Failed = drawnReloads(v.gw.Journal().Reloads())
	page.Frame.ReloadFailed = page.Failed != nil
	v.page(http.StatusOK, web.ConfigView(page))
}

func (v *visit) apiConfig() {
	cfg := v.status.Config
	v.json(http.StatusOK, web.Config{
		Generation: v.status.Generation,
		Config:     cfg,
		Origins:    originViews(cfg.Settings()),
		Warnings:   warningViews(v.status),
	})
}

func (v *visit) apiReloads() {
	views := reloadViews(v.gw.Journal().Reloads())
	for i := range views {
		if r := &views[i]; r.MoreErrors > 0 {
			r.Errors = append(r.Errors, web.Mistake{Message: fmt.Sprintf("the file has %d more mistakes", r.MoreErrors), Hint: present("mend these first")})
		}
	}
	v.json(http.StatusOK, web.Reloads{Reloads: views})
}

// reloadNow is the button: what came of it stands first in the history, or, if it failed, above all else.
func (v *visit) reloadNow() {
	place := "/config#history"
	if v.reload().Result == journal.ResultFailed {
		place = "/config#reload"
	}
	base := v.base
	if now := v.gw.Status().Config; now != nil && now.Admin.Enabled {
		base = trimSlash(string(now.Admin.Path)) // the pages may have moved
	}
	v.goTo(base + place)
}

func (v *visit) apiReload() {
	r := v.reload()
	if r.Result == journal.ResultFailed {
		v.json(http.StatusUnprocessableEntity, web.ReloadFailed{Errors: mistakeViews(r.Errors)})
		return
	}
	v.json(http.StatusOK, web.ReloadDone{Generation: r.Generation, Changed: r.Result == journal.ResultSuccess})
}

// reload asks the gateway. The answer is for the caller who was let in, even if the new file asks for another token.
// What stands in the body is not read: the door bounds what the server throws away.
func (v *visit) reload() journal.Reload {
	v.logger.Info("reload asked for", "remote_address", gateway.PeerAddress(v.r).String())
	return v.gw.Reload(journal.CauseAdmin)
}

func originViews(settings []config.Setting) web.Origins {
	origins := make(web.Origins, len(settings))
	for i, s := range settings {
		origins[i] = web.Origin{Key: s.Key, From: string(s.From), Line: line(s.Line)}
	}
	return origins
}

// settingTables are the settings under the tables that they stand in, and how many are left out.
func settingTables(settings []config.Setting) (tables []web.SettingTable, more int) {
	if more = len(settings) - settingRows; more > 0 {
		settings = settings[:settingRows]
	}
	byName := map[string]int{}
	for _, s := range settings {
		table, key := splitKey(s.Key)
		at, ok := byName[table]
		if !ok {
			at = len(tables)
			byName[table] = at
			tables = append(tables, web.SettingTable{Name: table})
		}
		row := web.Setting{Key: key, From: string(s.From), Line: line(s.Line)}
		row.Values, row.List, row.More = shownValue(s.Value)
		tables[at].Settings = append(tables[at].Settings, row)
	}
	return tables, max(more, 0)
}

// splitKey takes the last name off a full path. Names in quotes may hold dots.
func splitKey(path string) (table, key string) {
	dot, quoted := -1, false
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '.' && !quoted:
			dot = i
		}
	}
	if dot < 0 {
		return "", path
	}
	return path[:dot], path[dot+1:]
}

// shownValue is the value of a setting as texts: one, or the entries of a list; none for none.
func shownValue(value any) (texts []string, list bool, more int) {
	switch value := value.(type) {
	case nil:
		return nil, false, 0
	case []string:
		shown := value[:min(len(value), listEntries)]
		texts = make([]string, len(shown))
		for i, entry := range shown {
			texts[i] = clipValue(entry)
		}
		return texts, true, len(value) - len(shown)
	default:
		return []string{clipValue(fmt.Sprint(value))}, false, 0
	}
}

func clipValue(text string) string {
	if len(text) <= valueBytes {
		return text
	}
	return fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(text[:valueBytes], ""), len(text))
}

func reloadViews(reloads []journal.Reload) []web.Reload {
	views := make([]web.Reload, len(reloads))
	for i, r := range reloads {
		views[i] = web.Reload{
			Generation: r.Generation,
			Time:       moment(r.Time),
			Cause:      string(r.Cause),
			Result:     string(r.Result),
			Hash:       present(r.Hash),
			Diff:       present(r.Diff),
			Errors:     mistakeViews(r.Errors),
			MoreErrors: r.More,
		}
	}
	return views
}

// drawnReloads are reloads as far as a page shows them, and the newest, with all its mistakes, if that failed.
func drawnReloads(kept []journal.Reload) (all []web.Reload, failed *web.Reload) {
	all = reloadViews(kept)
	for i := range all {
		r := &all[i]
		r.Changes = changes(kept[i].Diff)
		if i == 0 && kept[i].Result == journal.ResultFailed {
			whole := *r
			failed = &whole
		}
		if more := len(r.Errors) - mistakesEach; more > 0 {
			r.Errors, r.MoreErrors = r.Errors[:mistakesEach], r.MoreErrors+more
		}
	}
	return all, failed
}

func mistakeViews(problems config.Problems) []web.Mistake {
	views := make([]web.Mistake, 0, len(problems))
	for _, p := range problems {
		views = append(views, web.Mistake{Line: line(p.Line), Column: line(p.Column), Key: present(p.Key), Message: p.What, Hint: present(p.Fix)})
	}
	return views
}

// changes are a diff as the page shows it.
func changes(diff string) web.Changes {
	var c web.Changes
	size := 0
	for text := range strings.Lines(diff) {
		text = strings.TrimSuffix(text, "\n")
		l := web.DiffLine{Kind: lineKind(text), Text: text}
		switch l.Kind {
		case "added":
			c.Added++
		case "removed":
			c.Removed++
		}
		if size += len(text); c.Cut || len(c.Lines) == diffLines || size > diffBytes {
			c.Cut = true
			continue
		}
		c.Lines = append(c.Lines, l)
	}
	return c
}

// lineKind is what the first character of a line of a diff says of it.
func lineKind(text string) string {
	if text == "" {
		return "context"
	}
	kinds := map[byte]string{'+': "added", '-': "removed", '@': "hunk", ' ': "context"}
	if kind, ok := kinds[text[0]]; ok {
		return kind
	}
	return "note"
}
