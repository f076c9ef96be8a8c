package vegeta

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/neterr"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
)

// RoundTrip carries out the request whose number vegeta's client sends along, delivers its sample, and
// answers vegeta with an empty response.
func (t *transport) RoundTrip(in *http.Request) (*http.Response, error) {
	offered := t.clock.Now()
	seq, err := strconv.ParseUint(in.Header.Get("X-Vegeta-Seq"), 10, 64)
	if err != nil {
		return nil, errors.New("request without vegeta's sequence number")
	}
	r := t.e.cfg.Mix.At(seq)
	s := &measure.Sample{Seq: seq, Request: r.Name, Due: t.take(seq), Offered: offered}
	deadline := s.Due + t.e.cfg.Timeout
	ctx, cancel := context.WithDeadline(t.ctx, time.Now().Add(deadline-t.clock.Now()))
	defer cancel()
	if t.queue.acquire(ctx, s.Due) {
		t.exchange(ctx, r, s)
		t.queue.release()
	} else {
		s.Outcome, s.Class = measure.Dropped, measure.NoConnection
		s.Detail = "no connection became free before the timeout"
	}
	s.Done = t.clock.Now()
	if s.Outcome == measure.Dropped {
		s.Done = max(s.Done, deadline) // as slow as the timeout, by definition
	}
	if s.Outcome != measure.Succeeded && t.ctx.Err() != nil {
		s.Outcome, s.Class, s.Detail = measure.Cancelled, "", ""
	}
	t.sink(s)
	t.e.inFlight.Add(-1)
	return &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, Request: in}, nil
}

// stamps are set by net/http, from goroutines of its own. Of an exchange with redirects each keeps its first.
type stamps struct{ began, connected, secured, sent, first atomic.Int64 }

func (x *stamps) stamp(at *atomic.Int64, clock pace.Clock) { at.CompareAndSwap(0, int64(clock.Now())) }

func (x *stamps) trace(clock pace.Clock) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:              func(string) { x.stamp(&x.began, clock) },
		ConnectDone:          func(_, _ string, err error) { x.done(&x.connected, err, clock) },
		TLSHandshakeDone:     func(_ tls.ConnectionState, err error) { x.done(&x.secured, err, clock) },
		WroteHeaders:         func() { x.stamp(&x.sent, clock) },
		GotFirstResponseByte: func() { x.stamp(&x.first, clock) },
	}
}

func (x *stamps) done(at *atomic.Int64, err error, clock pace.Clock) {
	if err == nil {
		x.stamp(at, clock)
	}
}

// into puts the stamps into the sample, and says how far the exchange came. A connection that was made for
// another request, and given to this one, is not this one's.
func (x *stamps) into(s *measure.Sample, https bool) neterr.Stage {
	began, connected, secured := time.Duration(x.began.Load()), time.Duration(x.connected.Load()), time.Duration(x.secured.Load())
	s.Sent, s.First = time.Duration(x.sent.Load()), time.Duration(x.first.Load())
	if connected > 0 {
		s.Connect = connected - began
	}
	if secured > 0 && connected > 0 {
		s.Handshake = secured - connected
	}
	switch {
	case s.First > 0:
		return neterr.Reading
	case s.Sent > 0:
		return neterr.Waiting
	case https && connected > 0 && secured == 0:
		return neterr.Securing
	}
	return neterr.Connecting
}

// exchange sends the request and reads its answer to the end.
func (t *transport) exchange(ctx context.Context, r *mix.Request, s *measure.Sample) {
	var x stamps
	var check mix.Check
	check.Reset(r.Expect)
	err := t.do(httptrace.WithClientTrace(ctx, x.trace(t.clock)), r, s, &check, &x)
	s.Done = t.clock.Now()
	stage := x.into(s, t.e.base.Scheme == "https")
	if err != nil {
		s.Outcome, s.Status = measure.Failed, 0
		s.Class, s.Detail = neterr.Classify(err, stage, s, &t.e.cfg)
	} else if failure, expected := check.Failure(s.Status); failure != "" {
		s.Outcome, s.Class, s.Detail = measure.Failed, measure.Expectation, failure
	} else if c := measure.ClassOfStatus(s.Status); c != "" && !expected {
		s.Outcome, s.Class, s.Detail = measure.Failed, c, "status "+strconv.Itoa(s.Status)
	}
}

// do makes the request, sends it, and reads its answer.
func (t *transport) do(ctx context.Context, r *mix.Request, s *measure.Sample, check *mix.Check, x *stamps) error {
	text := t.e.cfg.Mix.Texts(t.e.cfg.Mix.Index(s.Seq))
	u, err := t.e.url(text.Path.String(s.Seq))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	body := text.Body.String(s.Seq)
	s.BytesOut = int64(len(body))
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("malformed request: %w", err)
	}
	if body == "" {
		req.Body = nil
	}
	req.Header.Set("User-Agent", "shakedown")
	own := map[string]bool{}
	for i := range text.Headers {
		h := &text.Headers[i]
		name, value := textproto.CanonicalMIMEHeaderKey(h.Name), h.Value.String(s.Seq)
		if name == "Host" {
			req.Host = value
		}
		if !own[name] {
			req.Header.Del(name)
		}
		own[name] = true
		req.Header.Add(name, value)
	}
	if t.e.cfg.Identify {
		req.Header.Set(mix.SeqHeader, strconv.FormatUint(s.Seq, 10))
	}
	if limit := t.e.cfg.Stages.FirstByte; limit > 0 {
		late := time.AfterFunc(time.Hour, func() {
			if x.first.Load() == 0 {
				cancel(context.DeadlineExceeded)
			}
		})
		defer late.Stop()
		trace := httptrace.ContextClientTrace(ctx)
		wrote := trace.WroteHeaders
		trace.WroteHeaders = func() {
			wrote()
			late.Reset(limit)
		}
	}
	res, err := t.base.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	defer res.Body.Close()
	s.Status = res.StatusCode
	for name, values := range res.Header {
		for _, v := range values {
			check.Header([]byte(name), []byte(v))
		}
	}
	s.BytesIn, err = io.Copy(checked{check}, res.Body)
	return err
}

// checked is a body's sink.
type checked struct{ *mix.Check }

func (c checked) Write(p []byte) (int, error) {
	c.Data(p)
	return len(p), nil
}
