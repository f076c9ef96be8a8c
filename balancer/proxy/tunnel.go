package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/serve"
)

// tunnelTimeout is how long nothing may pass in a tunnel, when nobody sets it: what HAProxy's manual shows for "timeout
// tunnel", which has no default. nginx and an application load balancer end one after 60 s, which cuts WebSockets that
// send no pings.
const tunnelTimeout = time.Hour

// tunnel passes on that the protocol changes, and then whatever either side says, until both have ended or nothing has
// passed for too long.
func (x *driver) tunnel() exchange.Event {
	out := serve.AppendStatus(x.c.Out(), http.StatusSwitchingProtocols)
	out = x.appendFields(out, false)
	out = append(out, "Connection: upgrade\r\n"...)
	for i := range x.fields { // what the target has changed to, which may not be all that was asked for
		if f := &x.fields[i]; http1.Is(f.Name, "upgrade") {
			out = appendField(out, f)
		}
	}
	out = append(x.appendTrace(out), "\r\n"...)
	out = append(out, x.u.unread()...) // what the target said at once
	x.u.at = x.u.have
	x.answered, x.u.reusable = true, false
	x.access.Status = http.StatusSwitchingProtocols
	if err := x.tellClient(out); err != nil {
		return x.broken(err)
	}
	x.unbound() // the whole time of an exchange is of requests
	client, rest := x.c.Take()
	target := x.u.nc
	_ = target.SetDeadline(time.Time{}) // a connection that is closed already tells at the next use
	if x.u.socket != nil {
		x.u.x = nil // whoever passes something looks after the client by reading
		x.u.socket.SetStall(0)
	}
	w := tunnel{client: client, target: target, idle: cmp.Or(x.pool.Tunnel, tunnelTimeout), reset: x.c.Reset}
	if why := w.run(rest); why != nil {
		x.access.Reason = why.Error()
	}
	x.endAttempt(nil)
	return exchange.Event{Kind: exchange.Complete}
}

// tunnel is two connections between which bytes are passed.
type tunnel struct {
	client, target net.Conn
	idle           time.Duration // how long nothing may pass
	reset          func()        // ends the client's connection so that it knows that something is missing

	active atomic.Int64 // ns since began, when something last passed
	began  time.Time
	once   sync.Once
	why    error // it was ended; nil when both sides have
}

// run passes bytes both ways, beginning with what the client has already said. It returns why it ended the tunnel; nil when
// the two sides did.
func (w *tunnel) run(rest []byte) error {
	w.began = time.Now()
	quiet := time.NewTimer(w.idle)
	done := make(chan struct{})
	over := make(chan struct{})
	go func() {
		defer close(over)
		w.watch(quiet, done)
	}()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		w.oneWay(w.target, w.client, rest)
	}()
	w.oneWay(w.client, w.target, nil)
	<-sent
	close(done)
	<-over
	w.client.Close()
	w.target.Close()
	return w.why
}

// watch ends the tunnel when nothing passes.
func (w *tunnel) watch(quiet *time.Timer, done chan struct{}) {
	defer quiet.Stop()
	for {
		select {
		case <-done:
			return
		case <-quiet.C:
			left := w.idle - (time.Since(w.began) - time.Duration(w.active.Load()))
			if left <= 0 {
				w.end(fmt.Errorf("nothing has passed within %v", w.idle))
				return
			}
			quiet.Reset(left)
		}
	}
}

// end ends both connections, which wakes whoever waits for one.
func (w *tunnel) end(why error) {
	w.once.Do(func() {
		w.why = why
		w.reset()
		w.target.Close()
	})
}

// tunnelBuffers are as large as what is read of a target.
var tunnelBuffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// oneWay passes bytes on until one side ends, and tells the other that nothing more will come. first is passed on before
// anything is read.
func (w *tunnel) oneWay(to, from net.Conn, first []byte) {
	err := w.copy(to, from, first)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		if half.CloseWrite() == nil {
			return
		}
	}
	if err == nil {
		err = io.EOF // one that can't end one way ends both
	}
	w.end(err)
}

func (w *tunnel) copy(to, from net.Conn, first []byte) error {
	b := tunnelBuffers.Get().(*[]byte)
	defer tunnelBuffers.Put(b)
	for p := first; ; {
		if len(p) > 0 {
			if _, err := to.Write(p); err != nil {
				return err
			}
			w.active.Store(int64(time.Since(w.began)))
		}
		n, err := from.Read(*b)
		switch p = (*b)[:n]; {
		case n > 0:
			w.active.Store(int64(time.Since(w.began)))
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}
