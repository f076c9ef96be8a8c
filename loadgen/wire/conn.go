package wire

import (
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/http1"
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
	sample      measure.Sample // reused: a sink does not keep it
	res         http1.Response
	body        http1.Body
	check       mix.Check
	jar         *jar // nil when cookies are not kept
	stage       client.Stage
	more        [1]byte       // what holdsMore and the look read
	connect     time.Duration // how long this connection took to make
	served      int           // exchanges on it, since it was made
	mayHaveSent bool          // a byte of the request may have left

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
		c.p.e.ids.ReadAttempt(value, &c.sample)
	}
	if c.jar != nil {
		c.jar.header(name, value)
	}
}

// forgetAttempts empties what a header of an answer that does not count has set.
func (c *conn) forgetAttempts() {
	c.sample.Told, c.sample.Attempts, c.sample.Target, c.sample.Fault = false, 0, "", ""
}

// run carries out requests until there are none.
func (c *conn) run() {
	defer c.close()
	for j, ok := c.first, true; ok; j, ok = c.p.next(c) {
		if j.offered == 0 {
			// It did not wait for a connection: what has passed since it was due is the generator's lateness,
			// the waking of this goroutine included.
			j.offered = c.p.clock.Now()
			if c.p.e.cfg.TooLate(j.due, j.offered, LagLimit) {
				c.drop(j)
				continue
			}
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

// begin makes the sample of a request.
func (c *conn) begin(j job) *prepared {
	i := c.p.e.cfg.Mix.Index(j.seq)
	r := &c.p.e.prepared[i]
	c.sample = measure.Sample{Seq: j.seq, Request: r.name, Due: j.due, Offered: j.offered, Wait: j.wait}
	return r
}

// drop ends a request that found no free connection in time, or was offered too late.
func (c *conn) drop(j job) {
	c.begin(j)
	c.p.e.cfg.Drop(&c.sample, LagLimit)
	c.finishSample()
}

// finishSample hands the sample over. What had not ended when the play was cancelled is neither success nor
// failure; a request that was dropped had ended at the instant it was dropped at. The context may have made a
// request fail before the play is told that it has ended.
func (c *conn) finishSample() {
	s, at := &c.sample, time.Duration(c.p.cancelledAt.Load())
	ended := s.Outcome == measure.Succeeded || (s.Outcome == measure.Dropped && (at == 0 || s.Done <= at))
	if !ended && (c.p.cancelled.Load() || c.p.ctx.Err() != nil) {
		s.Outcome, s.Class, s.Detail = measure.Cancelled, "", ""
	}
	c.p.sink(s)
	c.p.e.inFlight.Add(-1)
}

// carryOut sends one request, reads its answer, and finishes its sample.
func (c *conn) carryOut(j job) {
	r := c.begin(j)
	s := &c.sample
	err := c.roundTrip(r, j)
	s.Done = c.p.clock.Now()
	if s.Sent == 0 {
		s.BytesOut = 0
	}
	if err != nil {
		c.close()
		if s.Status == 0 {
			c.forgetAttempts() // of a head that did not end
		}
		s.Outcome = measure.Failed
		s.Class, s.Detail = client.Classify(err, c.stage, s, &c.p.e.cfg)
	} else if failure, expected := c.check.Failure(s.Status); failure != "" {
		s.Outcome, s.Class, s.Detail = measure.Failed, measure.Expectation, failure
	} else if class := measure.ClassOfStatus(s.Status); class != "" && !expected {
		s.Outcome, s.Class, s.Detail = measure.Failed, class, statusDetail(s.Status)
	}
	c.finishSample()
}

// statusDetail does not allocate for the statuses that a failing system answers by the thousand.
func statusDetail(status int) string {
	switch status {
	case 500:
		return "status 500"
	case 502:
		return "status 502"
	case 503:
		return "status 503"
	case 504:
		return "status 504"
	}
	return "status " + strconv.Itoa(status)
}
