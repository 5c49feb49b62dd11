package config

import (
	"fmt"
	"hash/maphash"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/diff"
)

// Text is the lines of a file with every secret masked, and enough of the true lines to tell which of them
// changed. The zero Text, and a nil one, is an empty file.
type Text struct {
	masked []string // without line ends
	sums   []uint64 // of the true lines, by a seed of this process
}

// lineSeed makes the sums of this process useless to any other: nobody can try out secrets on them.
var lineSeed = maphash.MakeSeed()

const (
	maxLine     = 400     // bytes of a line that are shown
	maxCompared = 100_000 // lines of two files that are compared; comparing takes half a kilobyte for each
)

// newText masks a file. What it does not understand it masks whole. A byte order mark, the way in which
// lines end and whether the last one does are not part of the Text.
func newText(text string) *Text {
	text = strings.TrimPrefix(text, "\ufeff")
	if text == "" {
		return &Text{}
	}
	text = strings.TrimSuffix(text, "\n")
	t := &Text{masked: strings.Split(mask(text), "\n")}
	for i, line := range t.masked {
		t.masked[i] = cut(line)
	}
	t.sums = make([]uint64, 0, len(t.masked))
	for line := range strings.SplitSeq(text, "\n") {
		t.sums = append(t.sums, maphash.String(lineSeed, strings.TrimSuffix(line, "\r")))
	}
	return t
}

// cut is as much of a line as is shown.
func cut(line string) string {
	if len(line) <= maxLine {
		return line
	}
	end := maxLine
	for !utf8.RuneStart(line[end]) {
		end--
	}
	return line[:end] + "…"
}

// identities are the sums, a line for each.
func (t *Text) identities() []byte {
	var b []byte
	for _, sum := range t.sums {
		b = strconv.AppendUint(b, sum, 36)
		b = append(b, '\n')
	}
	return b
}

// Diff is what changed from one text to another, masked, in the unified format without the names of the
// files. Empty: nothing changed, or to is nil, a file that could not be read.
//
// A line counts as changed if it was written differently, also where both are masked alike; one that
// stands as it was is shown as in from, also where a mistake above it has made it something else in to.
func Diff(from, to *Text) string {
	if to == nil {
		return ""
	}
	if from == nil {
		from = &Text{}
	}
	if len(from.masked)+len(to.masked) > maxCompared {
		return fmt.Sprintf("… the files have %d and %d lines: too many to compare\n", len(from.masked), len(to.masked))
	}
	var b strings.Builder
	x, y := 0, 0 // the next lines of from and to
	_, hunks, _ := strings.Cut(string(diff.Diff("", from.identities(), "", to.identities())), "\n+++ \n")
	for line := range strings.Lines(hunks) {
		switch line[0] {
		case '@':
			// A side without lines stands at 0, the others count from 1; its lines are not asked for.
			_, _ = fmt.Sscanf(line, "@@ -%d,%d +%d,%d @@", &x, new(int), &y, new(int))
			x, y = x-1, y-1
			b.WriteString(line)
		case '-':
			b.WriteString("-" + from.masked[x] + "\n")
			x++
		case '+':
			b.WriteString("+" + to.masked[y] + "\n")
			y++
		default:
			b.WriteString(" " + from.masked[x] + "\n")
			x, y = x+1, y+1
		}
	}
	return b.String()
}
