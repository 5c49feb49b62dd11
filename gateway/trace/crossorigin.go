package trace

import "fmt"

// cors tells the step that looks whether a page of another origin calls.
func (s *Step) cors() string {
	const keys = "server.cors."
	switch s.Finding {
	case WrongMethod:
		return "OPTIONS asks for cross-origin access, and none is configured, or it is not asked for as browsers do; call from the same origin, or from a server"
	case SameOrigin:
		return "the request has no header \"Origin\", so no page of another origin has sent it"
	case OriginAllowed:
		return fmt.Sprintf("a page of origin %q may read the answer", s.Value)
	case Repeated:
		return fmt.Sprintf("header \"Origin\" occurs more than once, so no origin in %sallow_origins counts, and the browser keeps the answer from the page; a browser sends it once: look at what stands in between", keys)
	case OriginRefused:
		if s.Value == "null" || s.Value == "" {
			return fmt.Sprintf("origin %q is that of any page that wants it, so it is never allowed, whatever %sallow_origins says, and the browser keeps the answer from the page; the page must have an origin of its own (no file, no sandbox)", s.Value, keys)
		}
		return fmt.Sprintf("origin %q is not in %sallow_origins, so the browser keeps the answer from the page; add the origin there, letter by letter, if its pages may call", s.Value, keys)
	case Preflight:
		return fmt.Sprintf("the browser asked whether a page of origin %q may call, and it may; the request itself comes next", s.Value)
	case MethodRefused:
		return fmt.Sprintf("the browser asked whether a page of origin %q may use method %q, and it may not; add the method to %sallow_methods if it may", s.Value, s.Detail, keys)
	case HeaderRefused:
		if s.Detail == "" {
			return fmt.Sprintf("the browser asked whether a page of origin %q may set headers whose names are longer than 4 KiB together, and it may not, whatever %sallow_headers says; the page must set fewer", s.Value, keys)
		}
		return fmt.Sprintf("the browser asked whether a page of origin %q may set header %q, and it may not; add the header to %sallow_headers if it may", s.Value, s.Detail, keys)
	case PrivateRefused:
		return fmt.Sprintf("the browser asked whether a page of origin %q, in a public network, may call into this private one, and it may not; set %sallow_private_network if it may", s.Value, keys)
	}
	return "cross-origin access is not configured"
}

// csrf tells the step that looks for a header which no page of another origin can set without being allowed to.
func (s *Step) csrf() string {
	switch s.Finding {
	case Found:
		return fmt.Sprintf("header %q is there", s.Key)
	case Absent:
		return fmt.Sprintf("looked for header %q, which server.csrf asks for against cross-site requests; the request has none; the caller must send it, with any value", s.Key)
	}
	return "no header against cross-site requests is asked for"
}
