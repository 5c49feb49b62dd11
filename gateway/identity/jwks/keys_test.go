package jwks_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nexus/gateway/identity/jwks"
)

func TestTheFirstSetIsSoughtAt1And2And5And10And30Seconds(t *testing.T) {
	set := setOf(t, newKey(t, "a", "ES256"))
	synctest.Test(t, func(t *testing.T) {
		var told lines
		issuer := newSource(fails)
		keys, end := jwks.OpenWith(jwks.Settings{}, told.logger(), issuer.fetch)
		defer end()
		for range 100 {
			keys.Missed()
			pass(seconds)
		}
		want := []time.Duration{0, 1 * seconds, 3 * seconds, 8 * seconds, 18 * seconds, 48 * seconds, 78 * seconds}
		if got := issuer.times(); !slices.Equal(got, want) {
			t.Errorf("asked at %v", got)
		}
		status := keys.Status()
		if keys.Current(time.Now()) != nil || status.Count != 0 || !status.FetchedAt.IsZero() ||
			status.Error != "the answer is 500" || time.Since(status.ErrorAt) != 22*seconds || time.Until(status.NextAt) != 8*seconds {
			t.Errorf("status %+v", status)
		}
		select {
		case <-keys.Loaded():
			t.Error("loaded without a set")
		default:
		}
		issuer.say(func(context.Context) (*jwks.Set, error) {
			keys.Missed()
			return set, nil
		})
		pass(8 * seconds)
		<-keys.Loaded()
		if keys.Current(time.Now()) != set || len(issuer.times()) != 1 {
			t.Error("the set does not serve")
		}
		pass(100 * seconds) // what was missed before has no meaning now
		if got := issuer.times(); len(got) > 0 {
			t.Errorf("asked again at %v", got)
		}
		if told.count("key set not fetched") != 7 || told.count("key set loaded") != 1 || !told.has("keys=1 dropped=0") {
			t.Errorf("told:\n%s", told.String())
		}
	})
}

func TestAGoodSetIsFetchedAnewEveryIntervalGiveOrTakeFivePerCent(t *testing.T) {
	set := setOf(t, newKey(t, "a", "ES256"))
	synctest.Test(t, func(t *testing.T) {
		var told lines
		issuer := newSource(gives(set))
		keys, end := jwks.OpenWith(jwks.Settings{Poll: 100 * seconds}, told.logger(), issuer.fetch)
		defer end()
		for range 2000 {
			pass(10 * seconds)
		}
		asked := issuer.times()
		least, most := time.Hour, time.Duration(0)
		for i := 1; i < len(asked); i++ {
			least, most = min(least, asked[i]-asked[i-1]), max(most, asked[i]-asked[i-1])
		}
		if len(asked) < 190 || len(asked) > 211 || least < 95*seconds || most > 105*seconds || most-least < 5*seconds {
			t.Errorf("asked %d times, %v to %v apart", len(asked), least, most)
		}
		if status := keys.Status(); status.Count != 1 || status.Error != "" || time.Since(status.FetchedAt) > 105*seconds || !status.NextAt.After(time.Now()) {
			t.Errorf("status %+v", status)
		}
		if told.count("\n") != 1 {
			t.Errorf("told:\n%s", told.String())
		}
	})
}

func TestAFailedPollIsTriedAgainSoonButNeverLaterThanThePoll(t *testing.T) {
	set := setOf(t, newKey(t, "a", "ES256"))
	for poll, want := range map[time.Duration][]time.Duration{
		7 * seconds:   {1 * seconds, 2 * seconds, 5 * seconds, 7 * seconds, 7 * seconds},
		300 * seconds: {1 * seconds, 2 * seconds, 5 * seconds, 10 * seconds, 30 * seconds, 30 * seconds},
	} {
		synctest.Test(t, func(t *testing.T) {
			var told lines
			issuer := newSource(gives(set))
			keys, end := jwks.OpenWith(jwks.Settings{Poll: poll}, told.logger(), issuer.fetch)
			defer end()
			synctest.Wait()
			issuer.say(fails)
			issuer.times()
			pass(poll + poll/10 + 100*seconds)
			asked := issuer.times()
			for i, pause := range want {
				if got := asked[i+1] - asked[i]; got != pause {
					t.Errorf("poll %v: try %d comes after %v", poll, i+1, got)
				}
			}
			if keys.Current(time.Now()) != set {
				t.Error("the last good set does not serve")
			}
			issuer.say(gives(set))
			pass(40 * seconds)
			if status := keys.Status(); status.Error != "" || keys.Current(time.Now()) != set {
				t.Errorf("afterwards: %+v", status)
			}
		})
	}
}

func TestAnUnknownKeyIsFetchedAtOnceAndThenOnceInTenSeconds(t *testing.T) {
	first, second := setOf(t, newKey(t, "a", "ES256")), setOf(t, newKey(t, "b", "ES256"))
	synctest.Test(t, func(t *testing.T) {
		var told lines
		issuer := newSource(gives(first))
		keys, end := jwks.OpenWith(jwks.Settings{}, told.logger(), issuer.fetch)
		defer end()
		pass(seconds)
		keys.Missed()
		synctest.Wait()
		pass(seconds)
		if got := issuer.times(); !slices.Equal(got, []time.Duration{0, 1 * seconds}) {
			t.Fatalf("asked at %v: the poll at the start must not spend what is for unknown keys", got)
		}
		issuer.say(gives(second))
		var crowd sync.WaitGroup
		for range 100 {
			crowd.Go(func() {
				for range 100 {
					keys.Missed()
				}
			})
		}
		crowd.Wait()
		pass(8*seconds + seconds/2)
		if got := issuer.times(); len(got) > 0 || keys.Current(time.Now()) != first {
			t.Errorf("asked at %v, within the ten seconds", got)
		}
		pass(seconds)
		keys.Missed()
		synctest.Wait()
		if got := issuer.times(); !slices.Equal(got, []time.Duration{11*seconds + seconds/2}) || keys.Current(time.Now()) != second {
			t.Errorf("asked at %v; the first who asks after the ten seconds sets it off", got)
		}
		for range 600 {
			keys.Missed()
			pass(seconds / 10)
		}
		got := issuer.times()
		for i := range got[1:] {
			if got[i+1]-got[i] < 10*seconds {
				t.Errorf("under a flood, asked at %v", got)
			}
		}
		if len(got) < 5 || len(got) > 6 {
			t.Errorf("under a flood, asked %d times", len(got))
		}
	})
}

func TestAFailedFetchForAnUnknownKeyLeavesThePollAlone(t *testing.T) {
	set := setOf(t, newKey(t, "a", "ES256"))
	synctest.Test(t, func(t *testing.T) {
		var told lines
		issuer := newSource(gives(set))
		keys, end := jwks.OpenWith(jwks.Settings{Poll: 100 * seconds}, told.logger(), issuer.fetch)
		defer end()
		pass(50 * seconds)
		due := keys.Status().NextAt
		issuer.say(fails)
		keys.Missed()
		pass(20 * seconds)
		status := keys.Status()
		if got := issuer.times(); len(got) != 2 || !status.NextAt.Equal(due) || status.Error == "" || keys.Current(time.Now()) != set {
			t.Errorf("asked at %v, next at %v in place of %v, error %q", got, status.NextAt, due, status.Error)
		}
		issuer.say(gives(set))
		keys.Missed()
		synctest.Wait()
		if next := time.Until(keys.Status().NextAt); next < 95*seconds || keys.Status().Error != "" {
			t.Errorf("one that succeeds is as good as a poll; the next is due in %v", next)
		}
	})
}

// TestWhoMissedAKeyIsToldWhenAFetchHasEnded: the one that was set off, or is running; nobody is where none may start.
func TestWhoMissedAKeyIsToldWhenAFetchHasEnded(t *testing.T) {
	set := setOf(t, newKey(t, "a", "ES256"))
	synctest.Test(t, func(t *testing.T) {
		var told lines
		issuer := newSource(func(ctx context.Context) (*jwks.Set, error) {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(2 * seconds):
				return set, nil
			}
		})
		keys, end := jwks.OpenWith(jwks.Settings{}, told.logger(), issuer.fetch)
		if keys.Missed() != nil {
			t.Error("before the first set, nothing is set off")
		}
		pass(3 * seconds)
		first, began := keys.Missed(), time.Now()
		pass(seconds)
		second := keys.Missed()
		<-first
		<-second
		if took := time.Since(began); took != 2*seconds {
			t.Errorf("told after %v", took)
		}
		if keys.Missed() != nil {
			t.Error("within ten seconds another is set off")
		}
		pass(20 * seconds)
		if got := issuer.times(); len(got) != 2 {
			t.Errorf("asked at %v: what was missed meanwhile must not spend the next fetch", got)
		}
		last := keys.Missed()
		synctest.Wait()
		end()
		<-last
	})
}

// TestKeysOfTheSamePlaceBeginWithWhatIsThere: with its age, so that one that is too old by the new rules does not serve, and
// whoever misses a key meanwhile waits for the fetch that is on its way.
func TestKeysOfTheSamePlaceBeginWithWhatIsThere(t *testing.T) {
	first, second := setOf(t, newKey(t, "a", "ES256")), setOf(t, newKey(t, "b", "ES256"))
	for name, tt := range map[string]struct {
		maxStale time.Duration
		serves   *jwks.Set
	}{"young enough": {100 * seconds, first}, "too old": {10 * seconds, nil}} {
		synctest.Test(t, func(t *testing.T) {
			var told lines
			old, endOld := jwks.OpenWith(jwks.Settings{}, told.logger(), newSource(gives(first)).fetch)
			defer endOld()
			pass(30 * seconds)
			issuer := newSource(func(context.Context) (*jwks.Set, error) {
				<-time.After(2 * seconds)
				return second, nil
			})
			keys, end := jwks.OpenFromWith(old, jwks.Settings{MaxStale: tt.maxStale}, told.logger(), issuer.fetch)
			defer end()
			if got := keys.Current(time.Now()); got != tt.serves {
				t.Errorf("%s: %p serves at first, want %p", name, got, tt.serves)
			}
			select {
			case <-keys.Loaded():
				if tt.serves == nil {
					t.Errorf("%s: loaded", name)
				}
			default:
				if tt.serves != nil {
					t.Errorf("%s: not loaded", name)
				}
			}
			began := time.Now()
			<-keys.Missed()
			if took := time.Since(began); took != 2*seconds || keys.Current(time.Now()) != second {
				t.Errorf("%s: told after %v", name, took)
			}
			<-keys.Loaded()
		})
	}
}

func TestAnEqualSetKeepsTheOneThatServes(t *testing.T) {
	a, b := newKey(t, "a", "ES256"), newKey(t, "b", "RS256")
	synctest.Test(t, func(t *testing.T) {
		var told lines
		issuer := newSource(gives(setOf(t, a, b)))
		keys, end := jwks.OpenWith(jwks.Settings{Poll: 10 * seconds}, told.logger(), issuer.fetch)
		defer end()
		synctest.Wait()
		before := keys.Current(time.Now())
		issuer.say(gives(setOf(t, a, b)))
		pass(11 * seconds)
		if keys.Current(time.Now()) != before || time.Since(keys.Status().FetchedAt) > 2*seconds {
			t.Error("the same keys take the place of themselves")
		}
		other := setOf(t, b)
		issuer.say(gives(other))
		pass(11 * seconds)
		if keys.Current(time.Now()) != other || told.count("key set loaded") != 2 || keys.Status().Count != 1 {
			t.Errorf("other keys do not serve:\n%s", told.String())
		}
	})
}

func TestASetThatIsTooOldServesNoMore(t *testing.T) {
	set := setOf(t, newKey(t, "a", "ES256"))
	synctest.Test(t, func(t *testing.T) {
		var told lines
		issuer := newSource(gives(set))
		keys, end := jwks.OpenWith(jwks.Settings{Poll: 1000 * seconds, MaxStale: 100 * seconds}, told.logger(), issuer.fetch)
		defer end()
		synctest.Wait()
		issuer.say(fails)
		pass(100 * seconds)
		if keys.Current(time.Now()) != set {
			t.Error("gone too early")
		}
		pass(1)
		if keys.Current(time.Now()) != nil || keys.Status().Count != 1 {
			t.Error("serves too long")
		}
		if now := time.Now().Round(0); keys.Current(now.Add(-50*seconds)) != set || keys.Current(now.Add(-500*seconds)) != set {
			t.Error("a time from before the fetch finds no set")
		}
		issuer.say(gives(set))
		pass(1000 * seconds)
		if keys.Current(time.Now()) != nil && time.Since(keys.Status().FetchedAt) > 100*seconds {
			t.Error("serves too long afterwards")
		}
		keys.Missed()
		synctest.Wait()
		if keys.Current(time.Now()) != set {
			t.Error("a new fetch does not bring it back")
		}
	})
}

func TestAfterTheEndNothingIsFetched(t *testing.T) {
	set := setOf(t, newKey(t, "a", "ES256"))
	synctest.Test(t, func(t *testing.T) {
		var told lines
		running := newSource(func(ctx context.Context) (*jwks.Set, error) {
			<-ctx.Done()
			return set, nil
		})
		keys, end := jwks.OpenWith(jwks.Settings{}, told.logger(), running.fetch)
		synctest.Wait()
		start := time.Now()
		end()
		end()
		if time.Since(start) > 0 || keys.Current(time.Now()) != nil || told.String() != "" {
			t.Errorf("a running fetch is not given up:\n%s", told.String())
		}
		idle := newSource(gives(set))
		keys, end = jwks.OpenWith(jwks.Settings{}, told.logger(), idle.fetch)
		synctest.Wait()
		end()
		keys.Missed()
		keys.Missed()
		pass(1000 * seconds)
		if got := idle.times(); len(got) != 1 || len(running.times()) != 1 {
			t.Errorf("asked at %v", got)
		}
		if keys.Current(time.Now()) != set {
			t.Error("who still holds the keys has lost them")
		}
	})
}

func TestWhatIsWrongWithASetIsToldOnce(t *testing.T) {
	a, b := newKey(t, "a", "ES256"), newKey(t, "b", "ES256")
	bad := parse(t, document(t, member(t, a, map[string]any{"d": canary}), map[string]any{"kty": "oct", "kid": "symmetric", "k": canary}))
	worse := parse(t, document(t, member(t, a, map[string]any{"d": canary}), map[string]any{"kty": "oct", "kid": "another", "k": canary}, member(t, b, nil)))
	synctest.Test(t, func(t *testing.T) {
		var told lines
		issuer := newSource(gives(bad))
		_, end := jwks.OpenWith(jwks.Settings{Poll: 10 * seconds}, told.logger(), issuer.fetch)
		defer end()
		pass(100 * seconds)
		if told.count("left out") != 1 || !told.has("symmetric key") || told.count("publishes a private key") != 2 {
			t.Errorf("told:\n%s", told.String())
		}
		issuer.say(gives(worse))
		pass(100 * seconds)
		issuer.say(gives(bad))
		pass(100 * seconds)
		if told.count("left out") != 2 || told.count("publishes a private key") != 3 || told.has(canary) {
			t.Errorf("told:\n%s", told.String())
		}
		if strings.Count(told.String(), "level=WARN") != 5 {
			t.Errorf("told:\n%s", told.String())
		}
	})
}

func TestKeysThatAreNeverFetched(t *testing.T) {
	set := setOf(t, newKey(t, "a", "ES256"))
	far := time.Now().Add(1e6 * time.Hour)
	fixed := jwks.Fixed(set)
	fixed.Missed()
	<-fixed.Loaded()
	if fixed.Current(far) != set || fixed.Status() != (jwks.Status{Count: 1}) {
		t.Errorf("fixed: %+v", fixed.Status())
	}
	failed, none := jwks.Failed(errors.New("the answer is 404")), &jwks.Keys{}
	for _, keys := range []*jwks.Keys{failed, none} {
		keys.Missed()
		select {
		case <-keys.Loaded():
			t.Error("loaded")
		default:
		}
		if keys.Current(time.Now()) != nil {
			t.Error("there is a set")
		}
	}
	if s := failed.Status(); s.Error != "the answer is 404" || s.ErrorAt.IsZero() || !s.NextAt.IsZero() {
		t.Errorf("failed: %+v", s)
	}
	if none.Status() != (jwks.Status{}) {
		t.Errorf("the zero Keys: %+v", none.Status())
	}
}

func TestMissingAKeyAllocatesNothing(t *testing.T) {
	set := setOf(t, newKey(t, "a", "ES256"))
	var told lines
	keys, end := jwks.OpenWith(jwks.Settings{}, told.logger(), gives(set))
	defer end()
	if n := testing.AllocsPerRun(1000, func() { keys.Missed() }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
