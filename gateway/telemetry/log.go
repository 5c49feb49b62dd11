package telemetry

import (
	"encoding"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"unicode"

	"github.com/lmittmann/tint"
)

// NewLogger makes a logger that writes to w. The level is "off", "error", "warn", "info" or "debug", the
// style "color", "text" or "json"; any other word is an error. Times are in UTC, one record is one line
// whatever its values hold, and "off" writes nothing.
func NewLogger(w io.Writer, level, style string) (*slog.Logger, error) {
	var least slog.Level
	switch level {
	case "off":
	case "error":
		least = slog.LevelError
	case "warn":
		least = slog.LevelWarn
	case "info":
		least = slog.LevelInfo
	case "debug":
		least = slog.LevelDebug
	default:
		return nil, fmt.Errorf("unknown log level %q: use off, error, warn, info or debug", level)
	}

	options := &slog.HandlerOptions{Level: least, ReplaceAttr: utc}
	var handler slog.Handler
	switch style {
	case "color":
		handler = tint.NewTextHandler(w, &tint.Options{
			Level: least, ReplaceAttr: harmless, TimeFormat: "2006-01-02T15:04:05.000Z07:00",
		})
	case "text":
		handler = slog.NewTextHandler(w, options)
	case "json":
		handler = slog.NewJSONHandler(w, options)
	default:
		return nil, fmt.Errorf("unknown log style %q: use color, text or json", style)
	}
	if level == "off" {
		handler = slog.DiscardHandler
	}
	return slog.New(handler), nil
}

// utc moves every time of a record to UTC.
func utc(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindTime {
		a.Value = slog.TimeValue(a.Value.Time().UTC())
	}
	return a
}

// harmless is utc for a terminal: the colour handler writes escape sequences of values as they are, and
// a caller's path must not move the cursor or paint over other lines.
func harmless(groups []string, a slog.Attr) slog.Attr {
	switch {
	case len(groups) == 0 && a.Key == slog.LevelKey:
		return a
	case len(groups) == 0 && a.Key == slog.MessageKey:
		// The handler never quotes the message.
		if s := a.Value.String(); strings.ContainsFunc(s, unprintable) {
			a.Value = slog.StringValue(strconv.Quote(s))
		}
		return a
	}
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(withoutEscape(a.Value.String()))
	case slog.KindAny:
		a.Value = slog.StringValue(withoutEscape(words(a.Value.Any())))
	}
	return utc(groups, a)
}

// words is v as slog's own text handler says it.
func words(v any) string {
	if m, ok := v.(encoding.TextMarshaler); ok {
		if b, err := m.MarshalText(); err == nil {
			return string(b)
		}
	}
	return fmt.Sprintf("%+v", v)
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// withoutEscape spells out the escape character. The handler turns a quoted `\x1b` back into the
// character, also one that was spelled out before, so that spelling has to go as well.
func withoutEscape(s string) string {
	s = strings.ReplaceAll(s, "\x1b", `\x1B`)
	return strings.ReplaceAll(s, `\x1b`, `\x1B`)
}
