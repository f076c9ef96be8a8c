package http1

// framing is what the headers of a message say about its body.
type framing struct {
	length  int64 // -1 when there is no Content-Length
	chunked bool
	close   bool // Connection: close
	keep    bool // Connection: keep-alive
}

// note takes a header in.
func (f *framing) note(name, value []byte) error {
	switch {
	case Is(name, "content-length"):
		n, ok := length(value)
		if !ok || (f.length >= 0 && f.length != n) {
			return ErrContentLength
		}
		f.length = n
	case Is(name, "transfer-encoding"):
		if f.chunked || !Is(value, "chunked") { // a second coding, or another one
			return ErrCoding
		}
		f.chunked = true
	case Is(name, "connection"):
		f.close = f.close || hasToken(value, "close")
		f.keep = f.keep || hasToken(value, "keep-alive")
	}
	if f.chunked && f.length >= 0 {
		return ErrFraming
	}
	return nil
}
