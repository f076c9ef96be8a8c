package exchange

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

const ms = time.Millisecond

// pool is a group of two targets that notes what is released.
type pool struct {
	g      *group.Group
	queued bool
	log    *[]string
}

func (p *pool) Members() *group.Group { return p.g }
func (p *pool) Queued() bool          { return p.queued }

func (p *pool) Release(now time.Duration, t *group.Target, o group.Outcome, took time.Duration, reason string) {
	p.g.Release(now, t, o, took)
	*p.log = append(*p.log, strings.TrimSpace(fmt.Sprintf("release %s after %v: %s %s", t.ID, took, [...]string{"ok", "no connection", "broken", "server error", "gateway error", "abandoned"}[o], reason)))
}

// steps are what an exchange wants, in words.
func (s Step) words() string {
	name := [...]string{"answer", "redirect", "respond", "queue", "wait", "connect", "converse", "forward", "cut", "end"}[s.Do]
	switch s.Do {
	case Answer, Cut:
		return fmt.Sprintf("%s %d %s", name, s.Status, s.Cause)
	case Redirect, Respond, Forward:
		return fmt.Sprintf("%s %d", name, s.Status)
	case Wait:
		return fmt.Sprintf("%s until %v", name, s.Until)
	case Connect:
		if s.Fresh {
			name += " anew"
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
	reused := func(sent bool) Event {
		return Event{Kind: Failed, Ending: BrokenOff, Reason: "reset", Reused: true, Closed: true, Sent: sent}
	}
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
			want: []string{"connect to a", "converse", "forward 200", "release a after 15ms: ok", "end"}},
		{name: "an answer that is a failure", rule: web, events: []Event{connected, head(500), complete},
			want: []string{"connect to a", "converse", "forward 500", "release a after 15ms: server error status 500", "end"}},
		{name: "a failure that is tried elsewhere", rule: web, retry: retry(group.On5xx), repeatable: true, events: []Event{connected, head(503), connected, head(200), complete},
			want: []string{"connect to a", "converse", "release a after 10ms: gateway error status 503", "connect to b", "converse", "forward 200", "release b after 15ms: ok", "end"}},
		{name: "no retry is left", rule: web, retry: retry(group.On5xx), repeatable: true, events: []Event{connected, head(503), connected, head(502), complete},
			want: []string{"connect to a", "converse", "release a after 10ms: gateway error status 503", "connect to b", "converse", "forward 502", "release b after 15ms: gateway error status 502", "end"}},
		{name: "not to be repeated", rule: web, retry: retry(group.On5xx), events: []Event{connected, head(503), complete},
			want: []string{"connect to a", "converse", "forward 503", "release a after 15ms: gateway error status 503", "end"}},
		{name: "refused", rule: web, events: []Event{failed(Refused)},
			want: []string{"connect to a", "release a after 5ms: no connection why", "answer 502 connect"}},
		{name: "refused, and elsewhere", rule: web, retry: retry(group.OnConnect), events: []Event{failed(Refused), failed(ConnectTimedOut)},
			want: []string{"connect to a", "release a after 5ms: no connection why", "connect to b", "release b after 5ms: no connection why", "answer 504 connect_timeout"}},
		{name: "broken off before an answer", rule: web, retry: retry(group.OnError), repeatable: true, events: []Event{connected, failed(Silent), connected, head(200), complete},
			want: []string{"connect to a", "converse", "release a after 10ms: broken why", "connect to b", "converse", "forward 200", "release b after 15ms: ok", "end"}},
		{name: "broken off in the answer", rule: web, retry: retry(group.OnError), repeatable: true, events: []Event{connected, head(200), failed(BrokenOff)},
			want: []string{"connect to a", "converse", "forward 200", "release a after 15ms: broken why", "cut 0 broken"}},
		{name: "the client stalls", rule: web, events: []Event{connected, head(200), failed(ClientStalled)},
			want: []string{"connect to a", "converse", "forward 200", "release a after 15ms: abandoned why", "end slow"}},
		{name: "the client leaves", rule: web, events: []Event{connected, {Kind: Left}},
			want: []string{"connect to a", "converse", "release a after 10ms: abandoned", "end client_gone"}},
		{name: "an idle connection closed, nothing sent", rule: web, events: []Event{connected, reused(false), connected, head(200), complete},
			want: []string{"connect to a", "converse", "connect anew to a", "converse", "forward 200", "release a after 25ms: ok", "end"}},
		{name: "an idle connection closed, may be repeated", rule: web, repeatable: true, events: []Event{connected, reused(true), connected, head(200), complete},
			want: []string{"connect to a", "converse", "connect anew to a", "converse", "forward 200", "release a after 25ms: ok", "end"}},
		{name: "an idle connection closed, not to be repeated", rule: web, events: []Event{connected, reused(true)},
			want: []string{"connect to a", "converse", "release a after 10ms: broken reset", "answer 502 broken"}},
		{name: "two of them", rule: web, repeatable: true, events: []Event{connected, reused(true), connected, reused(true)},
			want: []string{"connect to a", "converse", "connect anew to a", "converse", "release a after 20ms: broken reset", "answer 502 broken"}},
		{name: "nothing left for a connection, tried elsewhere", rule: web, retry: retry(group.OnConnect), events: []Event{failed(NoResources), connected, head(200), complete},
			want: []string{"connect to a", "release a after 5ms: abandoned why", "connect to b", "converse", "forward 200", "release b after 15ms: ok", "end"}},
		{name: "nothing left for a connection, twice", rule: web, retry: retry(group.OnConnect), events: []Event{failed(NoResources), failed(NoResources)},
			want: []string{"connect to a", "release a after 5ms: abandoned why", "connect to b", "release b after 5ms: abandoned why", "answer 503 resources"}},
		{name: "a fault's delay", rule: web, touch: chaos.Effect{Delay: 5 * ms}, events: []Event{{Kind: Waited}, connected, head(200), complete},
			want: []string{"wait until 5ms", "connect to a", "converse", "forward 200", "release a after 20ms: ok", "end"}},
		{name: "a fault's answer", rule: web, touch: chaos.Effect{Status: 404}, events: []Event{complete},
			want: []string{"forward 404", "release a after 5ms: ok", "end"}},
		{name: "the queue", rule: web, queued: true, events: []Event{{Kind: TimedOut}}, want: []string{"queue", "answer 503 queue_timeout"}},
		{name: "a full queue", rule: web, queued: true, events: []Event{{Kind: Full}}, want: []string{"queue", "answer 503 queue_full"}},
		{name: "left in the queue", rule: web, queued: true, events: []Event{{Kind: Left}}, want: []string{"queue", "end client_gone"}},
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
			p := &pool{g: group.New("web", group.Config{Strategy: strategy, Retry: tc.retry}), queued: tc.queued, log: &log}
			for _, id := range []string{"a", "b"} {
				p.g.Add(0, group.Member{ID: id})
			}
			rules, err := route.Table{tc.rule}.Compile(1)
			if err != nil {
				t.Fatal(err)
			}
			s := &Setup{
				Match: func(r *route.Request, _ uint64) (*route.Rule, Pool) { return rules.Match(r), p },
				Touch: func(*chaos.Exchange) chaos.Effect { return tc.touch }, Status: &Statuses{}, Count: &Counters{},
			}
			ask := &route.Request{Method: []byte("GET"), Host: []byte("h"), Target: []byte("/"), Header: func(string, int) ([]byte, int) { return nil, 0 }}
			var x Exchange
			note := func(step Step) { log = append(log, step.words()) }
			note(x.Begin(0, s, &Request{Ask: ask, Repeatable: tc.repeatable}))
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
	ask := &route.Request{Method: []byte("GET"), Host: []byte("h"), Target: []byte("/"), Header: func(string, int) ([]byte, int) { return nil, 0 }}
	var x Exchange
	r := &Request{Ask: ask}
	if n := testing.AllocsPerRun(1000, func() {
		x.Begin(0, s, r)
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

func (p *quiet) Release(now time.Duration, t *group.Target, o group.Outcome, took time.Duration, _ string) {
	p.g.Release(now, t, o, took)
}
