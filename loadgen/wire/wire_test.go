package wire

import (
	"bytes"
	"context"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
)

// raw is a server that answers each request head with the same bytes, without allocating, so that what is
// allocated is the engine's.
func raw(t testing.TB, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	out, end := []byte(answer), []byte("\r\n\r\n")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 4096)
				for {
					n, err := c.Read(buf)
					if err != nil || !bytes.Contains(buf[:n], end) {
						return
					}
					if _, err := c.Write(out); err != nil {
						return
					}
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

func engine(t testing.TB, target string, connections int) *Engine {
	t.Helper()
	m, err := mix.New(1, mix.Set{Requests: []mix.Request{
		{Name: "a", Method: "GET", Path: "/a", Weight: 1},
		{Name: "b", Method: "GET", Path: "/b?id={{uuid}}", Weight: 2, Headers: []mix.Header{{Name: "X-Color", Value: "{{pick red green}}"}}, Body: "{{int 1 100}}"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(attempt.Config{Target: target, Mix: m, Timeout: 10 * time.Second, Connections: connections, Identify: true})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// In the steady state a request allocates nothing, in open and in closed loop.
func TestRequestsDoNotAllocate(t *testing.T) {
	url := raw(t, "HTTP/1.1 200 OK\r\nServer: raw\r\nShakedown-Attempt: 1;web-3;slow\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
	pause := profile.New(profile.Pause{Seconds: 1})
	for name, s := range map[string]profile.Schedule{
		"open":   {Profile: profile.New(profile.Hold{PerSecond: 4000, Seconds: 1}), Arrivals: profile.Poisson, Seed: 1},
		"closed": {Profile: pause, Closed: []profile.Closed{{To: time.Second, Users: 4, FirstSeq: 1 << 48}}},
	} {
		var n, failed atomic.Int64
		var warm runtime.MemStats
		err := engine(t, url, 8).Play(t.Context(), s, pace.NewClock(pace.Monotonic()), func(s *measure.Sample) {
			if s.Outcome != measure.Succeeded {
				failed.Add(1)
			}
			if n.Add(1) == 500 { // connections are up and buffers have their size
				runtime.ReadMemStats(&warm)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		var end runtime.MemStats
		runtime.ReadMemStats(&end)
		if failed.Load() > 0 || n.Load() < 1500 {
			t.Fatalf("%s: %d of %d failed", name, failed.Load(), n.Load())
		}
		// The allowance is for the runtime's own and for connections that are opened later.
		if per := float64(end.Mallocs-warm.Mallocs) / float64(n.Load()-500); per > .2 {
			t.Errorf("%s: %.2f allocations a request", name, per)
		}
	}
}

// What a request costs, the server's part in it included: the requests of one user over loopback.
func BenchmarkRequests(b *testing.B) {
	url := raw(b, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	cpu := func() (sum int64) {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	s := profile.Schedule{Profile: profile.New(profile.Pause{Seconds: 1}), Closed: []profile.Closed{{To: time.Hour, Users: 1}}}
	n := 0
	b.ReportAllocs()
	before := cpu()
	if err := engine(b, url, 1).Play(ctx, s, pace.NewClock(pace.Monotonic()), func(s *measure.Sample) {
		if n++; n == b.N {
			cancel()
		}
	}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
}

func TestRequestsAsTheyAreSent(t *testing.T) {
	data, err := mix.ParseData("id\na b\nc")
	if err != nil {
		t.Fatal(err)
	}
	data.Name, data.InTurn = "items", true
	m, err := mix.New(1, mix.Set{InTurn: true, Data: []*mix.Data{data}, Requests: []mix.Request{
		{Name: "x", Method: "POST", Path: "/p?q=1", Body: "body", Weight: 1, Headers: []mix.Header{{Name: "host", Value: "example.org"}, {Name: "content-type", Value: "text/plain"}}},
		{Name: "y", Method: "PUT", Path: "/{{items.id}}/{{seq}}", Body: "<{{items.id}}>", Weight: 1, Headers: []mix.Header{{Name: "x-id", Value: "{{items.id}}"}, {Name: "x-id", Value: "z"}}},
		{Name: "z", Method: "GET", Path: "/", Weight: 1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(attempt.Config{Target: "http://127.0.0.1:1/base/?k=v", Mix: m, Identify: true})
	if err != nil {
		t.Fatal(err)
	}
	c := (&play{e: e}).connection()
	for seq, want := range map[uint64]string{
		0: "POST /base/p?q=1 HTTP/1.1\r\nHost: example.org\r\nUser-Agent: shakedown\r\ncontent-type: text/plain\r\nContent-Length: 4\r\nShakedown-Seq: 0\r\n\r\nbody",
		4: "PUT /base/a%20b/4 HTTP/1.1\r\nHost: 127.0.0.1:1\r\nUser-Agent: shakedown\r\nx-id: a b\r\nx-id: z\r\nContent-Length: 5\r\nShakedown-Seq: 4\r\n\r\n<a b>",
		5: "GET /base/?k=v HTTP/1.1\r\nHost: 127.0.0.1:1\r\nUser-Agent: shakedown\r\nShakedown-Seq: 5\r\n\r\n",
	} {
		c.call.Seq, c.call.ClientAttempts = seq, 1
		c.write(&e.prepared[m.Index(seq)])
		if got := string(c.out); got != want {
			t.Errorf("%q", got)
		}
	}
	for _, h := range []mix.Header{{Name: "a b", Value: "c"}, {Name: "a", Value: "b\r\nc: d"}, {Name: "", Value: "x"}, {Name: "host", Value: "{{uuid}}"}, {Name: "content-length", Value: "3"}} {
		bad, err := mix.New(1, mix.Set{Requests: []mix.Request{{Name: "x", Method: "GET", Path: "/", Weight: 1, Headers: []mix.Header{h}}}})
		if err == nil {
			_, err = New(attempt.Config{Target: "http://127.0.0.1:1", Mix: bad})
		}
		if err == nil || !strings.Contains(err.Error(), "can't be") {
			t.Errorf("%v: %v", h, err)
		}
	}
}

func TestRing(t *testing.T) {
	var r ring
	next := uint64(0)
	for i := range uint64(1000) {
		r.push(job{seq: i})
		if i%3 == 2 {
			j, ok := r.pop()
			if !ok || j.seq != next {
				t.Fatalf("popped %d, want %d", j.seq, next)
			}
			next++
		}
	}
	for {
		j, ok := r.pop()
		if !ok {
			break
		}
		if j.seq != next {
			t.Fatalf("popped %d, want %d", j.seq, next)
		}
		next++
	}
	if next != 1000 {
		t.Fatalf("%d came out", next)
	}
}
