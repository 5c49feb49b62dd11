package config

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// WatchMode is how changes of the file are noticed.
type WatchMode string

// The ways to notice a change.
const (
	WatchEvents WatchMode = "inotify" // the system tells of it; looking every few seconds is for what it misses
	WatchPoll   WatchMode = "poll"    // by looking every few seconds alone
)

// timing is how long a watch waits for what.
type timing struct {
	poll  time.Duration // from one look that no event asked for to the next
	quiet time.Duration // without an event, until those before it are looked into
	most  time.Duration // from the first event until it is looked into, however many follow
	again time.Duration // until the next look at a file that did not stand still
}

var usual = timing{poll: 5 * time.Second, quiet: 50 * time.Millisecond, most: 300 * time.Millisecond, again: 300 * time.Millisecond}

const (
	flood        = 1000 // events of one gathering, after which no more are taken out of the queue
	arrangements = 5    // tries to put watches on a way that changes meanwhile
)

var errDeaf = errors.New("the file changed and the system told of nothing: it is probably on a mount without events")

// Watch follows the file until ctx ends. It calls changed, one call at a time, whenever the file does not
// say any more what [File.Load] read last, or cannot be read any more, or can be again. It calls mode at first and
// when the way of noticing changes; the error is why that is polling.
func (f *File) Watch(ctx context.Context, changed func(), mode func(WatchMode, error)) {
	w := &watch{file: f, timing: f.timing, changed: changed, mode: mode, ways: ways{}, watched: map[string]os.FileInfo{}}
	w.last, _ = f.remembered()
	defer w.close()
	w.open()
	w.look(byItself) // it may have changed since it was loaded
	poll := time.NewTicker(w.timing.poll)
	defer poll.Stop()
	for ctx.Err() == nil {
		why := byItself
		select {
		case <-ctx.Done():
			continue
		case <-w.again:
		case <-w.doubt:
			w.doubt, w.deaf = nil, true
			w.tell()
			continue
		case <-poll.C:
			why = byPoll
			w.retried = false
			if w.watcher == nil {
				w.open()
			}
		case e, open := <-w.events:
			if !w.notes(e, open) {
				continue
			}
			why = byEvent
			w.gather(ctx)
		case err, open := <-w.errors:
			w.fail(err, open)
			why = byEvent
			w.gather(ctx)
		}
		w.look(why)
	}
}

// cause is what made a watch look at the file.
type cause int

const (
	byItself cause = iota
	byPoll
	byEvent
)

// watch is one call of Watch. Its goroutine is the only one that touches it.
type watch struct {
	file    *File
	timing  timing
	changed func()
	mode    func(WatchMode, error)

	watcher *fsnotify.Watcher // nil: there is none to be had
	events  <-chan fsnotify.Event
	errors  <-chan error
	trouble error // why events do not tell all; nil: they do
	retried bool  // the watcher broke since the last poll, and another was opened

	listening bool // since the last look there are watches on all that needs one

	ways    ways                   // to the file and those that it names, as they were at the last look
	watched map[string]os.FileInfo // what has a watch
	passed  int                    // events since the last look, or since they are gathered

	last  state            // of the file at the last look
	again <-chan time.Time // when to look at a file that did not stand still; nil: it did
	doubt <-chan time.Time // until when an event must come for a change that a poll found; nil: none need
	deaf  bool             // a change came without an event, and none with one since

	told    bool // mode was called
	toldWhy string
}

// open asks the system for events.
func (w *watch) open() {
	watcher, err := w.file.newWatcher()
	if err != nil {
		w.trouble = fmt.Errorf("ask the system for events: %w", err)
		return
	}
	w.watcher, w.events, w.errors, w.trouble = watcher, watcher.Events, takeAll(watcher.Errors), nil
}

// takeAll takes errors as they come and keeps one of them until it is asked for. A watcher holds its lock while it
// tells of an error, and who sets a watch waits for that lock: so who sets watches cannot be who takes the errors.
func takeAll(errs <-chan error) <-chan error {
	kept := make(chan error, 1)
	go func() {
		defer close(kept)
		for err := range errs {
			select {
			case kept <- err:
			default: // whichever it is, watches are set again, and what is broken for good tells so again
			}
		}
	}()
	return kept
}

// close ends the watcher and waits until nothing of it runs any more.
func (w *watch) close() {
	if w.watcher == nil {
		return
	}
	_ = w.watcher.Close() // nothing is written, so nothing is lost
	for range w.errors {
		continue
	}
	w.watcher, w.events, w.errors, w.listening = nil, nil, nil, false
	clear(w.watched)
}

// fail is told of an error of the watcher, or that it ended. One that broke is replaced at once, but not more
// than once between two polls.
func (w *watch) fail(err error, open bool) {
	// Neither events that were lost nor a watch that went before it was taken away is the end: the look that follows
	// sets all watches again. An error of reading events has more around it than the system's number.
	if open && (errors.Is(err, fsnotify.ErrEventOverflow) || err == syscall.EINVAL) {
		return
	}
	if !open {
		err = fsnotify.ErrClosed
	}
	w.close()
	w.trouble = fmt.Errorf("listen to events: %w", err)
	if !w.retried {
		w.retried = true
		w.open()
	}
}

// notes reports whether an event asks for a look. Those that only change rights or times do, too: they may make the
// file readable, or tell that a mounted one was removed where it comes from, and a look costs little.
func (w *watch) notes(e fsnotify.Event, open bool) bool {
	if !open {
		w.fail(nil, false)
		return true
	}
	w.passed++
	return w.passed >= flood || w.ways.concerns(e.Name)
}

// gather waits until no event comes for a while. In a flood of them it lets the rest wait: the system's queue
// is bounded and says when it was too short, so that whoever makes the events does not spend our time.
func (w *watch) gather(ctx context.Context) {
	w.passed = 0
	most, quiet := time.NewTimer(w.timing.most), time.NewTimer(w.timing.quiet)
	defer most.Stop()
	defer quiet.Stop()
	for {
		events, calm := w.events, quiet.C
		if w.passed >= flood {
			events, calm = nil, nil
		}
		select {
		case <-ctx.Done():
			return
		case <-most.C:
			return
		case <-calm:
			return
		case e, open := <-events:
			if w.notes(e, open) {
				quiet.Reset(w.timing.quiet)
			}
		case err, open := <-w.errors:
			w.fail(err, open)
		}
	}
}

// look compares the file with what was loaded. The watches come before the reading, so that nothing falls between.
func (w *watch) look(why cause) {
	w.passed = 0
	listened := w.listening
	w.arrange()
	w.listening = w.watcher != nil && w.trouble == nil
	now := w.file.now()
	fresh := now != w.last
	w.last = now
	if why == byEvent {
		w.doubt = nil
		w.deaf = w.deaf && !fresh
	}
	w.tell()
	loaded, _ := w.file.remembered()
	named := w.file.alsoRead()
	if now != loaded {
		w.changed()
		loaded, _ = w.file.remembered()
	}
	w.again = nil
	switch {
	case loaded.problem == unsettled:
		w.again = time.After(w.timing.again)
	case !slices.Equal(named, w.file.alsoRead()):
		w.again = time.After(0) // there are no watches yet on what it names now
	}
	if why == byPoll && fresh && listened && w.listening && !w.deaf {
		// The event may be on its way.
		w.doubt = time.After(w.timing.most)
	}
}

// tell says how changes are noticed, if that is not what was said last.
func (w *watch) tell() {
	mode, why, err := WatchEvents, "", w.trouble
	if err == nil && w.deaf {
		err = errDeaf
	}
	if err != nil {
		mode, why = WatchPoll, err.Error()
	}
	if !w.told || why != w.toldWhy {
		w.told, w.toldWhy = true, why
		w.mode(mode, err)
	}
}

// arrange puts watches on the way to the file, until it is still the same afterwards: what changed before is seen
// in the file, what changes later comes as an event.
func (w *watch) arrange() {
	w.ways = w.file.ways()
	if w.watcher == nil {
		return
	}
	for range arrangements {
		w.trouble = w.add(w.ways)
		before := w.ways
		if w.ways = w.file.ways(); w.ways.same(before) {
			return
		}
	}
}

// add gives each place of the way a watch, and takes those of other places away. The error says what cannot be
// told by events.
func (w *watch) add(all ways) error {
	places := all.watched()
	for path, info := range w.watched {
		if p := places[path]; p == nil || !os.SameFile(p.info, info) {
			_ = w.watcher.Remove(path) // it may have gone with what it watched
			delete(w.watched, path)
		}
	}
	var trouble error
	for _, c := range all {
		if errors.Is(c.err, errSteps) {
			trouble = c.err
		}
	}
	for path, p := range places {
		// Also where there is one already: if it went with its directory, a new directory may have the old one's
		// number, and a watch that stands is only confirmed.
		if err := w.watcher.Add(path); err == nil {
			w.watched[path] = p.info
		} else if p.needed {
			trouble = fmt.Errorf("ask the system for events of %s: %w", path, err)
		}
	}
	return trouble
}
