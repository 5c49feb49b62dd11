package limit_test

import (
	"fmt"
	"sync"
	"testing"

	"nexus/gateway/limit"
)

// TestTheForecastIsWhatAnswersLatelyNeeded: 512 where there was none, the longest of a few, the 95th percentile of the last
// 128.
func TestTheForecastIsWhatAnswersLatelyNeeded(t *testing.T) {
	var f limit.Forecast
	expect := func(want int64) {
		t.Helper()
		if got := f.Expect("openai", "gpt-4"); got != want {
			t.Fatalf("%d are expected, not %d", got, want)
		}
	}
	expect(512)
	f.Note("openai", "gpt-4", 0)
	expect(1)
	f.Note("openai", "gpt-4", -5)
	expect(1)
	f.Note("openai", "gpt-4", 900)
	expect(900)
	for i := range 16 {
		f.Note("openai", "gpt-4", int64(i))
	}
	expect(900) // 19 answers
	f.Note("openai", "gpt-4", 20)
	expect(20)
	for i := range 128 {
		f.Note("openai", "gpt-4", int64(i+1))
	}
	expect(122) // ceil(0.95 * 128)
	f.Note("openai", "gpt-4", 1000)
	expect(123) // 1 has gone
	if got := f.Expect("openai", "gpt-5"); got != 512 {
		t.Fatalf("%d are expected of another model", got)
	}
}

// TestModelsBeyondTheThousandthAreForecastTogether, so that whoever invents names of models fills no memory.
func TestModelsBeyondTheThousandthAreForecastTogether(t *testing.T) {
	var f limit.Forecast
	for i := range 1000 {
		f.Note("openai", fmt.Sprint(i), int64(i+1))
	}
	if got := f.Expect("openai", "more"); got != 512 {
		t.Fatalf("%d are expected of a model that nobody has used", got)
	}
	f.Note("openai", "more", 7)
	if got := f.Expect("openai", "still more"); got != 7 {
		t.Fatalf("%d are expected", got)
	}
	for i := range 1000 {
		if got := f.Expect("openai", fmt.Sprint(i)); got != int64(i+1) {
			t.Fatalf("%d are expected of model %d", got, i)
		}
	}
}

// TestTheForecastMayBeUsedByMany.
func TestTheForecastMayBeUsedByMany(t *testing.T) {
	var f limit.Forecast
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for j := range 2000 {
				name := fmt.Sprint((i + j) % 5)
				f.Note("openai", name, 64)
				if got := f.Expect("openai", name); got != 64 {
					t.Errorf("%d are expected", got)
				}
			}
		})
	}
	wait.Wait()
}

func BenchmarkForecast(b *testing.B) {
	var f limit.Forecast
	b.Run("expect", func(b *testing.B) {
		f.Note("openai", "gpt-4", 100)
		b.ReportAllocs()
		for b.Loop() {
			f.Expect("openai", "gpt-4")
		}
	})
	b.Run("note", func(b *testing.B) {
		b.ReportAllocs()
		for i := int64(0); b.Loop(); i++ {
			f.Note("openai", "gpt-4", i*2654435761%4096)
		}
	})
}
