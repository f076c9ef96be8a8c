package measure

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// figures are all that a tally tells, as text.
func (t *Tally) figures() string {
	text := fmt.Sprint(t.Succeeded, t.Failed, t.Dropped, t.Cancelled, t.Offered, t.Within, t.best, t.Reconnects, t.Attempts, t.Retries, t.BytesIn, t.BytesOut,
		t.Errors, t.Retried, t.Statuses, t.MayBeGood, t.MayBeBad, t.Delayed(), t.Sent(), t.Finished(), t.Amplification(), t.ErrorRate())
	for _, h := range []*Hist{&t.Response, &t.Bad, &t.Service, &t.Lag, t.All()} {
		text += fmt.Sprint(" ", h.Count(), h.Mean(), h.Max(), h.Quantile(.1), h.Quantile(.5), h.Quantile(.99))
	}
	return text
}

func drawSample(t *rapid.T) *Sample {
	took := time.Duration(rapid.Int64Range(1, 1000).Draw(t, "took")) * ms
	s := sample(0, 2*ms+took, Outcome(rapid.IntRange(0, 3).Draw(t, "outcome")))
	class := rapid.SampledFrom([]Class{Refused, Timeout, Status5xx, Resources})
	s.Stalled = rapid.SampledFrom([]time.Duration{0, 2 * ms, 4 * ms, took / 2, took}).Draw(t, "stalled")
	s.BytesIn, s.BytesOut, s.Attempts = 7, 5, rapid.IntRange(0, 3).Draw(t, "balancer's attempts")
	switch s.Outcome {
	case Succeeded:
		s.Status = 200
	case Failed:
		if s.Class = class.Draw(t, "class"); s.Class == Status5xx {
			s.Status = rapid.SampledFrom([]int{502, 503}).Draw(t, "status")
		}
	case Dropped:
		s.Class = NoConnection
		return s
	}
	s.Reconnect = rapid.IntRange(0, 1).Draw(t, "reconnect")
	for range rapid.IntRange(0, 3).Draw(t, "retries") {
		s.Retried = append(s.Retried, class.Draw(t, "retried"))
	}
	s.ClientAttempts = 1 + len(s.Retried)
	return s
}

// Tallies that are merged, packed or not, tell what one tally of all their samples does, as measured, at best and at worst; and on each
// side the attempts are one for each request that was sent, and one for each failure that was followed by another.
func TestTalliesMergeExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		brief := rapid.Bool().Draw(t, "brief")
		all, merged := &Tally{brief: brief}, &Tally{brief: brief}
		var misses Misses
		for range rapid.IntRange(1, 4).Draw(t, "parts") {
			part := &Tally{brief: brief}
			for range rapid.IntRange(0, 6).Draw(t, "samples") {
				s := drawSample(t)
				within := func(at time.Duration) bool { return at < 500*ms }
				for _, x := range []*Tally{all, part} {
					x.Add(s)
					x.AddEnd(s, within)
				}
				if s.Outcome == Succeeded && s.Stalled > 0 {
					misses.Add(map[bool]int{false: s.Status}[brief], 1)
				}
				if rapid.IntRange(0, 9).Draw(t, "pack") == 0 {
					part.Pack()
				}
			}
			merged.Merge(part)
			if rapid.Bool().Draw(t, "pack all") {
				merged.Pack()
			}
		}
		before := merged.figures()
		for name, side := range map[string]func(*Tally) *Tally{
			"as measured": func(x *Tally) *Tally { return x }, "at best": (*Tally).Lower, "at worst": func(x *Tally) *Tally { return x.Worst(&misses) },
		} {
			got, want := side(merged), side(all)
			if got.figures() != want.figures() {
				t.Fatalf("%s:\n%s, of all samples at once\n%s", name, got.figures(), want.figures())
			}
			again := uint64(0)
			for n := range maps.Values(got.Retried) {
				again += n
			}
			if got.Attempts != got.Sent()+again {
				t.Fatalf("%s: %d attempts, of them %d after others, of %d requests that were sent", name, got.Attempts, again, got.Sent())
			}
		}
		if after := merged.figures(); after != before {
			t.Fatalf("looking at its sides has changed it:\n%s, was\n%s", after, before)
		}
	})
}

// A client that tried again, or had to send again on a new connection, because the generator stood still, would not have without that.
func TestAttemptsAtBest(t *testing.T) {
	var tl Tally
	for i := range 100 {
		s := sample(0, 100*ms, Succeeded)
		s.ClientAttempts = 1
		switch {
		case i >= 95: // the generator did not read the answer in time
			s.Stalled, s.ClientAttempts, s.Retried = 90*ms, 2, []Class{FirstByteTimeout}
		case i >= 90: // the server had closed the idle connection meanwhile
			s.Stalled, s.Reconnect = 90*ms, 1
		case i >= 80: // the system's doing
			s.ClientAttempts, s.Retried, s.Reconnect = 2, []Class{Status5xx}, 1
		}
		tl.Add(s)
	}
	low := tl.Lower()
	if tl.Attempts != 115 || low.Attempts != 110 || tl.Reconnects != 15 || low.Reconnects != 10 || low.Retried[Status5xx] != 10 || low.Retried[FirstByteTimeout] != 0 {
		t.Errorf("%d attempts and %d sent again, at best %d and %d, after %v", tl.Attempts, tl.Reconnects, low.Attempts, low.Reconnects, low.Retried)
	}
}

// A failure may be the generator's doing when the delay may have mattered for it: little to a request whose time ran out, and as much as
// makes a burst to one that was answered.
func TestMayBeTurned(t *testing.T) {
	for name, tc := range map[string]struct {
		class         Class
		stalled, took time.Duration
		want          bool
	}{
		"on time":                            {Timeout, 0, 20 * ms, false},
		"a short timeout, a little late":     {Timeout, 2 * ms, 20 * ms, true},
		"a long one":                         {Timeout, 2 * ms, 2000 * ms, false},
		"a long one, late":                   {FirstByteTimeout, 200 * ms, 2000 * ms, true},
		"refused at once, a little late":     {Refused, 1200 * time.Microsecond, 1300 * time.Microsecond, false},
		"an answer of 503, a little late":    {Status5xx, 4900 * time.Microsecond, 5 * ms, false},
		"reset, a little late":               {Reset, 2 * ms, 3 * ms, false},
		"no handshake, a little late":        {TLS, 2 * ms, 3 * ms, false},
		"refused at once, as late as others": {Refused, 5 * ms, 6 * ms, true},
		"an answer of 503 in a burst":        {Status5xx, 300 * ms, 400 * ms, true},
		"an answer of 503 after long":        {Status5xx, 10 * ms, 3000 * ms, false},
		"not as expected, in a burst":        {Expectation, 300 * ms, 400 * ms, true},
		"malformed, in a burst":              {Malformed, 300 * ms, 400 * ms, false},
		"redirected in circles, in a burst":  {Redirects, 300 * ms, 400 * ms, false},
		"no connection, a little late":       {NoConnection, 2 * ms, 20 * ms, true},
		"nothing left here":                  {Resources, 0, ms, true},
	} {
		s := Sample{Outcome: Failed, Class: tc.class, Stalled: tc.stalled, Done: tc.took}
		if got := s.MayBeTurned(); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
