package health

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

func byDefault(t *testing.T) *Config {
	t.Helper()
	c, err := New(spec.Defaults(Params(HTTP)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMatcher(t *testing.T) {
	m, err := ParseMatcher("200, 204,300-399")
	if err != nil {
		t.Fatal(err)
	}
	for status, want := range map[int]bool{200: true, 201: false, 204: true, 299: false, 300: true, 399: true, 400: false} {
		if m.Matches(status) != want {
			t.Errorf("%d: %v", status, !want)
		}
	}
	if !(Matcher{}).Matches(200) || (Matcher{}).Matches(204) {
		t.Error("an empty matcher is not 200")
	}
	for _, bad := range []string{"", "x", "99", "600", "300-200", "200-", "-200", "200;204"} {
		if _, err := ParseMatcher(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	c := Config{Matcher: m, Body: "well"}
	for _, tc := range []struct {
		status     int
		body, want string
	}{{200, "all is well", ""}, {200, "ill", `the body does not hold "well"`}, {500, "well", "status 500"}} {
		if got := c.Judge(tc.status, []byte(tc.body)); got != tc.want {
			t.Errorf("%+v: %q", tc, got)
		}
	}
}

// With jitter the probes stay in order, each within its share after the grid.
func TestProbeJitter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain := &Config{Interval: time.Second}
		c := &Config{Interval: time.Second, Jitter: rapid.Float64Range(0, .9).Draw(t, "jitter")}
		now := time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "now"))
		grid := plain.NextProbe(7, "a", now-time.Second)
		for range 20 {
			next := c.NextProbe(7, "a", now)
			for grid+time.Duration(c.Jitter*float64(time.Second)) <= now {
				grid += time.Second
			}
			if next <= now || next > now+2*time.Second {
				t.Fatalf("after %v comes %v", now, next)
			}
			late := (next - plain.NextProbe(7, "a", 0)) % time.Second
			if late < 0 {
				late += time.Second
			}
			if late > time.Duration(c.Jitter*float64(time.Second))+1 {
				t.Fatalf("%v after its instant of the grid, the jitter is %v", late, c.Jitter)
			}
			now = next
		}
	})
}

func TestThresholds(t *testing.T) {
	c := byDefault(t) // healthy 2, unhealthy 3
	var k Check
	for i, tc := range []struct{ passed, fresh, up, down bool }{
		{true, true, true, false},                                                               // one pass admits a new target
		{false, false, false, false}, {false, false, false, false}, {true, false, false, false}, // not three in a row
		{false, false, false, false}, {false, false, false, false}, {false, false, false, true},
		{true, false, false, false}, {false, false, false, false}, {true, false, false, false}, {true, false, true, false},
	} {
		if up, down := k.Observe(c, tc.passed, tc.fresh); up != tc.up || down != tc.down {
			t.Fatalf("probe %d: up %v, down %v", i, up, down)
		}
	}
}

func TestProbeGridIsFixed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &Config{Interval: time.Duration(rapid.Int64Range(int64(10*time.Millisecond), int64(time.Minute)).Draw(t, "interval"))}
		id := rapid.String().Draw(t, "id")
		now := time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "now"))
		next := c.NextProbe(7, id, now)
		if next <= now || next > now+c.Interval {
			t.Fatalf("next probe after %v is %v with interval %v", now, next, c.Interval)
		}
		if again := c.NextProbe(7, id, next); again != next+c.Interval {
			t.Fatalf("grid moved: %v after %v", again, next)
		}
	})
	c := byDefault(t)
	if c.NextProbe(1, "a", 0) == c.NextProbe(1, "b", 0) && c.NextProbe(draw.Seed(1), "a", 0) == c.NextProbe(1, "c", 0) {
		t.Fatal("targets are probed in step")
	}
}

func TestOutlierBackOff(t *testing.T) {
	c := &OutlierConfig{Consecutive: 2, EjectFor: time.Second, MaxEjectFor: 2500 * time.Millisecond, MaxEjected: .5}
	var o Outlier
	for i, want := range []time.Duration{1 * time.Second, 2 * time.Second, 2500 * time.Millisecond} {
		if o.Observe(c, true, false) != "" {
			t.Fatal("ejected after one failure")
		}
		o.Observe(c, false, false)
		o.Observe(c, true, false)
		if o.Observe(c, true, false) == "" {
			t.Fatalf("not ejected after two failures")
		}
		if d := o.Ejected(c, 0); d != want {
			t.Fatalf("ejection %d: for %v, want %v", i, d, want)
		}
	}
}

// An ejection is forgotten for each interval without one; those beyond the longest ejection never counted.
func TestOutlierBackOffDecays(t *testing.T) {
	const s = time.Second
	c := &OutlierConfig{EjectFor: 5 * s, MaxEjectFor: 12 * s, Interval: 10 * s}
	var o Outlier
	now := time.Duration(0)
	for i, x := range []struct{ after, want time.Duration }{ // after: since the end of the ejection before
		{0, 5 * s}, {0, 10 * s}, {9 * s, 12 * s}, {9 * s, 12 * s}, {9 * s, 12 * s}, // three are remembered
		{10 * s, 12 * s}, // one less, and this one
		{29 * s, 10 * s}, // two less
		{25 * s, 5 * s},  // none is left
		{time.Hour, 5 * s}, {0, 10 * s}, {0, 12 * s},
	} {
		now += x.after
		got := o.Ejected(c, now)
		if got != x.want {
			t.Errorf("ejection %d, %v after the one before: for %v, want %v", i+1, x.after, got, x.want)
		}
		now += got
		o.Returned(now)
	}
}

func TestGatewayFailures(t *testing.T) {
	c := &OutlierConfig{Consecutive: 5, Gateway: 2}
	var o Outlier
	for i, tc := range []struct{ failed, gateway, eject bool }{
		{true, true, false}, {true, false, false}, {true, true, false}, {false, false, false}, {true, true, false}, {true, true, true},
	} {
		if got := o.Observe(c, tc.failed, tc.gateway) != ""; got != tc.eject {
			t.Errorf("exchange %d: %v", i, got)
		}
	}
}

// One target among five that fails a fifth of its requests stands out; where all fail alike nobody does, nor with too
// few requests or targets.
func TestSuccessRates(t *testing.T) {
	c := &OutlierConfig{SuccessRate: 1.9, Requests: 100, Hosts: 5}
	compare := func(n, requests int, good func(i int) int) (out []int) {
		all := make([]*Outlier, n)
		for i := range all {
			all[i] = &Outlier{}
			for k := range requests {
				all[i].Count(k < good(i), false)
			}
			all[i].Count(false, true) // the client went away: neither
		}
		for i, why := range c.Compare(all) {
			if why != "" {
				out = append(out, i)
			}
		}
		return out
	}
	first := func(a, b int) func(int) int {
		return func(i int) int {
			if i == 0 {
				return a
			}
			return b
		}
	}
	if out := compare(5, 100, first(80, 100)); len(out) != 1 || out[0] != 0 {
		t.Errorf("one stands out: %v", out)
	}
	for what, out := range map[string][]int{
		"all fail alike": compare(5, 100, first(80, 80)), "too few requests": compare(5, 99, first(0, 99)), "too few targets": compare(4, 100, first(0, 100)),
	} {
		if len(out) > 0 {
			t.Errorf("%s: %v", what, out)
		}
	}
}

func TestMayEject(t *testing.T) {
	for _, tc := range []struct {
		sole                  bool
		max                   float64
		others, ejected, size int
		want                  bool
	}{
		{false, .5, 2, 0, 3, true}, {false, .5, 1, 1, 3, false}, {false, .5, 2, 1, 4, true}, {false, .5, 1, 2, 4, false},
		{false, .1, 1, 0, 2, true},                                                      // the first one always may
		{false, 1, 0, 0, 1, false}, {true, .5, 0, 0, 1, true}, {true, 1, 0, 0, 1, true}, // the only member
		{false, 1, 0, 2, 3, false}, {true, 1, 0, 2, 3, true}, {true, .5, 0, 2, 3, false}, // the others are ejected
		{false, 1, 0, 0, 3, false}, {true, .1, 0, 0, 3, true}, // the others are down
	} {
		c := &OutlierConfig{MaxEjected: tc.max, Sole: tc.sole}
		if got := c.MayEject(tc.others, tc.ejected, tc.size); got != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
	}
}
