package journal_test

import (
	"fmt"
	"testing"

	"nexus/gateway/journal"
	"nexus/gateway/trace"
)

func BenchmarkAdd(b *testing.B) {
	clients := make([]*trace.Trace, 5000)
	for i := range clients {
		clients[i] = refused(fmt.Sprint(i), fmt.Sprint("client", i), trace.GroupInvalid)
	}
	kinds := map[string]func(i int) *trace.Trace{
		"allowed":            func(int) *trace.Trace { return clients[0] },
		"refused/one client": func(int) *trace.Trace { return clients[0] },
		"refused/ever new":   func(i int) *trace.Trace { return clients[i%len(clients)] },
	}
	for name, next := range kinds {
		b.Run(name, func(b *testing.B) {
			j := journal.New(1000, 1000)
			tr := *next(0)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				tr = *next(i)
				if name == "allowed" {
					tr.Outcome = trace.Allowed
				}
				j.Add(&tr)
			}
		})
	}
}

func BenchmarkAddInParallel(b *testing.B) {
	j := journal.New(1000, 1000)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		tr := *allowed("id", "alice")
		for pb.Next() {
			j.Add(&tr)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	j := journal.New(1000, 1000)
	for i := range 3000 {
		j.Add(allowed(fmt.Sprintf("request-%08d", i), "alice"))
		tr := refused(fmt.Sprintf("refused-%08d", i), fmt.Sprint("client", i), trace.GroupInvalid)
		tr.Note(trace.GroupValidation, trace.Failed, trace.NotAllowed).Near = []string{"free", "pro"}
		j.Add(tr)
	}
	b.Run("Trace", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			j.Trace("request-00002100")
		}
	})
	b.Run("Traces 50", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			j.Traces(50)
		}
	})
	b.Run("Clients", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			j.Clients(0)
		}
	})
	b.Run("Rejections all", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			j.Rejections(journal.Filter{}, 0)
		}
	})
	b.Run("Rejections by text", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			j.Rejections(journal.Filter{Text: "free"}, 50)
		}
	})
}
