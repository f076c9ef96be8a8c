package balancer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
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
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.Address+o.cfg.Health.Path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "shakedown-health-check")
	res, err := client.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		var op *net.OpError
		if errors.As(err, &op) {
			return op // without the method and the URL around it
		}
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // the status decides; the rest is courtesy
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return nil
}
