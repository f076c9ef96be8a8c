package exchange

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

const ms = time.Millisecond

// pool is a group of two targets that notes what is released.
type pool struct {
	g       *group.Group
	queued  bool
	timeout time.Duration
	log     *[]string
}

func (p *pool) Members() *group.Group { return p.g }
func (p *pool) Queued() bool          { return p.queued }
func (p *pool) Timeouts() Timeouts    { return Timeouts{Response: DefaultResponse, Exchange: p.timeout} }

func (p *pool) Release(now time.Duration, t *group.Target, o group.Outcome, took time.Duration, reason string) {
	p.g.Release(now, t, o, took)
	*p.log = append(*p.log, strings.TrimSpace(fmt.Sprintf("release %s after %v: %s %s", t.ID, took, [...]string{"ok", "no connection", "broken", "server error", "gateway error", "abandoned"}[o], reason)))
}

// steps are what an exchange wants, in words.
func (s Step) words() string {
	name := [...]string{"answer", "redirect", "respond", "spool", "queue", "wait", "connect", "converse", "forward", "tunnel", "cut", "end"}[s.Do]
	switch s.Do {
	case Answer, Cut:
		return fmt.Sprintf("%s %d %s", name, s.Status, s.Cause)
	case Redirect, Respond, Forward:
		return fmt.Sprintf("%s %d", name, s.Status)
	case Spool:
		return fmt.Sprintf("%s %d", name, s.Max)
	case Wait, Queue:
		return fmt.Sprintf("%s until %v", name, s.Until)
	case Connect:
		if s.Fresh {
			name += " anew"
		}
		if s.New {
			name += " by a new one"
		}
		return name + " to " + s.Target.ID
	case End:
		return strings.TrimSpace(name + " " + s.Cause.String())
	}
	return name
}

func TestExchange(t *testing.T) {
	connected, complete := Event{Kind: Connected}, Event{Kind: Complete}
	head := func(status int) Event { return Event{Kind: Head, Status: status} }
	failed := func(e Ending) Event { return Event{Kind: Failed, Ending: e, Reason: "why"} }
	counted := func() *atomic.Bool {
		b := &atomic.Bool{}
		b.Store(true)
		return b
	}
	reused := func(sent bool) Event {
		return Event{Kind: Failed, Ending: BrokenOff, Reason: "reset", Reused: true, Closed: true, Sent: sent}
	}
	unprocessed := Event{Kind: Failed, Ending: BrokenAlready, Reason: "GOAWAY", Unprocessed: true}
	refused := Event{Kind: Failed, Ending: BrokenOff, Reason: "REFUSED_STREAM", Unprocessed: true}
	uploading := Event{Kind: Failed, Ending: BodyRefused, Reason: "GOAWAY", Unprocessed: true, Uploading: true}
	retry := func(on group.RetryOn) *group.Retry { return &group.Retry{Attempts: 1, On: on, Budget: 1} }
	web := route.Rule{Forward: "web"}
	for _, tc := range []struct {
		name       string
		rule       route.Rule
		retry      *group.Retry
		repeatable bool
		queued     bool
		touch      chaos.Effect
		events     []Event // each 5 ms after the one before
		want       []string
	}{
		{name: "an answer", rule: web, events: []Event{connected, head(200), complete},
			want: []string{"connect to a", "converse", "forward 200", "release a after 10ms: ok", "end"}},
		{name: "an answer that is a failure", rule: web, events: []Event{connected, head(500), complete},
			want: []string{"connect to a", "converse", "forward 500", "release a after 10ms: server error status 500", "end"}},
		{name: "a failure that is tried elsewhere", rule: web, retry: retry(group.On5xx), repeatable: true, events: []Event{connected, head(503), connected, head(200), complete},
			want: []string{"connect to a", "converse", "release a after 10ms: gateway error status 503", "connect to b", "converse", "forward 200", "release b after 10ms: ok", "end"}},
		{name: "no retry is left", rule: web, retry: retry(group.On5xx), repeatable: true, events: []Event{connected, head(503), connected, head(502), complete},
			want: []string{"connect to a", "converse", "release a after 10ms: gateway error status 503", "connect to b", "converse", "forward 502", "release b after 10ms: gateway error status 502", "end"}},
		{name: "not to be repeated", rule: web, retry: retry(group.On5xx), events: []Event{connected, head(503), complete},
			want: []string{"connect to a", "converse", "forward 503", "release a after 10ms: gateway error status 503", "end"}},
		{name: "refused", rule: web, events: []Event{failed(Refused)},
			want: []string{"connect to a", "release a after 5ms: no connection why", "answer 502 connect"}},
		{name: "refused, and elsewhere", rule: web, retry: retry(group.OnConnect), events: []Event{failed(Refused), failed(ConnectTimedOut)},
			want: []string{"connect to a", "release a after 5ms: no connection why", "connect to b", "release b after 5ms: no connection why", "answer 504 connect_timeout"}},
		{name: "broken off before an answer", rule: web, retry: retry(group.OnError), repeatable: true, events: []Event{connected, failed(Silent), connected, head(200), complete},
			want: []string{"connect to a", "converse", "release a after 10ms: broken why", "connect to b", "converse", "forward 200", "release b after 10ms: ok", "end"}},
		{name: "broken off in the answer", rule: web, retry: retry(group.OnError), repeatable: true, events: []Event{connected, head(200), failed(BrokenOff)},
			want: []string{"connect to a", "converse", "forward 200", "release a after 10ms: broken why", "cut 0 broken"}},
		{name: "the client stalls", rule: web, events: []Event{connected, head(200), failed(ClientStalled)},
			want: []string{"connect to a", "converse", "forward 200", "release a after 10ms: abandoned why", "end slow"}},
		{name: "the client leaves", rule: web, events: []Event{connected, {Kind: Left}},
			want: []string{"connect to a", "converse", "release a after 10ms: abandoned", "end client_gone"}},
		{name: "an idle connection closed, nothing sent", rule: web, events: []Event{connected, reused(false), connected, head(200), complete},
			want: []string{"connect to a", "converse", "connect anew to a", "converse", "forward 200", "release a after 20ms: ok", "end"}},
		{name: "an idle connection closed, may be repeated", rule: web, repeatable: true, events: []Event{connected, reused(true), connected, head(200), complete},
			want: []string{"connect to a", "converse", "connect anew to a", "converse", "forward 200", "release a after 20ms: ok", "end"}},
		{name: "an idle connection closed, not to be repeated", rule: web, events: []Event{connected, reused(true)},
			want: []string{"connect to a", "converse", "release a after 10ms: broken reset", "answer 502 broken"}},
		{name: "not acted on, not to be repeated", rule: web, retry: retry(group.OnConnect), events: []Event{connected, unprocessed, connected, unprocessed, connected, unprocessed, connected, unprocessed, connected, head(200), complete},
			want: []string{"connect to a", "converse", "connect anew to a", "converse", "connect anew to a", "converse", "connect anew by a new one to a", "converse", "release a after 40ms: abandoned GOAWAY", "connect to b", "converse", "forward 200", "release b after 10ms: ok", "end"}},
		{name: "refused on a connection that goes on", rule: web, events: []Event{connected, refused, connected, refused, connected, refused, connected, head(200), complete},
			want: []string{"connect to a", "converse", "connect anew to a", "converse", "connect anew to a", "converse", "connect anew to a", "converse", "forward 200", "release a after 40ms: ok", "end"}},
		{name: "not acted on, and then closed", rule: web, repeatable: true, events: []Event{connected, unprocessed, connected, reused(true)},
			want: []string{"connect to a", "converse", "connect anew to a", "converse", "release a after 20ms: broken reset", "answer 502 broken"}},
		{name: "not acted on, its body under way", rule: web, retry: retry(group.OnConnect), events: []Event{connected, uploading},
			want: []string{"connect to a", "converse", "release a after 10ms: abandoned GOAWAY", "answer 502 broken"}},
		{name: "two of them", rule: web, repeatable: true, events: []Event{connected, reused(true), connected, reused(true)},
			want: []string{"connect to a", "converse", "connect anew to a", "converse", "release a after 20ms: broken reset", "answer 502 broken"}},
		{name: "a connection that failed for others too", rule: web, retry: retry(group.OnConnect), events: []Event{{Kind: Failed, Ending: Refused, Reason: "why", Shared: counted()}, connected, head(200), complete},
			want: []string{"connect to a", "release a after 5ms: abandoned why", "connect to b", "converse", "forward 200", "release b after 10ms: ok", "end"}},
		{name: "one that was too late for others too", rule: web, events: []Event{{Kind: Failed, Ending: ConnectTimedOut, Reason: "why", Shared: counted()}},
			want: []string{"connect to a", "release a after 5ms: abandoned why", "answer 504 connect_timeout"}},
		{name: "the first who hears of a connection that failed", rule: web, events: []Event{{Kind: Failed, Ending: Refused, Reason: "why", Shared: &atomic.Bool{}}},
			want: []string{"connect to a", "release a after 5ms: no connection why", "answer 502 connect"}},
		{name: "nothing left for a connection, tried elsewhere", rule: web, retry: retry(group.OnConnect), events: []Event{failed(NoResources), connected, head(200), complete},
			want: []string{"connect to a", "release a after 5ms: abandoned why", "connect to b", "converse", "forward 200", "release b after 10ms: ok", "end"}},
		{name: "nothing left for a connection, twice", rule: web, retry: retry(group.OnConnect), events: []Event{failed(NoResources), failed(NoResources)},
			want: []string{"connect to a", "release a after 5ms: abandoned why", "connect to b", "release b after 5ms: abandoned why", "answer 503 resources"}},
		{name: "a fault's delay", rule: web, touch: chaos.Effect{Delay: 5 * ms}, events: []Event{{Kind: Waited}, connected, head(200), complete},
			want: []string{"wait until 5ms", "connect to a", "converse", "forward 200", "release a after 15ms: ok", "end"}},
		{name: "a fault's answer", rule: web, touch: chaos.Effect{Status: 404}, events: []Event{complete},
			want: []string{"forward 404", "release a after 0s: ok", "end"}},
		{name: "the queue", rule: web, queued: true, events: []Event{{Kind: TimedOut}}, want: []string{"queue until 10ms", "answer 503 queue_timeout"}},
		{name: "a full queue", rule: web, queued: true, events: []Event{{Kind: Full}}, want: []string{"queue until 10ms", "answer 503 queue_full"}},
		{name: "left in the queue", rule: web, queued: true, events: []Event{{Kind: Left}}, want: []string{"queue until 10ms", "end client_gone"}},
		{name: "a redirect", rule: route.Rule{Redirect: &route.Redirect{To: "/", Status: 302}}, want: []string{"redirect 302"}},
		{name: "a text", rule: route.Rule{Respond: &route.Respond{Status: 404}}, want: []string{"respond 404"}},
		{name: "no rule", rule: route.Rule{Path: "/other", Forward: "web"}, want: []string{"answer 503 no_rule"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			strategy, err := pick.Kinds().New(pick.Kinds().Table().Default("round_robin"))
			if err != nil {
				t.Fatal(err)
			}
			var log []string
			p := &pool{g: group.New("web", group.Config{Strategy: strategy, Retry: tc.retry, Limits: &group.Limits{Wait: 10 * ms}}), queued: tc.queued, log: &log}
			for _, id := range []string{"a", "b"} {
				p.g.Add(0, group.Member{ID: id})
			}
			s := setup(t, tc.rule, p, tc.touch)
			ask := anyRequest()
			var x Exchange
			note := func(step Step) { log = append(log, step.words()) }
			first := x.Begin(0, s, &Request{Ask: ask, Idempotent: true})
			if first.Do == Spool {
				first = x.Next(0, Event{Kind: Spooled, Whole: tc.repeatable})
			}
			note(first)
			for i, e := range tc.events {
				note(x.Next(time.Duration(i+1)*5*ms, e))
			}
			if !slices.Equal(log, tc.want) {
				t.Errorf("%q, want %q", log, tc.want)
			}
			for _, target := range []string{"a", "b"} {
				if n := p.g.Find(target).Status().InFlight; n != 0 {
					t.Errorf("%d exchanges are still counted at %s", n, target)
				}
			}
		})
	}
}

// What an exchange knows only once the request is ready, and what it decides by the time and by cookies.
func TestRequestsAndTheirTime(t *testing.T) {
	const whole, end = 100 * ms, 100 * ms
	failed := func(e Ending) Event { return Event{Kind: Failed, Ending: e, Reason: "why"} }
	spooled, connected, complete := Event{Kind: Spooled, Whole: true}, Event{Kind: Connected}, Event{Kind: Complete}
	type happened struct {
		at time.Duration
		Event
	}
	for _, tc := range []struct {
		name    string
		request Request
		retry   group.Retry
		events  []happened
		want    []string
	}{
		{"a body worth keeping", Request{Idempotent: true, Length: 10}, group.Retry{On: group.OnError, Attempts: 1, Budget: 1, Spool: 10}, []happened{{0, spooled}, {ms, failed(BrokenOff)}},
			[]string{"spool 10", "connect to a", "release a after 1ms: broken why", "connect to b"}},
		{"one that is too large", Request{Idempotent: true, Length: 11}, group.Retry{On: group.OnError, Attempts: 1, Budget: 1, Spool: 10}, []happened{{0, Event{Kind: Spooled}}, {ms, failed(BrokenOff)}},
			[]string{"spool 0", "connect to a", "release a after 1ms: broken why", "answer 502 broken"}},
		{"one that turned out to be too large", Request{Idempotent: true, Length: -1}, group.Retry{On: group.OnError, Attempts: 1, Budget: 1, Spool: 10}, []happened{{0, Event{Kind: Spooled}}, {ms, failed(BrokenOff)}},
			[]string{"spool 10", "connect to a", "release a after 1ms: broken why", "answer 502 broken"}},
		{"a body that waits to be asked for", Request{Idempotent: true, Expect: true, Length: 1}, group.Retry{On: group.OnError, Attempts: 1, Budget: 1, Spool: 10}, nil, []string{"spool 0"}},
		{"another protocol", Request{Idempotent: true, Upgrade: true}, group.Retry{On: group.OnError, Attempts: 1, Budget: 1, Spool: 10}, []happened{{0, spooled}, {ms, connected}, {2 * ms, Event{Kind: Head, Status: 101}}, {9 * ms, complete}},
			[]string{"spool 0", "connect to a", "converse", "tunnel", "release a after 2ms: ok", "end"}},
		{"a request for another protocol is not repeated", Request{Idempotent: true, Upgrade: true}, group.Retry{On: group.OnError, Attempts: 1, Budget: 1, Spool: 10}, []happened{{0, spooled}, {ms, failed(BrokenOff)}},
			[]string{"spool 0", "connect to a", "release a after 1ms: broken why", "answer 502 broken"}},
		{"a body that can't be used", Request{}, group.Retry{}, []happened{{ms, Event{Kind: BodyBad, Cause: BodyTooLarge, Reason: "why"}}}, []string{"spool 0", "answer 413 body_too_large"}},
		{"one that turns out so on its way", Request{}, group.Retry{}, []happened{{0, Event{Kind: Spooled}}, {ms, Event{Kind: Failed, Ending: BodyUnusable, Cause: Slow, Reason: "why"}}},
			[]string{"spool 0", "connect to a", "release a after 1ms: abandoned why", "answer 408 slow"}},
		{"one that turns out so while the answer is passed on", Request{}, group.Retry{}, []happened{{0, Event{Kind: Spooled}}, {ms, connected}, {2 * ms, Event{Kind: Head, Status: 200}}, {3 * ms, Event{Kind: Failed, Ending: BodyUnusable, Cause: Malformed, Reason: "why"}}},
			[]string{"spool 0", "connect to a", "converse", "forward 200", "release a after 2ms: abandoned why", "cut 0 malformed"}},
		{"gone before the body came", Request{}, group.Retry{}, []happened{{ms, Event{Kind: Left}}}, []string{"spool 0", "end client_gone"}},
		{"its whole time is over", Request{Idempotent: true}, group.Retry{On: group.OnError, Attempts: 1, Budget: 1}, []happened{{0, spooled}, {end, Event{Kind: Failed, Ending: OverTime, Reason: "why", Waits: Waits{Target: whole}, Here: Waits{Target: whole}}}},
			[]string{"spool 0", "connect to a", "release a after 100ms: broken why", "answer 504 timeout"}},
		{"no retry when it is over", Request{Idempotent: true}, group.Retry{On: group.On5xx, Attempts: 1, Budget: 1}, []happened{{0, spooled}, {end, connected}, {end, Event{Kind: Head, Status: 503}}},
			[]string{"spool 0", "connect to a", "converse", "forward 503"}},
		{"one just before", Request{Idempotent: true}, group.Retry{On: group.On5xx, Attempts: 1, Budget: 1}, []happened{{0, spooled}, {end - 1, connected}, {end - 1, Event{Kind: Head, Status: 503}}},
			[]string{"spool 0", "connect to a", "converse", "release a after 99.999999ms: gateway error status 503", "connect to b"}},
		{"no new connection when it is over", Request{}, group.Retry{}, []happened{{0, spooled}, {end, connected}, {end, Event{Kind: Failed, Ending: BrokenOff, Reused: true, Closed: true}}},
			[]string{"spool 0", "connect to a", "converse", "release a after 100ms: broken", "answer 502 broken"}},
		{"delayed beyond its whole time", Request{}, group.Retry{}, []happened{{0, spooled}, {end, Event{Kind: Waited}}}, []string{"spool 0", "wait until 100ms", "release a after 100ms: broken the exchange has taken too long", "answer 504 timeout"}},
		{"an answer that its client did not take", Request{}, group.Retry{}, []happened{{ms, Event{Kind: BodyBad, Cause: Slow}}, {2 * ms, Event{Kind: Left}}}, []string{"spool 0", "answer 408 slow", "end client_gone"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			strategy, err := pick.Kinds().New(pick.Kinds().Table().Default("round_robin"))
			if err != nil {
				t.Fatal(err)
			}
			var log []string
			p := &pool{g: group.New("web", group.Config{Strategy: strategy, Retry: &tc.retry}), timeout: whole, log: &log}
			for _, id := range []string{"a", "b"} {
				p.g.Add(0, group.Member{ID: id})
			}
			var fault chaos.Effect
			if strings.HasPrefix(tc.name, "delayed") { // with a status that is not due any more
				fault = chaos.Effect{Delay: time.Second, Status: 503}
			}
			s := setup(t, route.Rule{Forward: "web"}, p, fault)
			tc.request.Ask = anyRequest()
			var x Exchange
			log = append(log, x.Begin(0, s, &tc.request).words())
			for _, e := range tc.events {
				log = append(log, x.Next(e.at, e.Event).words())
			}
			if !slices.Equal(log, tc.want) {
				t.Errorf("%q, want %q", log, tc.want)
			}
		})
	}
}

// learner is a strategy that takes the first target that it may, and notes what it hears.
type learner struct{ log *[]string }

func (l learner) Pick(_ time.Duration, r *pick.Request, s *pick.Set) int {
	return slices.IndexFunc(s.Members, func(m pick.Member) bool { return !r.Left(&m) })
}

func (l learner) Answered(now time.Duration, _ *pick.Load, took time.Duration) {
	*l.log = append(*l.log, fmt.Sprintf("at %v: answered after %v", now, took))
}

func (l learner) Done(now time.Duration, _ *pick.Load, took time.Duration, failed bool) {
	*l.log = append(*l.log, fmt.Sprintf("at %v: done after %v, failed %v", now, took, failed))
}

// Strategies learn how long a target takes to the head of its answer, once that is there. The time of the client is not its: neither what
// it takes to send its body nor what follows the head.
func TestStrategiesLearnTheTargetsTime(t *testing.T) {
	spooled, connected, complete := Event{Kind: Spooled, Whole: true}, Event{Kind: Connected}, Event{Kind: Complete}
	head := func(status int, body time.Duration) Event { return Event{Kind: Head, Status: status, Body: body} }
	type happened struct {
		at time.Duration
		Event
	}
	for _, tc := range []struct {
		name   string
		fault  chaos.Effect
		events []happened
		want   []string
	}{
		{"a slow reader", chaos.Effect{}, []happened{{0, spooled}, {ms, connected}, {10 * ms, head(200, 0)}, {3 * time.Second, complete}}, []string{"at 10ms: answered after 10ms", "at 3s: done after 10ms, failed false"}},
		{"another protocol", chaos.Effect{}, []happened{{0, spooled}, {ms, connected}, {10 * ms, head(101, 0)}, {time.Hour, complete}}, []string{"at 10ms: answered after 10ms", "at 1h0m0s: done after 10ms, failed false"}},
		{"a slow upload", chaos.Effect{}, []happened{{0, spooled}, {ms, connected}, {5 * time.Second, head(200, 4990*ms)}, {6 * time.Second, complete}}, []string{"at 5s: answered after 10ms", "at 6s: done after 10ms, failed false"}},
		{"an upload that the target ends", chaos.Effect{}, []happened{{0, spooled}, {ms, connected}, {5 * time.Second, Event{Kind: Failed, Ending: BrokenOff, Body: 4990 * ms, Uploading: true}}}, []string{"at 5s: done after 10ms, failed true"}},
		{"an answer that breaks off", chaos.Effect{}, []happened{{0, spooled}, {ms, connected}, {10 * ms, head(200, 0)}, {3 * time.Second, Event{Kind: Failed, Ending: BrokenOff}}}, []string{"at 10ms: answered after 10ms", "at 3s: done after 10ms, failed true"}},
		{"an answer that its client leaves", chaos.Effect{}, []happened{{0, spooled}, {ms, connected}, {10 * ms, head(200, 0)}, {3 * time.Second, Event{Kind: Failed, Ending: GoneFirst}}}, []string{"at 10ms: answered after 10ms"}},
		{"a failure with an answer", chaos.Effect{}, []happened{{0, spooled}, {ms, connected}, {10 * ms, head(500, 0)}, {3 * time.Second, complete}}, []string{"at 3s: done after 10ms, failed true"}},
		{"no answer", chaos.Effect{}, []happened{{0, spooled}, {ms, connected}, {70 * ms, Event{Kind: Failed, Ending: Silent}}}, []string{"at 70ms: done after 70ms, failed true"}},
		{"a fault's delay", chaos.Effect{Delay: 7 * ms}, []happened{{0, spooled}, {7 * ms, Event{Kind: Waited}}, {8 * ms, connected}, {10 * ms, head(200, 0)}, {11 * ms, complete}}, []string{"at 10ms: answered after 10ms", "at 11ms: done after 10ms, failed false"}},
		{"a fault's answer", chaos.Effect{Delay: 7 * ms, Status: 404}, []happened{{0, spooled}, {7 * ms, Event{Kind: Waited}}, {9 * ms, complete}}, []string{"at 7ms: answered after 7ms", "at 9ms: done after 7ms, failed false"}},
	} {
		var log, other []string
		p := &pool{g: group.New("web", group.Config{Strategy: func(draw.Stream) pick.Strategy { return learner{&log} }}), log: &other}
		p.g.Add(0, group.Member{ID: "a"})
		s := setup(t, route.Rule{Forward: "web"}, p, tc.fault)
		var x Exchange
		x.Begin(0, s, &Request{Ask: anyRequest()})
		for _, e := range tc.events {
			x.Next(e.at, e.Event)
		}
		if !slices.Equal(log, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, log, tc.want)
		}
	}
}

// Whether a request waits is decided by the targets, not by whether others wait.
func TestWhoWaits(t *testing.T) {
	const checks = true
	drained := func(g *group.Group, a, b *group.Target) {
		g.Drain(0, a)
		g.Drain(0, b)
	}
	maintained := func(g *group.Group, a, b *group.Target) {
		g.SetMaintenance(0, a, true)
		g.SetMaintenance(0, b, true)
	}
	fails := func(g *group.Group, a, _ *group.Target) {
		g.Probed(0, a, true, "")
		g.Probed(0, a, false, "")
	}
	for _, tc := range []struct {
		name  string
		first bool
		check bool                                     // the group has checks
		does  func(g *group.Group, a, b *group.Target) // to its targets, which have as many requests as they may
		waits bool
	}{
		{"full", false, !checks, func(*group.Group, *group.Target, *group.Target) {}, true},
		{"one left, full", false, !checks, func(g *group.Group, a, _ *group.Target) { g.Drain(0, a) }, true},
		{"none left", false, !checks, drained, false},
		{"maintenance", false, !checks, maintained, false},
		{"none left, to wait for the first", true, !checks, drained, true},
		{"maintenance, to wait for the first", true, !checks, func(g *group.Group, a, b *group.Target) {
			g.Drain(0, a)
			g.SetMaintenance(0, b, true)
		}, false},
		{"not checked yet, to wait for the first", true, checks, func(*group.Group, *group.Target, *group.Target) {}, true},
		{"unhealthy, to wait for the first", true, checks, fails, false},
		{"unhealthy, then removed, to wait for the first", true, checks, func(g *group.Group, a, b *group.Target) {
			fails(g, a, b)
			g.Drain(0, a)
		}, true},
	} {
		for _, queued := range []bool{false, true} {
			cfg := group.Config{Limits: &group.Limits{Requests: 1, Queue: 9, Wait: 10 * ms, First: tc.first}, Drain: time.Second}
			cfg.Strategy = func(draw.Stream) pick.Strategy { return learner{new([]string)} }
			if tc.check {
				cfg.Health = &health.Config{Healthy: 1, Unhealthy: 1}
			}
			p := &pool{g: group.New("web", cfg), queued: queued, log: new([]string)}
			a, _ := p.g.Add(0, group.Member{ID: "a"})
			b, _ := p.g.Add(0, group.Member{ID: "b"})
			for !tc.check {
				if x, _ := p.g.Choose(0, &pick.Request{}, false); x == nil {
					break
				}
			}
			tc.does(p.g, a, b)
			s := setup(t, route.Rule{Forward: "web"}, p, chaos.Effect{})
			var x Exchange
			x.Begin(0, s, &Request{Ask: anyRequest()})
			want := map[bool]string{true: "queue until 10ms", false: "answer 503 no_target"}[tc.waits]
			if got := x.Next(0, Event{Kind: Spooled}).words(); got != want {
				t.Errorf("%s, others wait %v: %s, want %s", tc.name, queued, got, want)
			}
		}
	}
}

// A client sticks to the target that its cookie names, and gets another cookie when that is not the one that answers.
func TestSticking(t *testing.T) {
	strategy, err := pick.Kinds().New(pick.Kinds().Table().Default("round_robin"))
	if err != nil {
		t.Fatal(err)
	}
	sticky := &group.Sticky{Cookie: "lb", For: time.Hour, Secret: "s"}
	var log []string
	p := &pool{g: group.New("web", group.Config{Strategy: strategy, StrategyName: "round_robin", Sticky: sticky}), log: &log}
	for _, id := range []string{"a", "b"} {
		p.g.Add(0, group.Member{ID: id})
	}
	s := setup(t, route.Rule{Forward: "web"}, p, chaos.Effect{})
	var told []string
	s.Sampled, s.Decision = func(seq uint64) bool { return seq > 0 }, func(d *Decision) { told = append(told, d.Choice+": "+d.Reason) }
	var x Exchange
	ask := func(seq uint64, cookie string) (target string, set bool) {
		t.Helper()
		r := anyRequest()
		r.Header = func(name string, from int) ([]byte, int) {
			list := []string{"a=b", "c=d; lb=" + cookie}
			if name != "cookie" || from >= len(list) {
				return nil, from
			}
			return []byte(list[from]), from + 1
		}
		if step := x.Begin(0, s, &Request{Ask: r, Seq: seq}); step.Do != Spool {
			t.Fatal(step.words())
		}
		x.Next(0, Event{Kind: Spooled, Whole: true})
		x.Next(0, Event{Kind: Connected})
		step := x.Next(0, Event{Kind: Head, Status: 200})
		x.Next(0, Event{Kind: Complete})
		return step.Target.ID, step.Cookie
	}
	own := sticky.Token(p.g, "b", s.Wall())
	for _, tc := range []struct {
		name, cookie, target string
		seq                  uint64
		set                  bool
	}{
		{"none", "", "a", 0, true},
		{"its own", own, "b", 1, false},
		{"its own again", own, "b", 1, false},
		{"forged", "x" + own[1:], "b", 1, true},
		{"of a target that is not there", sticky.Token(p.g, "c", s.Wall()), "a", 1, true},
	} {
		if target, set := ask(tc.seq, tc.cookie); target != tc.target || set != tc.set {
			t.Errorf("%s: %s, cookie %v", tc.name, target, set)
		}
	}
	if want := []string{"b: the client's cookie", "b: the client's cookie", "b: round_robin", "a: round_robin"}; !slices.Equal(told, want) {
		t.Errorf("decisions %q", told)
	}
}

func setup(t *testing.T, rule route.Rule, p *pool, e chaos.Effect) *Setup {
	t.Helper()
	rules, err := route.Table{rule}.Compile(1)
	if err != nil {
		t.Fatal(err)
	}
	return &Setup{
		Match: func(r *route.Request, _ uint64) (*route.Rule, Pool) { return rules.Match(r), p },
		Touch: func(*chaos.Exchange) chaos.Effect { return e }, Wall: func() int64 { return 0 }, Status: &Statuses{}, Count: &Counters{},
	}
}

func anyRequest() *route.Request {
	return &route.Request{Method: []byte("GET"), Host: []byte("h"), Target: []byte("/"), Header: func(string, int) ([]byte, int) { return nil, 0 }}
}

// An exchange that is used again for the next request allocates nothing but what the rules do.
func TestExchangesDoNotAllocate(t *testing.T) {
	strategy, err := pick.Kinds().New(spec.Choice{Kind: "p2c", Values: spec.Values{"choices": 2}})
	if err != nil {
		t.Fatal(err)
	}
	p := &quiet{g: group.New("web", group.Config{Strategy: strategy})}
	for _, id := range []string{"a", "b"} {
		p.g.Add(0, group.Member{ID: id})
	}
	rules, err := route.Table{{Forward: "web"}}.Compile(1)
	if err != nil {
		t.Fatal(err)
	}
	s := &Setup{
		Match: func(r *route.Request, _ uint64) (*route.Rule, Pool) { return rules.Match(r), p },
		Touch: func(*chaos.Exchange) chaos.Effect { return chaos.Effect{} }, Status: &Statuses{}, Count: &Counters{},
	}
	ask := anyRequest()
	var x Exchange
	r := &Request{Ask: ask}
	if n := testing.AllocsPerRun(1000, func() {
		x.Begin(0, s, r)
		x.Next(0, Event{Kind: Spooled, Whole: true})
		x.Next(ms, Event{Kind: Connected})
		x.Next(2*ms, Event{Kind: Head, Status: 200})
		x.Next(3*ms, Event{Kind: Complete})
		r.Seq++
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// quiet is a pool that notes nothing.
type quiet struct{ g *group.Group }

func (p *quiet) Members() *group.Group { return p.g }
func (p *quiet) Queued() bool          { return false }
func (p *quiet) Timeouts() Timeouts    { return Timeouts{Response: DefaultResponse} }

func (p *quiet) Release(now time.Duration, t *group.Target, o group.Outcome, took time.Duration, _ string) {
	p.g.Release(now, t, o, took)
}
