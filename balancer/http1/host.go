package http1

import "bytes"

// hostByte says which bytes may stand in a host's name (RFC 3986, 3.2.2), escapes left out: no name needs one.
var hostByte = func() (t [256]bool) {
	t = alphanumeric
	for _, c := range "!$&'()*+,;=-._~" {
		t[c] = true
	}
	return t
}()

// validHost reports whether a text is a host with or without a port, or nothing at all, as of a client that knows no host.
func validHost(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	var port []byte
	if b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 || bytes.IndexByte(b[:end], ':') < 0 {
			return false
		}
		for _, c := range b[1:end] {
			if _, ok := hex(c); !ok && c != ':' && c != '.' {
				return false
			}
		}
		port = b[end+1:]
	} else {
		end := bytes.IndexByte(b, ':')
		if end < 0 {
			end = len(b)
		}
		for _, c := range b[:end] {
			if !hostByte[c] {
				return false
			}
		}
		if end == 0 {
			return false
		}
		port = b[end:]
	}
	return validPort(port)
}

// validPort reports whether a text is a colon with a port or without one, or nothing.
func validPort(b []byte) bool {
	const longest = len(":65535")
	if len(b) == 0 {
		return true
	}
	if b[0] != ':' || len(b) > longest {
		return false
	}
	for _, c := range b[1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
