package web_test

import (
	"fmt"
	"strings"
	"time"

	"nexus/web"
)

// settings are the tables of a configuration like those that people write.
func settings() []web.SettingTable {
	set := func(key, value string, at int) web.Setting {
		return web.Setting{Key: key, Values: []string{value}, From: "file", Line: ptr(at)}
	}
	usual := func(key string, values ...string) web.Setting {
		return web.Setting{Key: key, Values: values, From: "default"}
	}
	return []web.SettingTable{
		{Name: "server", Settings: []web.Setting{
			{Key: "listen_address", Values: []string{"127.0.0.1:8123"}, From: "flag"},
			usual("shutdown_timeout", "30s"), set("max_body_size", "40MiB", 3), usual("max_body_memory", "512MiB"),
		}},
		{Name: "server.health", Settings: []web.Setting{usual("enabled", "true"), usual("path", "/health"), usual("ready_path", "/ready"), usual("listen")}},
		{Name: "server.client_identification", Settings: []web.Setting{set("enabled", "true", 6)}},
		{Name: "server.client_identification.client_id", Settings: []web.Setting{set("http_header", "x-client-id", 7)}},
		{Name: "server.client_identification.validation", Settings: []web.Setting{
			{Key: "group_values", Values: []string{"free", "pro", "enterprise"}, List: true, From: "file", Line: ptr(11)},
		}},
		{Name: "llm.providers.openai", Settings: []web.Setting{
			set("type", "openai", 14),
			{Key: "api_key", Values: []string{"***"}, From: "environment", Line: ptr(15)},
			set("base_url", "https://api.openai.com/v1", 16), usual("model_filter", ""), usual("forward_token", "false"),
		}},
		{Name: "admin", Settings: []web.Setting{
			usual("enabled", "true"), usual("path", "/admin"),
			{Key: "token", Values: []string{"***"}, From: "environment"},
			{Key: "trusted", List: true, From: "default"}, set("traces", "5000", 22),
		}},
	}
}

// changed is a diff as the page shows it.
func changed(lines ...string) web.Changes {
	kinds := map[byte]string{'+': "added", '-': "removed", '@': "hunk", ' ': "context"}
	var c web.Changes
	for _, l := range lines {
		kind := kinds[l[0]]
		switch kind {
		case "added":
			c.Added++
		case "removed":
			c.Removed++
		}
		c.Lines = append(c.Lines, web.DiffLine{Kind: kind, Text: l})
	}
	return c
}

func started() web.Reload {
	return web.Reload{Generation: 1, Time: now.Add(-51 * time.Hour), Cause: "start", Result: "success", Hash: ptr("1b6e2f0c94a1d7f3a58e")}
}

func loaded(generation uint64, before time.Duration) web.Reload {
	return web.Reload{
		Generation: generation, Time: now.Add(-before), Cause: "file", Result: "success", Hash: ptr(fmt.Sprintf("9f2c1e5b7a3d4c60818f9e%02x", generation)),
		Changes: changed("@@ -9,5 +9,6 @@", " [server.client_identification.validation]", `-group_values = ["free", "pro"]`,
			`+group_values = ["free", "pro", "enterprise"]`, " ", " [llm.providers.openai]", `+api_key = "***"`),
	}
}

func mistakes() []web.Mistake {
	return []web.Mistake{
		{Line: ptr(3), Column: ptr(1), Key: ptr("server.max_body_sise"), Message: "unknown key", Hint: ptr("did you mean max_body_size?")},
		{Line: ptr(11), Column: ptr(17), Key: ptr("server.client_identification.validation.group_values"), Message: "must be a list of strings, not a string", Hint: ptr(`write ["free", "pro"]`)},
		{Key: ptr("server.oauth"), Message: "the running file has it and this one lacks it, and access is not weakened by silence",
			Hint: ptr("write server.oauth.enabled = false if that is meant, or restart nexus")},
	}
}

func refusedFile(generation uint64, before time.Duration) web.Reload {
	r := loaded(generation, before)
	r.Result, r.Errors = "failed", mistakes()
	return r
}

func freshConfig() web.ConfigPage {
	s := status()
	s.Generation, s.Warnings = 1, nil
	return web.ConfigPage{Frame: frame("config", "Configuration"), Status: s, Tables: settings(), Reloads: []web.Reload{started()}, Now: now}
}

func brokenConfig() web.ConfigPage {
	p := freshConfig()
	p.Status = status()
	p.Status.LiveGenerations = 2
	p.Status.Warnings = append(p.Status.Warnings, web.Warning{Text: "changes of the file are noticed by looking at it every few seconds: too many open files"})
	p.Late, p.Frame.ReloadFailed, p.Frame.SignedIn = true, true, true
	p.Reloads = []web.Reload{refusedFile(3, 40*time.Second), loaded(3, 12*time.Minute), started()}
	p.Failed = &p.Reloads[0]
	return p
}

func longHistory() web.ConfigPage {
	p := freshConfig()
	p.Reloads = nil
	for i := range 33 {
		n := uint64(100 - 3*i)
		age := time.Duration(i*i+1) * time.Minute
		same := web.Reload{Generation: n, Time: now.Add(-age), Cause: "sighup", Result: "unchanged", Hash: ptr("9f2c1e5b7a3d4c60818f9e0a")}
		gone := web.Reload{Generation: n, Time: now.Add(-age - 10*time.Second), Cause: "admin", Result: "failed", Errors: mistakes()[2:]}
		long := loaded(n, age+20*time.Second)
		long.Changes = changed(strings.Split(strings.Repeat("+# "+strings.Repeat("a long line ", 30)+"\n", 199)+"-end", "\n")...)
		long.Changes.Cut = true
		p.Reloads = append(p.Reloads, same, gone, long)
	}
	return p
}

// hostileConfig is a page in which everything that a file can say is an attack, or too long.
func hostileConfig() web.ConfigPage {
	p := brokenConfig()
	long := strings.Repeat("w", 300) + hostile
	for i := range p.Tables {
		p.Tables[i].Name += `."` + long + `"`
	}
	p.Tables[0].Settings = []web.Setting{
		{Key: long, Values: []string{long}, From: "file", Line: ptr(1)},
		{Key: hostile, Values: []string{long, hostile, long}, List: true, More: 7, From: hostile, Line: ptr(123456)},
	}
	p.MoreSettings = 12
	bad := web.Mistake{Line: ptr(1), Column: ptr(1), Key: ptr(long), Message: long, Hint: ptr(long)}
	p.Reloads = []web.Reload{{Generation: 1 << 62, Time: now, Cause: hostile, Result: "failed", Hash: ptr(hostile), Errors: []web.Mistake{bad, {Message: hostile}},
		Changes: changed("@@ "+long, "+"+long, "-"+long, " "+hostile)}}
	p.Reloads = append(p.Reloads, p.Reloads[0], web.Reload{Time: now, Result: hostile, Changes: changed("+" + hostile)})
	p.Failed = &p.Reloads[0]
	p.Status.File, p.Status.Hash = "/very/"+strings.Repeat("long", 60)+hostile, hostile
	return p
}
