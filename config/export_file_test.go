package config

import (
	"time"

	"github.com/fsnotify/fsnotify"
)

// SetPoll makes a watch look at the file in another rhythm where no event tells of it.
func (f *File) SetPoll(d time.Duration) { f.timing.poll = d }

// SetWatcher makes a watch get its events from elsewhere, or not at all.
func (f *File) SetWatcher(open func() (*fsnotify.Watcher, error)) { f.newWatcher = open }

// Way is how a path leads to its file, in words: the directories with the names that count in them ("*": all),
// those without whose events changes would go unseen marked with "!", and the file.
func Way(path string) (places []string, file string, err error) {
	c := follow(path)
	for _, p := range c.places {
		text := p.path
		if p.needed {
			text += "!"
		}
		if p.all {
			text += " *"
		} else {
			for _, name := range p.next {
				text += " " + name
			}
		}
		places = append(places, text)
	}
	if c.file != nil {
		file = c.file.path
	}
	return places, file, c.err
}

// Concerns reports whether an event of this name asks for a look at path.
func Concerns(path, event string) bool { return follow(path).concerns(event) }
