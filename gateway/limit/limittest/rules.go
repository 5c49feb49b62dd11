package limittest

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"nexus/gateway/limit"
)

// rules are what is promised of paying.
var rules = []promise{
	{"the 13th prompt of 8 tokens is more than 100", func(b *bench) {
		levels := []limit.Key{
			{Kind: limit.Input, Client: "alice", Provider: "openai", Model: "gpt-4"},
			{Kind: limit.Input, Client: "alice", Provider: "openai"},
			{Kind: limit.Input, Client: "bob", Provider: "openai"},
			{Kind: limit.Total, Client: "alice", Provider: "openai"},
			{Kind: limit.Output, Client: "alice", Provider: "openai", Model: "gpt-4"},
		}
		for _, k := range levels {
			line := limit.Charge{Key: k, Amount: 8, Limit: 100, Interval: minute}
			for i := range 12 {
				r := b.pay(line)
				b.paid(r, 0)
				if got := r.Readings[0]; got.Used != int64(8*(i+1)) || got.Taken != 8 || got.Refused {
					b.Fatalf("call %d: %+v", i+1, got)
				}
			}
			r := b.pay(line)
			b.refused(r, 0)
			if got := r.Readings[0]; got.Used != 96 || got.Taken != 0 || !got.Refused || got.Retry <= 0 {
				b.Fatalf("the 13th call: %+v", got)
			}
			line.Amount = 4
			b.paid(b.pay(line), 0)
			line.Amount = 0 // nothing asks for room for 1 all the same
			b.refused(b.pay(line), 0)
		}
	}},
	{"of several lines all are paid or none", func(b *bench) {
		wide, tight := input("alice", "wide", 10, 100), input("alice", "tight", 10, 15)
		b.paid(b.pay(wide, tight), 0)
		b.refused(b.pay(wide, tight), 1)
		b.uses(wide, 10)
		b.refused(b.pay(tight, wide), 0)
		b.uses(wide, 10)
	}},
	{"a request is spent though a later line refuses", func(b *bench) {
		calls, prompt := request("alice", 10), input("alice", "", 20, 15)
		for i := range 3 {
			r := b.pay(calls, prompt)
			b.refused(r, 1)
			if r.Readings[0].Taken != 1 || r.Readings[0].Used != int64(i+1) {
				b.Fatalf("the request: %+v", r.Readings[0])
			}
		}
		b.uses(prompt, 0)
	}},
	{"a request that is refused is paid by its address alone", func(b *bench) {
		global, alice := request("", 1), request("alice", 10)
		address := with(request("", 3), func(c *limit.Charge) { c.Key.Address = netip.MustParseAddr("192.0.2.1") })
		prompt, place := input("alice", "", 1, 10), slot("alice", 5)
		b.paid(b.pay(global, address, alice, place, prompt), 0)
		for want := int64(2); want <= 3; want++ {
			r := b.pay(global, address, alice, place, prompt)
			b.refused(r, 0)
			if r.Readings[0].Taken != 0 || r.Readings[1].Taken != 1 || r.Readings[2].Taken != 0 || r.Slot != 0 {
				b.Fatalf("%+v", r)
			}
			b.uses(address, want)
		}
		b.refused(b.pay(global, address, alice), 0)
		b.uses(address, 3) // its room is all that it pays
		b.uses(global, 1)
		b.uses(alice, 1)
		b.uses(prompt, 1)
	}},
	{"the first candidate that has room is paid, and no other", func(b *bench) {
		first, second, third := input("alice", "a", 8, 10), input("alice", "b", 8, 10), input("alice", "c", 8, 100)
		second.Candidate, third.Candidate = 1, 2
		calls := request("alice", 100)
		for i, want := range []int{0, 1, 2, 2} {
			r := b.pay(calls, first, second, third)
			b.paid(r, want)
			for line := range 3 {
				if got := r.Readings[line+1]; (got.Taken == 8) != (line == want) || got.Refused != (line < min(i, 2)) {
					b.Fatalf("bill %d, line %d: %+v", i, line, got)
				}
			}
		}
		b.uses(third, 16)
		third.Limit = 16
		b.refused(b.pay(calls, first, second, third), 1) // the line of the model that was asked for
	}},
	{"a candidate without a limit always has room", func(b *bench) {
		prompt := input("alice", "", 20, 10)
		r := b.take(limit.Bill{Lines: []limit.Charge{prompt}, Candidates: 2})
		b.paid(r, 1)
		if r.Readings[0].Taken != 0 || !r.Readings[0].Refused {
			b.Fatalf("%+v", r.Readings[0])
		}
	}},
	{"a reservation takes no more than is left", func(b *bench) {
		answer := with(input("alice", "", 0, 1000), func(c *limit.Charge) { c.Key.Kind, c.Reserve = limit.Output, 600 })
		for _, want := range []int64{600, 400} {
			r := b.pay(answer)
			b.paid(r, 0)
			if r.Readings[0].Taken != want {
				b.Fatalf("%d were taken, not %d", r.Readings[0].Taken, want)
			}
		}
		b.refused(b.pay(answer), 0)
		both := with(answer, func(c *limit.Charge) { c.Key.Kind, c.Amount = limit.Total, 700 })
		r := b.pay(both)
		b.paid(r, 0)
		if r.Readings[0].Taken != 1000 {
			b.Fatalf("%d were taken of 1000", r.Readings[0].Taken)
		}
	}},
	{"a limit that observes measures and refuses nothing", func(b *bench) {
		line := with(input("alice", "", 70, 100), func(c *limit.Charge) { c.Observe, c.Reserve = true, 20 })
		for i, want := range []bool{false, true, true} {
			r := b.pay(line)
			b.paid(r, 0)
			if got := r.Readings[0]; got.Refused != want || got.Taken != 90 || got.Used != int64(90*(i+1)) || (got.Retry > 0) != want {
				b.Fatalf("bill %d: %+v", i, got)
			}
		}
		line.Observe = false
		b.refused(b.pay(line), 0)
	}},
	{"who only looks pays nothing", func(b *bench) {
		lines := []limit.Charge{request("alice", 10), slot("alice", 1), input("alice", "", 8, 10)}
		for range 3 {
			r := b.look(lines...)
			if r.Candidate != -1 || r.Refused != -1 || r.Slot != 0 {
				b.Fatalf("%+v", r)
			}
			for i, got := range r.Readings {
				if got != (limit.Reading{}) {
					b.Fatalf("line %d: %+v", i, got)
				}
			}
		}
		b.paid(b.pay(lines...), 0)
		r := b.look(lines...)
		b.refused(r, 1) // by the slot
		if !r.Readings[2].Refused || r.Readings[2].Used != 8 || r.Readings[2].Retry == 0 {
			b.Fatalf("%+v", r.Readings[2])
		}
	}},
	{"what asks for more than its limit never passes", func(b *bench) {
		r := b.pay(input("alice", "", 101, 100))
		b.refused(r, 0)
		if r.Readings[0] != (limit.Reading{Refused: true}) {
			b.Fatalf("%+v", r.Readings[0])
		}
	}},
	{"after the time that a refusal tells there is room, and not before", retries},
	{"the reset is when nothing is used", func(b *bench) {
		line := input("alice", "", 8, 100)
		b.pass(20_000)
		if got := b.pay(line).Readings[0].Reset; got != 100*time.Second {
			b.Fatalf("the reset is in %v", got)
		}
		b.pass(50_000) // now it is what was paid in the window before
		r := b.look(line).Readings[0]
		if r.Reset != 50*time.Second || r.Used != 6 {
			b.Fatalf("%+v", r)
		}
		b.pass(49_999)
		if r := b.look(line).Readings[0]; r.Reset != time.Millisecond {
			b.Fatalf("%+v", r)
		}
		b.pass(1)
		if r := b.look(line).Readings[0]; r != (limit.Reading{}) {
			b.Fatalf("%+v", r)
		}
	}},
	{"a caller whose limit has another interval keeps what was used", func(b *bench) {
		line := input("alice", "", 60, 100)
		daily := with(line, func(c *limit.Charge) { c.Interval = day })
		b.paid(b.pay(line), 0)
		b.refused(b.pay(daily), 0)
		b.uses(daily, 60)
		daily.Amount = 10
		b.paid(b.pay(daily), 0)
		b.uses(line, 70) // what is paid counts in all intervals
		b.pass(2 * minute)
		b.uses(line, 0)
		b.uses(daily, 70)
		b.paid(b.pay(daily), 0)
		b.uses(line, 10)
		b.uses(daily, 80)
	}},
	{"of five intervals the one that was paid for least lately is forgotten", func(b *bench) {
		line := input("alice", "", 1, 1000)
		of := func(interval int64) limit.Charge {
			return with(line, func(c *limit.Charge) { c.Interval = interval })
		}
		b.pay(of(day))
		b.pay(of(minute))
		b.pay(of(hour))
		b.pay(of(2 * hour))
		b.pass(3 * minute)
		b.pay(of(3 * hour))
		b.uses(of(3*hour), 5)
		b.uses(of(day), 5) // as much as the others say
		b.uses(of(minute), 1)
	}},
	{"a limit that is changed holds for what was used", func(b *bench) {
		line := input("alice", "", 50, 100)
		b.paid(b.pay(line), 0)
		b.paid(b.pay(line), 0)
		b.refused(b.pay(line), 0)
		line.Limit = 150
		b.paid(b.pay(line), 0)
		line.Limit = 60
		r := b.pay(line)
		b.refused(r, 0)
		if r.Readings[0].Used != 150 {
			b.Fatalf("%+v", r.Readings[0])
		}
	}},
	{"keys that look alike are counted apart", lookalikes},
	{"amounts of 1e15 are counted to the last one", func(b *bench) {
		const most = int64(1e15)
		line := with(input("alice", "", most-1, most), func(c *limit.Charge) { c.Interval = day })
		one := with(line, func(c *limit.Charge) { c.Amount = 1 })
		b.paid(b.pay(line), 0)
		b.paid(b.pay(one), 0)
		b.refused(b.pay(one), 0)
		b.uses(one, most)
		b.pass(day + day/2)
		b.uses(one, most/2)
		half := with(line, func(c *limit.Charge) { c.Amount = most/2 + 1 })
		b.refused(b.pay(half), 0)
		half.Amount--
		b.paid(b.pay(half), 0)
	}},
	{"a bill may have a thousand lines", func(b *bench) {
		lines := make([]limit.Charge, 1000)
		for i := range lines {
			lines[i] = input(fmt.Sprint("client ", i), "", 5, 9)
		}
		b.paid(b.pay(lines...), 0)
		b.refused(b.pay(lines...), 0)
		b.uses(lines[999], 5)
	}},
	{"an empty bill is paid", func(b *bench) {
		b.paid(b.pay(), -1)
		b.paid(b.take(limit.Bill{Candidates: 1}), 0)
	}},
	{"what is forgotten has used nothing", func(b *bench) {
		alice, bob := input("alice", "", 60, 100), input("bob", "", 60, 100)
		b.paid(b.pay(alice), 0)
		b.paid(b.pay(bob), 0)
		b.forget(alice.Key, input("nobody", "", 1, 1).Key)
		b.uses(alice, 0)
		b.paid(b.pay(alice), 0)
		b.refused(b.pay(bob), 0)
	}},
}

// retries waits for what a refusal told, from many times of a window and with many amounts.
func retries(b *bench) {
	b.pass(137)
	for i, amount := range []int64{1, 7, 33, 50, 99, 100} {
		line := input(fmt.Sprint("client ", i), "", 1, 100)
		for step := range 10 {
			b.pass(int64(step) * 4321)
			line.Amount = int64(1 + step*3)
			b.pay(line)
		}
		line.Amount = amount
		if b.look(line).Refused < 0 {
			b.pay(with(line, func(c *limit.Charge) { c.Amount, c.Reserve = 0, 1000 }))
		}
		r := b.pay(line)
		b.refused(r, 0)
		retry := r.Readings[0].Retry
		if retry <= 0 || retry%time.Millisecond != 0 || retry > 2*time.Minute {
			b.Fatalf("room for %d after %v", amount, retry)
		}
		b.pass(retry.Milliseconds() - 1)
		b.refused(b.pay(line), 0)
		b.pass(1)
		b.paid(b.pay(line), 0)
	}
}

// lookalikes pays with keys that would be one if their parts were joined carelessly.
func lookalikes(b *bench) {
	keys := []limit.Key{
		{Kind: limit.Total}, {Kind: limit.Input}, {Kind: limit.Output}, {Kind: limit.Requests},
		{Kind: limit.Total, Client: "a", Provider: "bc"}, {Kind: limit.Total, Client: "ab", Provider: "c"},
		{Kind: limit.Total, Client: "abc"}, {Kind: limit.Total, Provider: "abc"}, {Kind: limit.Total, Model: "abc"},
		{Kind: limit.Total, Provider: "a", Model: "bc"}, {Kind: limit.Total, Provider: "ab", Model: "c"},
		{Kind: limit.Total, Client: "a/b", Model: "c"}, {Kind: limit.Total, Client: "a", Model: "b/c"},
		{Kind: limit.Total, Client: "a:b"}, {Kind: limit.Total, Client: "1:a", Provider: "b"},
		{Kind: limit.Total, Client: "{a}"}, {Kind: limit.Total, Client: "{a}{b}"}, {Kind: limit.Total, Client: "}a{"},
		{Kind: limit.Total, Client: "a\x00b"}, {Kind: limit.Total, Client: "a", Provider: "\x00b"},
		{Kind: limit.Total, Client: "a\r\nb"}, {Kind: limit.Total, Client: "*"}, {Kind: limit.Total, Client: " "},
		{Kind: limit.Total, Client: "a\xff"}, {Kind: limit.Total, Client: "a\xfe"}, {Kind: limit.Total, Client: "A"},
		{Kind: limit.Total, Client: strings.Repeat("a", 256)}, {Kind: limit.Total, Client: strings.Repeat("a", 255)},
		{Kind: limit.Total, Client: strings.Repeat("a", 255), Provider: "a"},
		{Kind: limit.Total, Client: strings.Repeat("a", 256), Provider: strings.Repeat("b", 256), Model: strings.Repeat("c", 256)},
		{Kind: limit.Requests, Client: "192.0.2.1"}, {Kind: limit.Requests, Address: netip.MustParseAddr("192.0.2.1")},
		{Kind: limit.Requests, Address: netip.MustParseAddr("::ffff:192.0.2.1")},
		{Kind: limit.Requests, Address: netip.MustParseAddr("::192.0.2.1")},
		{Kind: limit.Requests, Address: netip.MustParseAddr("2001:db8::")},
		{Kind: limit.Requests, Address: netip.MustParseAddr("2001:db8::"), Client: "a"},
	}
	for i, k := range keys {
		r := b.pay(limit.Charge{Key: k, Amount: int64(i + 1), Limit: 1000, Interval: minute})
		if r.Readings[0].Used != int64(i+1) {
			b.Fatalf("%+v is counted with another: %+v", k, r.Readings[0])
		}
	}
	for i, k := range keys {
		b.uses(limit.Charge{Key: k, Amount: 1, Limit: 1000, Interval: minute}, int64(i+1))
	}
}
