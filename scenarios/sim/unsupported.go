package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// gap is something that a scenario may say and that a simulated world does not do.
type gap struct {
	name    string // as the scenario has it
	ignored string // what a live run does that the simulated one does not
	refuse  bool   // the figures would be about another system; else it is only told
	applies predicate
}

// predicate lists where a scenario says it; nothing when it does not. The scenario has a topology.
type predicate func(*plan.Scenario) []string

// gaps is the whole list. What is not here has no effect on any figure, or is simulated.
func gaps() []gap {
	const refuse, warn = true, false
	return []gap{
		{"targets", "nobody knows the service time of targets that are not the sample backend", refuse, inGroups(func(g *plan.Group, _ *plan.Scenario) bool { return g.Targets.Run != plan.Builtin })},
		{"http2, tls, proxy_protocol", "connections to targets are not simulated", refuse, inGroups(func(g *plan.Group, _ *plan.Scenario) bool { return g.HTTP2 || g.TLS != nil || g.ProxyHeader > 0 })},
		{"sticky", "with client.cookies and no users each connection sticks to its target", refuse, inGroups(func(g *plan.Group, s *plan.Scenario) bool {
			return g.Sticky != nil && s.Client.Cookies && s.HasOpen()
		})},
		{"health.kind", "the sample backend answers no call of gRPC: no check would pass", refuse, inChecks(func(h *health.Config) bool { return h.Kind == health.GRPC })},
		{"health.port", "the sample backend listens at its own port only: no check would pass", refuse, inChecks(func(h *health.Config) bool { return h.Port > 0 })},
		{"health.path", "the sample backend takes a slot for checks of other paths than " + healthPath + ", so that they fail under overload", warn, inChecks(func(h *health.Config) bool {
			return h.Kind != health.TCP && pathOf(h.Path) != healthPath
		})},
		{"health.body", "a check looks for a text in the answer: it is taken to be there", warn, inChecks(func(h *health.Config) bool { return h.Kind != health.TCP && h.Body != "" })},
		{"retry.spool", "a request with a larger body is not repeated", warn, inGroups(func(g *plan.Group, s *plan.Scenario) bool {
			return g.Retry != nil && g.Retry.Repeats() && slices.ContainsFunc(s.Load.Set.Requests, func(r mix.Request) bool { return http1.Idempotent([]byte(r.Method)) && len(r.Body) > g.Retry.Spool })
		})},
		{"proxy_protocol", "connections of clients are not simulated", refuse, inListener(func(l *plan.Listener, _ *plan.Scenario) bool { return l.ProxyHeader })},
		{"tls", "handshakes take time, and may fail", warn, inListener(func(l *plan.Listener, _ *plan.Scenario) bool { return l.TLS != nil })},
		{"limits.connections", "client.connections are more than the listener takes", refuse, inListener(func(l *plan.Listener, s *plan.Scenario) bool {
			return l.Limits.Connections > 0 && s.Client.Connections > l.Limits.Connections
		})},
		{"limits.line, limits.head, limits.headers, limits.body", "a request of the load is larger than the listener takes", refuse, inListener(oversized)},
		{"path", "a path of the load is refused by the listener", refuse, inListener(func(_ *plan.Listener, s *plan.Scenario) bool {
			return slices.ContainsFunc(s.Load.Set.Requests, func(r mix.Request) bool {
				_, err := http1.Normal([]byte(r.Path))
				return err != nil
			})
		})},
		{"strict, escaped_slashes", "some URLs are refused", warn, inListener(func(l *plan.Listener, _ *plan.Scenario) bool { return l.Options.Strict || l.Options.NoEscapedSlashes })},
		{"timeouts", "connections that are idle or slow are closed", warn, inListener(func(l *plan.Listener, _ *plan.Scenario) bool {
			return l.Timeouts != config.NewFrontTimeouts(spec.Defaults(config.FrontTimeoutParams())) && l.Timeouts != config.FrontTimeouts{}
		})},
		{"headers", "targets are told of the client, and clients of the balancer", warn, inListener(func(l *plan.Listener, _ *plan.Scenario) bool {
			o := l.Options
			return (o.ForwardedFor != "" && o.ForwardedFor != config.Append) || o.Forwarded || o.Via != "" || o.RequestID != "" || o.Ambiguous == config.RefuseNames || (o.Underscores != "" && o.Underscores != config.PassNames)
		})},
		{"rewrite, set, remove", "requests are changed on their way to the target", warn, inRules(func(l *plan.Listener) bool {
			for _, r := range l.Rules {
				if r.Rewrite != nil || len(r.Set) > 0 || len(r.Remove) > 0 {
					return true
				}
			}
			return false
		})},
		{"redirects", "redirects of the listener's rules are followed", refuse, inClient(func(s *plan.Scenario) bool {
			for _, r := range s.Topology.Listeners[0].Rules {
				if r.Redirect != nil && s.Client.Redirects > 0 {
					return true
				}
			}
			return false
		})},
		{"resolve, unix_socket", "connections go elsewhere than to the topology", refuse, inClient(func(s *plan.Scenario) bool {
			return len(s.Client.Connect.Resolve) > 0 || s.Client.Connect.UnixSocket != ""
		})},
		{"http2", "requests share connections", refuse, inClient(func(s *plan.Scenario) bool { return s.Client.HTTP2 })},
		{"connect_timeout, tls_timeout", "connections take time to make", warn, inClient(func(s *plan.Scenario) bool {
			return s.Client.Stages != attempt.Timeouts{FirstByte: s.Client.Stages.FirstByte}
		})},
		{"requests_per_connection", "connections are made anew", warn, inClient(func(s *plan.Scenario) bool { return s.Client.PerConn > 0 })},
		{"identify", "a request without its number has another service time in each run", warn, inClient(func(s *plan.Scenario) bool { return !s.Client.Identify })},
		{"expect.headers, expect.body", "only the status of an answer is looked at", warn, inRequests(func(r *mix.Request) bool {
			return r.Expect != nil && (len(r.Expect.Headers) > 0 || r.Expect.Body != "")
		})},
		{"path", "the sample backend answers " + healthPath + " at once", warn, inRequests(func(r *mix.Request) bool { return pathOf(r.Path) == healthPath })},
	}
}

// healthPath is the path that the sample backend answers without taking a slot.
const healthPath = "/health"

func pathOf(target string) string { return string(http1.PathOf([]byte(target))) }

// oversized reports whether a request of the load, as it is written in the scenario and with the headers that the
// generator adds, is more than the listener takes.
func oversized(l *plan.Listener, s *plan.Scenario) bool {
	over := func(n, limit int) bool { return limit > 0 && n > limit }
	m, err := mix.New(s.Seed, s.Load.Set)
	if err != nil {
		return false // the decoder has told it
	}
	for i, r := range m.Requests() {
		line := len(r.Method) + len(r.Path) + len("  HTTP/1.1\r\n")
		head, headers := line, m.Headers(i, 0, s.Sender())
		for _, h := range headers {
			head += len(h.Name) + len(h.Value) + len(": \r\n")
		}
		if over(len(r.Body), l.Limits.Body) || over(line, l.Limits.Line) || over(head, l.Limits.Head) || over(len(headers), l.Limits.Headers) {
			return true
		}
	}
	return false
}

func inGroups(is func(*plan.Group, *plan.Scenario) bool) predicate {
	return func(s *plan.Scenario) (places []string) {
		for i := range s.Topology.Groups {
			if g := &s.Topology.Groups[i]; is(g, s) {
				places = append(places, "group "+g.Name+": ")
			}
		}
		return places
	}
}

func inChecks(is func(*health.Config) bool) predicate {
	return inGroups(func(g *plan.Group, _ *plan.Scenario) bool { return g.Health != nil && is(g.Health) })
}

// inListener looks at the listener that the load meets: the first.
func inListener(is func(*plan.Listener, *plan.Scenario) bool) predicate {
	return func(s *plan.Scenario) []string {
		if l := s.Topology.Listeners; len(l) > 0 && is(&l[0], s) {
			return []string{"listener: "}
		}
		return nil
	}
}

func inRules(is func(*plan.Listener) bool) predicate {
	return func(s *plan.Scenario) []string {
		if l := s.Topology.Listeners; len(l) > 0 && is(&l[0]) {
			return []string{"rules: "}
		}
		return nil
	}
}

func inClient(is func(*plan.Scenario) bool) predicate {
	return func(s *plan.Scenario) []string {
		if is(s) {
			return []string{"client: "}
		}
		return nil
	}
}

func inRequests(is func(*mix.Request) bool) predicate {
	return func(s *plan.Scenario) (places []string) {
		for i := range s.Load.Set.Requests {
			if r := &s.Load.Set.Requests[i]; is(r) {
				places = append(places, "request "+r.Name+": ")
			}
		}
		return places
	}
}

// found lists what of the scenario is to be refused, or only told.
func found(s *plan.Scenario, refuse bool) (list []string) {
	if s.Topology == nil {
		return nil // it is refused anyway
	}
	verb := " is not simulated: "
	if refuse {
		verb = " can only be played live: "
	}
	for _, x := range gaps() {
		if x.refuse != refuse {
			continue
		}
		for _, place := range x.applies(s) {
			list = append(list, place+x.name+verb+x.ignored)
		}
	}
	return list
}

// Warnings lists what a scenario says and a simulated world leaves out, where that has a small effect or none on most
// figures.
func Warnings(s *plan.Scenario) []string { return found(s, false) }

// ErrUnsupported is returned by Open for a scenario that can only be played live. The scenario is wrong for this world;
// nothing was tried.
var ErrUnsupported = errors.New("this scenario can't be simulated")

// unsupported is what keeps a scenario from being simulated; nil when nothing does.
func unsupported(s *plan.Scenario) error {
	if list := found(s, true); len(list) > 0 {
		return fmt.Errorf("%w: %s", ErrUnsupported, strings.Join(list, "; "))
	}
	return nil
}
