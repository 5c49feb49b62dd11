package config

import (
	"slices"
	"strings"
	"unicode"
)

const (
	identification = "server.client_identification"
	clientID       = identification + ".client_id"
	groupID        = identification + ".group_id"
	groupValues    = identification + ".validation.group_values"

	claimOf  = ".jwt_claim"
	headerOf = ".http_header"
)

// complete fills in the default that depends on other keys: where tokens are verified and the file says nothing of the
// client id, it is the token's subject.
func (r *reading) complete() {
	s := &r.cfg.Server
	if _, said := r.at[clientID+claimOf]; said || !r.sound(clientID) {
		return
	}
	if s.OAuth.Enabled && s.ClientIdentification.Enabled && !s.ClientIdentification.ClientID.isSet() {
		s.ClientIdentification.ClientID.JWTClaim = "sub"
	}
}

func (s Source) isSet() bool { return s.JWTClaim != "" || s.HTTPHeader != "" }

func (s ClientSource) isSet() bool {
	return s.JWTClaim != "" || s.HTTPHeader != "" || s.ClientCertificate != ""
}

// source is what a client id has in common with a group.
func (s ClientSource) source() Source { return Source{JWTClaim: s.JWTClaim, HTTPHeader: s.HTTPHeader} }

func (r *reading) checkClientIdentification() {
	id, tokens := r.cfg.Server.ClientIdentification, r.cfg.Server.OAuth.Enabled
	client, group := id.ClientID, id.GroupID
	if id.Enabled && !client.isSet() && r.sound(clientID) && (tokens || r.tokensAreOff()) {
		r.fail(clientID, "says nowhere where the client id comes from",
			`write client_id.http_header = "x-client-id" in [`+identification+`], or, with [server.oauth], client_id.jwt_claim = "sub"`)
	}
	if !id.Enabled && client.isSet() && (tokens || r.cfg.Server.ListenAddress.IsLoopback()) {
		// A line that fell into this table when the header behind it was lost looks just like one that is meant.
		r.warn(identification+".enabled", "switches identification off, although the table says where the client id comes from: nobody is told from anybody else",
			"take the line out, or leave it if that is meant")
	}
	if id.Enabled {
		r.checkSource(clientID, client.source())
		r.checkSource(groupID, group)
		r.checkCertificate(client)
		r.checkBelieved(client.source(), group)
		const trusted = identification + ".trusted_sources"
		if len(id.TrustedSources) > 0 && client.isSet() && client.HTTPHeader == "" && group.HTTPHeader == "" && r.sound(trusted) {
			r.warn(trusted, "has no effect: it is about identity headers, and "+whatIsSigned(client)+" from everywhere, since it is signed",
				"take it out, or let the network decide who may reach "+r.listener())
		}
	}
	r.checkHeader(clientID+headerOf, client.HTTPHeader)
	r.checkHeader(groupID+headerOf, group.HTTPHeader)
	if client.HTTPHeader != "" && client.HTTPHeader.Canonical() == group.HTTPHeader.Canonical() {
		r.fail(groupID+headerOf, "is the header of client_id, too", "name another header")
	}
	if client.JWTClaim != "" && client.JWTClaim == group.JWTClaim {
		r.fail(groupID+claimOf, "is the claim of client_id, too", "name another claim")
	}
}

// checkSource wants at most one source, and one that can be read.
func (r *reading) checkSource(key string, s Source) {
	name := strings.TrimPrefix(key, identification+".")
	if s.JWTClaim != "" && s.HTTPHeader != "" {
		r.fail(key, "has two sources, a claim and a header, and nothing says which one counts", "take out "+name+claimOf+" or "+name+headerOf)
	}
	if s.JWTClaim == "" || !r.tokensAreOff() {
		return
	}
	header := map[string]string{clientID: "x-client-id", groupID: "x-user-tier"}[key]
	orHeader := ", or name a header: " + name + headerOf + " = " + quote(header)
	if _, said := r.at[oauth]; said {
		r.fail(key+claimOf, "is a claim of a token, but [server.oauth] is switched off, so that no token is verified", "write enabled = true in [server.oauth]"+orHeader)
		return
	}
	r.fail(key+claimOf, "is a claim of a token, but the file has no [server.oauth] that verifies tokens", "add [server.oauth] with its url"+orHeader)
}

// whatIsSigned is what a client id without a header comes from.
func whatIsSigned(s ClientSource) string {
	if s.ClientCertificate != "" {
		return "a certificate is believed"
	}
	return "a claim is believed"
}

// checkCertificate wants a client certificate to be the only source, and one that somebody vouches for.
func (r *reading) checkCertificate(s ClientSource) {
	const key = clientID + certificateOf
	if s.ClientCertificate == "" {
		return
	}
	if other := map[bool]string{true: claimOf, false: headerOf}[s.JWTClaim != ""]; s.source().isSet() {
		r.fail(clientID, "has two sources, a client certificate and another, and nothing says which one counts", "take out client_id"+certificateOf+" or client_id"+other)
	}
	t := &r.cfg.Server.TLS
	switch {
	case !r.sound(clientCA) || r.within[tlsTable]:
	case !t.Enabled && r.said(tlsTable):
		r.fail(key, "needs the certificates of callers, but [server.tls] is switched off, so that they can show none", "write enabled = true in [server.tls], or name another source")
	case !t.Enabled:
		r.fail(key, "needs the certificates of callers, but the file has no [server.tls] with a client_ca, so that they can show none", "add [server.tls] with certificate, key and client_ca, or name another source")
	case t.ClientCA == "":
		r.fail(key, "needs the certificates of callers, but server.tls.client_ca names no authority whose certificates are believed", "write client_ca = \"clients.pem\" "+placeOf(tlsTable)+", or name another source")
	}
}

// checkBelieved warns of identities that anybody can write.
func (r *reading) checkBelieved(client, group Source) {
	key := clientID
	if client.HTTPHeader == "" {
		key = groupID
	}
	if addr := r.cfg.Server.ListenAddress; addr.IsPrivate() || client.HTTPHeader == "" && group.HTTPHeader == "" {
		return
	}
	who, what := "whoever reaches it", "can be anybody"
	if r.cfg.Server.OAuth.Enabled {
		who = "whoever has a token"
	}
	if key == groupID {
		what = "can be in any group"
	}
	r.warn(key+headerOf, "is believed on "+r.listener()+", which is neither loopback nor private: "+who+" "+what,
		"listen on a private address, or let nobody but a proxy that sets the header reach this one")
}

// unfit are the headers that cannot say who calls: they are about the connection or the message, change
// with each request or hop, or hold a key.
var unfit = []string{
	"Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Connection", "Content-Encoding", "Content-Length",
	"Content-Type", "Cookie", "Date", "Expect", "Forwarded", "Host", "Keep-Alive", "Origin", "Proxy-Authenticate",
	"Proxy-Authorization", "Proxy-Connection", "Referer", "Te", "Traceparent", "Tracestate", "Trailer", "Transfer-Encoding",
	"Upgrade", "User-Agent", "Via", "X-Forwarded-For", "X-Provider-Api-Key", "X-Request-Id",
}

func (r *reading) checkHeader(key string, h HeaderName) {
	if slices.Contains(unfit, h.Canonical()) {
		r.fail(key, r.show(key, string(h))+" has another meaning and cannot be an identity", `name a header that nothing else uses, such as "x-client-id"`)
	}
}

const maxGroup = 256

func (r *reading) checkGroups() {
	id := r.cfg.Server.ClientIdentification
	values := id.Validation.GroupValues
	hasSource := id.GroupID.isSet()
	switch {
	case hasSource && len(values) == 0 && r.sound(groupValues):
		r.fail(groupValues, "is missing or empty, but group_id needs to know which groups exist", `write group_values = ["free", "pro"] in [server.client_identification.validation]`)
	case !hasSource && len(values) > 0 && r.sound(groupID):
		r.warn(groupValues, "has no effect without group_id", "say where the group comes from: group_id.jwt_claim or group_id.http_header")
	}
	seen := map[string]bool{}
	for i, value := range values {
		key := element(groupValues, i)
		if !r.sound(key) {
			continue
		}
		switch {
		case strings.TrimSpace(value) == "":
			r.fail(key, "is empty", "write the name of a group, or take the entry out")
		case strings.TrimSpace(value) != value:
			r.fail(key, r.show(key, value)+" begins or ends with space, which is cut from what a header or a claim says", "write it without")
		case len(value) > maxGroup:
			r.fail(key, "is longer than 256 bytes", "write a shorter name")
		case strings.ContainsFunc(value, unicode.IsControl):
			r.fail(key, "has a control character", "write it without")
		case seen[value]:
			r.fail(key, r.show(key, value)+" is in the list twice", "take one out")
		}
		seen[value] = true
	}
}

// checkOpenListener refuses to answer strangers unless the file wants just that.
func (r *reading) checkOpenListener() {
	addr, s := r.cfg.Server.ListenAddress, r.cfg.Server
	open := r.cfg.LLM.Enabled && r.cfg.LLM.Protocols.OpenAI.Enabled && !addr.IsLoopback()
	if !open || !r.tokensAreOff() || s.ClientIdentification.Enabled || r.within[identification] {
		return
	}
	if _, said := r.at[identification+".enabled"]; said {
		r.warn(identification+".enabled", "nobody is identified on "+r.listener()+": whoever reaches it can use the providers",
			"listen on a loopback address, or switch identification on")
		return
	}
	r.fail("server.listen_address", r.listener()+" is not a loopback address, and nobody is identified: whoever reaches it could use the providers",
		"listen on 127.0.0.1, add [server.oauth] or [server.client_identification], or say that you mean it: server.client_identification.enabled = false")
}
