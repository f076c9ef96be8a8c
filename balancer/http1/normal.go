package http1

import "bytes"

var (
	root     = []byte("/")
	asterisk = []byte("*")
)

// target reads the request's target: origin form, absolute form, or the asterisk of OPTIONS.
func (r *Request) target() error {
	seen := targetKinds(r.Target)
	r.Unusual = seen&unusual != 0
	options := string(r.Method) == "OPTIONS"
	switch {
	case seen&refused != 0:
		return ErrTarget
	case Is(r.Method, "connect"): // whatever its target is: no tunnel leads past the rules
		return ErrMethod
	case r.Target[0] == '/':
	case len(r.Target) == 1 && r.Target[0] == '*' && options:
		r.Normal = r.Target
		return nil
	default:
		if err := r.absolute(options); err != nil {
			return err
		}
	}
	if r.Normal = r.Target; seen&suspect == 0 || r.Target[0] != '/' {
		return nil
	}
	var err error
	r.normal, err = appendNormal(r.normal[:0], r.Target)
	r.Normal = r.normal
	return err
}

// absolute brings a target in absolute form, "http://host/path", into origin form; the host is the request's (RFC 9112, 3.2.2).
func (r *Request) absolute(options bool) error {
	t := r.Target
	i := bytes.Index(t, []byte("://"))
	if i < 0 || (!Is(t[:i], "http") && !Is(t[:i], "https")) {
		return ErrTarget
	}
	rest := t[i+3:]
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	if end == 0 || !validHost(rest[:end]) {
		return ErrTarget
	}
	r.Host, r.Target = rest[:end:end], rest[end:]
	switch {
	case len(r.Target) == 0 && options:
		r.Target = asterisk // RFC 9112, 3.2.4
	case len(r.Target) == 0:
		r.Target = root
	case r.Target[0] == '?':
		r.Target = append([]byte("/"), r.Target...) // nobody sends it: it may allocate
	}
	return nil
}

// kinds say what is in a target.
type kinds uint8

const (
	refused kinds = 1 << iota // what may not stand in a target at all
	unusual                   // what RFC 3986 leaves out and clients send all the same
	suspect                   // of the path: it may not be in normal form
)

// targetKinds looks at each byte of a target once.
func targetKinds(target []byte) (seen kinds) {
	last := byte(0)
	i := 0
	for ; i < len(target) && target[i] != '?'; i++ {
		c := target[i]
		if seen |= targetByte[c]; last == '/' && (c == '/' || c == '.') {
			seen |= suspect
		}
		last = c
	}
	for _, c := range target[i:] {
		seen |= targetByte[c] &^ suspect
	}
	return seen
}

// targetByte says what a byte of a target is. White space and control bytes are refused, and so is a fragment's sign, which no client
// sends on. Browsers and scripts do send "<>\^`{|} and UTF-8 as it is, and HAProxy and nginx let it pass. What needs a closer look in a
// path is an escape or a backslash, which some servers take for a slash.
var targetByte = func() (t [256]kinds) {
	for c := range t {
		switch {
		case c <= ' ' || c == 0x7f || c == '#':
			t[c] = refused
		case c >= 0x80:
			t[c] = unusual
		}
	}
	for _, c := range "\"<>\\^`{|}" {
		t[c] = unusual
	}
	t['%'] |= suspect
	t['\\'] |= suspect
	return t
}()

// unreserved says which bytes mean the same whether they are escaped or not (RFC 3986, 2.3).
var unreserved = func() (t [256]bool) {
	t = alphanumeric
	for _, c := range "-._~" {
		t[c] = true
	}
	return t
}()

// Normal returns a target in origin form with its path in normal form: the target itself when it is. The error is of a path that is
// refused.
func Normal(target []byte) ([]byte, error) {
	if len(target) == 0 || target[0] != '/' || targetKinds(target)&suspect == 0 {
		return target, nil
	}
	return appendNormal(nil, target)
}

// appendNormal appends a target in origin form with its path in normal form, so that a rule sees the path that a target will: escapes of
// unreserved characters are decoded, the others in upper case, dot segments resolved (RFC 3986, 6.2.2 and 5.2.4), repeated slashes
// merged. The result is never longer than the target. The query stays as it is.
//
// An escaped slash stays escaped and counts as no slash: in API paths it is part of a name (/projects/group%2Fname), and decoding it
// would change what is asked for; Envoy does the same by default. But servers that do decode it, or take a backslash for a slash or
// cut "..;x" at the semicolon, must not be led elsewhere than the rules looked: where a dot segment would appear in that way,
// the target is refused, as it is for ".." above the root, %00 and what is no escape.
func appendNormal(dst, target []byte) ([]byte, error) {
	end := bytes.IndexByte(target, '?')
	if end < 0 {
		end = len(target)
	}
	path, query := target[:end], target[end:]
	dst = append(dst, '/')
	base := len(dst)
	segment := base // where the present one begins
	for i := 1; i < len(path); i++ {
		c := path[i]
		switch c {
		case '/':
			var err error
			if dst, err = closeSegment(dst, base, segment); err != nil {
				return dst, err
			}
			if dst[len(dst)-1] != '/' {
				dst = append(dst, '/')
			}
			segment = len(dst)
		case '%':
			v, ok := escape(path[i:])
			if !ok || v == 0 {
				return dst, ErrTarget
			}
			dst = appendEscape(dst, v)
			i += 2
		default:
			dst = append(dst, c)
		}
	}
	dst, err := closeSegment(dst, base, segment)
	return append(dst, query...), err
}

// closeSegment ends the segment that began at a place: a dot segment goes, ".." with the one before it. What is left ends with a
// slash then.
func closeSegment(dst []byte, base, begin int) ([]byte, error) {
	switch s := dst[begin:]; {
	case string(s) == ".":
		return dst[:begin], nil
	case string(s) == ".." && begin == base:
		return dst, ErrTarget
	case string(s) == "..":
		return dst[:bytes.LastIndexByte(dst[:begin-1], '/')+1], nil
	case hidesDots(s):
		return dst, ErrTarget
	}
	return dst, nil
}

// hidesDots reports whether a segment that is no dot segment holds one for a server that decodes escaped slashes, takes a backslash for a
// slash, or cuts parameters off at a semicolon.
func hidesDots(s []byte) bool {
	if bytes.IndexByte(s, '.') < 0 {
		return false
	}
	for len(s) > 0 {
		n, width := slashLike(s)
		piece, _, _ := bytes.Cut(s[:n], []byte(";"))
		if string(piece) == "." || string(piece) == ".." {
			return true
		}
		s = s[n+width:]
	}
	return false
}

// EscapedSlash reports whether the path of a target in normal form holds an escaped slash, or a backslash, escaped or not: who takes the
// one for a slash takes the other for one too.
func EscapedSlash(normal []byte) bool {
	path := PathOf(normal)
	return bytes.Contains(path, []byte("%2F")) || bytes.Contains(path, []byte("%5C")) || bytes.IndexByte(path, '\\') >= 0
}

// slashLike finds the first backslash, escaped backslash or escaped slash; the text's end with width 0 when there is none.
func slashLike(s []byte) (at, width int) {
	for i, c := range s {
		switch {
		case c == '\\':
			return i, 1
		case c == '%' && (string(s[i:i+3]) == "%2F" || string(s[i:i+3]) == "%5C"):
			return i, 3
		}
	}
	return len(s), 0
}

// escape reads the escape that a text begins with.
func escape(s []byte) (v byte, ok bool) {
	if len(s) < 3 {
		return 0, false
	}
	high, ok1 := hex(s[1])
	low, ok2 := hex(s[2])
	return byte(high<<4 | low), ok1 && ok2
}

// appendEscape appends a byte that was escaped: as it is when that means the same, else escaped, in upper case.
func appendEscape(dst []byte, v byte) []byte {
	const digits = "0123456789ABCDEF"
	if unreserved[v] {
		return append(dst, v)
	}
	return append(dst, '%', digits[v>>4], digits[v&15])
}

// AppendNormalText appends a part of a query in a form that rules and keys can compare: escapes of unreserved characters decoded, the
// others in upper case. What is no escape stays as it is.
func AppendNormalText(dst, text []byte) []byte {
	for i := 0; i < len(text); i++ {
		v, ok := byte(0), false
		if text[i] == '%' {
			v, ok = escape(text[i:])
		}
		if !ok {
			dst = append(dst, text[i])
			continue
		}
		dst = appendEscape(dst, v)
		i += 2
	}
	return dst
}
