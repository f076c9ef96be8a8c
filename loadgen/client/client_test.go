package client

import (
	"fmt"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

func TestIDsAreBounded(t *testing.T) {
	var ids IDs
	if got := ids.String(nil); got != "" {
		t.Errorf("%q", got)
	}
	for i := range maxIDs {
		if id := fmt.Sprint("web-", i); ids.String([]byte(id)) != id {
			t.Fatalf("%s was not kept", id)
		}
	}
	if got := ids.String([]byte("one-more")); got != "" {
		t.Errorf("%q was kept beyond the bound", got)
	}
	var s measure.Sample
	value := []byte("2;web-17;web-4095")
	if n := testing.AllocsPerRun(100, func() { ids.ReadAttempt(value, &s) }); n != 0 || s.Attempts != 2 || s.Target != "web-17" || s.Fault != "web-4095" {
		t.Errorf("%v allocations, %+v", n, s)
	}
	if ids.ReadAttempt([]byte("x;web-1;"), &s); s.Attempts != 2 || s.Target != "web-17" {
		t.Errorf("a malformed value changed the sample: %+v", s)
	}
}

func TestDrop(t *testing.T) {
	const ms = time.Millisecond
	for _, tc := range []struct {
		timeout, min, due, offered, done, wait time.Duration
		detail                                 string
	}{
		{1000 * ms, 50 * ms, 10 * ms, 11 * ms, 960 * ms, 949 * ms, "waited 949ms for one of 3 connections to become free"},
		{1000 * ms, 0, 10 * ms, 10 * ms, 1010 * ms, 1000 * ms, "waited 1s for one of 3 connections to become free"},
		{1000 * ms, 1000 * ms, 10 * ms, 11 * ms, 11 * ms, 0, "waited 0s for one of 3 connections to become free"},
		{1000 * ms, 1000 * ms, 10 * ms, 12 * ms, 12 * ms, 0, "offered 2ms after it was due, too late for an attempt within its timeout of 1s"},
		{1000 * ms, 100 * ms, 0, 900*ms - 1, 900 * ms, 1, "waited 0s for one of 3 connections to become free"},
		{1000 * ms, 100 * ms, 0, 900 * ms, 900 * ms, 0, "offered 900ms after it was due, too late for an attempt within its timeout of 1s"},
		{1000 * ms, 100 * ms, 0, 2000 * ms, 2000 * ms, 0, "offered 2s after it was due, too late for an attempt within its timeout of 1s"},
	} {
		c := attempt.Config{Timeout: tc.timeout, MinAttempt: tc.min, Connections: 3}
		s := measure.Sample{Due: tc.due, Offered: tc.offered}
		c.Drop(&s, 2*ms)
		if s.Done != tc.done || s.Wait != tc.wait || s.Outcome != measure.Dropped || s.Class != measure.NoConnection || s.Detail != tc.detail {
			t.Errorf("%+v: %+v", tc, s)
		}
	}
	if got := attempt.DefaultMinAttempt(5 * time.Second); got != 250*ms {
		t.Errorf("%v", got)
	}
}

// A port that no connection can be made to is a mistake of whoever wrote it, not of the system.
func TestPorts(t *testing.T) {
	for port, good := range map[string]bool{"1": true, "65535": true, "0": false, "65536": false, "99999": false, "18446744073709551617": false} {
		if _, err := ParseURL("http://127.0.0.1:" + port + "/ok"); (err == nil) != good {
			t.Errorf("port %s of a URL: %v", port, err)
		}
		for _, s := range []string{"example.org:" + port + "=127.0.0.1:80", "example.org:80=127.0.0.1:" + port} {
			if _, _, err := ParseResolve(s); (err == nil) != good {
				t.Errorf("%s: %v", s, err)
			}
		}
	}
	for _, s := range []string{"http://127.0.0.1", "https://[::1]/x", "http://example.org:080"} {
		if _, err := ParseURL(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{"http://:8080", "ftp://example.org", "127.0.0.1:8080", "http://a b"} {
		if _, err := ParseURL(s); err == nil {
			t.Errorf("%s was taken", s)
		}
	}
}
