package vegeta

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/loadgen/attempt"
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

	client attempt.Client

	mu     sync.Mutex
	due    map[uint64]time.Duration // of the requests released and not yet taken up
	opened []*connection
}

func newTransport(ctx context.Context, e *Engine, clock pace.Clock, sink func(*measure.Sample)) *transport {
	t := &transport{e: e, ctx: ctx, clock: clock, sink: sink, client: attempt.Client{Config: &e.cfg, Tolerated: LagLimit}, due: map[uint64]time.Duration{}}
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
		call := &attempt.Call{}
		t.begin(call, seq, due, t.clock.Now())
		call.Done = call.Offered
		call.Cancel()
		t.finishSample(call)
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
	call := &attempt.Call{}
	t.carryOut(call, nil, t.begin(call, seq, t.take(seq), offered))
	return &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, Request: in}, nil
}

// begin begins with a request.
func (t *transport) begin(call *attempt.Call, seq uint64, due, offered time.Duration) attempt.Step {
	r := t.e.cfg.Mix.At(seq)
	return call.Begin(&t.client, seq, r.Name, http1.Idempotent(r.Method), due, offered)
}

// carryOut carries out one request until its sample is complete, on a user's own connection or on any that is free.
func (t *transport) carryOut(call *attempt.Call, own *connection, step attempt.Step) {
	c := own
	for step.Do != attempt.End && t.ctx.Err() == nil {
		switch step.Do {
		case attempt.Wait:
			e := attempt.Event{Kind: attempt.Connected}
			if own == nil {
				if c, e = t.wait(call, step.Until); t.ctx.Err() != nil {
					break // else it would count as dropped
				}
			}
			step = call.Next(t.clock.Now(), e)
			if step.Do != attempt.Send && own == nil && c != nil { // it came too late
				t.queue.release(c)
			}
		case attempt.Send:
			step = t.exchange(c, call, step.Until)
			if own == nil {
				t.queue.release(c)
			}
		case attempt.Pause:
			if t.clock.Sleep(t.ctx, step.Until) == nil {
				step = call.Next(t.clock.Now(), attempt.Event{Kind: attempt.Resumed})
			}
		}
	}
	t.finishSample(call)
}

// wait waits until an instant for a connection to become free; it is nil when none did.
func (t *transport) wait(call *attempt.Call, until time.Duration) (*connection, attempt.Event) {
	ctx, cancel := context.WithDeadline(t.ctx, time.Now().Add(until-t.clock.Now()))
	defer cancel()
	c, waited := t.queue.acquire(ctx, call.Due)
	if c == nil {
		return nil, attempt.Event{Kind: attempt.Expired}
	}
	return c, attempt.Event{Kind: attempt.Connected, Waited: waited}
}

// finishSample hands the sample over. What had not succeeded when the play was cancelled is neither success nor
// failure; a request that was dropped had ended before.
func (t *transport) finishSample(call *attempt.Call) {
	if ended := call.Done > 0; !ended || (call.Outcome == measure.Failed && t.ctx.Err() != nil) {
		call.Done = max(call.Done, t.clock.Now())
		call.Cancel()
	}
	t.sink(&call.Sample)
	t.e.inFlight.Add(-1)
}

// exchange sends the request, and reads its answer to the end. It returns what is to be done next.
func (t *transport) exchange(c *connection, call *attempt.Call, until time.Duration) attempt.Step {
	ctx, cancel := context.WithDeadline(t.ctx, time.Now().Add(until-t.clock.Now()))
	defer cancel()
	s := &call.Sample
	r := t.e.cfg.Mix.At(s.Seq)
	x := stamps{clock: t.clock, cfg: &t.e.cfg}
	var check mix.Check
	check.Reset(r.Expect)
	err := t.do(ctx, c, r, s, &check, &x)
	now := t.clock.Now()
	s.Done = now
	stage := x.into(s, t.e.base.Scheme == "https")
	if err == nil {
		failure, expected := check.Failure(s.Status)
		return call.Next(now, attempt.Event{Kind: attempt.Answered, Failure: failure, Expected: expected})
	}
	e := attempt.Event{Kind: attempt.Failed, Unsent: s.Sent == 0}
	var redirects tooManyRedirects
	if errors.As(err, &redirects) {
		e.Class, e.Detail = measure.Redirects, redirects.Error()
	} else {
		e.Class, e.Detail = client.Classify(err, stage, s, &t.e.cfg)
	}
	return call.Next(now, e)
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
