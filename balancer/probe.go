package balancer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/chaos"
)

// probe checks one target until the context ends: at once, then on its seeded grid. A probe opens a
// connection of its own and closes it, as an application load balancer's does.
func (o *owner) probe(ctx context.Context, t *group.Target) {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{}).DialContext},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	at := o.cfg.Health.FirstProbe(o.b.clock.Now())
	for n := uint64(0); o.b.clock.Sleep(ctx, at) == nil; n++ {
		err := o.probeOnce(ctx, client, t, n)
		if ctx.Err() != nil {
			return
		}
		reason := ""
		if err != nil {
			reason = err.Error()
		}
		o.do(func(now time.Duration) []group.Effect { return o.g.Probed(now, t, err == nil, reason) })
		origin := time.Duration(o.b.origin.Load())
		at = origin + o.cfg.Health.NextProbe(o.b.cfg.Seed, t.ID, o.b.clock.Now()-origin)
	}
}

func (o *owner) probeOnce(ctx context.Context, client *http.Client, t *group.Target, n uint64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, o.cfg.Health.Timeout, fmt.Errorf("no answer within %v", o.cfg.Health.Timeout))
	defer cancel()
	if o.b.opts.Touch != nil {
		e := o.b.opts.Touch(&chaos.Exchange{Target: t.ID, Seq: n, Probe: true})
		if o.b.clock.Sleep(ctx, o.b.clock.Now()+e.Delay) != nil {
			return context.Cause(ctx)
		}
		if e.Status != 0 {
			return fmt.Errorf("status %d", e.Status)
		}
	}
	if o.cfg.Health.Kind == health.TCP {
		return o.knock(ctx, t)
	}
	return o.ask(ctx, client, t)
}

// address is where a target is probed.
func (o *owner) address(t *group.Target) string {
	if port := o.cfg.Health.Port; port > 0 {
		if host, _, err := net.SplitHostPort(t.Address); err == nil {
			return net.JoinHostPort(host, strconv.Itoa(port))
		}
	}
	return t.Address
}

// knock makes a connection and closes it.
func (o *owner) knock(ctx context.Context, t *group.Target) error {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", o.address(t))
	if err != nil {
		return plainly(ctx, err)
	}
	return c.Close()
}

// maxProbeBody is how much of an answer is looked at.
const maxProbeBody = 64 << 10

// ask sends a request and judges its answer.
func (o *owner) ask(ctx context.Context, client *http.Client, t *group.Target) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.address(t)+o.cfg.Health.Path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "shakedown-health-check")
	req.Host = o.cfg.Health.Host
	res, err := client.Do(req)
	if err != nil {
		return plainly(ctx, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxProbeBody))
	if err != nil && o.cfg.Health.Body != "" {
		return plainly(ctx, err)
	}
	if what := o.cfg.Health.Judge(res.StatusCode, body); what != "" {
		return errors.New(what)
	}
	return nil
}

// plainly is an error without what stands around it: the method, the URL; and the timeout in our own words.
func plainly(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op
	}
	return err
}
