package mix

import (
	"bytes"
	"math"
	"strconv"
)

// maxSeqAttempt is the largest number of a client's attempt in SeqHeader.
const maxSeqAttempt = 99

// AppendSeq appends the value of SeqHeader: the request's sequence number, and for a client's retry, behind a point, which one it
// is: "7", then "7.1".
func AppendSeq(dst []byte, seq uint64, attempt int) []byte {
	dst = strconv.AppendUint(dst, seq, 10)
	if attempt > 0 {
		dst = append(dst, '.')
		dst = strconv.AppendInt(dst, int64(min(attempt, maxSeqAttempt)), 10)
	}
	return dst
}

// ParseSeq reads the value of SeqHeader: decimal digits, and for a retry a point and digits. ok is false for anything else, and for
// what is too large.
func ParseSeq(value []byte) (seq uint64, attempt int, ok bool) {
	number, again, retried := bytes.Cut(value, []byte{'.'})
	seq, ok = parseNumber(number, math.MaxUint64)
	if !ok || !retried {
		return seq, 0, ok
	}
	n, ok := parseNumber(again, maxSeqAttempt)
	if !ok || n == 0 {
		return 0, 0, false
	}
	return seq, int(n), true
}

// parseNumber reads decimal digits. An error of package strconv would be allocated for each request without a number.
func parseNumber(text []byte, most uint64) (n uint64, ok bool) {
	for _, c := range text {
		digit := uint64(c - '0')
		if c < '0' || c > '9' || n > (most-digit)/10 {
			return 0, false
		}
		n = 10*n + digit
	}
	return n, len(text) > 0
}
