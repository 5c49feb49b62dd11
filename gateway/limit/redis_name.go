package limit

import (
	"strconv"
	"strings"
)

// A key of ours is called, in Redis,
//
//	nexus:rate_limit:{nexus}:input:0::5:alice:6:openai:5:gpt-4
//
// that is: the prefix of the configuration; a tag; the kind; and each behind its length in bytes, the network address, the
// client id, the provider and the model. So no client id can imitate another's key, whatever it holds. The tag has a cluster
// keep all keys on one node, because a bill is paid in one step: a cluster brings failover, not scale. A prefix with a tag of
// its own ("{team-a}:") keeps that one.
//
// What redis-cli shows: GET of a counter gives its windows, "interval:index:cur:prev", the one paid for last first:
// milliseconds, which window since 1970, what was paid in it and in the one before. ZRANGE … WITHSCORES of a kind
// "concurrent" gives the requests in flight, each with the time until which it counts without being renewed.

// namePrefix begins the names of all keys.
func namePrefix(prefix string) string {
	if begin := strings.IndexByte(prefix, '{'); begin >= 0 && strings.IndexByte(prefix[begin+1:], '}') > 0 {
		return prefix
	}
	return prefix + "{nexus}:"
}

// appendName writes what a key is called.
func appendName(to []byte, prefix string, k *Key) []byte {
	to = append(append(to, prefix...), k.Kind.String()...)
	var room [64]byte
	address := room[:0]
	if k.Address.IsValid() {
		address = k.Address.AppendTo(address)
	}
	to = append(to, ':')
	to = append(strconv.AppendInt(to, int64(len(address)), 10), ':')
	to = append(to, address...)
	for _, part := range [...]string{k.Client, k.Provider, k.Model} {
		to = append(to, ':')
		to = append(strconv.AppendInt(to, int64(len(part)), 10), ':')
		to = append(to, part...)
	}
	return to
}
