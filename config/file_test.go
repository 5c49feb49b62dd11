package config_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"nexus/config"
)

func TestLoadWaitsUntilTheFileStandsStill(t *testing.T) {
	path := save(t, numbered(1))
	written := make(chan struct{})
	go func() {
		defer close(written)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for n := 2; n < 14; n++ { // for 60 ms, and never the same
			<-tick.C
			_ = os.WriteFile(path+".new", []byte(numbered(n)), 0o600)
			_ = os.Rename(path+".new", path)
		}
	}()
	cfg, problems := open(path)
	<-written
	if cfg == nil || cfg.Admin.Traces != 13 {
		t.Errorf("it loaded %v; problems: %v", cfg, problems)
	}
}

func TestLoadOfAMissingFileDoesNotWait(t *testing.T) {
	path := t.TempDir() + "/nexus.toml"
	start := time.Now()
	for range 50 {
		open(path)
	}
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("it takes %v", took/50)
	}
}

func TestTheFileIsReadByItsPathEachTime(t *testing.T) {
	dir := t.TempDir()
	layout(t, dir, "a/nexus.toml", "l -> a")
	put(t, dir+"/b/nexus.toml", numbered(2))
	f := config.NewFile(dir+"/l/nexus.toml", config.Overlay{})
	var got []string
	for _, target := range []string{"a", "b", "gone", "a"} {
		link(t, target, dir+"/l2")
		must(t, os.Rename(dir+"/l2", dir+"/l"))
		d := f.Load()
		if d.Config == nil {
			got = append(got, strings.TrimPrefix(d.Problems.Error(), dir))
			continue
		}
		got = append(got, fmt.Sprint(d.Config.Admin.Traces))
	}
	if text := strings.Join(got, " | "); text != "1 | 2 | /l/nexus.toml: the file does not exist; put it there, or name another file with --config or NEXUS_CONFIG_PATH | 1" {
		t.Error(text)
	}
}
