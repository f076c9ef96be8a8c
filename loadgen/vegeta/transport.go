package vegeta

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/client"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
)

// transport carries out one request for each that vegeta's client hands it.
type transport struct {
	e     *Engine
	ctx   context.Context // of the play
	clock pace.Clock
	sink  func(*measure.Sample)
	queue *queue

	mu     sync.Mutex
	due    map[uint64]time.Duration // of the requests released and not yet taken up
	opened []*connection
}

func newTransport(ctx context.Context, e *Engine, clock pace.Clock, sink func(*measure.Sample)) *transport {
	t := &transport{e: e, ctx: ctx, clock: clock, sink: sink, due: map[uint64]time.Duration{}}
	t.queue = newQueue(e.cfg.Connections, e.cfg.Spread(), t.connection)
	return t
}

// connection makes a connection, or returns the one that all exchanges share.
func (t *transport) connection() *connection {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.e.cfg.HTTP2 && len(t.opened) > 0 {
		return t.opened[0]
	}
	c := t.e.newConnection(t.ctx, len(t.opened))
	t.opened = append(t.opened, c)
	return c
}

func (t *transport) closeConnections() {
	for _, c := range t.opened {
		c.transport.CloseIdleConnections()
	}
}

// expect takes in a request that was released.
func (t *transport) expect(seq uint64, due time.Duration) {
	t.e.inFlight.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.due[seq] = due
}

func (t *transport) take(seq uint64) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	due := t.due[seq]
	delete(t.due, seq)
	return due
}

// cancelLeft ends the request that vegeta was stopped at: it was released, and no worker took it.
func (t *transport) cancelLeft() {
	for seq, due := range t.due {
		s := t.begin(seq, due, t.clock.Now())
		s.Done, s.Outcome = s.Offered, measure.Cancelled
		t.finishSample(s)
	}
}

// RoundTrip carries out the request whose number vegeta's client sends along, delivers its sample, and
// answers vegeta with an empty response.
func (t *transport) RoundTrip(in *http.Request) (*http.Response, error) {
	offered := t.clock.Now()
	seq, err := strconv.ParseUint(in.Header.Get("X-Vegeta-Seq"), 10, 64)
	if err != nil {
		return nil, errors.New("request without vegeta's sequence number")
	}
	s := t.begin(seq, t.take(seq), offered)
	if c := t.wait(s); c != nil {
		t.exchange(c, s)
		t.queue.release(c)
	}
	t.finishSample(s)
	return &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, Request: in}, nil
}

// begin makes the sample of a request.
func (t *transport) begin(seq uint64, due, offered time.Duration) *measure.Sample {
	return &measure.Sample{Seq: seq, Request: t.e.cfg.Mix.At(seq).Name, Due: due, Offered: offered}
}

// wait returns a connection for a request. When none becomes free in time, or the request was offered too late, the
// sample has ended, and there is none.
func (t *transport) wait(s *measure.Sample) *connection {
	if t.e.cfg.TooLate(s.Due, s.Offered, LagLimit) {
		t.e.cfg.Drop(s, LagLimit)
		return nil
	}
	last := t.e.cfg.LastStart(s.Due)
	ctx, cancel := context.WithDeadline(t.ctx, time.Now().Add(last-t.clock.Now()))
	defer cancel()
	c, waited := t.queue.acquire(ctx, s.Due)
	if !waited {
		return c
	}
	now := t.clock.Now()
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		s.Done, s.Outcome = now, measure.Cancelled
	case c == nil || now >= last:
		t.e.cfg.Drop(s, LagLimit)
	default:
		s.Wait = now - s.Offered
		return c
	}
	if c != nil {
		t.queue.release(c)
	}
	return nil
}

// finishSample hands the sample over. What had not succeeded when the play was cancelled is neither success nor
// failure; a request that was dropped had ended before.
func (t *transport) finishSample(s *measure.Sample) {
	if s.Outcome == measure.Failed && t.ctx.Err() != nil {
		s.Outcome, s.Class, s.Detail = measure.Cancelled, "", ""
	}
	t.sink(s)
	t.e.inFlight.Add(-1)
}

// exchange sends the request, and reads its answer to the end.
func (t *transport) exchange(c *connection, s *measure.Sample) {
	ctx, cancel := context.WithDeadline(t.ctx, time.Now().Add(s.Due+t.e.cfg.Timeout-t.clock.Now()))
	defer cancel()
	r := t.e.cfg.Mix.At(s.Seq)
	x := stamps{clock: t.clock, cfg: &t.e.cfg}
	var check mix.Check
	check.Reset(r.Expect)
	err := t.do(ctx, c, r, s, &check, &x)
	s.Done = t.clock.Now()
	stage := x.into(s, t.e.base.Scheme == "https")
	if s.Sent == 0 {
		s.BytesOut = 0
	}
	var redirects tooManyRedirects
	failure, expected := check.Failure(s.Status)
	class := measure.ClassOfStatus(s.Status)
	switch {
	case errors.As(err, &redirects):
		s.Outcome, s.Class, s.Detail = measure.Failed, measure.Redirects, redirects.Error()
	case err != nil:
		s.Outcome = measure.Failed
		s.Class, s.Detail = client.Classify(err, stage, s, &t.e.cfg)
	case failure != "":
		s.Outcome, s.Class, s.Detail = measure.Failed, measure.Expectation, failure
	case class != "" && !expected:
		s.Outcome, s.Class, s.Detail = measure.Failed, class, "status "+strconv.Itoa(s.Status)
	}
}

// tooManyRedirects is the error of an exchange that was redirected more often than is followed: this often.
type tooManyRedirects int

func (n tooManyRedirects) Error() string { return fmt.Sprintf("redirected more than %d times", int(n)) }

// follow decides whether one more redirect is followed. When none is, the answer that redirects is the answer;
// one too many is a failure.
func (t *transport) follow(followed int) error {
	switch limit := t.e.cfg.Redirects; {
	case limit == 0:
		return http.ErrUseLastResponse
	case followed > limit:
		return tooManyRedirects(limit)
	}
	return nil
}
