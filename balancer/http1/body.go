package http1

// Body follows a message's body through what is read. The zero Body has ended.
type Body struct {
	// Trailer is the trailer of a chunked body, as whole header lines, once the body has ended. It is only kept
	// when KeepTrailer is set.
	Trailer     []byte
	KeepTrailer bool

	ofAnswer bool // control bytes may stand in its trailer, as in its head
	state    bodyState
	left     int64 // bytes of the body, or of the present chunk, still to come
	digit    int   // digits of a chunk's size seen so far
	line     int   // bytes of the present line of chunk extension or trailer
}

type bodyState uint8

const (
	ended bodyState = iota
	counted
	untilClose
	chunkSize
	chunkSpace // before an extension
	chunkExtension
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	trailerStart
	trailerName
	trailerLine
	trailerLF
	lastLF
)

// Start prepares for the body of a response.
func (b *Body) Start(r *Response) {
	b.Reset(r.Length, r.Chunked)
	b.ofAnswer = true
}

// Reset prepares for a body of a length, or a chunked one; one of a negative length lasts until the connection
// ends.
func (b *Body) Reset(length int64, chunked bool) {
	*b = Body{left: length, Trailer: b.Trailer[:0], KeepTrailer: b.KeepTrailer}
	switch {
	case chunked:
		b.state = chunkSize
	case length > 0:
		b.state = counted
	case length < 0:
		b.state = untilClose
	}
}

// Next is Feed for those who take a body piece by piece: it returns the first piece of content in the input,
// as a slice of it, and how much of the input it has gone through.
func (b *Body) Next(p []byte) (n int, piece []byte, err error) {
	for n < len(p) && b.state != ended {
		switch b.state {
		case untilClose:
			return len(p), p[n:], nil
		case counted, chunkData:
			k := int(min(b.left, int64(len(p)-n)))
			b.take(k)
			return n + k, p[n : n+k], nil
		}
		if err := b.chunkByte(p[n]); err != nil {
			return n, nil, err
		}
		n++
	}
	return n, nil, nil
}

// Left is how much of a counted body is still to come; 0 for any other.
func (b *Body) Left() int64 {
	if b.state != counted {
		return 0
	}
	return b.left
}

// take counts content of a counted body or of a chunk.
func (b *Body) take(n int) {
	if b.left -= int64(n); b.left > 0 {
		return
	}
	if b.state == counted {
		b.state = ended
	} else {
		b.state = chunkDataCR
	}
}

// Ended reports whether the body is whole.
func (b *Body) Ended() bool { return b.state == ended }

// UntilClose reports whether only the end of the connection ends the body.
func (b *Body) UntilClose() bool { return b.state == untilClose }

// Feed takes input in and returns how much of it belongs to the message: all of it until the body has
// ended. data is how many bytes of content were among it; each, when not nil, is given them, as slices of
// the input.
func (b *Body) Feed(p []byte, each func([]byte)) (n int, data int64, err error) {
	for n < len(p) && b.state != ended {
		k, piece, err := b.Next(p[n:])
		n += k
		data += int64(len(piece))
		if err != nil {
			return n, data, err
		}
		if each != nil && len(piece) > 0 {
			each(piece)
		}
	}
	return n, data, nil
}

// maxChunkDigits bounds a chunk's size to what fits an int64.
const maxChunkDigits = 15

// chunkByte takes in one byte of chunked framing.
func (b *Body) chunkByte(c byte) error {
	if b.KeepTrailer && b.state >= trailerStart && b.state <= trailerLF {
		b.Trailer = append(b.Trailer, c)
	}
	next := func(ok bool, s bodyState) error {
		if !ok {
			return ErrChunk
		}
		b.state = s
		return nil
	}
	switch b.state {
	case chunkSize:
		if v, ok := hex(c); ok {
			b.left = b.left*16 + v
			if b.digit == 0 {
				b.left = v
			}
			b.digit++
			return next(b.digit <= maxChunkDigits, chunkSize)
		}
		if b.digit == 0 {
			return ErrChunk
		}
		b.line = 0
		return b.afterSize(c)
	case chunkSpace:
		return b.afterSize(c)
	case chunkExtension:
		if c == '\r' {
			return next(true, chunkSizeLF)
		}
		b.line++
		return next(printable(c) && b.line <= MaxLine, chunkExtension)
	case chunkSizeLF:
		b.digit = 0
		if b.left == 0 {
			return next(c == '\n', trailerStart)
		}
		return next(c == '\n', chunkData)
	case chunkDataCR:
		return next(c == '\r', chunkDataLF)
	case chunkDataLF:
		return next(c == '\n', chunkSize)
	case trailerStart:
		if c == '\r' {
			b.Trailer = b.Trailer[:max(len(b.Trailer)-1, 0)] // the line that ends it is no part of it
			return next(true, lastLF)
		}
		b.line++
		return next(tokenByte[c], trailerName)
	case trailerName:
		b.line++
		if c == ':' {
			return next(true, trailerLine)
		}
		return next(tokenByte[c] && b.line <= MaxHead, trailerName)
	case trailerLine:
		if c == '\r' {
			return next(true, trailerLF)
		}
		b.line++
		return next((printable(c) || (b.ofAnswer && c != 0 && c != '\n')) && b.line <= MaxHead, trailerLine)
	case trailerLF:
		return next(c == '\n', trailerStart)
	case lastLF:
		return next(c == '\n', ended)
	}
	return ErrChunk
}

// afterSize takes in what follows a chunk's size: the line's end, or an extension with white space before
// it.
func (b *Body) afterSize(c byte) error {
	b.line++
	switch {
	case c == '\r':
		b.state = chunkSizeLF
	case c == ';':
		b.state = chunkExtension
	case (c == ' ' || c == '\t') && b.line <= MaxLine:
		b.state = chunkSpace
	default:
		return ErrChunk
	}
	return nil
}

func printable(c byte) bool { return c >= ' ' && c != 0x7f || c == '\t' }

func hex(c byte) (int64, bool) {
	switch {
	case c >= '0' && c <= '9':
		return int64(c - '0'), true
	case c >= 'a' && c <= 'f':
		return int64(c-'a') + 10, true
	case c >= 'A' && c <= 'F':
		return int64(c-'A') + 10, true
	}
	return 0, false
}
