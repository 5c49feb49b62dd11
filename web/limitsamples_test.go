package web_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nexus/web"
)

// tier is a limit that is in force.
func tier(kind string, limit int64, interval, level, key string, at int) web.Tier {
	t := web.Tier{Limit: ptr(limit), Kind: ptr(kind), Level: level, Enforce: true, Key: ptr(key), Line: ptr(at)}
	if interval != "" {
		t.Interval = ptr(interval)
	}
	return t
}

// cells are one cell for each limit, and one without any for each nil.
func cells(groups []*string, limits ...[]web.Tier) []web.TierCell {
	list := make([]web.TierCell, len(limits))
	for i := range limits {
		list[i] = web.TierCell{Group: groups[i], Limits: limits[i]}
	}
	return list
}

// tiers is the page of a file with limits of all levels.
func tiers() web.TiersPage {
	const at = "llm.providers.openai."
	groups := []*string{ptr("free"), ptr("pro"), ptr("enterprise"), nil}
	one := func(t web.Tier) []web.Tier { return []web.Tier{t} }
	model := tier("input", 50_000, "1m", "model", at+"models.gpt-4.rate_limits.per_user", 41)
	own := tier("input", 80_000, "30s", "model+group", at+"models.gpt-4.rate_limits.per_user.groups.pro", 44)
	whole := tier("input", 100_000, "1m", "provider", at+"rate_limits.per_user", 31)
	free := tier("input", 10_000, "60s", "provider+group", at+"rate_limits.per_user.groups.free", 35)
	watched := tier("total", 2_000_000, "24h", "provider+group", at+"rate_limits.per_user.groups.enterprise", 36)
	watched.Enforce = false
	answers := tier("output", 25_000, "1m", "provider", at+"rate_limits.per_user", 31)
	user := tier("requests", 60, "60s", "none", "server.rate_limits.per_user", 20)
	slots := tier("concurrent", 8, "", "none", "server.rate_limits.per_user.concurrent", 22)
	return web.TiersPage{
		Frame: frame("tiers", "Tiers"), Limiter: &web.Limiter{Storage: "memory", State: "ok"}, Groups: groups, File: "nexus.toml", Now: now,
		Requests: []web.TierRow{
			{Name: "All requests together", Span: "whatever the group", Cells: cells(groups, one(tier("requests", 1000, "60s", "none", "server.rate_limits.global", 14)))},
			{Name: "Each address", Note: "an IPv6 /64 is one", Span: "whatever the group", Cells: cells(groups, one(tier("requests", 100, "60s", "none", "server.rate_limits.per_ip", 17)))},
			{Name: "Each client", Cells: cells(groups, one(user), one(tier("requests", 600, "60s", "none", "server.rate_limits.per_user.groups.pro", 23)), one(user), one(user))},
			{Name: "Each client, in flight", Note: "requests that are being answered", Span: "in every group alike", Cells: cells(groups, one(slots))},
		},
		Providers: []web.TierTable{
			{Name: "openai", Rows: []web.TierRow{
				{Name: "gpt-4", Model: true, Cells: cells(groups, one(model), one(own), one(model), one(model))},
				{Name: "gpt-4o-mini", Model: true, Cells: cells(groups, one(free), []web.Tier{whole, answers}, one(watched), []web.Tier{whole, answers})},
				{Name: "every other model", Note: "one budget for all that have no limit of their own", Cells: cells(groups, one(free), []web.Tier{whole, answers}, one(watched), []web.Tier{whole, answers})},
			}},
			{Name: "demo", Rows: []web.TierRow{
				{Name: "demo-1", Model: true, Cells: cells(groups, nil, nil, nil, nil)},
				{Name: "every other model", Cells: cells(groups, nil, nil, nil, []web.Tier{{Level: "none", Enforce: true}})},
			}},
		},
	}
}

// manyTiers has more groups than fit beside each other, and more models than a page shows.
func manyTiers() web.TiersPage {
	p := tiers()
	p.Limiter = &web.Limiter{Storage: "redis", State: "degraded", Since: ptr(now.Add(-40 * time.Second)), Error: ptr("Redis is out (it does not answer): each instance counts by itself until it is back")}
	p.Groups, p.Requests, p.MoreRows = nil, nil, 3
	for i := range 12 {
		p.Groups = append(p.Groups, ptr(fmt.Sprintf("group-%d", i)))
	}
	row := web.TierRow{Name: strings.Repeat("very-", 20) + "long", Model: true}
	for _, g := range p.Groups {
		row.Cells = append(row.Cells, web.TierCell{Group: g, Limits: p.Providers[0].Rows[1].Cells[1].Limits})
	}
	p.Providers = []web.TierTable{{Name: "openai", Rows: slices.Repeat([]web.TierRow{row}, 30)}}
	return p
}

func noTiers() web.TiersPage {
	return web.TiersPage{Frame: frame("tiers", "Tiers"), Groups: []*string{nil}, Now: now}
}

func hostileTiers() web.TiersPage {
	p := poisoned[web.TiersPage]()
	long := hostile + strings.Repeat("g", 200)
	p.Groups[0], p.Providers[0].Name, p.Providers[0].Rows[0].Name = &long, long, long
	p.Providers[0].Rows[0].Span = ""
	return p
}

// budget is a limit of which that much is used.
func budget(name, kind string, limit, used int64, level string) web.Budget {
	return web.Budget{
		Name: name, Kind: ptr(kind), Level: level, Limit: ptr(limit), Used: used, Remaining: ptr(max(0, limit-used)), Interval: ptr("1m"),
		Enforce: true, Key: ptr("llm.providers.openai.rate_limits.per_user"), Line: ptr(31), Reset: ptr(now.Add(95 * time.Second)),
	}
}

// client is one who uses much.
func client(id string) web.Client {
	slots := budget("Requests in flight", "concurrent", 8, 1, "none")
	slots.Interval, slots.Reset = nil, nil
	watched := budget("openai, models without limits of their own", "total", 2_000_000, 2_100_000, "provider+group")
	watched.Enforce, watched.WouldRefuse = false, 3
	unused := budget("openai/o3", "output", 20_000, 0, "model")
	unused.Reset = nil
	return web.Client{
		ClientID: id, Group: ptr("pro"), LastSeen: now.Add(-42 * time.Second), Requests: 1834, Rejections: 12, InputTokens: 412_033, OutputTokens: 182_011,
		Limits: []web.Budget{
			budget("Requests", "requests", 600, 71, "none"), slots, budget("openai/gpt-4", "input", 80_000, 68_211, "model+group"),
			budget("openai/gpt-4", "output", 50_000, 50_000, "model+group"), unused, watched,
		},
		Would: []web.WouldRefuse{{Name: "openai, models without limits of their own", Kind: "total", Requests: 3}},
	}
}

func clientPage(c web.Client) web.ClientPage {
	return web.ClientPage{Frame: frame("clients", "Client "+c.ClientID), Client: c, File: "nexus.toml", Now: now}
}

func clientsPage(list ...web.Client) web.ClientsPage {
	return web.ClientsPage{Frame: frame("clients", "Clients"), Clients: list, Known: len(list), Most: 10_000, Now: now}
}

// clientList is n clients, some of whom have used nothing.
func clientList(n int) []web.Client {
	list := make([]web.Client, n)
	for i := range list {
		c := client([]string{"alice", "bob@example.com", "svc-billing-prod-eu-west-1", "2f1c9a34-88e1-4d6a-9a50-3b0c7a1b9f11"}[i%4])
		c.LastSeen = now.Add(-time.Duration(i*i+7) * time.Second)
		switch i % 4 {
		case 1:
			c.Group, c.Limits, c.Rejections = nil, nil, 0
		case 2:
			c.Limits = c.Limits[:1]
		case 3:
			c.Limits = c.Limits[2:3]
		}
		list[i] = c
	}
	return list
}
