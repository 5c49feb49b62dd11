package openai

import "bytes"

// frame is an event taken apart into its lines.
type frame struct {
	kind   []byte // what its event line says
	data   []byte // what its data lines say, joined by line feeds
	lines  int    // of data
	offset int    // of data in the event, where it is one line
}

// unframe reads the lines of an event (the HTML standard, section 9.2.6). Some data lines are joined in new memory.
func unframe(event []byte) (f frame) {
	for i := lead(event); i < len(event); {
		line, next := nextField(event, i)
		i = next
		switch string(line.name) {
		case "event":
			f.kind = event[line.start:line.end]
		case "data":
			switch f.lines++; f.lines {
			case 1:
				f.data, f.offset = event[line.start:line.end:line.end], line.start
			default:
				f.data = append(append(f.data, '\n'), event[line.start:line.end]...)
			}
		}
	}
	return f
}

// lead is how many bytes at an event's beginning are not part of its lines: a byte order mark.
func lead(event []byte) int {
	if bytes.HasPrefix(event, []byte("\ufeff")) {
		return len("\ufeff")
	}
	return 0
}

// at is where in the event the byte at offset i of the data stands.
func (f *frame) at(event []byte, i int) int {
	if f.lines == 1 {
		return f.offset + i
	}
	for j := lead(event); j < len(event); {
		line, next := nextField(event, j)
		j = next
		if string(line.name) != "data" {
			continue
		}
		if length := line.end - line.start; i > length {
			i -= length + 1
			continue
		}
		return line.start + i
	}
	return len(event)
}

// field is a line of an event: its name, none for comments and empty lines, and where its value stands.
type field struct {
	name       []byte
	start, end int
}

// nextField reads the line that begins at i, and gives where the next one does. Lines end with CR, LF or both.
func nextField(event []byte, i int) (f field, next int) {
	end, next := len(event), len(event)
	if n := bytes.IndexByte(event[i:], '\n'); n >= 0 {
		end, next = i+n, i+n+1
	}
	if n := bytes.IndexByte(event[i:end], '\r'); n >= 0 {
		end, next = i+n, i+n+1
		if next < len(event) && event[next] == '\n' {
			next++
		}
	}
	f = field{name: event[i:end], start: end, end: end}
	if n := bytes.IndexByte(f.name, ':'); n >= 0 {
		f.name, f.start = f.name[:n], i+n+1
		if f.start < end && event[f.start] == ' ' {
			f.start++
		}
	}
	return f, next
}
