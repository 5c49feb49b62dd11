package main_test

import (
	"fmt"
	"strings"
)

// rawCodings are about Transfer-Encoding (RFC 9112, section 6.1). After a body in chunks the connection is closed: a proxy in between
// may have taken another end for its end.
func rawCodings() []rawCase {
	coded := func(coding string) string { return rawChunked("Transfer-Encoding: " + coding + "\r\n") }
	length := fmt.Sprintf("Content-Length: %d\r\n", len(rawBody("first-NNN")))
	const chunked = "Transfer-Encoding: chunked\r\n"
	return []rawCase{
		{name: "chunks", send: coded("chunked"), want: []int{200}},
		{name: "chunks in capital letters", send: coded("CHUNKED"), want: []int{200}},
		{name: "chunks after a tab", send: coded("\tchunked"), want: []int{200}},
		{name: "chunks before a space", send: coded("chunked "), want: []int{200}},
		{name: "chunks with a vertical tab", send: coded("\x0bchunked"), want: []int{400}},
		{name: "chunks and a length", send: rawChunked(chunked + length), want: []int{200}},
		{name: "a length and chunks", send: rawChunked(length + chunked), want: []int{200}},
		{name: "a length that is shorter, and chunks", send: rawChunked("Content-Length: 5\r\n" + chunked), want: []int{200}},
		{name: "a length, and chunks that are none", send: rawFramed(length+chunked, rawBody("first-NNN")), want: []int{400}},
		{name: "a length that is no number, and chunks", send: rawChunked("Content-Length: x\r\n" + chunked), want: []int{400}},
		{name: "chunks twice in a list", send: coded("chunked, chunked"), want: []int{501}},
		{name: "chunks twice", send: rawChunked(chunked + chunked), want: []int{501}},
		{name: "chunks and identity", send: rawChunked(chunked + "Transfer-Encoding: identity\r\n"), want: []int{501}},
		{name: "identity and a length", send: rawFramed("Transfer-Encoding: identity\r\n"+length, rawBody("first-NNN")), want: []int{501}},
		{name: "gzip", send: coded("gzip"), want: []int{501}},
		{name: "gzip and chunks", send: coded("gzip, chunked"), want: []int{501}},
		{name: "chunks and gzip", send: coded("chunked, gzip"), want: []int{501}},
		{name: "something like chunks", send: coded("xchunked"), want: []int{501}},
		{name: "chunks with a parameter", send: coded("chunked;q=1"), want: []int{501}},
		{name: "chunks in quotes", send: coded(`"chunked"`), want: []int{501}},
		{name: "no coding after all", send: rawFramed("Transfer-Encoding:\r\n"+length, rawBody("first-NNN")), want: []int{501}},
		{name: "chunks on a folded line", send: coded("\r\n chunked"), want: []int{200}},
		{name: "a space before the colon of the coding", send: rawChunked("Transfer-Encoding : chunked\r\n"), want: []int{400}},
		{name: "an underscore in the coding's name", send: rawFramed("Transfer_Encoding: chunked\r\n"+length, rawBody("first-NNN")), want: []int{200, 200}},
		{name: "chunks in version 1.0", send: strings.Replace(coded("chunked"), "HTTP/1.1", "HTTP/1.0", 1), want: []int{400}},
		{name: "chunks and a length in version 1.0", send: strings.Replace(rawChunked(length+chunked), "HTTP/1.1", "HTTP/1.0", 1), want: []int{400}},
		{name: "chunks that want to be kept alive", send: rawChunked(chunked + "Connection: keep-alive\r\n"), want: []int{200}},
		{name: "chunks with GET", send: strings.Replace(coded("chunked"), rawPost, "GET /llm/v1/models HTTP/1.1", 1), want: []int{200}},
	}
}

// rawChunks are about the chunks themselves (RFC 9112, section 7.1).
func rawChunks() []rawCase {
	chunked := func(body string) string { return rawFramed("Transfer-Encoding: chunked\r\n", body) }
	body := rawBody("first-NNN")
	n := len(body)
	sized := func(size string) string { return chunked(rawPiece(size, "\r\n0\r\n\r\n")) }
	size := fmt.Sprintf("%x", n)
	var single strings.Builder
	before, after, _ := strings.Cut(body, "first-NNN")
	for _, part := range append(append(strings.Split(before, ""), "first-NNN"), strings.Split(after, "")...) {
		fmt.Fprintf(&single, "%x\r\n%s\r\n", len(part), part)
	}
	return []rawCase{
		{name: "chunks of one byte", send: chunked(single.String() + "0\r\n\r\n"), want: []int{200}},
		{name: "a size in capital letters", send: sized(strings.ToUpper(size)), want: []int{200}},
		{name: "zeros before a size", send: sized("00" + size), want: []int{200}},
		{name: "a size with a plus sign", send: sized("+" + size), want: []int{400}},
		{name: "a negative size", send: sized("-" + size), want: []int{400}},
		{name: "a size with its base", send: sized("0x" + size), want: []int{400}},
		{name: "a size with an underscore", send: sized(size[:1] + "_" + size[1:]), want: []int{400}},
		{name: "a space before a size", send: sized(" " + size), want: []int{400}},
		{name: "no size", send: chunked("\r\n" + body + "\r\n0\r\n\r\n"), want: []int{400}},
		{name: "a size over 64 bits", send: sized("1" + strings.Repeat("0", 16)), want: []int{400}},
		{name: "a size that is right in its last 64 bits", send: sized("1" + strings.Repeat("0", 16-len(size)) + size), want: []int{400}},
		{name: "a size of almost 64 bits", send: chunked("7fffffffffffffff\r\n" + body), want: []int{400}, half: true, alone: true},
		{name: "a size that is too small", send: sized(fmt.Sprintf("%x", n-1)), want: []int{400}},
		{name: "a size that is too large", send: sized(fmt.Sprintf("%x", n+1)), want: []int{400}},
		{name: "an extension", send: sized(size + ";a=b"), want: []int{200}},
		{name: "an extension with a line feed", send: sized(size + ";a\n"), want: []int{400}},
		{name: "an extension of 100 KiB", send: sized(size + ";" + strings.Repeat("a", 100<<10)), want: []int{400}},
		{name: "extensions that outweigh the data", send: chunked(strings.Repeat("1;"+strings.Repeat("a", 2000)+"\r\n \r\n", 60) + rawPiece("", "\r\n0\r\n\r\n")), want: []int{400}},
		{name: "a line feed alone after a size", send: chunked(size + "\n" + body + "\r\n0\r\n\r\n"), want: []int{400}},
		{name: "a line feed alone after the data", send: chunked(rawPiece("", "\n0\r\n\r\n")), want: []int{400}},
		{name: "nothing after the data", send: chunked(rawPiece("", "0\r\n\r\n")), want: []int{400}},
		{name: "a carriage return alone after a size", send: chunked(size + "\r" + body + "\r\n0\r\n\r\n"), want: []int{400}},
		{name: "no last chunk", send: chunked(rawPiece("", "\r\n")), want: []int{400}},
		{name: "no last chunk, and the end", send: chunked(rawPiece("", "\r\n")), want: []int{400}, half: true, alone: true},
		{name: "an end in the middle of a chunk", send: chunked(size + "\r\n" + body[:10]), want: []int{400}, half: true, alone: true},
		{name: "trailers", send: chunked(rawPiece("", "\r\n0\r\nX-A: b\r\n\r\n")), want: []int{200}},
		{name: "trailers without a colon", send: chunked(rawPiece("", "\r\n0\r\nX-A b\r\n\r\n")), want: []int{400}},
		// Whoever closes in there is taken for gone, and a server need not answer (RFC 9112, section 8).
		{name: "trailers without an end", send: chunked(rawPiece("", "\r\n0\r\nX-A: b\r\n")), half: true, alone: true},
		{name: "trailers of 200 KiB", send: chunked(rawPiece("", "\r\n0\r\nX-A: "+strings.Repeat("a", 200<<10)+"\r\n\r\n")), want: []int{400}},
	}
}

// rawIdentities are about who calls: what looks like the header with the client's name, and is not.
func rawIdentities() []rawCase {
	as := func(fields string) string { return rawWith("Host: nexus\r\n" + fields) }
	trailed := func(fields, trailers string) string {
		return rawPost + "\r\nHost: nexus\r\nX-Request-ID: raw-NNN\r\nTransfer-Encoding: chunked\r\n" + fields + "\r\n" + rawPiece("", "\r\n0\r\n"+trailers+"\r\n")
	}
	nobody := []int{400, 200}
	return []rawCase{
		{name: "nobody", send: as(""), want: nobody, client: "nobody"},
		{name: "an empty name", send: as("X-Client-ID:\r\n"), want: nobody, client: "nobody"},
		{name: "a name of white space", send: as("X-Client-ID: \t \r\n"), want: nobody, client: "nobody"},
		{name: "an underscore twin alone", send: as("x_client_id: mallory\r\n"), want: nobody, client: "nobody"},
		{name: "an underscore twin", send: as("X-Client-ID: alice\r\nx_client_id: mallory\r\n"), want: []int{200, 200}, client: "alice"},
		{name: "an underscore twin first", send: as("X_Client_ID: mallory\r\nX-Client-ID: alice\r\n"), want: []int{200, 200}, client: "alice"},
		{name: "a twin with a dot", send: as("X.Client.ID: mallory\r\n"), want: nobody, client: "nobody"},
		{name: "a name in small letters", send: as("x-client-id: alice\r\n"), want: []int{200, 200}, client: "alice"},
		{name: "two names", send: as("X-Client-ID: alice\r\nX-Client-ID: mallory\r\n"), want: nobody, client: "nobody"},
		{name: "one name twice", send: as("X-Client-ID: alice\r\nx-client-id: alice\r\n"), want: nobody, client: "nobody"},
		{name: "a name and an empty one", send: as("X-Client-ID: alice\r\nX-Client-ID:\r\n"), want: nobody, client: "nobody"},
		{name: "a name with a tab", send: as("X-Client-ID: ali\tce\r\n"), want: nobody, client: "nobody"},
		{name: "a name that is not UTF-8", send: as("X-Client-ID: ali\xffce\r\n"), want: nobody, client: "nobody"},
		{name: "a name of 257 bytes", send: as("X-Client-ID: " + strings.Repeat("a", 257) + "\r\n"), want: nobody, client: "nobody"},
		{name: "a name with a space before its colon", send: as("X-Client-ID : alice\r\n"), want: []int{400}},
		{name: "a name in a folded line", send: as("X-A: b\r\n X-Client-ID: alice\r\n"), want: nobody, client: "nobody"},
		{name: "a name that the connection is told to forget", send: as("X-Client-ID: alice\r\nConnection: X-Client-ID\r\n"), want: []int{200, 200}, client: "alice"},
		{name: "a name in a trailer", send: trailed("", "X-Client-ID: alice\r\n"), want: []int{400}, client: "nobody"},
		{name: "a name in a trailer that was announced", send: trailed("Trailer: X-Client-ID\r\n", "X-Client-ID: alice\r\n"), want: []int{400}, client: "nobody"},
		{name: "another name in a trailer", send: trailed("X-Client-ID: alice\r\n", "X-Client-ID: mallory\r\nAuthorization: Bearer x\r\n"), want: []int{200}, client: "alice"},
		{name: "a length in a trailer", send: trailed("X-Client-ID: alice\r\nTrailer: Content-Length\r\n", "Content-Length: 5\r\n"), want: []int{400}},
		{name: "a name in the query", send: rawLine("POST " + chatPath + "?X-Client-ID=mallory HTTP/1.1"), want: []int{200, 200}, client: "alice"},
		{name: "a name with the credentials of a URL", send: rawLine("POST http://mallory:secret@nexus" + chatPath + " HTTP/1.1"), want: []int{200, 200}, client: "alice"},
	}
}

// rawPaths are ways to write a path so that a guard may miss it. Each is tried without the client's name and without a token: none
// may be answered with what is behind the guard.
func rawPaths() []rawCase {
	var cases []rawCase
	try := func(target string, want ...int) {
		send := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: nexus\r\nX-Request-ID: raw-NNN\r\n\r\n", target)
		cases = append(cases, rawCase{name: "GET " + target, send: send, want: want})
	}
	for _, guarded := range []string{"/llm/v1/models", "/admin", "/admin/api/status", "/metrics"} {
		refused := 401
		if strings.HasPrefix(guarded, "/llm") {
			refused = 400
		}
		try(guarded, refused, 200)
		try("http://elsewhere.example"+guarded, refused, 200)
		try("http://127.0.0.1"+guarded, refused, 200)
		try("https://nexus"+guarded, refused, 200)
		try(guarded+"?a=/health", refused, 200)
		for _, written := range []string{
			"/" + guarded, "/." + guarded, "/health/.." + guarded, "/health/%2e%2e" + guarded, "/health/..%2f" + guarded[1:], "/%2e" + guarded,
			strings.ToUpper(guarded), "/%" + fmt.Sprintf("%02x", guarded[1]) + guarded[2:], "/%2f" + guarded[1:], "/%5c" + guarded[1:], `/\` + guarded[1:],
			"/health%00" + guarded, "/health;" + guarded, "/health/" + guarded, "/llm/.." + guarded, "/llm/v1/..%5c.." + guarded,
			guarded + "%00", guarded + "%0d%0a", guarded + "%20", guarded + ";x", guarded + ".", guarded + "..", guarded + "/..", guarded + "/../health",
			guarded + "/", guarded + "//", guarded + "/.", guarded + "%2f", guarded + ".json", guarded + "%3f", guarded + "#x",
		} {
			try(written, anyRefusal, 200)
		}
	}
	for _, target := range []string{"/llm/../health", "/llm/v1/../../health", "/llm%2f..%2fhealth", "/admin/../health", "/metrics/..%2fhealth"} {
		try(target, anyRefusal, 200)
	}
	return cases
}
