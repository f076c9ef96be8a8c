package scenarios

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/seed-8025779b/shakedown/loadgen"
	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/client"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// clientBasics are the client's engine and timeout.
func clientBasics() []spec.Param {
	return []spec.Param{
		{Name: "engine", Type: spec.Text, Enum: loadgen.Names(), Doc: "wire: HTTP/1.1 of our own, light and exact; vegeta: by way of vegeta's library and net/http"},
		{Name: "timeout", Type: spec.Duration, Default: defaultTimeout.String(), Min: .001, Max: 600, Doc: "from the due time to the end of the exchange"},
	}
}

// defaultTimeout is the client's timeout where a scenario names none.
const defaultTimeout = 5 * time.Second

// clientParams are the client's settings but for its timeout, from which the default of one follows, and its
// engine, which follows from all when it is not named.
func clientParams(timeout time.Duration, identify string) []spec.Param {
	return []spec.Param{
		{Name: "min_attempt", Type: spec.Duration, Default: attempt.DefaultMinAttempt(timeout).String(), Max: 600, Doc: "a request that has less left of its timeout when it has a connection is dropped, not sent; by default 5% of the timeout"},
		{Name: "pause_after_failure", Type: spec.Duration, Default: attempt.DefaultFailPause.String(), Max: 3600, Doc: "of a user of a closed loop, in addition to its think time"},
		{Name: "connect_timeout", Type: spec.Duration, Min: .001, Max: 600, Doc: "until a connection is there, name resolved; without it, the timeout"},
		{Name: "tls_timeout", Type: spec.Duration, Min: .001, Max: 600, Doc: "of a TLS handshake; without it, the timeout"},
		{Name: "first_byte_timeout", Type: spec.Duration, Min: .001, Max: 600, Doc: "from sending to the first byte of the answer; without it, the timeout"},
		{Name: "connections", Type: spec.Count, Default: "512", Min: 1, Max: 60000, Doc: "exchanges at once; more wait in order of due time"},
		{Name: "addresses", Type: spec.Count, Default: "1", Min: 1, Max: attempt.MaxAddresses, Doc: "client addresses, from 127.1.0.0 on, that connections to a loopback address come from in turn; a connection keeps its address, so that no more are seen than there are connections"},
		{Name: "requests_per_connection", Type: spec.Count, Default: "unlimited", Min: 1, Max: 1e9, Words: []spec.Word{{Name: "unlimited", Value: 0}}, Doc: "then it is replaced"},
		{Name: "identify", Type: spec.Bool, Default: identify, Doc: "send each request's number in the header shakedown-seq"},
		{Name: "cookies", Type: spec.Bool, Default: "false", Doc: "each user, or in an open loop each connection, keeps the cookies it was given"},
		{Name: "http2", Type: spec.Bool, Default: "false", Doc: "by ALPN with https, by prior knowledge with http"},
		{Name: "redirects", Type: spec.Count, Default: "0", Max: 100, Doc: "how many are followed; one more is a failure"},
		{Name: "insecure", Type: spec.Bool, Default: "false", Doc: "do not verify certificates"},
		{Name: "ca", Type: spec.Text, Doc: "file of PEM certificates to trust instead of the system's"},
		{Name: "cert", Type: spec.Text, Doc: "file of the client's own certificate, PEM"},
		{Name: "key", Type: spec.Text, Doc: "file of its key, PEM"},
		{Name: "resolve", Type: spec.List, Doc: "HOST:PORT=ADDRESS:PORT: connect there instead"},
		{Name: "unix_socket", Type: spec.Text, Doc: "path of a Unix domain socket to connect to, whatever the target's host"},
	}
}

func (d *decoder) client(n *yaml.Node, s *plan.Scenario, out *Resolved) {
	b := d.block(n, "client", out)
	identify := "false"
	if s.Topology != nil {
		identify = "true"
	}
	basics := b.values(clientBasics())
	timeout := basics.Duration("timeout")
	v := b.values(clientParams(timeout, identify))
	for i, r := range v.List("resolve") {
		if _, _, err := client.ParseResolve(r); err != nil {
			d.fail(resolve(b.value("resolve").Content[i]), "resolve: %v", err)
		}
	}
	s.Client = plan.Client{Engine: basics.Text("engine"), Config: attempt.Config{
		Target: s.Target, Timeout: timeout, Connections: v.Int("connections"), PerConn: v.Int("requests_per_connection"),
		MinAttempt: v.Duration("min_attempt"), FailPause: v.Duration("pause_after_failure"),
		Stages:   attempt.Timeouts{Connect: v.Duration("connect_timeout"), TLS: v.Duration("tls_timeout"), FirstByte: v.Duration("first_byte_timeout")},
		Identify: v.Bool("identify"), Cookies: v.Bool("cookies"), HTTP2: v.Bool("http2"), Redirects: v.Int("redirects"),
		Connect: attempt.Connect{
			Insecure: v.Bool("insecure"), CA: d.path(v.Text("ca")), Cert: d.path(v.Text("cert")), Key: d.path(v.Text("key")),
			Resolve: v.List("resolve"), UnixSocket: d.path(v.Text("unix_socket")), Addresses: v.Int("addresses"),
		},
	}}
	for _, name := range []string{"min_attempt", "connect_timeout", "tls_timeout", "first_byte_timeout"} {
		if limit := v.Duration(name); limit > timeout && timeout > 0 {
			d.fail(b.value(name), "%s %v is more than the timeout of the whole, %v", name, limit, timeout)
		}
	}
	if v.Has("cert") != v.Has("key") {
		d.fail(n, "a client certificate needs both files: cert and key")
	}
	if s.Topology != nil && s.Client.HTTP2 {
		d.fail(b.value("http2"), "http2 with a topology is not supported yet: the reference balancer speaks HTTP/1.1")
	}
	if s.Topology != nil && v.Has("unix_socket") {
		d.fail(b.value("unix_socket"), "unix_socket needs a target: the balancer of a topology listens on TCP")
	}
	d.optional(b, out, "retry", "client retry", attempt.RetryParams(), func(v spec.Values) error {
		s.Client.Retry = attempt.NewRetry(v, s.Seed)
		if t := s.Client.Retry.Timeout; t > timeout {
			return fmt.Errorf("timeout %v of an attempt is more than that of the whole, %v", t, timeout)
		}
		return nil
	})
	d.clientAddresses(b, s)
	d.engine(b, s)
	b.close()
}

// clientAddresses refuses several client addresses where connections cannot come from them.
func (d *decoder) clientAddresses(b *block, s *plan.Scenario) {
	c := &s.Client.Config
	if c.Connect.Addresses < 2 {
		return
	}
	n := b.value("addresses")
	switch to := connectsTo(s); {
	case c.HTTP2:
		d.fail(n, "addresses and http2 exclude each other: over HTTP/2 requests share connections")
	case c.Connect.UnixSocket != "":
		d.fail(n, "addresses and unix_socket exclude each other: a client of a Unix domain socket has no address")
	case to != "" && !client.Loopback(to):
		d.fail(n, "addresses: %s is no loopback address of IPv4, such as 127.0.0.1: only there may a client come from several addresses of one machine", to)
	}
}

// connectsTo returns the host and port that the load connects to; "" when they could not be read.
func connectsTo(s *plan.Scenario) string {
	if s.Topology != nil {
		if len(s.Topology.Listeners) == 0 {
			return ""
		}
		return s.Topology.Listeners[0].Address
	}
	u, err := client.Base(&s.Client.Config)
	if err != nil {
		return "" // it was told
	}
	to := client.Address(u)
	for _, r := range s.Client.Connect.Resolve {
		if from, instead, err := client.ParseResolve(r); err == nil && from == to {
			return instead
		}
	}
	return to
}

// engine checks the engine, or chooses the one that has what is asked for.
func (d *decoder) engine(b *block, s *plan.Scenario) {
	if s.Client.Engine == "" {
		s.Client.Engine = loadgen.Choose(s.Client.Config)
		b.out.Sub = append([]*Resolved{{Key: "engine", Value: s.Client.Engine, Origin: "default"}}, b.out.Sub...)
	}
	if missing := loadgen.Unsupported(s.Client.Engine, s.Client.Config); missing != "" {
		n := b.value("engine")
		if n == nil {
			n = b.n
		}
		d.fail(n, "engine %s has no %s", s.Client.Engine, missing)
	}
}
