package http1

import "bytes"

// PathOf returns the path of a request's target.
func PathOf(target []byte) []byte {
	path, _, _ := bytes.Cut(target, []byte("?"))
	return path
}

// QueryOf returns the query of a request's target, without the question mark.
func QueryOf(target []byte) []byte {
	_, query, _ := bytes.Cut(target, []byte("?"))
	return query
}

// NextQueryValue returns the value of the first parameter of that name in a query, as it was sent, and the query behind it; nil when it is
// not there. The name is found in whatever way it is escaped.
func NextQueryValue(query []byte, name string) (value, rest []byte) {
	for len(query) > 0 {
		var pair []byte
		pair, query, _ = bytes.Cut(query, []byte("&"))
		i := bytes.IndexByte(pair, '=')
		if i < 0 {
			i = len(pair)
		}
		if decodesTo(pair[:i], name) {
			return pair[min(i+1, len(pair)):], query
		}
	}
	return nil, nil
}

// decodesTo reports whether a text is another one with some of its bytes escaped.
func decodesTo(text []byte, decoded string) bool {
	n := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '%' {
			if v, ok := escape(text[i:]); ok {
				c = v
				i += 2
			}
		}
		if n == len(decoded) || decoded[n] != c {
			return false
		}
		n++
	}
	return n == len(decoded)
}

// CookieValue returns the value of a cookie in a Cookie header; nil when it is not there.
func CookieValue(header []byte, name string) []byte {
	for len(header) > 0 {
		var pair []byte
		pair, header, _ = bytes.Cut(header, []byte(";"))
		if n, value, ok := bytes.Cut(bytes.TrimSpace(pair), []byte("=")); ok && string(n) == name {
			return value
		}
	}
	return nil
}
