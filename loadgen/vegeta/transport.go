package vegeta

import (
	"context"
	"errors"
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
	s := &measure.Sample{Seq: seq, Request: r.Name, Due: t.take(seq), Offered: offered, BytesOut: int64(len(r.Body))}
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
	return &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, Request: in}, nil
}

// exchange sends the request and reads its answer to the end.
func (t *transport) exchange(ctx context.Context, r *mix.Request, s *measure.Sample) {
	var sent, first atomic.Int64 // net/http traces from goroutines of its own
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders:         func() { sent.CompareAndSwap(0, int64(t.clock.Now())) },
		GotFirstResponseByte: func() { first.CompareAndSwap(0, int64(t.clock.Now())) },
	})
	var check mix.Check
	check.Reset(r.Expect)
	status, n, err := t.do(ctx, r, s.Seq, &check)
	s.Sent, s.First = time.Duration(sent.Load()), time.Duration(first.Load())
	s.Status, s.BytesIn = status, n
	if err != nil {
		s.Outcome = measure.Failed
		s.Class, s.Detail = neterr.Classify(err, neterr.StageOf(s), t.e.cfg.Timeout)
	} else if failure, expected := check.Failure(status); failure != "" {
		s.Outcome, s.Class, s.Detail = measure.Failed, measure.Expectation, failure
	} else if c := measure.ClassOfStatus(status); c != "" && !expected {
		s.Outcome, s.Class, s.Detail = measure.Failed, c, "status "+strconv.Itoa(status)
	}
}

func (t *transport) do(ctx context.Context, r *mix.Request, seq uint64, check *mix.Check) (status int, n int64, err error) {
	u, err := t.e.url(r.Path)
	if err != nil {
		return 0, 0, err
	}
	var body io.Reader
	if r.Body != "" {
		body = strings.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), body)
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("User-Agent", "shakedown")
	for name, value := range r.Headers {
		if textproto.CanonicalMIMEHeaderKey(name) == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	if t.e.cfg.Identify {
		req.Header.Set(mix.SeqHeader, strconv.FormatUint(seq, 10))
	}
	res, err := t.base.RoundTrip(req)
	if err != nil {
		return 0, 0, err
	}
	defer res.Body.Close()
	for name, values := range res.Header {
		for _, v := range values {
			check.Header([]byte(name), []byte(v))
		}
	}
	n, err = io.Copy(checked{check}, res.Body)
	return res.StatusCode, n, err
}

// checked is a body's sink.
type checked struct{ *mix.Check }

func (c checked) Write(p []byte) (int, error) {
	c.Data(p)
	return len(p), nil
}
