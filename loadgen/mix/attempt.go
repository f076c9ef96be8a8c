package mix

import (
	"bytes"
	"strconv"
)

const (
	// maxAttemptID is the length in bytes of the longest id that AttemptHeader carries: far more than any
	// id in use, and short enough that a client can keep some thousands.
	maxAttemptID = 256
	// maxAttemptDigits bounds the number of attempts, so that it fits an int of 32 bits.
	maxAttemptDigits = 9
)

// AppendAttempt appends the value of AttemptHeader, "attempts;target;fault": how many attempts the balancer
// made, the id of the target of the final one, and the id of the wire fault that shaped it. An id may be
// empty: there was no target, or no fault.
//
// An id that could break the header is written as an empty one: ids consist of 1 to 256 visible ASCII
// characters (0x21 to 0x7e) other than ';'. Attempts below 0 are written as 0, those beyond 999999999 as that.
func AppendAttempt(dst []byte, attempts int, target, fault string) []byte {
	dst = strconv.AppendInt(dst, int64(min(max(attempts, 0), 1e9-1)), 10)
	for _, id := range [...]string{target, fault} {
		dst = append(dst, ';')
		if validAttemptID(id) {
			dst = append(dst, id...)
		}
	}
	return dst
}

// ParseAttempt reads the value of AttemptHeader. The ids are parts of value. It reports false for a value that
// AppendAttempt does not write.
func ParseAttempt(value []byte) (attempts int, target, fault []byte, ok bool) {
	count, ids, ok := bytes.Cut(value, []byte{';'})
	if !ok || len(count) == 0 || len(count) > maxAttemptDigits || (count[0] == '0' && len(count) > 1) {
		return 0, nil, nil, false
	}
	for _, c := range count {
		if c < '0' || c > '9' {
			return 0, nil, nil, false
		}
		attempts = attempts*10 + int(c-'0')
	}
	target, fault, ok = bytes.Cut(ids, []byte{';'})
	if !ok || !validAttemptID(target) || !validAttemptID(fault) {
		return 0, nil, nil, false
	}
	return attempts, target, fault, true
}

// validAttemptID reports whether an id, which may be empty, can stand in AttemptHeader.
func validAttemptID[T ~string | ~[]byte](id T) bool {
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' || c == ';' {
			return false
		}
	}
	return len(id) <= maxAttemptID
}
