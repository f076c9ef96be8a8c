package http1

// Response is the head of a response, as far as its reader needs it. It keeps no reference to the input.
type Response struct {
	Status  int
	Minor   int   // of HTTP/1.x
	Length  int64 // of the body; -1 when it is not known beforehand
	Chunked bool
	Close   bool // the connection can't be used again
}

// ParseResponse reads the head of a response from what was read so far. n is its length, 0 while it is not
// whole. each, when not nil, is called for every header with slices of the input.
//
// head says that the request was a HEAD: then there is no body, whatever the headers say.
func ParseResponse(b []byte, head bool, r *Response, each func(name, value []byte)) (n int, err error) {
	return parseResponse(b, MaxLine, MaxHead, head, r, each)
}

// ParseOwnResponse is ParseResponse for the head of an answer that is written here: it may be larger than one that is taken of
// somebody else, because headers were added to that.
func ParseOwnResponse(b []byte, head bool, r *Response, each func(name, value []byte)) (n int, err error) {
	return parseResponse(b, len(b), len(b), head, r, each)
}

// parseResponse is ParseResponse with limits on the lines and on all of them.
func parseResponse(b []byte, maxLine, maxHead int, head bool, r *Response, each func(name, value []byte)) (n int, err error) {
	l, rest, more, err := line(b, maxLine, ofAnswer)
	if err != nil {
		return 0, firstLine(err, false)
	}
	if more {
		return 0, tooLong(len(b), maxLine)
	}
	if err := statusLine(l, r); err != nil {
		return 0, err
	}
	f := framing{length: -1}
	for {
		l, rest, more, err = line(rest, maxLine, ofAnswer)
		switch {
		case err != nil:
			return 0, err
		case more:
			return 0, tooLong(len(b), maxHead)
		case len(b)-len(rest) > maxHead:
			return 0, ErrHeadTooLarge
		case len(l) == 0 && f.chunked && r.Minor == 0: // RFC 9112, 6.1: the framing is faulty
			return 0, ErrFraming
		case len(l) == 0:
			r.frame(&f, head)
			return len(b) - len(rest), nil
		}
		name, value, _, err := header(l)
		if err == nil {
			err = f.note(name, value)
		}
		if err != nil {
			return 0, err
		}
		if each != nil {
			each(name, value)
		}
	}
}

// firstLine is what is wrong with a first line that could not be read.
func firstLine(err error, more bool) error {
	if err == ErrHeader || more {
		return ErrLine
	}
	return err
}

func tooLong(n, limit int) error {
	if n > limit {
		return ErrHeadTooLarge
	}
	return nil
}

// statusLine reads "HTTP/1.1 200 OK"; the reason may be empty.
func statusLine(l []byte, r *Response) error {
	const prefix = "HTTP/1."
	if len(l) < len(prefix)+5 || string(l[:len(prefix)]) != prefix {
		return ErrLine
	}
	l = l[len(prefix):]
	if (l[0] != '0' && l[0] != '1') || l[1] != ' ' {
		return ErrVersion
	}
	r.Minor = int(l[0] - '0')
	l = l[2:]
	status := 0
	for i := range 3 {
		if l[i] < '0' || l[i] > '9' {
			return ErrLine
		}
		status = status*10 + int(l[i]-'0')
	}
	if status < 100 || (len(l) > 3 && l[3] != ' ') {
		return ErrLine
	}
	r.Status = status
	return nil
}

// frame decides how the body is delimited (RFC 9112, 6.3).
func (r *Response) frame(f *framing, head bool) {
	r.Length, r.Chunked = f.length, f.chunked
	r.Close = f.close || (r.Minor == 0 && !f.keep)
	switch {
	case head, r.Status < 200, r.Status == 204, r.Status == 304:
		r.Length, r.Chunked = 0, false
	case r.Chunked, r.Length >= 0:
	default:
		r.Close = true // the body lasts until the connection ends
	}
}
