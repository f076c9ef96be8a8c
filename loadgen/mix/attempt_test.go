package mix

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed-8025779b/shakedown/balancer/http1"
)

func TestAttemptHeader(t *testing.T) {
	if !http1.Is([]byte(AttemptHeader), AttemptName) {
		t.Errorf("%s is not %s", AttemptName, AttemptHeader)
	}
	long := strings.Repeat("x", maxAttemptID)
	for _, tc := range []struct {
		attempts      int
		target, fault string
		want          string
	}{
		{1, "web-3", "", "1;web-3;"},
		{0, "", "", "0;;"},
		{12, "web-3", "slow", "12;web-3;slow"},
		{2, "127.0.0.1:80", "a,b=c", "2;127.0.0.1:80;a,b=c"},
		{1, long, long + "x", "1;" + long + ";"},
		{-1, "a;b", "c", "0;;c"},
		{1e9, "a b", "a\r\nb: c", "999999999;;"},
		{3, "ä", "\x00", "3;;"},
		{3, "\x7f", "\t", "3;;"},
	} {
		if got := string(AppendAttempt([]byte("x: "), tc.attempts, tc.target, tc.fault)); got != "x: "+tc.want {
			t.Errorf("%d %q %q: %q, want %q", tc.attempts, tc.target, tc.fault, got, tc.want)
		}
	}
	for _, bad := range []string{
		"", "1", "1;", "1;a", ";a;b", "x;a;b", "-1;a;b", "+1;a;b", "01;a;b", "1 ;a;b", "1;a;b;", "1;a;b;c", "1; a;b", "1;a;b ", "1;ä;", "1;;\x00", "1000000000;;", "1;" + long + "x;",
	} {
		if n, target, fault, ok := ParseAttempt([]byte(bad)); ok || n != 0 || target != nil || fault != nil {
			t.Errorf("%q was read: %d %q %q", bad, n, target, fault)
		}
	}
}

// What is written can be read, and is what was meant, but for ids that the header can't carry.
func TestAttemptHeaderRoundTrips(t *testing.T) {
	anyID := rapid.OneOf(rapid.StringMatching(`[!-:<-~]{0,20}`), rapid.String(), rapid.StringMatching(`[a;\r\n ~]{0,4}`))
	meant := func(id string) string {
		if len(id) > maxAttemptID || strings.ContainsFunc(id, func(r rune) bool { return r < '!' || r > '~' || r == ';' }) {
			return ""
		}
		return id
	}
	rapid.Check(t, func(t *rapid.T) {
		attempts, target, fault := rapid.IntRange(0, 1e9-1).Draw(t, "attempts"), anyID.Draw(t, "target"), anyID.Draw(t, "fault")
		value := AppendAttempt(nil, attempts, target, fault)
		n, gotTarget, gotFault, ok := ParseAttempt(value)
		if !ok || n != attempts || string(gotTarget) != meant(target) || string(gotFault) != meant(fault) {
			t.Fatalf("%q: %d %q %q %v", value, n, gotTarget, gotFault, ok)
		}
	})
}

// Whatever is read would be written the same.
func FuzzParseAttempt(f *testing.F) {
	for _, s := range []string{"1;web-3;", "0;;", "2;a;b", "1;;;", "999999999;x;y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if n, target, fault, ok := ParseAttempt([]byte(value)); ok && string(AppendAttempt(nil, n, string(target), string(fault))) != value {
			t.Fatalf("%q is not written the way it was read", value)
		}
	})
}
