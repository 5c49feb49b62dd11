package limit_test

import (
	"context"
	"runtime"
	"strconv"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
	"nexus/gateway/limit"
)

// BenchmarkRedisPay tells what the usual bill costs: two request limits and the tokens of a prompt, on a server beside us.
func BenchmarkRedisPay(b *testing.B) {
	server := gatewaytest.StartRedis(b, gatewaytest.RedisOptions{})
	s := settings(server.URL())
	s.ResponseTimeout = 5 * time.Second
	for _, callers := range []int{1, 32} {
		b.Run(strconv.Itoa(callers), func(b *testing.B) {
			o := open(b, s, limit.Hurry{})
			o.paid(everyday()...)
			b.ReportAllocs()
			b.SetParallelism(max(1, callers/runtime.GOMAXPROCS(0)))
			if callers == 1 {
				lines, r := everyday(), new(limit.Receipt)
				for b.Loop() {
					takeOne(b, o, lines, r)
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				lines, r := everyday(), new(limit.Receipt)
				for pb.Next() {
					takeOne(b, o, lines, r)
				}
			})
		})
	}
}

// BenchmarkRedisOut tells what a bill costs while Redis is out.
func BenchmarkRedisOut(b *testing.B) {
	o := open(b, settings("redis://"+gatewaytest.FreeAddress(b)), limit.Hurry{})
	await(b, "it is noticed", patient, o.out)
	lines, r := everyday(), new(limit.Receipt)
	b.ReportAllocs()
	for b.Loop() {
		if err := o.Pay(context.Background(), &limit.Bill{Lines: lines, Candidates: 1}, r); err != nil || !r.Local {
			b.Fatal(r, err)
		}
	}
}

func everyday() []limit.Charge {
	return []limit.Charge{
		{Key: limit.Key{Kind: limit.Requests}, Candidate: limit.Always, Amount: 1, Limit: 1e12, Interval: minute},
		{Key: limit.Key{Kind: limit.Requests, Client: "alice"}, Candidate: limit.Always, Amount: 1, Limit: 1e12, Interval: minute},
		tokens("alice", 8),
	}
}

func takeOne(b *testing.B, o *shared, lines []limit.Charge, r *limit.Receipt) {
	if err := o.Pay(context.Background(), &limit.Bill{Lines: lines, Candidates: 1}, r); err != nil || r.Local {
		b.Error(r, err)
	}
}
