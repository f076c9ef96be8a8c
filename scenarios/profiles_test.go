package scenarios

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
)

func alone(t *testing.T, text string) (config.Config, *Resolved) {
	t.Helper()
	c, resolved, err := DecodeBalancer(Source{Name: "balancer.yaml", Text: []byte("version: 1\n" + text)}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return c, resolved
}

// What each profile is documented to do where the file says nothing.
func TestProfiles(t *testing.T) {
	const rest = "\n  listeners: [{rules: [{forward: web}]}]\n  groups: {web: {targets: {addresses: [\"127.0.0.1:1\"]}}}\n"
	read := func(name string) (config.Listener, config.Group) {
		c, _ := alone(t, "topology:\n  balancer: {profile: "+name+"}"+rest)
		return c.Listeners[0], c.Groups[0]
	}
	l, g := read("alb")
	if h := g.Health; h.Path != "/" || h.Interval != 30*time.Second || h.Timeout != 5*time.Second || h.Healthy != 5 || h.Unhealthy != 2 || g.Drain != 300*time.Second ||
		g.FailOpen == nil || g.FailOpen.Healthy != 1 || g.Retry != nil || g.Outliers != nil || g.Timeouts.Connect != 10*time.Second || l.Timeouts.Idle != time.Minute || l.Timeouts.Header != time.Minute || !l.Options.RawPath {
		t.Errorf("alb: %+v, %+v", l, g)
	}
	l, g = read("haproxy")
	if h := g.Health; h.Interval != 2*time.Second || h.Healthy != 2 || h.Unhealthy != 3 || g.Retry == nil || g.Retry.Attempts != 3 || g.Retry.On != "connect" || g.FailOpen != nil ||
		l.Limits.Head != 16384 || l.Options.Status.Connect != 503 || l.Options.Status.HeadTooLarge != 400 || g.Strategy.Kind != "weighted_round_robin" || l.Options.Status.Coding != 422 || !l.Options.RawPath {
		t.Errorf("haproxy: %+v, %+v", l, g)
	}
	l, g = read("envoy")
	if o := g.Outliers; o == nil || o.Consecutive != 5 || o.EjectFor != 30*time.Second || o.MaxEjected != .1 || o.SuccessRate != 1.9 || g.FailOpen.Share != .5 || g.FailOpen.Healthy != 0 ||
		g.Limits == nil || g.Limits.Requests != 1024 || g.Strategy.Kind != "p2c" || l.Options.Status.Connect != 503 || g.Timeouts.Exchange != 15*time.Second || g.Retry != nil || l.Timeouts.Header < 24*time.Hour || !l.Options.RawPath {
		t.Errorf("envoy: %+v, %+v", l, g)
	}
	l, g = read("nginx")
	if o := g.Outliers; g.Health != nil || o == nil || o.Consecutive != 1 || o.EjectFor != 10*time.Second || o.MaxEjected != 1 || o.On != "error" || o.Sole || l.Limits.Body != 1<<20 || l.Limits.Headers < 1000 || l.Options.Underscores != config.RemoveNames || !l.Options.RawPath || g.Retry.On != "error" || g.Timeouts.Connect != time.Minute ||
		l.Limits.Head != 32768 || l.Options.Status.NoTarget != 502 || l.Options.Status.Gone != 499 {
		t.Errorf("nginx: %+v, %+v", l, g)
	}
}

// What the file says counts, whatever the profile; and explain tells which of them a value came from.
func TestProfileIsOnlyDefaults(t *testing.T) {
	c, resolved := alone(t, `topology:
  balancer: {profile: nginx}
  listeners: [{rules: [{forward: web}], errors: {gone: 444}}]
  groups:
    web:
      strategy: first
      health: {interval: 3s}
      outliers: off
      retry: {attempts: 2}
      sticky: {secret: hunter2}
      targets: {addresses: ["127.0.0.1:1"]}
`)
	g := c.Groups[0]
	if g.Strategy.Kind != "first" || g.Health == nil || g.Health.Interval != 3*time.Second || g.Outliers != nil || g.Retry.Attempts != 2 || g.Retry.On != "error" || c.Listeners[0].Options.Status.Gone != 444 {
		t.Errorf("%+v", g)
	}
	var out bytes.Buffer
	resolved.Print(&out)
	for _, want := range [][3]string{
		{"groups.web.retry.on", "error", "profile nginx"}, {"groups.web.retry.attempts", "2", "line 10"}, {"groups.web.outliers", "off", "line 9"},
		{"groups.web.zones", "off", "default"}, {"errors.gone", "444", "line 4"}, {"groups.web.sticky.secret", "(not shown)", "line 11"},
	} {
		found := false
		for _, line := range strings.Split(out.String(), "\n") {
			found = found || (strings.Contains(line, want[0]+" ") && strings.Contains(line, " "+want[1]+" ") && strings.HasSuffix(line, want[2]))
		}
		if !found {
			t.Errorf("explain does not tell %v:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "hunter2") {
		t.Error("explain shows a secret")
	}
}

func TestBalancerSettings(t *testing.T) {
	c, _ := alone(t, `topology:
  listeners:
    - {address: "127.0.0.1:0", tls: {auto: ca, min: "1.3"}, http2: false, proxy_protocol: true, rules: [{forward: web, limit: {rate: 5/s, burst: 7, by: "header:X-Key"}}]}
    - {headers: {forwarded_for: remove, via: edge, ambiguous: refuse, underscores: remove}, limits: {connections: 5, body: 10, headers: 50}, strict: true, normalize_path: false, escaped_slashes: refuse, rules: [{redirect: {to: /}}]}
  groups:
    web:
      http2: true
      tls: {server_name: a.test, insecure: true}
      host: target
      zones: {own: a}
      limits: {requests: unlimited, queue: unlimited, wait: 1s}
      sticky: {application: SESSION, for: 1h}
      health: {kind: grpc, service: shop}
      targets: {addresses: ["127.0.0.1:1", "127.0.0.1:2"], zones: [a, b]}
`)
	a, b, g := c.Listeners[0], c.Listeners[1], c.Groups[0]
	if a.TLS.Auto != "ca" || a.TLS.Min != "1.3" || !a.HTTP1Only || !a.ProxyHeader || a.Rules[0].Limit.Burst != 7 || a.Rules[0].Limit.By.Name != "X-Key" {
		t.Errorf("%+v", a)
	}
	if b.Options.ForwardedFor != config.Remove || b.Options.Via != "edge" || b.Limits.Connections != 5 || b.Limits.Body != 10 {
		t.Errorf("%+v", b)
	}
	if o := b.Options; o.Ambiguous != config.RefuseNames || o.Underscores != config.RemoveNames || !o.Strict || !o.RawPath || !o.NoEscapedSlashes || b.Limits.Headers != 50 {
		t.Errorf("%+v", b)
	}
	if o := a.Options; o.Ambiguous != config.RemoveNames || o.Underscores != config.PassNames || o.Strict || o.RawPath || o.NoEscapedSlashes || a.Limits.Headers != 0 {
		t.Errorf("%+v", a)
	}
	if !g.HTTP2 || g.TLS.Name != "a.test" || g.Host != config.HostOfTarget || g.Zones.Own != "a" || g.Zones.Overprovisioning != 1.4 || g.Limits.Requests != 0 || g.Limits.Queue != -1 ||
		g.Sticky.Application != "SESSION" || g.Health.Path != "/grpc.health.v1.Health/Check" || !g.Health.Matcher.Matches(0) || g.Targets[1].Zone != "b" {
		t.Errorf("%+v", g)
	}
}
