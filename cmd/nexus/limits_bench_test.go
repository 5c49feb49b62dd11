package main_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"nexus/gateway/gatewaytest"
)

// everyLimit are lines that switch all kinds of limits on, none of which is ever reached.
const everyLimit = `
[server.rate_limits.global]
limit = 1000000000
interval = "1m"
[server.rate_limits.per_ip]
limit = 1000000000
interval = "1m"
[server.rate_limits.per_user]
limit = 1000000000
interval = "1m"
groups.pro = { limit = 1000000001, interval = "1m" }
[llm.providers.openai.rate_limits.per_user]
input_token_limit = 1000000000000
total_token_limit = 2000000000000
interval = "1m"
groups.pro = { input_token_limit = 1000000000001, total_token_limit = 2000000000001, interval = "1m" }
`

// BenchmarkLimits measures what a request costs the gateway with an RS256 token, a group, all kinds of limits and the counting
// of the prompt, as a ratio to a bare httputil.ReverseProxy in front of the same provider, both in turns. New text was never
// counted before; of a seen conversation, all messages were.
func BenchmarkLimits(b *testing.B) {
	key := gatewaytest.NewKey(b, "bench", "RS256")
	issuer := gatewaytest.StartIssuer(b, key)
	token := "Authorization: Bearer " + issuer.Token(b, key, nil) + "\r\n"
	for _, load := range relayLoads() {
		if load.name == "200KB-code" {
			continue
		}
		for _, text := range []string{"new", "seen"} {
			if load.name == "burst" && text == "new" {
				continue
			}
			b.Run(load.name+"/"+text, func(b *testing.B) {
				ours, theirs, _ := load.sides(b, tokened(issuer)+everyLimit, token)
				if text == "new" {
					ours.fresh, theirs.fresh = new(fresh), new(fresh)
				}
				requests := load.requests
				if load.name == "200KB" {
					requests /= 3
				}
				compare(b, relayRounds, requests, ours, theirs, "bare")
			})
		}
	}
}

// BenchmarkRedisLimits measures what a request costs the gateway whose limits are counted by a Redis, as a ratio to one that
// counts by itself. Both are Nexus and have the same limits.
func BenchmarkRedisLimits(b *testing.B) {
	redis := gatewaytest.StartRedis(b, gatewaytest.RedisOptions{})
	load := relayLoads()[0]
	storage := fmt.Sprintf("\n[server.rate_limits.storage]\ntype = \"redis\"\nurl = %q\n", redis.URL())
	inRedis, _, origin := load.sides(b, identified+everyLimit+storage, benchHeader)
	memory := gatewaytest.Start(b, relayed(identified+everyLimit, origin))
	inMemory := &side{process: memory.Process, address: strings.TrimPrefix(memory.URL, "http://"), body: load.body, header: benchHeader, conns: load.conns}
	compare(b, relayRounds, load.requests, inRedis, inMemory, "memory")
}

// fresh makes the text of each request another one: the first words of each of its turns are a number.
type fresh struct{ next atomic.Int64 }

// renew makes a request another one than all before.
func (f *fresh) renew(message []byte) {
	if f == nil {
		return
	}
	const content = `"content":"`
	number := f.next.Add(1)
	for at := 0; ; {
		found := bytes.Index(message[at:], []byte(content))
		if found < 0 {
			return
		}
		at += found + len(content)
		copy(message[at:], fmt.Sprintf("%05x ", number%0xfffff))
	}
}
