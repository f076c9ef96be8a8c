package wire

import (
	"net"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/client"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/socket"
)

// bufferSize is what a connection reads at once; a head that does not fit grows it.
const bufferSize = 8 << 10

// conn is one connection's worth of exchanges. It belongs to its goroutine, but for interrupt.
type conn struct {
	p           *play
	number      int // of the connections of the play, from 0
	first       job // the one it was made for
	wake        chan job
	out         []byte
	filled      []byte // a body with its template filled in
	buf         []byte
	call        attempt.Call // its sample is reused: a sink does not keep it
	res         http1.Response
	body        http1.Body
	check       mix.Check
	jar         *jar // nil when cookies are not kept
	stage       client.Stage
	more        [1]byte       // what holdsMore and the look read
	connect     time.Duration // how long this connection took to make
	served      int           // exchanges on it, since it was made
	own         bool          // it is a user's own
	mayHaveSent bool          // a byte of the request may have left
	reused      bool          // the present exchange is on a connection that was used before

	onHeader func(name, value []byte) // header and check.Data, bound once
	onData   func([]byte)

	mu sync.Mutex // guards nc against interrupt
	nc net.Conn

	send  sender        // without TLS
	watch *socket.Watch // with TLS
	below *tlsSocket    // nil without TLS
}

func (p *play) connection() *conn {
	c := &conn{p: p, number: int(p.made.Add(1)) - 1, buf: make([]byte, 0, bufferSize)}
	c.onHeader, c.onData = c.header, c.check.Data
	c.send.step = c.sendStep
	if p.e.cfg.Cookies {
		c.jar = newJar(p.e.base)
	}
	return c
}

// header takes in a header of the answer.
func (c *conn) header(name, value []byte) {
	c.check.Header(name, value)
	if c.p.e.cfg.Identify && http1.Is(name, mix.AttemptName) {
		c.p.e.ids.ReadAttempt(value, &c.call.Sample)
	}
	if c.jar != nil {
		c.jar.header(name, value)
	}
}

// run carries out requests until there are none.
func (c *conn) run() {
	defer c.close()
	for j, ok := c.first, true; ok; j, ok = c.p.next(c) {
		if j.offered == 0 {
			// It did not wait for a connection: what has passed since it was due is the generator's lateness,
			// the waking of this goroutine included.
			j.offered = c.p.clock.Now()
		}
		c.carryOut(j)
	}
}

func (c *conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.nc != nil {
		_ = c.nc.SetDeadline(time.Unix(1, 0)) // a connection that is closed already needs none
	}
}

func (c *conn) set(nc net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nc = nc
}

func (c *conn) close() {
	if c.nc != nil {
		c.nc.Close()
		c.set(nil)
	}
}

// take begins with a request, or goes on with one that is tried again.
func (c *conn) take(j *job) (*prepared, attempt.Step) {
	p := c.p
	if j.again != nil {
		c.call, *j.again = *j.again, c.call // the memory for its retries is kept on both sides
		p.calls.Put(j.again)
		r := &p.e.prepared[p.e.cfg.Mix.Index(c.call.Seq)]
		if c.stopped() {
			return r, attempt.Step{Do: attempt.End}
		}
		return r, attempt.Step{Do: attempt.Wait}
	}
	r := &p.e.prepared[p.e.cfg.Mix.Index(j.seq)]
	return r, c.call.Begin(&p.client, j.seq, r.name, r.idempotent, j.due, j.offered)
}

// carryOut carries out one request, for which the connection is free, until its sample is complete or it pauses.
func (c *conn) carryOut(j job) {
	r, step := c.take(&j)
	for {
		switch step.Do {
		case attempt.Wait:
			now := j.offered
			if j.waited {
				now = c.p.clock.Now()
			}
			step = c.call.Next(now, attempt.Event{Kind: attempt.Connected, Waited: j.waited})
		case attempt.Send, attempt.Resend:
			step = c.exchange(r, step)
		case attempt.Pause:
			if !c.own {
				c.p.pause(&c.call, step.Until)
				return
			}
			if c.p.clock.Sleep(c.p.ctx, step.Until) != nil {
				step = attempt.Step{Do: attempt.End} // it was cancelled
				continue
			}
			j.offered = c.p.clock.Now()
			step = c.call.Next(j.offered, attempt.Event{Kind: attempt.Resumed})
		case attempt.End:
			c.finishSample()
			return
		}
	}
}

// exchange sends a request once, and reads its answer. It returns what is to be done next.
func (c *conn) exchange(r *prepared, step attempt.Step) attempt.Step {
	err := c.roundTrip(r, step)
	now := c.p.clock.Now()
	if err == nil {
		failure, expected := c.check.Failure(c.call.Status)
		return c.call.Next(now, attempt.Event{Kind: attempt.Answered, Failure: failure, Expected: expected})
	}
	connect := c.connect
	c.close()
	if c.call.Status == 0 {
		c.call.ForgetTold() // of a head that did not end
	}
	e := attempt.Event{Kind: attempt.Failed, Unsent: !c.mayHaveSent, Closed: c.reused && !c.stopped() && client.IsClose(err), Connect: connect}
	c.call.Done = now
	e.Class, e.Detail = client.Classify(err, c.stage, &c.call.Sample, &c.p.e.cfg)
	return c.call.Next(now, e)
}

// stopped reports whether the play was cancelled. The context may have made a request fail before the play is told that it has ended.
func (c *conn) stopped() bool { return c.p.cancelled.Load() || c.p.ctx.Err() != nil }

// finishSample hands the sample over. What had not ended when the play was cancelled is neither success nor
// failure; a request that was dropped had ended at the instant it was dropped at.
func (c *conn) finishSample() {
	s, at := &c.call.Sample, time.Duration(c.p.cancelledAt.Load())
	ended := s.Outcome == measure.Succeeded || (s.Outcome == measure.Dropped && (at == 0 || s.Done <= at))
	if !ended && c.stopped() {
		c.call.Cancel()
	}
	c.p.sink(s)
	c.p.e.inFlight.Add(-1)
}
