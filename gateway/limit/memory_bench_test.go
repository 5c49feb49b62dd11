package limit_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"nexus/gateway/limit"
)

// usual is the bill of a request: global, address, user, one line of tokens.
func usual(client int) *limit.Bill {
	of := func(k limit.Key, candidate int8, amount int64) limit.Charge {
		return limit.Charge{Key: k, Candidate: candidate, Amount: amount, Limit: 1e15, Interval: minute}
	}
	id := fmt.Sprint("client-", client)
	address := netip.AddrFrom4([4]byte{192, 0, byte(client >> 8), byte(client)})
	return &limit.Bill{Candidates: 1, Lines: []limit.Charge{
		of(limit.Key{Kind: limit.Requests}, limit.Always, 1),
		of(limit.Key{Kind: limit.Requests, Address: address}, limit.Always, 1),
		of(limit.Key{Kind: limit.Requests, Client: id}, limit.Always, 1),
		of(limit.Key{Kind: limit.Input, Client: id, Provider: "openai", Model: "gpt-4"}, 0, 2500),
	}}
}

func BenchmarkMemoryPay(b *testing.B) {
	for _, clients := range []int{1, 10_000} {
		b.Run(fmt.Sprint(clients, " clients"), func(b *testing.B) {
			m, ctx, r := limit.NewMemory(0, nil), context.Background(), new(limit.Receipt)
			bills := make([]*limit.Bill, clients)
			for i := range bills {
				bills[i] = usual(i)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := m.Pay(ctx, bills[i%clients], r); err != nil || r.Refused >= 0 {
					b.Fatal(err, r)
				}
			}
		})
	}
	b.Run("one line", func(b *testing.B) {
		m, ctx, r := limit.NewMemory(0, nil), context.Background(), new(limit.Receipt)
		bill := usual(1)
		bill.Lines = bill.Lines[3:]
		b.ReportAllocs()
		for b.Loop() {
			m.Pay(ctx, bill, r)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		m := limit.NewMemory(0, nil)
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			ctx, r, bill := context.Background(), new(limit.Receipt), usual(1)
			for p.Next() {
				m.Pay(ctx, bill, r)
			}
		})
	})
}

// BenchmarkMemoryRequest is all that a request with a slot and a reservation does.
func BenchmarkMemoryRequest(b *testing.B) {
	m, ctx, r := limit.NewMemory(0, nil), context.Background(), new(limit.Receipt)
	bill := usual(1)
	place := limit.Key{Kind: limit.Concurrent, Client: "client-1"}
	bill.Lines = append(bill.Lines, limit.Charge{Key: place, Candidate: limit.Whichever, Amount: 1, Limit: 8})
	s := limit.Settlement{Corrections: []limit.Correction{{Key: bill.Lines[3].Key, Delta: -5}}, Slots: []limit.Key{place}}
	b.ReportAllocs()
	for b.Loop() {
		m.Pay(ctx, bill, r)
		s.At, s.Slot = r.At, r.Slot
		m.Settle(ctx, &s)
	}
}

func BenchmarkMemoryOver(b *testing.B) {
	m := limit.NewMemory(0, nil)
	line := usual(1).Lines[1]
	b.ReportAllocs()
	for b.Loop() {
		m.Over(&line)
	}
}

// BenchmarkMemoryFlood pays for a new client each time, when all room is taken.
func BenchmarkMemoryFlood(b *testing.B) {
	m, ctx, r := limit.NewMemory(0, nil), context.Background(), new(limit.Receipt)
	bill := &limit.Bill{Lines: make([]limit.Charge, 1), Candidates: 1, At: start}
	for i := range 200_000 {
		bill.Lines[0] = prompt(fmt.Sprint(i), 1, 1e15)
		m.Pay(ctx, bill, r)
	}
	names := make([]string, 1<<16)
	for i := range names {
		names[i] = fmt.Sprint("new ", i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		bill.Lines[0].Key.Client = names[i%len(names)]
		m.Pay(ctx, bill, r)
	}
}
