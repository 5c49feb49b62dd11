package config_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nexus/config"
)

// mount mounts source at target until the test ends, or skips the test where nobody may.
func mount(t *testing.T, source, target, kind string, flags uintptr) {
	t.Helper()
	err := syscall.Mount(source, target, kind, flags, "")
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		t.Skipf("mounting is not permitted here: %v", err)
	}
	must(t, err)
	t.Cleanup(func() { _ = syscall.Unmount(target, syscall.MNT_DETACH) }) // the test may have done it
}

// mountFile mounts the file source/nexus.toml at inside/nexus.toml; both are in the directory that is returned.
func mountFile(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	put(t, dir+"/source/nexus.toml", numbered(1))
	put(t, dir+"/in side/nexus.toml", "") // the list of mounts writes the blank in its own way
	mount(t, dir+"/source/nexus.toml", dir+"/in side/nexus.toml", "", syscall.MS_BIND)
	return dir
}

// poke writes a file through memory, of which nobody gets an event. The text must have the length of the old one.
func poke(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = f.Close() }()
	memory, err := syscall.Mmap(int(f.Fd()), 0, len(text), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		t.Error(err)
		return
	}
	copy(memory, text)
	if err := syscall.Munmap(memory); err != nil {
		t.Error(err)
	}
}

func TestAMountWithoutEventsIsFoundAndPolled(t *testing.T) {
	path := save(t, numbered(1))
	w := watch(t, path, func(f *config.File) { f.SetPoll(100 * time.Millisecond) }, nil)
	w.tells("inotify")
	poke(t, path, numbered(2))
	w.sees(2)
	w.tells("poll: the file changed and the system told of nothing")
	poke(t, path, numbered(3))
	w.sees(3)
	must(t, os.Chmod(path, 0o640)) // an event without a change proves nothing
	w.rests(2)
	w.tells("poll")
	put(t, path, numbered(4))
	w.sees(4)
	w.tells("inotify")
}

func TestAnEventThatPollingOvertookIsStillAnEvent(t *testing.T) {
	// The machine may keep an event waiting for longer than the watch waits, but not each time.
	for range 3 {
		path := save(t, numbered(1))
		w := watch(t, path, func(f *config.File) { f.SetPoll(5 * time.Millisecond) }, nil)
		for n := 2; n < 8; n++ {
			put(t, path, numbered(n))
			w.sees(n)
		}
		if !w.within(brief, func() bool { return len(w.modes) > 1 }) {
			return
		}
	}
	t.Error("a change whose event was late counts as one without an event")
}

func TestAFilesystemMountedOverTheDirectoryIsSeenByPolling(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/conf/nexus.toml", numbered(1))
	w := watch(t, dir+"/conf/nexus.toml", func(f *config.File) { f.SetPoll(100 * time.Millisecond) }, nil)
	mount(t, "none", dir+"/conf", "tmpfs", 0)
	w.fails("the file does not exist")
	put(t, dir+"/conf/nexus.toml", numbered(2))
	w.sees(2)
	must(t, syscall.Unmount(dir+"/conf", 0))
	w.sees(1)
}

func TestADirectoryThatIsMountedTwiceHasEventsByBothNames(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/real/x/y", "")
	put(t, dir+"/real/nexus.toml", numbered(1))
	must(t, os.Mkdir(dir+"/again", 0o755))
	mount(t, dir+"/real", dir+"/again", "", syscall.MS_BIND)
	// The first name of the directory counts for what is below x alone.
	link(t, dir+"/again/nexus.toml", dir+"/real/x/link")
	w := watch(t, dir+"/real/x/link", nil, nil)
	for n := 2; n < 6; n++ {
		must(t, os.Remove(dir+"/real/nexus.toml"))
		w.fails("the file does not exist") // and nothing but the directory can tell of the next one
		put(t, dir+"/real/nexus.toml", numbered(n))
		w.sees(n)
	}
}

func TestAMountedFileIsWarnedOf(t *testing.T) {
	dir := mountFile(t)
	const warning = "the file itself is a mount: when a program saves by putting a new file in its place, that is not seen here; mount the directory that it is in"
	path := dir + "/in side/nexus.toml"
	link(t, "in side/nexus.toml", dir+"/link")
	for _, p := range []string{path, dir + "/link"} {
		cfg, problems := open(p)
		if cfg == nil || len(problems) != 1 || len(cfg.Warnings()) != 1 || cfg.Warnings()[0].String() != p+": warning: "+warning || problems[0] != cfg.Warnings()[0] {
			t.Errorf("problems: %v", problems)
		}
	}
	mounted, _ := open(path)
	direct, problems := open(dir + "/source/nexus.toml")
	if len(problems) > 0 || mounted.Hash() != direct.Hash() {
		t.Errorf("where it comes from: %v", problems)
	}
	put(t, dir+"/source/nexus.toml", "quux = 1\n"+provider)
	if cfg, problems := open(path); cfg != nil || len(problems) != 2 || !problems[0].Warning || problems[1].Line != 1 {
		t.Errorf("with a mistake: %v", problems)
	}
}

func TestAMountedFileIsFollowed(t *testing.T) {
	dir := mountFile(t)
	w := watch(t, dir+"/in side/nexus.toml", nil, nil)
	for n := 2; n < 4; n++ {
		put(t, dir+"/source/nexus.toml", numbered(n)) // in place, out of sight of the directory inside
		w.sees(n)
	}
	put(t, dir+"/source/new", numbered(4))
	must(t, os.Rename(dir+"/source/new", dir+"/source/nexus.toml"))
	w.fails("the file is a mount of a file that has been removed or replaced since: what stands in its place cannot be seen from here; " +
		"mount the directory that it is in instead, and restart")
	w.rests(w.called())
	must(t, syscall.Unmount(dir+"/in side/nexus.toml", 0))
	put(t, dir+"/in side/nexus.toml", numbered(5))
	w.sees(5)
}

func TestAMountedFileThatLivesOnByAnotherNameIsReportedToo(t *testing.T) {
	dir := mountFile(t)
	must(t, os.Link(dir+"/source/nexus.toml", dir+"/source/backup"))
	w := watch(t, dir+"/in side/nexus.toml", nil, nil)
	must(t, os.Remove(dir+"/source/nexus.toml"))
	w.fails("the file is a mount of a file that has been removed or replaced since")
	w.rests(1)
}

func TestAMountedFileThatMadeRoomForAnotherIsReported(t *testing.T) {
	dir := mountFile(t)
	w := watch(t, dir+"/in side/nexus.toml", nil, nil)
	must(t, os.Rename(dir+"/source", dir+"/moved")) // it is still the file that others see
	put(t, dir+"/moved/nexus.toml", numbered(2))
	w.sees(2)
	must(t, os.Rename(dir+"/moved/nexus.toml", dir+"/moved/nexus.toml.bak"))
	put(t, dir+"/moved/nexus.toml", numbered(3))
	w.fails("the file is a mount of a file that has been removed or replaced since")
	must(t, os.Rename(dir+"/moved/nexus.toml.bak", dir+"/moved/nexus.toml"))
	w.sees(2)
}

func TestADeletedFileThatIsStillOpenIsNoMount(t *testing.T) {
	path := save(t, numbered(1))
	f, err := os.Open(path)
	must(t, err)
	defer func() { _ = f.Close() }()
	must(t, os.Remove(path))
	// The name of an open file leads to it also when it has no other any more.
	if cfg, problems := open(fmt.Sprintf("/proc/self/fd/%d", f.Fd())); cfg == nil {
		t.Errorf("problems: %v", problems)
	}
}

func TestTheListOfMountsIsRead(t *testing.T) {
	const list = `22 27 0:21 / /proc rw,relatime - proc proc rw
42 27 254:0 /a/source /in\040side/nexus.toml rw,relatime shared:1 master:2 - ext4 /dev/vda rw
43 27 254:0 /a/gone//deleted /gone\134\011 rw - ext4 /dev/vda rw
44 27 254:0 /a/gone//deleted /covered rw - ext4 /dev/vda rw
45 27 254:0 /a/new /covered rw - ext4 /dev/vda rw
46 27 254:0 /a/deleted /named-deleted rw - ext4 /dev/vda rw
47 27 254:0 /a /odd\04 rw - ext4 /dev/vda rw
/short /line
`
	for _, tt := range []struct {
		path, root string
	}{
		{"/proc", "/"},
		{"/in side/nexus.toml", "/a/source"},
		{`/in\040side/nexus.toml`, ""},
		{"/gone\\\t", "/a/gone//deleted"},
		{"/covered", "/a/new"},
		{"/named-deleted", "/a/deleted"},
		{`/odd\04`, "/a"},
		{"/line", ""},
		{"/a/source", ""},
		{"", ""},
	} {
		if root := config.FindMount(list, tt.path); root != tt.root {
			t.Errorf("%s: %q is mounted, want %q", tt.path, root, tt.root)
		}
	}
	endless := strings.Repeat("x", 1<<20) + "\n" + list
	if config.FindMount(endless, "/proc") != "" {
		t.Error("it reads lines of any length")
	}
}

func TestAPipeIsNeverWaitedFor(t *testing.T) {
	try(t, way{"a pipe in its place, and a file again", "nexus.toml", plain, func(t *testing.T, dir string, w *watched, n int) {
		must(t, syscall.Mkfifo(dir+"/pipe", 0o600))
		must(t, os.Rename(dir+"/pipe", dir+"/nexus.toml"))
		w.fails("this is not a regular file")
		put(t, dir+"/new", numbered(n))
		must(t, os.Rename(dir+"/new", dir+"/nexus.toml"))
	}, 0})
}

// asNobody makes the rest of a goroutine's file accesses those of a user without rights. The goroutine keeps its
// thread, which ends with it.
func asNobody(t *testing.T) func() {
	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	return func() {
		runtime.LockOSThread()
		if err := syscall.Setfsuid(65534); err != nil {
			t.Error(err)
		}
	}
}

func TestRightsThatComeAndGoAreSeen(t *testing.T) {
	become := asNobody(t)
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	must(t, os.Chmod(dir, 0o755))
	path := dir + "/conf/nexus.toml"
	put(t, path, numbered(1))
	w := watch(t, path, nil, nil, become)
	for n := 2; n < 4; n++ {
		must(t, os.Chmod(path, 0))
		w.fails("the file cannot be read: permission denied; let the user that runs Nexus read it")
		calls := w.called()
		must(t, os.Chmod(path, 0o200))
		w.rests(calls)
		put(t, path, numbered(n))
		must(t, os.Chmod(path, 0o644))
		w.sees(n)
	}
	must(t, os.Chmod(dir+"/conf", 0o700))
	w.fails("the file cannot be found: permission denied")
	must(t, os.Chmod(dir+"/conf", 0o755))
	w.sees(3)
	w.tells("inotify")
	must(t, os.Chmod(dir+"/conf", 0o711)) // the file can be read, but nobody tells of the directory
	w.tells("poll: ask the system for events of " + dir + "/conf: permission denied")
	must(t, os.Chmod(dir+"/conf", 0o755))
	w.tells("inotify")
}

// openFiles is how many files this process has open.
func openFiles(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(names)
}

func TestNothingIsLeftOfAWatch(t *testing.T) {
	goroutines, files := goleak.IgnoreCurrent(), openFiles(t)
	for _, tt := range ways()[:3] {
		t.Run(tt.name, func(t *testing.T) { try(t, tt) })
	}
	if err := goleak.Find(goroutines); err != nil {
		t.Error(err)
	}
	if now := openFiles(t); now > files {
		t.Errorf("%d files are open, %d were before", now, files)
	}
}

// watches is how many watches the system holds for this process.
func watches(t *testing.T) (n int) {
	t.Helper()
	names, err := filepath.Glob("/proc/self/fdinfo/*")
	must(t, err)
	for _, name := range names {
		text, _ := os.ReadFile(name) // some are gone by now
		n += strings.Count(string(text), "inotify wd:")
	}
	return n
}

func TestWatchesOfWhatIsNotOnTheWayAreGivenBack(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/1/conf/nexus.toml", numbered(1))
	link(t, dir+"/1", dir+"/current")
	w := watch(t, dir+"/current/conf/nexus.toml", nil, nil)
	before := watches(t)
	for n := 2; n < 6; n++ {
		put(t, fmt.Sprintf("%s/%d/conf/nexus.toml", dir, n), numbered(n))
		link(t, fmt.Sprintf("%s/%d", dir, n), dir+"/current")
		w.sees(n)
	}
	if now := watches(t); before == 0 || now != before {
		t.Errorf("%d watches, %d at first", now, before)
	}
}

func TestTheEndOfChangesIsSeenWithoutAnEvent(t *testing.T) {
	path := save(t, numbered(100))
	w := watch(t, path, nil, nil)
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		for n := 0; ctx.Err() == nil; n++ {
			poke(t, path, numbered(100+n%900))
		}
	}()
	w.rests(0) // nobody tells of anything
	must(t, os.Chmod(path, 0o640))
	w.fails("the file changes while it is read")
	stop()
	<-over
	poke(t, path, numbered(999))
	w.sees(999)
}

func TestWhatAnOverflowHidesIsSeen(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	must(t, err)
	queue, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(t, err)
	if queue > 50_000 {
		t.Skip("the queue of events is too long to fill")
	}
	dir := t.TempDir()
	path := dir + "/conf/nexus.toml"
	put(t, path, numbered(1))
	called, release := make(chan struct{}, 100), make(chan struct{})
	w := watch(t, path, nil, func() { called <- struct{}{}; <-release })
	put(t, path, numbered(2))
	<-called
	// Nobody takes events now. Those of the new directory come after all that the queue has room for.
	put(t, dir+"/conf/a", "")
	for range queue {
		must(t, os.Rename(dir+"/conf/a", dir+"/conf/b"))
		must(t, os.Rename(dir+"/conf/b", dir+"/conf/a"))
	}
	must(t, os.RemoveAll(dir+"/conf"))
	put(t, path, numbered(3))
	close(release)
	w.sees(3)
	put(t, path, numbered(4))
	w.sees(4)
}

// TestAStormCostsLittle measures what a storm of another process costs this one.
func TestAStormCostsLittle(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no shell")
	}
	path := save(t, numbered(1))
	w := watch(t, path, nil, nil)
	storm := exec.Command(shell, "-c", `while :; do : > "$0/a"; done`, filepath.Dir(path))
	must(t, storm.Start())
	defer func() { _ = storm.Process.Kill(); _ = storm.Wait() }()
	spent := func() time.Duration {
		var u syscall.Rusage
		must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before, start := spent(), time.Now()
	w.rests(0)
	w.within(time.Second, func() bool { return false })
	share := float64(spent()-before) / float64(time.Since(start))
	t.Logf("%.1f %% of a core", share*100)
	if share > 0.25 {
		t.Errorf("it takes %.0f %% of a core", share*100)
	}
}
