package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

// These are the ways of which the system tells nothing, so that a change is found by looking.

// pollRuns is how many gateways each of them is tried on, all at once: a look comes every few seconds.
func pollRuns() int {
	if isSoak() {
		return wayRuns
	}
	return 6
}

// needNamespace skips the test where the system does not let it arrange a small world for a process. wrapper is
// the command that makes such a world, runs a script in it and becomes what follows.
func needNamespace(t *testing.T, script string) (wrapper []string) {
	t.Helper()
	unshare := gatewaytest.Need(t, "unshare")
	world := []string{unshare, "--user", "--map-root-user", "--mount", "sh", "-ec"}
	if out, err := exec.Command(world[0], append(world[1:], "true")...).CombinedOutput(); err != nil {
		gatewaytest.Lack(t, "unshare", fmt.Sprintf("the system gives no namespaces: %v: %s", err, out))
	}
	return append(world, script+`; exec "$@"`, "sh")
}

// noticed saves revision n in the file of each of the gateways and waits until it is live in all, which each must
// have within what is promised. It gives the slowest.
func noticed(t *testing.T, all []*live, paths []string, n int, promise time.Duration, save func(path, text string) error) time.Duration {
	t.Helper()
	saved, known := make([]time.Time, len(all)), make([]time.Time, len(all))
	for i, l := range all {
		known[i] = l.newest(t)
		if err := save(paths[i], revision(n)); err != nil {
			t.Fatal(err)
		}
		saved[i] = time.Now()
	}
	slowest := time.Duration(0)
	for i, l := range all {
		lived := l.awaitLive(t, n, known[i])
		took := lived.Sub(saved[i])
		slowest = max(slowest, took)
		if took > promise && !l.clock.stood(saved[i], lived) {
			t.Errorf("run %d: live %v after it was saved", i+1, took)
		}
	}
	return slowest
}

// checkPolls holds everything that tells of polling against each other.
func checkPolls(t *testing.T, l *live) {
	t.Helper()
	polling := func() bool { return l.gauge(t, `nexus_config_watch_mode{mode="poll"}`) == 1 }
	l.await(t, "polling by the metrics", polling)
	if l.gauge(t, `nexus_config_watch_mode{mode="inotify"}`) != 0 {
		t.Error("the metrics say inotify, too")
	}
	l.Await(t, "watch_mode=poll")
	if !regexp.MustCompile(`level=WARN .*watch_mode=poll`).MatchString(l.Output()) {
		t.Error("the log does not warn of polling")
	}
	warned := false
	for _, w := range l.status(t).Warnings {
		warned = warned || strings.Contains(w.Text, "every few seconds")
	}
	if !warned {
		t.Errorf("the status does not warn of polling: %+v", l.status(t).Warnings)
	}
}

// TestSoakAMountWithoutEvents changes a file through memory, of which no event tells, as none tells of a change on
// the other side of a network's mount.
func TestSoakAMountWithoutEvents(t *testing.T) {
	all, paths := make([]*live, pollRuns()), make([]string, pollRuns())
	for i := range all {
		paths[i] = file(t, revision(0))
		all[i] = watchFile(t, paths[i])
	}
	for i, l := range all {
		if l.gauge(t, `nexus_config_watch_mode{mode="inotify"}`) != 1 {
			t.Fatalf("run %d does not begin with events", i+1)
		}
	}
	slowest := noticed(t, all, paths, 1, byPoll, func(path, text string) error { return throughMemory(t, path, text) })
	for _, l := range all {
		checkPolls(t, l)
	}
	t.Logf("%d of %d runs; the slowest was live after %v", len(all), len(all), slowest.Round(time.Millisecond))
}

// throughMemory writes a text of the same length over a file, through a mapping that stays until the test ends.
func throughMemory(t *testing.T, path, text string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	// What is closed after writing sends an event of its own.
	t.Cleanup(func() { _ = f.Close() })
	memory, err := syscall.Mmap(int(f.Fd()), 0, len(text), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	t.Cleanup(func() { _ = syscall.Munmap(memory) })
	copy(memory, text)
	return nil
}

// TestSoakNoInstanceToWatchWith starts gateways where the system has no inotify instance to give, and gives some later.
func TestSoakNoInstanceToWatchWith(t *testing.T) {
	const limit = "/proc/sys/user/max_inotify_instances"
	wrapper := needNamespace(t, "echo 0 >"+limit)
	nsenter := gatewaytest.Need(t, "nsenter")
	all, paths := make([]*live, pollRuns()), make([]string, pollRuns())
	for i := range all {
		paths[i] = file(t, revision(0))
		all[i] = watchFile(t, paths[i], wrapper...)
	}
	for _, l := range all {
		checkPolls(t, l)
	}
	slowest := noticed(t, all, paths, 1, byPoll, replace)
	for _, l := range all {
		if err := run(nsenter, "--target", strconv.Itoa(l.PID()), "--user", "--preserve-credentials", "sh", "-c", "echo 128 >"+limit); err != nil {
			t.Fatal(err)
		}
	}
	freed := time.Now()
	for _, l := range all {
		l.await(t, "watching again", func() bool { return l.gauge(t, `nexus_config_watch_mode{mode="inotify"}`) == 1 })
		if now := time.Now(); now.Sub(freed) > byPoll+time.Second && !l.clock.stood(freed, now) {
			t.Errorf("watching again only %v after it was possible", now.Sub(freed))
		}
	}
	again := noticed(t, all, paths, 2, byEvent, replace)
	t.Logf("%d of %d runs; the slowest was live after %v, with events again after %v",
		len(all), len(all), slowest.Round(time.Millisecond), again.Round(time.Millisecond))
}

// TestSoakASingleFileThatIsMounted gives gateways a file as containers do: that alone, by a bind mount. Written in
// place it is seen. Replaced, the mount shows the old one for ever, and all that can be done is to say so.
func TestSoakASingleFileThatIsMounted(t *testing.T) {
	wrapper := needNamespace(t, `mount --bind "$1" "$2"; shift 2`)
	all, outside := make([]*live, pollRuns()), make([]string, pollRuns())
	for i := range all {
		inside := file(t, "")
		outside[i] = filepath.Join(t.TempDir(), "source.toml")
		if err := write(outside[i], revision(0)); err != nil {
			t.Fatal(err)
		}
		all[i] = watchFile(t, inside, append(wrapper, outside[i], inside)...)
	}
	slowest := noticed(t, all, outside, 1, byPoll, write)

	saved := time.Now()
	for i := range all {
		if err := replace(outside[i], revision(2)); err != nil {
			t.Fatal(err)
		}
	}
	var reported time.Duration
	for i, l := range all {
		row := l.awaitAfter(t, saved, "failed")
		took := row.Time.Sub(saved)
		reported = max(reported, took)
		if took > byPoll && !l.clock.stood(saved, row.Time) {
			t.Errorf("run %d: reported %v after it was replaced", i+1, took)
		}
		remedy := regexp.MustCompile(`mount the (directory|folder)`)
		if len(row.Errors) == 0 || !remedy.MatchString(row.Errors[0].Hint) {
			t.Errorf("run %d: the history says %+v", i+1, row)
		}
		if s := l.status(t); s.LastReloadError == nil || !remedy.MatchString(*s.LastReloadError) {
			t.Errorf("run %d: the status says %+v", i+1, s)
		}
		l.Await(t, "reload refused")
		if l.answers(t, 1) != 200 {
			t.Errorf("run %d: what ran does not run on", i+1)
		}
	}
	t.Logf("%d of %d runs; the slowest write was live after %v, the slowest replacement reported after %v",
		len(all), len(all), slowest.Round(time.Millisecond), reported.Round(time.Millisecond))
}
