package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"
)

// Overlay is what flags and environment variables say over the file. The zero Overlay says nothing.
type Overlay struct {
	// ListenAddress takes the place of server.listen_address; it is the text as it was given.
	ListenAddress string
	// ListenAddressFrom is where that text stands: "--listen-address" or "NEXUS_LISTEN_ADDRESS".
	// Empty: the file's address holds.
	ListenAddressFrom string
}

// Draft is a configuration as it was read: one that can be served, or one with mistakes, each of them told.
type Draft struct {
	// Config is nil if any problem is an error.
	Config *Config
	// Problems are all errors and warnings of the file, in its order.
	Problems Problems
	// Hash is that of [Config.Hash], also of a file with mistakes. Empty: the file could not be read.
	Hash string
	// Text is the file without its secrets. Nil: the file could not be read.
	Text *Text

	named []material
}

// SameAs reports whether the draft is what c was made of: the file, and the files that it names.
func (d *Draft) SameAs(c *Config) bool {
	return d.Hash == c.Hash() && sumOfNamed(d.named) == sumOfNamed(c.origin.named)
}

// Parse reads and checks a text: file is its name in problems, env looks up environment variables (nil:
// there are none). The *Config is nil if any problem is an error; the problems are then all errors and warnings
// of the file, otherwise its warnings.
func Parse(file string, text []byte, over Overlay, env func(string) (string, bool)) (*Config, Problems) {
	d := ParseDraft(file, text, over, env)
	return d.Config, d.Problems
}

// ParseDraft is [Parse] with all that is known of a text that has mistakes.
func ParseDraft(file string, text []byte, over Overlay, env func(string) (string, bool)) Draft {
	r := newReading(file, over, env)
	if r.parse(string(text)) {
		r.decode()
		r.overlay()
		r.complete()
		r.check()
	}
	r.problems.sort()
	d := Draft{Problems: r.problems, Hash: hashOf(text), Text: newText(string(text)), named: r.named}
	if !r.problems.HasErrors() {
		r.cfg.origin = origin{
			file: file, hash: d.Hash, lines: r.at, hidden: r.hidden, warnings: r.problems,
			overridden: r.overridden(), text: d.Text, named: r.named,
		}
		d.Config = r.cfg
	}
	return d
}

// Probe is as much of the listen address, of the liveness endpoint and of whether TLS is spoken as the file at path says, for
// asking a process that runs already: the file may have been broken since, and what cannot be read
// has its default.
func Probe(path string, over Overlay) (addr Address, healthPath Path, tls bool) {
	r := newReading(path, over, os.LookupEnv)
	if text, problem := read(path); problem == nil && r.parseMended(string(text)) {
		r.decode()
	}
	r.overlay()
	s := r.cfg.Server
	return s.ListenAddress, s.Health.Path, s.TLS.Enabled
}

// reading is one file on its way to a Config.
type reading struct {
	*report
	cfg  *Config
	over Overlay
	env  func(string) (string, bool)
	tree map[string]any
	dec  *decoder
	// named are the files that keys name, in the order in which they were read.
	named []material
}

func newReading(file string, over Overlay, env func(string) (string, bool)) *reading {
	r := &reading{report: newReport(file, nil), cfg: defaults(), over: over, env: env}
	r.dec = &decoder{report: r.report, env: env, used: map[string]string{}}
	return r
}

// parse makes the tree and finds its keys. False: there is nothing to decode, and a problem says why.
func (r *reading) parse(text string) bool {
	if len(text) > maxFile {
		r.fail("", "the file is larger than 1 MiB", "make it smaller, or name another file with --config or NEXUS_CONFIG_PATH")
		return false
	}
	// The bounds come before the parser, which has none.
	found := locate(text)
	if found.excess != "" {
		r.problems = append(r.problems, Problem{
			File: r.file, Line: found.excessAt.Line, Column: found.excessAt.Column,
			What: "the file " + found.excess, Fix: "make it simpler" + unchecked,
		})
		return false
	}
	tree, keys, err := parse(text)
	if err != nil {
		r.problems = append(r.problems, syntaxProblem(r.file, text, err))
		return false
	}
	if !found.whole {
		// What a key says counts, and also whether it is said: where the two readers of the file do not agree on
		// that, none of it may be served. A byte order mark of UTF-16 before plain text is such a case.
		r.problems = append(r.problems, Problem{
			File: r.file, Line: found.lastAt.Line, Column: found.lastAt.Column,
			What: "the file is not plain TOML behind this place", Fix: "save it as UTF-8 without a byte order mark, and write it more simply" + unchecked,
		})
		return false
	}
	if len(tree) == 0 {
		r.fail("", "the file is empty", `write at least a provider: [llm.providers.demo] with type = "demo"`)
		return false
	}
	r.tree, r.at, r.dec.order = tree, found.keys, orderOf(keys)
	return true
}

// mendings is how many lines of a broken file parseMended leaves out at most.
const mendings = 32

// parseMended is parse, leaving out lines that are not TOML.
func (r *reading) parseMended(text string) bool {
	for range mendings {
		r.problems = nil
		if r.parse(text) {
			return true
		}
		line := 0
		if len(r.problems) > 0 {
			line = r.problems[0].Line
		}
		start, end := len(upToLine(text, line-1)), len(upToLine(text, line))
		if line == 0 || start == end {
			return false
		}
		mended := "\n"
		if strings.HasPrefix(strings.TrimSpace(text[start:end]), "[") {
			// The keys below a broken header are not those of the table above it.
			mended = fmt.Sprintf("[\"line %d\"]\n", line)
		}
		text = text[:start] + mended + text[end:]
	}
	return false
}

func (r *reading) decode() {
	r.dec.table("", r.tree, reflect.ValueOf(r.cfg).Elem(), "")
}

// overlay puts what flags and variables say over what the file says.
func (r *reading) overlay() {
	const key = "server.listen_address"
	text, from := r.over.ListenAddress, r.over.ListenAddressFrom
	if from == "" {
		return
	}
	// A flag stands on the command line for all to see; what a variable holds is not shown.
	isFlag := strings.HasPrefix(from, "-")
	var addr Address
	if m := addr.parse(text); m != nil {
		what, fix := m.describe(text, isFlag)
		r.problems = append(r.problems, Problem{Key: from, What: what, Fix: fix})
		return
	}
	r.cfg.Server.ListenAddress = addr
	r.hidden[key] = !isFlag
	if _, said := r.at[key]; said {
		r.warn(key, "is overridden by "+from, "remove one of the two")
	}
}

// overridden says which keys have their value from a flag or a variable.
func (r *reading) overridden() map[string]From {
	switch from := r.over.ListenAddressFrom; {
	case from == "":
		return nil
	case strings.HasPrefix(from, "-"):
		return map[string]From{"server.listen_address": FromFlag}
	default:
		return map[string]From{"server.listen_address": FromEnvironment}
	}
}

// hashOf is what sha256sum says of the file. What flags and the environment say over it is the same as long as a process
// lives.
func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// defaults is what holds where a file says nothing.
func defaults() *Config {
	return &Config{
		Server: Server{
			ListenAddress:   Address{host: "127.0.0.1", port: 8000},
			ShutdownTimeout: Duration(30e9),
			MaxBodySize:     20 << 20,
			MaxBodyMemory:   512 << 20,
			Health:          Health{Enabled: true, Path: "/health", ReadyPath: "/ready"},
			TLS:             TLS{ClientAuth: ClientAuthRequire},
			CORS: CORS{
				AllowMethods:  Choice{"GET", "POST"},
				AllowHeaders:  Choice{"Authorization", "Content-Type"},
				ExposeHeaders: Choice{"X-Request-ID"},
				MaxAge:        Duration(10 * time.Minute),
			},
			CSRF: CSRF{HeaderName: "X-Nexus-CSRF-Protection"},
			OAuth: OAuth{
				PollInterval: Duration(5 * time.Minute), ClockSkew: Duration(time.Minute), MaxStale: Duration(24 * time.Hour),
			},
			RateLimits: RateLimits{Storage: LimitStorage{
				Type: StorageMemory, KeyPrefix: "nexus:rate_limit:", OnFailure: OnFailureLocal,
				ResponseTimeout: Duration(200 * time.Millisecond), ConnectionTimeout: Duration(time.Second),
				Pool: StoragePool{MaxSize: 64, MinIdle: 4},
			}},
		},
		LLM: LLM{Protocols: Protocols{OpenAI: Protocol{Enabled: true, Path: "/llm"}}},
		Admin: Admin{
			Enabled: true, Path: "/admin", Traces: 1000, Rejections: 1000,
		},
		Telemetry: Telemetry{Prometheus: Prometheus{Enabled: true, Path: "/metrics"}},
	}
}
