package balancer

import (
	"bufio"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/chaos"
)

// A request that was given its target just before the drain time was over still gets its answer, and the connection that
// it opened then does not stay: nobody would ever use it again.
func TestAConnectionToATargetThatIsGoneIsClosed(t *testing.T) {
	var open atomic.Int64
	serve := answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	x := rawTarget(t, func(c net.Conn, r *bufio.Reader) {
		open.Add(1)
		defer open.Add(-1)
		_ = c.SetDeadline(time.Now().Add(30 * time.Second)) // longer than the test waits: a failure must not hang
		serve(c, r)                                         // until the connection is closed at the other end
	})
	cfg := raws(x)
	cfg.Groups[0].Drain = time.Millisecond
	held, release := make(chan struct{}), make(chan struct{})
	r := start(t, cfg, func(*chaos.Exchange) chaos.Effect {
		close(held)
		<-release
		return chaos.Effect{}
	})
	done := make(chan int, 1)
	go func() {
		code, _ := get(t, r.url)
		done <- code
	}()
	<-held
	if err := r.Drain("web", "raw-1"); err != nil {
		t.Fatal(err)
	}
	await(t, "the target to be gone", func() bool { return r.has("raw-1 gone") })
	if s := r.Stats().Groups["web"][0]; s.State != group.Gone || s.InFlight != 1 {
		t.Errorf("%+v", s)
	}
	close(release)
	if code := <-done; code != 200 {
		t.Errorf("it was answered %d", code)
	}
	await(t, "the connection to be closed", func() bool { return open.Load() == 0 })
	if s := r.Stats().Groups["web"][0]; s.InFlight != 0 {
		t.Errorf("%+v", s)
	}
}
