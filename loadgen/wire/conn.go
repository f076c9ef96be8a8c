package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/neterr"
	"github.com/seed-8025779b/shakedown/loadgen/socket"
)

const (
	// bufferSize is what a connection reads at once; a head that does not fit grows it.
	bufferSize = 8 << 10
	// staleAfter is how long a connection may have been idle before it is looked at: a server that closed it
	// meanwhile would fail a request that it never saw.
	staleAfter = time.Millisecond
)

// conn is one connection's worth of exchanges. It belongs to its goroutine, but for interrupt.
type conn struct {
	p      *play
	first  job // the one it was made for
	wake   chan job
	out    []byte
	filled []byte // a body with its template filled in
	buf    []byte
	sample measure.Sample // reused: a sink does not keep it
	res    http1.Response
	body   http1.Body
	last   time.Duration // end of the last exchange
	check  mix.Check
	jar    *jar // nil when cookies are not kept
	stage  neterr.Stage
	served int // exchanges on this connection

	onHeader func(name, value []byte) // header and check.Data, bound once
	onData   func([]byte)

	mu sync.Mutex // guards nc against interrupt
	nc net.Conn

	watch *socket.Watch
}

func (p *play) connection() *conn {
	c := &conn{p: p, buf: make([]byte, 0, bufferSize)}
	c.onHeader, c.onData = c.header, c.check.Data
	if p.e.cfg.Cookies {
		c.jar = newJar(p.e.base)
	}
	return c
}

// header takes in a header of the answer.
func (c *conn) header(name, value []byte) {
	c.check.Header(name, value)
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
		c.exchange(j)
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

func (c *conn) begin(j job) *prepared {
	i := c.p.e.cfg.Mix.Index(j.seq)
	r := &c.p.e.prepared[i]
	c.sample = measure.Sample{Seq: j.seq, Request: r.name, Due: j.due, Offered: j.offered}
	return r
}

// drop tells of a request that found no free connection in time.
func (c *conn) drop(j job) {
	c.begin(j)
	s := &c.sample
	s.Outcome, s.Class, s.Detail = measure.Dropped, measure.NoConnection, "no connection became free before the timeout"
	s.Done = j.due + c.p.e.cfg.Timeout
	c.deliver()
}

func (c *conn) deliver() {
	s := &c.sample
	if s.Outcome != measure.Succeeded && c.p.cancelled.Load() {
		s.Outcome, s.Class, s.Detail = measure.Cancelled, "", ""
	}
	c.p.sink(s)
	c.p.e.inFlight.Add(-1)
}

// exchange carries out one request.
func (c *conn) exchange(j job) {
	r := c.begin(j)
	s := &c.sample
	err := c.roundTrip(r, j)
	s.Done = c.p.clock.Now()
	c.last = s.Done
	if err != nil {
		c.close()
		s.Outcome = measure.Failed
		s.Class, s.Detail = neterr.Classify(err, c.stage, s, &c.p.e.cfg)
	} else if failure, expected := c.check.Failure(s.Status); failure != "" {
		s.Outcome, s.Class, s.Detail = measure.Failed, measure.Expectation, failure
	} else if class := measure.ClassOfStatus(s.Status); class != "" && !expected {
		s.Outcome, s.Class, s.Detail = measure.Failed, class, statusDetail(s.Status)
	}
	c.deliver()
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

func (c *conn) roundTrip(r *prepared, j job) error {
	p := c.p
	c.stage = neterr.Waiting
	deadline := time.Now().Add(j.due + p.e.cfg.Timeout - p.clock.Now())
	if c.nc != nil && p.clock.Now()-c.last > staleAfter && !c.watch.Quiet() {
		c.close()
	}
	if c.nc == nil {
		if err := c.dial(deadline); err != nil {
			return err
		}
	}
	if err := c.nc.SetDeadline(deadline); err != nil {
		return err
	}
	if p.cancelled.Load() {
		return context.Canceled
	}
	c.check.Reset(r.expect)
	out := c.write(r, j.seq)
	c.stage = neterr.Waiting
	c.sample.Sent = p.clock.Now()
	if _, err := c.nc.Write(out); err != nil {
		return err
	}
	if err := c.receive(r.isHead, deadline); err != nil {
		return err
	}
	if c.served++; c.served == p.e.cfg.PerConn {
		c.close()
	}
	return nil
}

// receive reads one response, and whatever 1xx go before it.
func (c *conn) receive(head bool, deadline time.Time) error {
	c.buf = c.buf[:0]
	if limit := c.p.e.cfg.Stages.FirstByte; limit > 0 {
		first := time.Now().Add(limit)
		if first.Before(deadline) {
			if err := c.nc.SetReadDeadline(first); err != nil {
				return err
			}
			if err := c.read(); err != nil {
				return err
			}
			if err := c.nc.SetReadDeadline(deadline); err != nil {
				return err
			}
		}
	}
	var onHeader func(name, value []byte)
	if c.jar != nil || c.check.WantsHeaders() {
		onHeader = c.onHeader
	}
	for {
		n, err := http1.ParseResponse(c.buf, head, &c.res, onHeader)
		if err != nil {
			return err
		}
		if n == 0 {
			if err := c.read(); err != nil {
				return err
			}
			continue
		}
		c.buf = c.buf[:copy(c.buf, c.buf[n:])]
		if c.res.Status >= 200 || c.res.Status == 101 {
			break
		}
	}
	c.sample.Status = c.res.Status
	c.body.Start(&c.res)
	for {
		var onData func([]byte)
		if c.check.WantsBody() {
			onData = c.onData
		}
		n, data, err := c.body.Feed(c.buf, onData)
		c.sample.BytesIn += data
		if err != nil {
			return err
		}
		if c.body.Ended() {
			if c.res.Close || n < len(c.buf) || c.res.Status == 101 { // or it said something unasked
				c.close()
			}
			return nil
		}
		c.buf = c.buf[:0]
		if err := c.read(); err != nil {
			if errors.Is(err, io.EOF) && c.body.UntilClose() {
				c.close()
				return nil
			}
			return err
		}
	}
}

// read appends what has come to the buffer.
func (c *conn) read() error {
	if len(c.buf) == cap(c.buf) {
		c.buf = append(make([]byte, 0, 2*cap(c.buf)), c.buf...) // a large head; the parser bounds it
	}
	n, err := c.nc.Read(c.buf[len(c.buf):cap(c.buf)])
	if n > 0 {
		if c.stage == neterr.Waiting {
			c.sample.First, c.stage = c.p.clock.Now(), neterr.Reading
		}
		c.buf = c.buf[:len(c.buf)+n]
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// dial makes a new connection. Names are resolved each time, so that a change is followed.
func (c *conn) dial(deadline time.Time) error {
	e, clock := c.p.e, c.p.clock
	began := clock.Now()
	c.stage, c.served = neterr.Connecting, 0
	ctx, cancel := c.within(deadline, e.cfg.Stages.Connect)
	defer cancel()
	nc, err := e.dial(ctx, "tcp", e.address)
	if err != nil {
		return err
	}
	if c.watch, err = socket.New(nc); err != nil {
		nc.Close()
		return err
	}
	connected := clock.Now()
	c.sample.Connect = connected - began
	if e.tls != nil {
		c.stage = neterr.Securing
		ctx, cancel := c.within(deadline, e.cfg.Stages.TLS)
		defer cancel()
		t := tls.Client(nc, e.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			nc.Close()
			return err
		}
		nc = t
		c.sample.Handshake = clock.Now() - connected
	}
	c.set(nc)
	return nil
}

// within bounds a stage by the deadline of the whole, and by its own limit when it has one.
func (c *conn) within(deadline time.Time, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit > 0 {
		if own := time.Now().Add(limit); own.Before(deadline) {
			deadline = own
		}
	}
	return context.WithDeadline(c.p.ctx, deadline)
}
