package balancer

import (
	"bufio"
	"fmt"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/proxy"
	"github.com/seed-8025779b/shakedown/balancer/ratelimit"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/chaos"
)

// traced is the configuration of a balancer that traces. Its target "good" answers, and tells of attempts of its own;
// "broken" breaks every exchange off, "refusing" refuses connections.
func traced(t *testing.T) config.Config {
	t.Helper()
	good := rawTarget(t, answering("HTTP/1.1 200 OK\r\nshakedown-attempt: 9;liar;none\r\nContent-Length: 2\r\n\r\nok"))
	broken := rawTarget(t, func(_ net.Conn, r *bufio.Reader) { _, _ = r.ReadByte() })
	var ids = map[string]config.Target{
		"good": {ID: "good", Address: good.Addr().String()}, "broken": {ID: "broken", Address: broken.Addr().String()}, "refusing": {ID: "refusing", Address: refusing(t)},
	}
	cfg := settings()
	g := cfg.Groups[0]
	cfg.Groups = nil
	cfg.Listeners[0].Rules = route.Table{
		{Path: "/limited", Forward: "good", Limit: &ratelimit.Config{Rate: 1e-6, Burst: 1}},
		{Path: "/redirect", Redirect: &route.Redirect{To: "/good", Status: 302}},
		{Path: "/respond", Respond: &route.Respond{Status: 204}},
	}
	for name, targets := range map[string][]string{"good": {"good"}, "broken": {"broken"}, "refusing": {"refusing"}, "none": {}, "mixed": {"refusing", "good"}, "worse": {"refusing", "broken"}} {
		g.Name, g.Targets, g.Retry = name, nil, &group.Retry{Attempts: 1, On: group.OnConnect, Floor: 1000}
		for _, id := range targets {
			g.Targets = append(g.Targets, ids[id])
		}
		cfg.Groups = append(cfg.Groups, g)
		cfg.Listeners[0].Rules = append(cfg.Listeners[0].Rules, route.Rule{Path: "/" + name, Forward: name})
	}
	cfg.Trace = true
	return cfg
}

// ask sends a request with such headers and returns the answer's status line and its lines about attempts.
func (r *running) ask(t *testing.T, path, headers string) (status, attempts string) {
	t.Helper()
	c, rd := r.dial(t)
	defer c.Close()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n", path, headers)
	lines := head(t, rd)
	for _, l := range lines[1:] {
		if strings.HasPrefix(strings.ToLower(l), "shakedown-attempt:") {
			attempts += l
		}
	}
	return strings.TrimPrefix(lines[0], "HTTP/1.1 ")[:3], attempts
}

// Every kind of answer tells of the attempts at a request with a number, in the words of mix.AppendAttempt.
func TestAnswersTellOfAttempts(t *testing.T) {
	r := start(t, traced(t), func(x *chaos.Exchange) (e chaos.Effect) {
		switch x.Seq {
		case 100:
			e = chaos.Effect{Delay: time.Millisecond, Fault: "slow"}
		case 101:
			e = chaos.Effect{Status: 503, Fault: "bad"}
		}
		return e
	})
	const told = "Shakedown-Attempt: "
	r.ask(t, "/limited", "")
	for _, tc := range []struct{ path, headers, status, want string }{
		{"/good", "Shakedown-Seq: 1\r\n", "200", told + "1;good;"},
		{"/good", "shakedown-seq: 100\r\n", "200", told + "1;good;slow"},
		{"/good", "Shakedown-Seq: 101\r\n", "503", told + "1;good;bad"},
		{"/mixed", "Shakedown-Seq: 2\r\n", "200", told + "2;good;"},
		{"/worse", "Shakedown-Seq: 3\r\n", "502", told + "2;broken;"},
		{"/broken", "Shakedown-Seq: 4\r\n", "502", told + "1;broken;"},
		{"/refusing", "Shakedown-Seq: 5\r\n", "502", told + "1;refusing;"},
		{"/refusing", "Shakedown-Seq: 6\r\nContent-Type: application/grpc\r\n", "200", told + "1;refusing;"},
		{"/none", "Shakedown-Seq: 7\r\n", "503", told + "0;;"},
		{"/nowhere", "Shakedown-Seq: 8\r\n", "503", told + "0;;"},
		{"/limited", "Shakedown-Seq: 9\r\n", "429", told + "0;;"},
		{"/redirect", "Shakedown-Seq: 10\r\n", "302", told + "0;;"},
		{"/respond", "Shakedown-Seq: 11\r\n", "204", told + "0;;"},
		// Unasked, or not asked properly, nothing is told, and nothing of the target's is kept back.
		{"/good", "", "200", "shakedown-attempt: 9;liar;none"},
		{"/good", "Shakedown-Seq: x\r\n", "200", "shakedown-attempt: 9;liar;none"},
		{"/none", "", "503", ""},
	} {
		if status, got := r.ask(t, tc.path, tc.headers); status != tc.status || got != tc.want {
			t.Errorf("%s %q: %s %q, want %s %q", tc.path, tc.headers, status, got, tc.status, tc.want)
		}
	}
	cfg := traced(t)
	cfg.Trace = false
	r = start(t, cfg, nil)
	for path, want := range map[string]string{"/good": "shakedown-attempt: 9;liar;none", "/none": "", "/respond": ""} {
		if _, got := r.ask(t, path, "Shakedown-Seq: 1\r\n"); got != want {
			t.Errorf("a balancer that does not trace, %s: %q", path, got)
		}
	}
}

// An exchange on the same connection knows nothing of the one before.
func TestAttemptsOfOneConnection(t *testing.T) {
	r := start(t, traced(t), nil)
	c, rd := r.dial(t)
	for i, want := range []string{"2;good;", "0;;", "1;good;"} {
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\nShakedown-Seq: %d\r\n\r\n", []string{"/mixed", "/redirect", "/good"}[i], i)
		lines := head(t, rd)
		if !strings.Contains(strings.Join(lines, "\n")+"\n", "Shakedown-Attempt: "+want+"\n") {
			t.Errorf("answer %d: %q, want %s", i, lines, want)
		}
		if i != 1 {
			if _, err := rd.Discard(len("ok")); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What a client that goes away can't be told is reported, at whatever stage it went.
func TestAbandonedRequestsAreReported(t *testing.T) {
	reached, release := make(chan struct{}, 10), make(chan struct{})
	silent := rawTarget(t, func(c net.Conn, r *bufio.Reader) {
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if line == "\r\n" {
				reached <- struct{}{}
				<-release
				_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
			}
		}
	})
	cfg := traced(t)
	for i := range cfg.Groups {
		if cfg.Groups[i].Name == "good" {
			cfg.Groups[i].Targets = []config.Target{{ID: "silent", Address: silent.Addr().String()}}
		}
	}
	r := start(t, cfg, func(x *chaos.Exchange) (e chaos.Effect) {
		if x.Seq == 2 {
			reached <- struct{}{}
			e = chaos.Effect{Delay: time.Hour, Fault: "slow"}
		}
		return e
	})
	for _, headers := range []string{"Shakedown-Seq: 1\r\n", "Shakedown-Seq: 2\r\n", ""} {
		c, _ := r.dial(t)
		fmt.Fprintf(c, "GET /good HTTP/1.1\r\nHost: a\r\n%s\r\n", headers)
		<-reached
		before := r.Stats().Aborted
		c.Close()
		await(t, "the client to be missed", func() bool { return r.Stats().Aborted == before+1 })
	}
	// This one goes just before its answer comes, too late for anybody to look.
	c, _ := r.dial(t)
	fmt.Fprint(c, "GET /good HTTP/1.1\r\nHost: a\r\nShakedown-Seq: 4\r\n\r\n")
	<-reached
	c.Close()
	close(release)
	await(t, "all to be released", func() bool {
		for _, s := range r.Stats().Groups["good"] {
			if s.InFlight != 0 {
				return false
			}
		}
		return true
	})
	got := r.abandoned.take()
	want := &Abandoned{IDs: []string{"silent", "slow"}, List: []AbandonedEntry{{1, 0, 1, 1, 0}, {2, 0, 1, 1, 2}, {4, 0, 1, 1, 0}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if again := r.abandoned.take(); again != nil {
		t.Errorf("reported twice: %+v", again)
	}
}

func TestAbandonedLogIsBounded(t *testing.T) {
	var l abandonedLog
	for seq := range uint64(maxAbandoned + 7) {
		l.add(proxy.Abandoned{Seq: seq, Retry: 1, Attempts: 2, Target: fmt.Sprint("web-", seq%3), Fault: "slow"})
	}
	a := l.take()
	if len(a.List) != maxAbandoned || a.Lost != 7 || len(a.IDs) != 4 {
		t.Fatalf("%d requests, %d lost, %d ids", len(a.List), a.Lost, len(a.IDs))
	}
	n := uint64(0)
	a.Each(func(x proxy.Abandoned) {
		if want := (proxy.Abandoned{Seq: n, Retry: 1, Attempts: 2, Target: fmt.Sprint("web-", n%3), Fault: "slow"}); x != want {
			t.Fatalf("%+v, want %+v", x, want)
		}
		n++
	})
	l.add(proxy.Abandoned{Seq: 1})
	if a := l.take(); !reflect.DeepEqual(a, &Abandoned{List: []AbandonedEntry{{1, 0, 0, 0, 0}}}) {
		t.Errorf("the next report: %+v", a)
	}
}
