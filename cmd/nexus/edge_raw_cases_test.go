package main_test

import (
	"fmt"
	"strings"
)

// rawCases are all of them.
func rawCases() []rawCase {
	var all []rawCase
	for _, some := range [][]rawCase{rawLines(), rawFields(), rawHosts(), rawLengths(), rawCodings(), rawChunks(), rawIdentities(), rawPaths()} {
		all = append(all, some...)
	}
	return all
}

// rawLine is a question with another first line.
func rawLine(line string) string { return line + "\r\n" + rawRest() }

// rawRest is a question without its first line.
func rawRest() string { return rawHead() + rawSized() }

const rawPost = "POST " + chatPath + " HTTP/1.1"

// rawHead are the fields of every question; they say nothing of the body's length.
func rawHead() string {
	return "Host: nexus\r\nX-Client-ID: alice\r\nX-Request-ID: raw-NNN\r\nContent-Type: application/json\r\n"
}

// rawSized is the end of the header, and the body.
func rawSized() string {
	body := rawBody("first-NNN")
	return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

// rawField is a question with more fields, which end as they say.
func rawField(fields string) string { return rawPost + "\r\n" + rawHead() + fields + rawSized() }

// rawWith is a question with other fields in place of the usual ones.
func rawWith(fields string) string {
	return rawPost + "\r\nX-Request-ID: raw-NNN\r\n" + fields + rawSized()
}

// rawFramed is a question whose fields say where its body ends.
func rawFramed(fields, body string) string {
	return rawPost + "\r\n" + rawHead() + fields + "\r\n" + body
}

// rawPiece is the body as one chunk; size is written before it, and after writes what stands behind.
func rawPiece(size, after string) string {
	body := rawBody("first-NNN")
	if size == "" {
		size = fmt.Sprintf("%x", len(body))
	}
	return size + "\r\n" + body + after
}

// rawChunked is a question in one chunk.
func rawChunked(fields string) string {
	return rawFramed(fields, rawPiece("", "\r\n0\r\n\r\n"))
}

// rawLines are about the first line (RFC 9112, section 3).
func rawLines() []rawCase {
	return []rawCase{
		{name: "nothing is wrong", send: rawLine(rawPost), want: []int{200, 200}, client: "alice"},
		{name: "a tab between the words of the first line", send: rawLine("POST\t" + chatPath + "\tHTTP/1.1"), want: []int{400}},
		{name: "two spaces after the method", send: rawLine("POST  " + chatPath + " HTTP/1.1"), want: []int{400}},
		{name: "two spaces before the version", send: rawLine("POST " + chatPath + "  HTTP/1.1"), want: []int{400}},
		{name: "a space at the end of the first line", send: rawLine(rawPost + " "), want: []int{400}},
		{name: "a space before the method", send: rawLine(" " + rawPost), want: []int{400}},
		{name: "a space in the path", send: rawLine("POST /llm/v1/chat completions HTTP/1.1"), want: []int{400}},
		{name: "no version", send: rawLine("POST " + chatPath), want: []int{400}},
		{name: "version 0.9 in one line", send: "GET /llm/v1/models\r\n", want: []int{400}},
		{name: "version 0.9 by name", send: rawLine("POST " + chatPath + " HTTP/0.9"), want: []int{505}},
		{name: "version 1.0", send: rawLine("POST " + chatPath + " HTTP/1.0"), want: []int{200}},
		{name: "version 1.0 that wants to be kept alive", send: rawLine("POST " + chatPath + " HTTP/1.0\r\nConnection: keep-alive"), want: []int{200}},
		{name: "version 1.2", send: rawLine("POST " + chatPath + " HTTP/1.2"), want: []int{200, 200}},
		{name: "version 1.10", send: rawLine("POST " + chatPath + " HTTP/1.10"), want: []int{400}},
		{name: "version 2.0", send: rawLine("POST " + chatPath + " HTTP/2.0"), want: []int{505}},
		{name: "version 3.0", send: rawLine("POST " + chatPath + " HTTP/3.0"), want: []int{505}},
		{name: "version in small letters", send: rawLine("POST " + chatPath + " http/1.1"), want: []int{400}},
		{name: "version without a dot", send: rawLine("POST " + chatPath + " HTTP/11"), want: []int{400}},
		{name: "version of another protocol", send: rawLine("POST " + chatPath + " ICY/1.1"), want: []int{400}},
		{name: "method in small letters", send: rawLine("post " + chatPath + " HTTP/1.1"), want: []int{405, 200}},
		{name: "method that nobody knows", send: rawLine("BREW " + chatPath + " HTTP/1.1"), want: []int{405, 200}},
		{name: "method with a parenthesis", send: rawLine("PO(T " + chatPath + " HTTP/1.1"), want: []int{400}},
		{name: "no method", send: rawLine(" " + chatPath + " HTTP/1.1"), want: []int{400}},
		{name: "an empty line first", send: "\r\n" + rawLine(rawPost), want: []int{400}},
		{name: "a line feed alone after the first line", send: rawPost + "\n" + rawRest(), want: []int{200, 200}},
		{name: "a carriage return alone after the first line", send: rawPost + "\r" + rawRest(), want: []int{400}},
		{name: "a NUL in the first line", send: rawLine("POST /llm/v1/chat\x00/completions HTTP/1.1"), want: []int{400}},
		{name: "a DEL in the first line", send: rawLine("POST /llm/v1/chat\x7f/completions HTTP/1.1"), want: []int{400}},
		{name: "bytes above 127 in the path", send: rawLine("POST /llm/v1/ch\xc3\xa4t/completions HTTP/1.1"), want: []int{404, 200}},
		{name: "half an escape in the path", send: rawLine("POST /llm/v1/chat/completions%2 HTTP/1.1"), want: []int{400}},
		{name: "a path of 200 KiB", send: rawLine("POST " + chatPath + "?" + strings.Repeat("a", 200<<10) + " HTTP/1.1"), want: []int{431}},
		{name: "a method of 200 KiB", send: rawLine(strings.Repeat("P", 200<<10) + " " + chatPath + " HTTP/1.1"), want: []int{431}},
		{name: "the preface of HTTP/2", send: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", want: []int{404}},
		{name: "a TLS handshake", send: "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n", want: []int{400}, alone: true},
		{name: "the absolute form, of another host", send: rawLine("POST http://elsewhere.example" + chatPath + " HTTP/1.1"), want: []int{200, 200}},
		{name: "the absolute form, of another scheme", send: rawLine("POST ftp://elsewhere.example" + chatPath + " HTTP/1.1"), want: []int{200, 200}},
		{name: "the authority form", send: rawLine("POST nexus:8000 HTTP/1.1"), want: []int{404, 200}},
		{name: "CONNECT", send: rawLine("CONNECT nexus:8000 HTTP/1.1"), want: []int{404, 200}},
		{name: "CONNECT to a path", send: rawLine("CONNECT " + chatPath + " HTTP/1.1"), want: []int{405, 200}},
		{name: "the asterisk form", send: rawLine("OPTIONS * HTTP/1.1"), want: []int{404, 200}},
		{name: "the asterisk form of another method", send: rawLine("POST * HTTP/1.1"), want: []int{404, 200}},
		{name: "a path without its slash", send: rawLine("POST llm/v1/chat/completions HTTP/1.1"), want: []int{400}},
		{name: "a fragment", send: rawLine("POST " + chatPath + "#x HTTP/1.1"), want: []int{404, 200}},
	}
}

// rawFields are about the lines of the header (RFC 9112, section 5).
func rawFields() []rawCase {
	return []rawCase{
		{name: "a space before the colon", send: rawField("X-A : b\r\n"), want: []int{400}},
		{name: "a tab before the colon", send: rawField("X-A\t: b\r\n"), want: []int{400}},
		{name: "no colon", send: rawField("X-A b\r\n"), want: []int{400}},
		{name: "no name", send: rawField(": b\r\n"), want: []int{400}},
		{name: "a name of two words", send: rawField("X A: b\r\n"), want: []int{400}},
		{name: "a name with a parenthesis", send: rawField("X(A): b\r\n"), want: []int{400}},
		{name: "a name beyond ASCII", send: rawField("X-\xc3\xa4: b\r\n"), want: []int{400}},
		{name: "no value", send: rawField("X-A:\r\n"), want: []int{200, 200}},
		{name: "a first line that is folded", send: rawPost + "\r\n X-A: b\r\n" + rawRest(), want: []int{400}},
		{name: "a folded line", send: rawField("X-A: b\r\n c\r\n"), want: []int{200, 200}},
		{name: "a NUL in a value", send: rawField("X-A: b\x00c\r\n"), want: []int{400}},
		{name: "a DEL in a value", send: rawField("X-A: b\x7fc\r\n"), want: []int{400}},
		{name: "a carriage return in a value", send: rawField("X-A: b\rX-Client-ID: mallory\r\n"), want: []int{400}},
		{name: "a line feed alone ends a field", send: rawField("X-A: b\n"), want: []int{200, 200}},
		{name: "two carriage returns end a field", send: rawField("X-A: b\r\r\n"), want: []int{400}},
		{name: "bytes above 127 in a value", send: rawField("X-A: \xff\xfe\r\n"), want: []int{200, 200}},
		{name: "101 fields", send: rawField(strings.Repeat("X-A: b\r\n", 101)), want: []int{431, 200}},
		{name: "a value of 200 KiB", send: rawField("X-A: " + strings.Repeat("a", 200<<10) + "\r\n"), want: []int{431}},
		{name: "200 KiB of small fields", send: rawField(strings.Repeat("X-A: bcd\r\n", 20<<10)), want: []int{431}},
		{name: "a header that does not end", send: rawPost + "\r\nHost: nexus\r\nX-Client-ID: alice\r\n", want: []int{400}, half: true, alone: true},
		{name: "a wish to speak HTTP/2", send: rawField("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"), want: []int{200, 200}},
		{name: "a wish to speak WebSocket", send: rawField("Connection: Upgrade\r\nUpgrade: websocket\r\n"), want: []int{200, 200}},
		{name: "a wish to be told to go on", send: rawField("Expect: 100-continue\r\n"), want: []int{100, 200, 200}},
		{name: "another wish", send: rawField("Expect: 200-maybe\r\n"), want: []int{417}},
		{name: "one wish and another", send: rawField("Expect: 100-continue, 200-maybe\r\n"), want: []int{100, 200, 200}},
		{name: "a method in a header", send: rawField("X-HTTP-Method-Override: DELETE\r\nX-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\n"), want: []int{200, 200}},
	}
}

// rawHosts are about the field Host (RFC 9112, section 3.2).
func rawHosts() []rawCase {
	host := func(fields string) string { return rawWith(fields + "X-Client-ID: alice\r\n") }
	return []rawCase{
		{name: "no Host", send: host(""), want: []int{400}},
		{name: "no Host in version 1.0", send: strings.Replace(host(""), "HTTP/1.1", "HTTP/1.0", 1), want: []int{200}},
		{name: "two Hosts", send: host("Host: nexus\r\nHost: elsewhere\r\n"), want: []int{400}},
		{name: "the same Host twice", send: host("Host: nexus\r\nHost: nexus\r\n"), want: []int{400}},
		{name: "a Host of two words", send: host("Host: ne xus\r\n"), want: []int{400}},
		{name: "a Host with a slash", send: host("Host: nexus/admin\r\n"), want: []int{400}},
		{name: "a Host with a NUL", send: host("Host: nexus\x00\r\n"), want: []int{400}},
		{name: "a Host with a quote", send: host("Host: nexus\"\r\n"), want: []int{400}},
		{name: "an empty Host", send: host("Host:\r\n"), want: []int{200, 200}},
		{name: "a space before the colon of Host", send: host("Host : nexus\r\n"), want: []int{400}},
	}
}

// rawLengths are about Content-Length (RFC 9112, section 6.2, and RFC 9110, section 8.6).
func rawLengths() []rawCase {
	length := func(value string) string { return rawFramed("Content-Length: "+value+"\r\n", rawBody("first-NNN")) }
	n := len(rawBody("first-NNN"))
	right := fmt.Sprint(n)
	return []rawCase{
		{name: "two equal lengths", send: length(right + "\r\nContent-Length: " + right), want: []int{200, 200}},
		{name: "two lengths", send: length(right + "\r\nContent-Length: 5"), want: []int{400}},
		{name: "two lengths, the first too short", send: length("5\r\nContent-Length: " + right), want: []int{400}},
		{name: "a list of equal lengths", send: length(right + ", " + right), want: []int{400}},
		{name: "a list of lengths", send: length(right + ", 5"), want: []int{400}},
		{name: "a negative length", send: length("-" + right), want: []int{400}},
		{name: "a length with a plus sign", send: length("+" + right), want: []int{400}},
		{name: "a length in hexadecimal", send: length(fmt.Sprintf("0x%x", n)), want: []int{400}},
		{name: "a length with an underscore", send: length(right[:1] + "_" + right[1:]), want: []int{400}},
		{name: "a length with a fraction", send: length(right + ".0"), want: []int{400}},
		{name: "a length in other digits", send: length("\xd9\xa7"), want: []int{400}},
		{name: "a length with a space in it", send: length(right[:1] + " " + right[1:]), want: []int{400}},
		{name: "a length that is no number of 64 bits", send: length("18446744073709551616"), want: []int{400}},
		{name: "a length of all that 64 bits hold", send: length("18446744073709551615"), want: []int{400}},
		{name: "no length after all", send: length(""), want: []int{400}},
		{name: "zeros before the length", send: length("000" + right), want: []int{200, 200}},
		{name: "white space around the length", send: length(" \t" + right + "\t "), want: []int{200, 200}},
		{name: "a space before the colon of the length", send: rawFramed("Content-Length : "+right+"\r\n", rawBody("first-NNN")), want: []int{400}},
		{name: "a length on a folded line", send: length("\r\n " + right), want: []int{200, 200}},
		{name: "no length at all", send: rawFramed("", ""), want: []int{400, 200}},
		{name: "a length that takes in what follows", send: rawFramed("Content-Length: 20\r\n", "{}"), want: []int{400, 400}},
		{name: "a body that ends too early", send: length(fmt.Sprint(n + 100)), want: []int{400}, half: true, alone: true},
		{name: "a length with GET", send: strings.Replace(length(right), rawPost, "GET /llm/v1/models HTTP/1.1", 1), want: []int{200, 200}},
		{name: "a length with HEAD", send: strings.Replace(length(right), rawPost, "HEAD /llm/v1/models HTTP/1.1", 1), want: []int{200, 200}},
		{name: "a length over what is taken", send: length("9223372036854775807"), want: []int{413}, half: true},
	}
}
