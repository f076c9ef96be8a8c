package proxy

import "testing"

// Records are followed however they are cut up.
func TestRecords(t *testing.T) {
	text := []byte("\x17\x03\x03\x00\x02ab" + "\x15\x03\x03\x00\x00" + "\x17\x03\x03\x01\x00" + string(make([]byte, 256)))
	for size := 1; size <= len(text); size++ {
		var r records
		ended := 0
		for rest := text; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			ended += r.pass(rest[:min(size, len(rest))])
		}
		if ended != 3 || !r.between() {
			t.Errorf("in pieces of %d: %d records, whole %v", size, ended, r.between())
		}
		if r.pass(text[:6]); r.between() {
			t.Errorf("in pieces of %d: half a record is whole", size)
		}
	}
}
