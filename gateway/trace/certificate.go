package trace

import "fmt"

// certificate tells the step that looks at the client certificate of the connection.
func (s *Step) certificate() string {
	switch s.Finding {
	case NotConfigured:
		return "no client certificate is asked for"
	case Found:
		return "the connection showed a client certificate, and an authority in server.tls.client_ca has signed it"
	}
	found, remedy := s.disbelief()
	switch {
	case s.Verdict == Skipped && s.Finding == Absent:
		return found + "; none is needed"
	case s.Verdict == Skipped:
		return found + ", so it counts as none; none is needed"
	}
	return found + "; one is needed, because of " + s.Key + "; " + remedy
}

// disbelief says what is wrong with the client certificate of the connection, and what helps.
func (s *Step) disbelief() (found, remedy string) {
	switch s.Finding {
	case CertificateUnknown:
		return "no authority in server.tls.client_ca has signed the connection's client certificate",
			"the caller must show one of such an authority, together with those that lead to it, or the file that client_ca names must have the authority that has signed this one"
	case CertificateExpired:
		return "the connection's client certificate, or one between it and its authority, has expired or is not valid yet",
			"the caller must get a new one and connect anew, or the clocks must be set right"
	case CertificateUnfit:
		return "the connection's client certificate is not one for clients, or breaks a rule of its authority",
			"the authority must issue one with the extended key usage clientAuth, for names that it may give"
	}
	return "the connection showed no client certificate", "the caller must show one that an authority in server.tls.client_ca has signed"
}

// certified tells the step that looks for the client id in the client certificate.
func (s *Step) certified(what string) string {
	const other = "server.client_identification.client_id.client_certificate must name another field"
	field := "the client certificate's " + fieldWords(s.Key)
	switch s.Finding {
	case Found:
		return fmt.Sprintf("%s says %q", field, s.Value)
	case Repeated:
		return fmt.Sprintf("%s occurs more than once, so it is not clear which one counts; the authority must issue one that has it exactly once, or %s", field, other)
	case TooLong:
		return fmt.Sprintf("%s is longer than 256 bytes; the authority must issue one with a shorter %s", field, what)
	case Unprintable:
		return fmt.Sprintf("%s holds control characters or is not UTF-8; the authority must issue one with a %s of plain text", field, what)
	case OddURI:
		return field + " is not in its plain form, so that others could take it for another one; the authority must issue one with a scheme in small letters, no empty parts, and nothing escaped that need not be"
	case SignsOthers:
		return field + " is a SPIFFE ID, but the certificate may sign others, which no workload's may; the authority must issue one without CA:TRUE and without the key usages keyCertSign and cRLSign"
	}
	found := "it has none"
	if s.Finding == Empty {
		found = "it is empty"
	}
	return fmt.Sprintf("looked for %s (%s); %s; what the certificate has is %s; the authority must issue one that has it, or %s", field, s.Key, found, enumerate(s.Near), other)
}

// fieldWords names a field of a certificate as client_certificate spells it.
func fieldWords(field string) string {
	switch field {
	case "san_uri":
		return "name of type URI"
	case "san_dns":
		return "name of type DNS"
	case "san_email":
		return "name of type e-mail address"
	case "subject_cn":
		return "common name"
	}
	return field
}
