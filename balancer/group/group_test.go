package group

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/pick"
)

const s = time.Second

func newGroup(t testing.TB, cfg Config) *Group {
	b, err := pick.Kinds().New(pick.Kinds().Table().Default("round_robin"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Strategy = b
	return New("web", cfg)
}

func full() Config {
	return Config{
		Health:   &health.Config{Interval: s, Timeout: s, Healthy: 2, Unhealthy: 3},
		Outliers: &health.OutlierConfig{Consecutive: 3, EjectFor: 5 * s, MaxEjectFor: 60 * s, MaxEjected: .5},
		Retry:    &Retry{Attempts: 1, On: OnConnect, Floor: 10}, Drain: 10 * s,
	}
}

func TestLifeOfATarget(t *testing.T) {
	g := newGroup(t, full())
	a, _ := g.Add(0, Member{ID: "a"})
	b, _ := g.Add(0, Member{ID: "b"})
	if a.State() != Initial || g.Ready() != 0 {
		t.Fatal("a new target takes traffic unchecked")
	}
	g.Probed(0, a, true, "")
	g.Probed(0, b, true, "")
	if a.State() != Healthy || g.Ready() != 2 {
		t.Fatal("one pass should admit a new target")
	}
	for i := range 3 {
		g.Probed(s*time.Duration(i), a, false, "refused")
	}
	if a.State() != Unhealthy || g.Ready() != 1 {
		t.Fatalf("a is %s after three failed probes", a.State())
	}
	g.Probed(4*s, a, true, "")
	if a.State() != Unhealthy {
		t.Fatal("one pass should not bring an unhealthy target back")
	}
	g.Probed(5*s, a, true, "")
	if a.State() != Healthy {
		t.Fatal("two passes should bring it back")
	}
}

func TestEjectionNeedsBothItsTimeAndAPass(t *testing.T) {
	g := newGroup(t, full())
	a, _ := g.Add(0, Member{ID: "a"})
	b, _ := g.Add(0, Member{ID: "b"})
	g.Probed(0, a, true, "")
	g.Probed(0, b, true, "")
	var effects []Effect
	for range 3 {
		effects = append(effects, g.Answered(s, a, ConnectFailed, "refused")...)
	}
	if len(effects) != 2 || effects[0].Kind != Troubled || effects[1].To != Ejected {
		t.Fatalf("effects %+v", effects)
	}
	for range 3 { // one of two is ejected already: the cap protects the other
		g.Answered(s, b, ConnectFailed, "refused")
	}
	if b.State() != Healthy {
		t.Fatal("the last target was ejected")
	}
	g.Probed(2*s, a, true, "") // passes, but its time is not over
	if a.State() != Ejected {
		t.Fatal("a passing probe ended an ejection")
	}
	g.Probed(3*s, a, false, "refused")
	if at, ok := g.NextTick(3 * s); !ok || at != 6*s {
		t.Fatalf("next tick %v %v", at, ok)
	}
	g.Tick(6 * s) // its time is over, but the latest probe failed
	if a.State() != Ejected {
		t.Fatal("time alone ended an ejection")
	}
	g.Probed(7*s, a, true, "")
	if a.State() != Healthy {
		t.Fatalf("a is %s", a.State())
	}
}

func TestDrainWaitsForWhatRuns(t *testing.T) {
	for _, deadline := range []bool{false, true} {
		g := newGroup(t, Config{Drain: 10 * s})
		a, _ := g.Add(0, Member{ID: "a"})
		if chosen(g.Choose(0, &pick.Request{}, false)) != a {
			t.Fatal("not chosen")
		}
		g.Drain(s, a)
		if a.State() != Draining || chosen(g.Choose(s, &pick.Request{}, false)) != nil {
			t.Fatal("a draining target takes traffic")
		}
		if deadline {
			g.Tick(11 * s)
		} else if g.Release(0, a, OK, 0) {
			g.Answered(2*s, a, OK, "")
		}
		if a.State() != Gone || len(g.Status()) != 0 {
			t.Fatalf("deadline %v: %s", deadline, a.State())
		}
	}
}

func TestWhatARetryMayFollow(t *testing.T) {
	for _, tc := range []struct {
		on         RetryOn
		attempt    int
		o          Outcome
		repeatable bool
		want       bool
	}{
		{OnConnect, 0, ConnectFailed, false, true}, {OnConnect, 1, ConnectFailed, false, false}, {OnConnect, 0, Broken, true, false},
		{OnConnect, 0, ServerError, true, false}, {OnConnect, 0, OK, true, false}, {OnConnect, 0, Abandoned, true, false},
		{OnError, 0, ConnectFailed, false, true}, {OnError, 0, Broken, true, true}, {OnError, 0, Broken, false, false}, {OnError, 0, ServerError, true, false},
		{On5xx, 0, Broken, true, true}, {On5xx, 0, ServerError, true, true}, {On5xx, 0, ServerError, false, false}, {On5xx, 0, OK, true, false},
	} {
		cfg := full()
		cfg.Health, cfg.Retry.On = nil, tc.on
		g := newGroup(t, cfg)
		g.Add(0, Member{ID: "a"})
		if got := g.MayRetry(0, &pick.Request{Attempt: tc.attempt}, nil, tc.o, tc.repeatable); got != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
	}
	cfg := full()
	cfg.Health, cfg.Retry = nil, nil
	g := newGroup(t, cfg)
	g.Add(0, Member{ID: "a"})
	if g.MayRetry(0, &pick.Request{}, nil, ConnectFailed, true) {
		t.Error("without retries one was allowed")
	}
}

// Without another target that takes traffic there is no retry, and none is counted against the budget.
func TestRetriesNeedAnotherTarget(t *testing.T) {
	cfg := full()
	cfg.Health, cfg.Outliers, cfg.Retry = nil, nil, &Retry{Attempts: 9, On: OnConnect, Budget: 0, Floor: 1}
	g := newGroup(t, cfg)
	a, _ := g.Add(0, Member{ID: "a"})
	b, _ := g.Add(0, Member{ID: "b"})
	r := &pick.Request{Tried: []string{"a"}}
	for range 20 {
		if g.MayRetry(0, r, b, ConnectFailed, true) {
			t.Fatal("both were tried")
		}
	}
	if !g.MayRetry(0, &pick.Request{}, a, ConnectFailed, true) {
		t.Error("the budget was spent on retries that were none")
	}
}

// In an outage of everything retries stay within a share of the requests, or the floor, whichever is more.
func TestRetryBudget(t *testing.T) {
	for _, tc := range []struct {
		perSecond, share, floor, want float64 // retries a second
	}{{1000, .2, 10, 210}, {10, .2, 10, 10}, {1000, 0, 10, 10}, {1000, .2, 0, 200}, {5, 1, 0, 5}} {
		cfg := full()
		cfg.Health, cfg.Outliers = nil, nil
		cfg.Retry = &Retry{Attempts: 1, On: OnConnect, Budget: tc.share, Floor: tc.floor}
		g := newGroup(t, cfg)
		a, _ := g.Add(0, Member{ID: "a"})
		n := 0
		const seconds = 20
		for i := range int(tc.perSecond) * seconds {
			now := time.Duration(float64(i) / tc.perSecond * float64(s))
			if chosen(g.Choose(now, &pick.Request{Seq: uint64(i)}, false)) != a {
				t.Fatal("not chosen")
			}
			g.Release(now, a, ConnectFailed, 0)
			if g.MayRetry(now, &pick.Request{}, nil, ConnectFailed, true) {
				n++
			}
		}
		if got := float64(n) / seconds; got < tc.want*.95-1 || got > tc.want*1.05+1 {
			t.Errorf("%+v: %.1f retries a second", tc, got)
		}
	}
	// Good times save up no more than a little.
	g := newGroup(t, func() Config { c := full(); c.Health = nil; c.Retry.Budget, c.Retry.Floor = 1, 0; return c }())
	a, _ := g.Add(0, Member{ID: "a"})
	for i := range 100_000 {
		g.Choose(0, &pick.Request{Seq: uint64(i)}, false)
		g.Release(0, a, OK, 0)
	}
	n := 0
	for g.MayRetry(0, &pick.Request{}, nil, ConnectFailed, true) {
		n++
	}
	if n > 110 {
		t.Errorf("%d retries were saved up", n)
	}
}

// Slow start is for targets that join a group in service and for those that come back, not for those that it began
// with.
func TestWhoStartsSlowly(t *testing.T) {
	cfg := full()
	cfg.Health.Healthy, cfg.Health.Unhealthy, cfg.Outliers, cfg.SlowStart = 1, 1, nil, 10*s
	g := newGroup(t, cfg)
	warming := func() (ids string) {
		for _, m := range g.ready.Load().set.Members {
			if m.Warming {
				ids += m.ID
			}
		}
		return ids
	}
	a, _ := g.Add(0, Member{ID: "a"})
	b, _ := g.Add(0, Member{ID: "b"})
	g.Probed(s, a, true, "")
	g.Probed(2*s, b, true, "")
	if got := warming(); got != "" {
		t.Errorf("%q of the first start slowly", got)
	}
	c, _ := g.Add(3*s, Member{ID: "c"})
	g.Probed(4*s, c, true, "")
	if got := warming(); got != "c" {
		t.Errorf("%q start slowly, c has joined", got)
	}
	g.Probed(5*s, a, false, "x")
	g.Probed(6*s, a, true, "")
	if got := warming(); got != "ac" {
		t.Errorf("%q start slowly, a has come back", got)
	}
}

// Below the threshold all members take traffic but draining ones; the change is told once, and so is its end.
func TestFailOpen(t *testing.T) {
	cfg := full()
	cfg.Health.Healthy, cfg.Health.Unhealthy, cfg.Outliers = 1, 1, nil
	cfg.FailOpen = &FailOpen{Healthy: 1, Share: .5}
	g := newGroup(t, cfg)
	var told []string
	see := func(effects []Effect) {
		for _, e := range effects {
			if e.Kind == Opened || e.Kind == Shut {
				told = append(told, string(e.Kind)+" "+e.Reason)
			}
		}
	}
	var all []*Target
	for _, id := range []string{"a", "b", "c", "d"} {
		m, e := g.Add(0, Member{ID: id})
		see(e)
		all = append(all, m)
		see(g.Probed(0, m, true, ""))
	}
	if g.Ready() != 4 {
		t.Fatalf("%d ready", g.Ready())
	}
	told = nil // while it began there were few
	see(g.Probed(s, all[0], false, "x"))
	see(g.Probed(s, all[1], false, "x"))
	if g.Ready() != 2 || len(told) != 0 {
		t.Fatalf("%d ready with half of them healthy, told %v", g.Ready(), told)
	}
	see(g.Probed(s, all[2], false, "x"))
	if g.Ready() != 4 || len(told) != 1 || told[0] != "open 1 of 4 targets are healthy" {
		t.Fatalf("%d ready with one healthy, told %v", g.Ready(), told)
	}
	see(g.Drain(s, all[3]))
	if g.Ready() != 3 {
		t.Fatalf("%d ready: a draining target takes traffic", g.Ready())
	}
	see(g.Probed(2*s, all[0], true, ""))
	see(g.Probed(2*s, all[1], true, ""))
	if g.Ready() != 2 || len(told) != 2 || told[1] != "shut 2 of 3 targets are healthy" {
		t.Fatalf("%d ready, told %v", g.Ready(), told)
	}
}

// Whatever happens, only healthy members are chosen, and in-flight counts come back to zero.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := newGroup(t, full())
		now, added := time.Duration(0), 0
		var running []*Target
		member := func() *Target {
			if len(g.targets) == 0 {
				return nil
			}
			return g.targets[rapid.IntRange(0, len(g.targets)-1).Draw(rt, "target")]
		}
		for range rapid.IntRange(1, 80).Draw(rt, "steps") {
			now += time.Duration(rapid.Int64Range(0, int64(3*s)).Draw(rt, "dt"))
			m := member()
			switch rapid.IntRange(0, 6).Draw(rt, "step") {
			case 0:
				g.Add(now, Member{ID: fmt.Sprint("t", added)})
				added++
			case 1, 2:
				if m != nil {
					g.Probed(now, m, rapid.Bool().Draw(rt, "passed"), "x")
				}
			case 3:
				if m != nil && rapid.IntRange(0, 5).Draw(rt, "drain") == 0 {
					g.Drain(now, m)
				}
			case 4:
				g.Tick(now)
			case 5:
				if c, _ := g.Choose(now, &pick.Request{}, false); c != nil {
					if c.state != Healthy {
						rt.Fatalf("chose %s which is %s", c.ID, c.state)
					}
					running = append(running, c)
				}
			case 6:
				if len(running) > 0 {
					c := running[0]
					running = running[1:]
					o := Outcome(rapid.IntRange(0, 4).Draw(rt, "outcome"))
					if g.Release(now, c, o, 0) {
						g.Answered(now, c, o, "x")
					}
				}
			}
			if got := g.count(Healthy); got != g.Ready() {
				rt.Fatalf("%d healthy, %d published", got, g.Ready())
			}
		}
		for _, c := range running {
			g.Release(now, c, OK, 0)
		}
		for _, m := range g.targets {
			if n := m.load.InFlight.Load(); n != 0 {
				rt.Fatalf("%s has %d in flight at the end", m.ID, n)
			}
		}
	})
}

// chosen is a target without its doubts.
func chosen(t *Target, _ bool) *Target { return t }

// Requests beyond what the targets may have wait in order, and are admitted as room comes; the queue is bounded.
func TestQueue(t *testing.T) {
	g := newGroup(t, Config{Limits: &Limits{Requests: 2, Queue: 3}})
	a, _ := g.Add(0, Member{ID: "a"})
	b, _ := g.Add(0, Member{ID: "b"})
	for range 4 {
		if x, full := g.Choose(0, &pick.Request{}, false); x == nil || full {
			t.Fatal("no room at the beginning")
		}
	}
	var q Queue
	var admitted []uint64
	var to *Target
	var waiters []*Waiter
	for seq := range uint64(4) {
		r := &pick.Request{Seq: seq}
		if x, full := g.Choose(0, r, false); x != nil || !full {
			t.Fatalf("room for a fifth: %v, %v", x, full)
		}
		w := &Waiter{Request: r, Admit: func(x *Target) { admitted, to = append(admitted, seq), x }}
		if in := q.Join(g, w); in != (seq < 3) {
			t.Fatalf("request %d waits: %v", seq, in)
		}
		waiters = append(waiters, w)
	}
	q.Serve(0, g)
	if len(admitted) > 0 {
		t.Fatalf("admitted without room: %v", admitted)
	}
	g.Release(0, b, OK, 0)
	q.Serve(0, g)
	if !slices.Equal(admitted, []uint64{0}) || to != b || q.Leave(waiters[0]) {
		t.Fatalf("after one has ended: %v to %v", admitted, to)
	}
	if !q.Leave(waiters[1]) || q.Leave(waiters[1]) || q.Len() != 1 {
		t.Fatal("a request that gives up")
	}
	waiters[2].Request.Tried = []string{"a"} // it has failed there: room at a is not for it
	g.Release(0, a, OK, 0)
	q.Serve(0, g)
	if len(admitted) != 1 {
		t.Fatalf("admitted where it has failed: %v", admitted)
	}
	g.Release(0, b, OK, 0)
	q.Serve(0, g)
	if !slices.Equal(admitted, []uint64{0, 2}) || q.Len() != 0 {
		t.Fatalf("in the end %v", admitted)
	}
}

// Requests that end as soon as they are admitted make room for the next ones, in order and one after the other, however many
// wait.
func TestQueueServesWhatEndsAtOnce(t *testing.T) {
	g := newGroup(t, Config{Limits: &Limits{Requests: 1, Queue: 1000}})
	a, _ := g.Add(0, Member{ID: "a"})
	if x, _ := g.Choose(0, &pick.Request{}, false); x != a {
		t.Fatal("no room at the beginning")
	}
	var q Queue
	var admitted []uint64
	depth, deepest := 0, 0
	for seq := range uint64(1000) {
		q.Join(g, &Waiter{Request: &pick.Request{Seq: seq}, Admit: func(x *Target) {
			depth++
			deepest = max(deepest, depth)
			admitted = append(admitted, seq)
			g.Release(0, x, OK, 0)
			q.Serve(0, g)
			depth--
		}})
	}
	g.Release(0, a, OK, 0)
	q.Serve(0, g)
	if len(admitted) != 1000 || !slices.IsSorted(admitted) || q.Len() != 0 {
		t.Errorf("%d were admitted, in order: %v", len(admitted), slices.IsSorted(admitted))
	}
	if deepest != 1 {
		t.Errorf("%d were being admitted at once", deepest)
	}
}

// Requests stay in the own zone until too few of its targets are ready, and spill over in proportion then.
func TestZones(t *testing.T) {
	builder, err := pick.Kinds().New(pick.Kinds().Table().Default("random"))
	if err != nil {
		t.Fatal(err)
	}
	g := New("g", Config{Strategy: builder, Health: &health.Config{Unhealthy: 3}, Zones: &Zones{"a", 1.4}, Seed: 3})
	var all []*Target
	for i := range 8 {
		x, _ := g.Add(0, Member{ID: fmt.Sprint(i), Zone: []string{"a", "b"}[i%2]})
		all = append(all, x)
		g.Probed(0, x, true, "")
	}
	share := func() float64 {
		own := 0
		for seq := range uint64(10_000) {
			x, _ := g.Choose(0, &pick.Request{Seq: seq}, false)
			if x.Zone == "a" {
				own++
			}
			g.Release(0, x, OK, 0)
		}
		return float64(own) / 10_000
	}
	down := func(x *Target) {
		for range 3 {
			g.Probed(0, x, false, "")
		}
	}
	for _, want := range []float64{1, 1, .7, .35, 0} { // 1.4 × 4, 3, 2, 1, 0 of 4
		if got := share(); math.Abs(got-want) > .02 {
			t.Errorf("%.3f of the requests stay, not %.2f", got, want)
		}
		for _, x := range all {
			if x.Zone == "a" && x.State() == Healthy {
				down(x)
				break
			}
		}
	}
	if x, _ := g.Choose(0, &pick.Request{Tried: []string{"1", "3", "5"}}, false); x != all[7] {
		t.Error("the last target beyond the zone is not used")
	}
}

// A cookie sends its client to its target, whatever process made it; one that is forged, too old or of another group
// does not.
func TestSticky(t *testing.T) {
	builder, err := pick.Kinds().New(pick.Kinds().Table().Default("round_robin"))
	if err != nil {
		t.Fatal(err)
	}
	make := func(name, secret string) (*Group, []*Target) {
		g := New(name, Config{Strategy: builder, Sticky: &Sticky{Cookie: "c", For: time.Hour, Secret: secret}, Limits: &Limits{Requests: 3, Queue: 1}})
		var all []*Target
		for i := range 3 {
			x, _ := g.Add(0, Member{ID: fmt.Sprint(i)})
			all = append(all, x)
		}
		return g, all
	}
	const now = 1_800_000_000
	before, targets := make("web", "s")
	token := before.Config().Sticky.Token(before, targets[1].ID, now)
	g, again := make("web", "s") // another process
	sticky := g.Config().Sticky
	for _, later := range []int64{0, 1799, 1801, 3599} {
		tag, renew := sticky.Read(g, []byte(token), now+later)
		if tag != sticky.Tag(g, again[1].ID) || renew != (later > 1800) {
			t.Errorf("after %d s: %v, renew %v", later, tag, renew)
		}
	}
	other, _ := make("api", "s")
	stranger, _ := make("web", "another")
	forged := []byte(token)
	for i := range forged {
		forged[i] ^= 1
		if tag, _ := sticky.Read(g, forged, now); tag != (pick.Tag{}) {
			t.Errorf("forged at %d: %v", i, tag)
		}
		forged[i] ^= 1
	}
	for what, tag := range map[string]pick.Tag{
		"too old": tagOf(sticky.Read(g, []byte(token), now+3600)), "another group": tagOf(sticky.Read(other, []byte(token), now)),
		"another secret": tagOf(stranger.Config().Sticky.Read(stranger, []byte(token), now)), "nothing": tagOf(sticky.Read(g, nil, now)), "nonsense": tagOf(sticky.Read(g, []byte("%%%"), now)),
	} {
		if tag != (pick.Tag{}) {
			t.Errorf("%s: %v", what, tag)
		}
	}
	stick := sticky.Tag(g, again[1].ID)
	for range 3 {
		if x, _ := g.Choose(0, &pick.Request{Sticky: stick}, false); x != again[1] {
			t.Errorf("stuck to %v", x)
		}
	}
	if x, _ := g.Choose(0, &pick.Request{Sticky: stick}, false); x == again[1] {
		t.Error("stuck to a full target")
	}
	g.Drain(0, again[1])
	if x, _ := g.Choose(0, &pick.Request{Sticky: stick}, false); x == nil || x == again[1] {
		t.Errorf("stuck to a target that drains: %v", x)
	}
}

func tagOf(tag pick.Tag, _ bool) pick.Tag { return tag }
