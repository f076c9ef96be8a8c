package http1

import "bytes"

// PathOf returns the path of a request's target.
func PathOf(target []byte) []byte {
	path, _, _ := bytes.Cut(target, []byte("?"))
	return path
}

// QueryValue returns the value of a parameter in a request's target, as it was sent; nil when it is not there.
func QueryValue(target []byte, name string) []byte {
	_, query, _ := bytes.Cut(target, []byte("?"))
	for len(query) > 0 {
		var pair []byte
		pair, query, _ = bytes.Cut(query, []byte("&"))
		i := bytes.IndexByte(pair, '=')
		if i < 0 {
			i = len(pair)
		}
		if string(pair[:i]) == name {
			return pair[min(i+1, len(pair)):]
		}
	}
	return nil
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
