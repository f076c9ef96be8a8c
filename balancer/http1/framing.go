package http1

import "bytes"

// framing is what the headers of a message say about its body and its connection.
type framing struct {
	length  int64  // -1 when there is no Content-Length
	text    []byte // of the length: another one must be written just so
	chunked bool
	close   bool // Connection: close
	keep    bool // Connection: keep-alive
	upgrade bool // Connection: upgrade
	options int  // headers that Connection names
}

// note takes a header in.
func (f *framing) note(name, value []byte) error {
	switch {
	case Is(name, "content-length"):
		n, ok := length(value)
		if !ok || (f.length >= 0 && !bytes.Equal(f.text, value)) {
			return ErrContentLength
		}
		f.length, f.text = n, value
	case Is(name, "transfer-encoding"):
		if f.chunked { // a second one
			return ErrFraming
		}
		if !Is(value, "chunked") {
			return coding(value)
		}
		f.chunked = true
	case Is(name, "connection"):
		if f.connection(value); f.options > MaxOptions {
			return ErrHeadTooLarge
		}
	}
	if f.chunked && f.length >= 0 {
		return ErrFraming
	}
	return nil
}

// coding is what is wrong with transfer codings other than chunked alone: chunked must be the last, once, and
// no other is known.
func coding(list []byte) error {
	for len(list) > 0 {
		var token []byte
		token, list = cutToken(list)
		if Is(token, "chunked") && len(list) > 0 {
			return ErrFraming
		}
	}
	return ErrCoding
}

// connection takes in the value of a Connection header.
func (f *framing) connection(list []byte) {
	for len(list) > 0 {
		var token []byte
		token, list = cutToken(list)
		switch {
		case len(token) == 0:
		case Is(token, "close"):
			f.close = true
		case Is(token, "keep-alive"):
			f.keep = true
		case Is(token, "upgrade"):
			f.upgrade = true
		default:
			f.options++
		}
	}
}

// NextOption returns the first header that the value of a Connection header names, and what follows it in the value; nil when it
// names none. close, keep-alive and upgrade name no header that could be passed on.
func NextOption(list []byte) (name, rest []byte) {
	for len(list) > 0 {
		name, list = cutToken(list)
		if len(name) > 0 && !Is(name, "close") && !Is(name, "keep-alive") && !Is(name, "upgrade") {
			return name, list
		}
	}
	return nil, nil
}

// cutToken cuts a comma-separated list after its first member.
func cutToken(list []byte) (token, rest []byte) {
	for i, c := range list {
		if c == ',' {
			return trim(list[:i]), list[i+1:]
		}
	}
	return trim(list), nil
}

// HasToken reports whether a comma-separated list holds a token, which is given in lower case.
func HasToken(list []byte, lower string) bool {
	for len(list) > 0 {
		var token []byte
		if token, list = cutToken(list); Is(token, lower) {
			return true
		}
	}
	return false
}
