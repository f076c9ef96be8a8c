package vegeta

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/loadgen/client"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// do makes the request, sends it, and reads its answer. The sample's status is that of the last answer whose
// head came whole.
func (t *transport) do(ctx context.Context, c *connection, r *mix.Request, s *measure.Sample, check *mix.Check, x *stamps) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ctx = context.WithValue(ctx, exchangeKey{}, x)
	trace := x.trace(cancel)
	if limit := t.e.cfg.Stages.FirstByte; limit > 0 {
		late := time.AfterFunc(time.Hour, func() {
			if x.first.Load() == 0 {
				cancel(context.DeadlineExceeded)
			}
		})
		defer late.Stop()
		wrote := trace.WroteHeaders
		trace.WroteHeaders = func() {
			wrote()
			late.Reset(limit)
		}
	}
	req, err := t.request(httptrace.WithClientTrace(ctx, trace), r, s)
	if err != nil {
		return err
	}
	follow := func(_ *http.Request, via []*http.Request) error {
		x.redirected()
		return t.follow(len(via))
	}
	res, err := (&http.Client{Transport: c.transport, CheckRedirect: follow}).Do(req)
	if res != nil { // with an error too: a redirect that is not followed
		if res.StatusCode < 100 || res.StatusCode > 999 { // net/http takes any number
			_ = res.Body.Close()
			return http1.ErrLine
		}
		t.readHead(res, s, check)
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols { // what follows is of another protocol, and no body
		return client.CheckSwitch(r)
	}
	s.BytesIn, err = readBody(ctx, res.Body, checked{check})
	return err
}

// readBody reads a body to its end, or until the context ends, whether or not whoever made the body sees to that.
func readBody(ctx context.Context, body io.ReadCloser, to io.Writer) (int64, error) {
	stop := context.AfterFunc(ctx, func() { _ = body.Close() })
	defer stop()
	n, err := io.Copy(to, body)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return n, cause // and not that the body was closed
	}
	return n, err
}

// request makes the request of a sample.
func (t *transport) request(ctx context.Context, r *mix.Request, s *measure.Sample) (*http.Request, error) {
	text := t.e.cfg.Mix.Texts(t.e.cfg.Mix.Index(s.Seq))
	u, err := t.e.url(text.Path.String(s.Seq))
	if err != nil {
		return nil, err
	}
	body := text.Body.String(s.Seq)
	s.BytesOut = int64(len(body))
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("malformed request: %w", err)
	}
	if body == "" {
		req.Body = nil
	}
	req.Header.Set("User-Agent", mix.UserAgent)
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
		req.Header.Set(mix.SeqHeader, string(mix.AppendSeq(nil, s.Seq, s.ClientAttempts-1)))
	}
	followRepeatRule(req)
	return req, nil
}

// readHead takes in the head of the last answer.
func (t *transport) readHead(res *http.Response, s *measure.Sample, check *mix.Check) {
	s.Status = res.StatusCode
	for name, values := range res.Header {
		for _, v := range values {
			check.Header([]byte(name), []byte(v))
		}
	}
	if t.e.cfg.Identify {
		for _, v := range res.Header[mix.AttemptHeader] {
			t.e.ids.ReadAttempt([]byte(v), s)
		}
	}
}

// checked is a body's sink.
type checked struct{ *mix.Check }

func (c checked) Write(p []byte) (int, error) {
	c.Data(p)
	return len(p), nil
}
