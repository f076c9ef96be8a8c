package sim

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// plain is a scenario of which nothing is left out.
func plain() *plan.Scenario {
	s := scenario(1, 1, 1, constant(time.Millisecond), "round_robin", 1, time.Second)
	s.Client.Identify, s.Client.Timeout, s.Client.Connections = true, 5*time.Second, 100
	l, g := &s.Topology.Listeners[0], &s.Topology.Groups[0]
	l.Timeouts = config.NewFrontTimeouts(spec.Defaults(config.FrontTimeoutParams()))
	l.Options.ForwardedFor = config.Append
	g.Timeouts = config.NewTargetTimeouts(spec.Defaults(config.TargetTimeoutParams()))
	g.Health, _ = health.New(spec.Defaults(health.Params(health.HTTP)))
	g.Sticky, g.Retry = &group.Sticky{}, &group.Retry{On: group.OnError, Spool: 100} // without cookies nobody sticks
	return s
}

// Whatever a scenario says that is not simulated is told or refused by its name, and each line of the list is needed.
func TestWhatIsNotSimulated(t *testing.T) {
	if w, err := Warnings(plain()), unsupported(plain()); w != nil || err != nil {
		t.Fatalf("of a plain scenario: %q, %v", w, err)
	}
	type change struct {
		say string // of the message
		do  func(s *plan.Scenario, l *plan.Listener, g *plan.Group)
	}
	request := func(r mix.Request) func(*plan.Scenario, *plan.Listener, *plan.Group) {
		return func(s *plan.Scenario, _ *plan.Listener, _ *plan.Group) {
			r.Name, r.Weight = "it", 1
			s.Load.Set.Requests = append(s.Load.Set.Requests, r)
		}
	}
	many := strings.Repeat("x", 101)
	seen := map[string]bool{}
	for _, tc := range []change{
		{"group web: targets ", func(_ *plan.Scenario, _ *plan.Listener, g *plan.Group) { g.Targets.Run = plan.Command }},
		{"group web: targets ", func(_ *plan.Scenario, _ *plan.Listener, g *plan.Group) { g.Targets.Run = plan.Addresses }},
		{"group web: http2, tls, proxy_protocol ", func(_ *plan.Scenario, _ *plan.Listener, g *plan.Group) { g.HTTP2 = true }},
		{"group web: http2, tls, proxy_protocol ", func(_ *plan.Scenario, _ *plan.Listener, g *plan.Group) { g.TLS = &config.TargetTLS{} }},
		{"group web: http2, tls, proxy_protocol ", func(_ *plan.Scenario, _ *plan.Listener, g *plan.Group) { g.ProxyHeader = 1 }},
		{"group web: sticky ", func(s *plan.Scenario, _ *plan.Listener, _ *plan.Group) { s.Client.Cookies = true }},
		{"group web: health.kind ", func(_ *plan.Scenario, _ *plan.Listener, g *plan.Group) { g.Health.Kind = health.GRPC }},
		{"group web: health.port ", func(_ *plan.Scenario, _ *plan.Listener, g *plan.Group) { g.Health.Port = 81 }},
		{"group web: health.path ", func(_ *plan.Scenario, _ *plan.Listener, g *plan.Group) { g.Health.Path = "/" }},
		{"group web: health.body ", func(_ *plan.Scenario, _ *plan.Listener, g *plan.Group) { g.Health.Body = "fine" }},
		{"group web: retry.spool ", request(mix.Request{Method: "PUT", Path: "/", Body: many})},
		{"listener: proxy_protocol ", func(_ *plan.Scenario, l *plan.Listener, _ *plan.Group) { l.ProxyHeader = true }},
		{"listener: tls ", func(_ *plan.Scenario, l *plan.Listener, _ *plan.Group) { l.TLS = &config.TLS{} }},
		{"listener: limits.connections ", func(_ *plan.Scenario, l *plan.Listener, _ *plan.Group) { l.Limits.Connections = 99 }},
		{"listener: limits.line, limits.head, limits.headers, limits.body ", func(s *plan.Scenario, l *plan.Listener, g *plan.Group) {
			l.Limits.Body = 100
			request(mix.Request{Method: "POST", Path: "/", Body: many})(s, l, g)
		}},
		{"listener: limits.line, limits.head, limits.headers, limits.body ", func(s *plan.Scenario, l *plan.Listener, g *plan.Group) {
			l.Limits.Line = 100
			request(mix.Request{Method: "GET", Path: "/" + many})(s, l, g)
		}},
		{"listener: limits.line, limits.head, limits.headers, limits.body ", func(s *plan.Scenario, l *plan.Listener, g *plan.Group) {
			l.Limits.Head = 100
			request(mix.Request{Method: "GET", Path: "/", Headers: []mix.Header{{Name: "x", Value: many}}})(s, l, g)
		}},
		{"listener: limits.line, limits.head, limits.headers, limits.body ", func(s *plan.Scenario, l *plan.Listener, g *plan.Group) {
			l.Limits.Headers = 1 // Host is the first
			request(mix.Request{Method: "GET", Path: "/", Headers: []mix.Header{{Name: "x", Value: "y"}}})(s, l, g)
		}},
		{"listener: limits.line, limits.head, limits.headers, limits.body ", func(s *plan.Scenario, l *plan.Listener, g *plan.Group) {
			l.Limits.Headers = 2 // of Host, User-Agent and Shakedown-Seq
			request(mix.Request{Method: "GET", Path: "/"})(s, l, g)
		}},
		{"listener: path ", request(mix.Request{Method: "GET", Path: "/a/../../b"})},
		{"listener: strict, escaped_slashes ", func(_ *plan.Scenario, l *plan.Listener, _ *plan.Group) { l.Options.Strict = true }},
		{"listener: headers ", func(_ *plan.Scenario, l *plan.Listener, _ *plan.Group) { l.Options.Underscores = config.RemoveNames }},
		{"listener: headers ", func(_ *plan.Scenario, l *plan.Listener, _ *plan.Group) { l.Options.Ambiguous = config.RefuseNames }},
		{"listener: timeouts ", func(_ *plan.Scenario, l *plan.Listener, _ *plan.Group) { l.Timeouts.Idle = time.Second }},
		{"listener: headers ", func(_ *plan.Scenario, l *plan.Listener, _ *plan.Group) { l.Options.Via = "b" }},
		{"rules: rewrite, set, remove ", func(_ *plan.Scenario, l *plan.Listener, _ *plan.Group) {
			l.Rules[0].Rewrite = &route.Rewrite{Prefix: "/a", To: "/"}
		}},
		{"client: redirects ", func(s *plan.Scenario, l *plan.Listener, _ *plan.Group) {
			s.Client.Redirects, l.Rules = 1, append(l.Rules, route.Rule{Redirect: &route.Redirect{To: "/"}})
		}},
		{"client: resolve, unix_socket ", func(s *plan.Scenario, _ *plan.Listener, _ *plan.Group) {
			s.Client.Connect.Resolve = []string{"a:1=b:1"}
		}},
		{"client: http2 ", func(s *plan.Scenario, _ *plan.Listener, _ *plan.Group) { s.Client.HTTP2 = true }},
		{"client: connect_timeout, tls_timeout ", func(s *plan.Scenario, _ *plan.Listener, _ *plan.Group) {
			s.Client.Stages = attempt.Timeouts{Connect: time.Second, FirstByte: time.Second}
		}},
		{"client: requests_per_connection ", func(s *plan.Scenario, _ *plan.Listener, _ *plan.Group) { s.Client.PerConn = 1 }},
		{"client: identify ", func(s *plan.Scenario, _ *plan.Listener, _ *plan.Group) { s.Client.Identify = false }},
		{"request it: expect.headers, expect.body ", request(mix.Request{Method: "GET", Path: "/", Expect: &mix.Expect{Body: "x"}})},
		{"request it: path ", request(mix.Request{Method: "GET", Path: "/health?deep"})},
	} {
		s := plain()
		tc.do(s, &s.Topology.Listeners[0], &s.Topology.Groups[0])
		list := Warnings(s)
		_, err := Open(s, Options{Events: func(plan.Event) {}})
		if err != nil {
			text, is := strings.CutPrefix(err.Error(), ErrUnsupported.Error()+": ")
			if !is || !errors.Is(err, ErrUnsupported) {
				t.Errorf("%s: %v is no %v", tc.say, err, ErrUnsupported)
			}
			list = append(list, text)
		}
		if len(list) != 1 || !strings.HasPrefix(list[0], tc.say) {
			t.Errorf("%s: told %q", tc.say, list)
			continue
		}
		i := slices.IndexFunc(gaps(), func(x gap) bool {
			return strings.HasPrefix(list[0], tc.say) && strings.HasSuffix(tc.say, ": "+x.name+" ") && strings.HasSuffix(list[0], ": "+x.ignored)
		})
		if gaps()[i].refuse != (err != nil) {
			t.Errorf("%s: refused: %v", tc.say, err)
		}
		seen[gaps()[i].name+gaps()[i].ignored] = true
	}
	for _, x := range gaps() {
		if !seen[x.name+x.ignored] {
			t.Errorf("no case for %s: %s", x.name, x.ignored)
		}
	}
	s := plain()
	s.Topology.Groups[0].Health.Port, s.Client.HTTP2 = 81, true
	if err := unsupported(s); err == nil || strings.Count(err.Error(), "can only be played live") != 2 {
		t.Errorf("of two reasons: %v", err)
	}
	if _, err := Open(&plan.Scenario{Target: "http://a"}, Options{}); err == nil || Warnings(&plan.Scenario{Target: "http://a"}) != nil {
		t.Errorf("a system of one's own: %v", err)
	}
}
