package mix

import "testing"

func TestSeqHeader(t *testing.T) {
	for _, tc := range []struct {
		seq     uint64
		attempt int
		want    string
	}{{0, 0, "0"}, {7, 0, "7"}, {7, 1, "7.1"}, {1<<64 - 1, 10, "18446744073709551615.10"}} {
		got := AppendSeq(nil, tc.seq, tc.attempt)
		if string(got) != tc.want {
			t.Errorf("%d, %d: %s, want %s", tc.seq, tc.attempt, got, tc.want)
		}
		if seq, attempt, ok := ParseSeq(got); seq != tc.seq || attempt != tc.attempt || !ok {
			t.Errorf("%s: %d, %d, %v", got, seq, attempt, ok)
		}
	}
	for _, bad := range []string{"", ".", "7.", ".1", "7.0", "7.1.1", "-7", "+7", "7 ", " 7", "7x", "7.100", "18446744073709551616", "7,1", "99999999999999999999", "0x1", "1_0", "7.x"} {
		if seq, attempt, ok := ParseSeq([]byte(bad)); ok {
			t.Errorf("%q is accepted: %d, %d", bad, seq, attempt)
		}
	}
}

func FuzzParseSeq(f *testing.F) {
	f.Add([]byte("7.1"))
	f.Fuzz(func(t *testing.T, value []byte) {
		seq, attempt, ok := ParseSeq(value)
		if !ok {
			return
		}
		if s, a, again := ParseSeq(AppendSeq(nil, seq, attempt)); s != seq || a != attempt || !again {
			t.Fatalf("%q: %d, %d; read back %d, %d, %v", value, seq, attempt, s, a, again)
		}
	})
}
