package balancer

import (
	"context"
	"log/slog"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/proxy"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// Log is where requests, or decisions, are told of.
type Log struct {
	To    *slog.Logger
	Share float64 // of the requests, drawn
}

// sampled makes the function that picks requests out; nil for no log.
func (l *Log) sampled(stream draw.Stream) func(seq uint64) bool {
	if l == nil || l.To == nil {
		return nil
	}
	return func(seq uint64) bool { return stream.Float(seq, 0) < l.Share }
}

// access makes the function that data planes tell of requests; nil for no log.
func (l *Log) access(seed draw.Seed) func(seq uint64, a *proxy.Access) {
	sampled := l.sampled(seed.Stream("access log"))
	if sampled == nil {
		return nil
	}
	return func(seq uint64, a *proxy.Access) {
		if !sampled(seq) {
			return
		}
		l.To.LogAttrs(context.Background(), slog.LevelInfo, "request",
			slog.String("client", a.Client), slog.String("protocol", a.Protocol), slog.Bool("tls", a.Secure), slog.String("method", string(a.Method)), slog.String("host", string(a.Host)), slog.String("target", string(a.Target)),
			slog.Int("status", a.Status), slog.String("cause", a.Cause.String()), slog.String("reason", a.Reason), slog.String("upstream", a.Upstream), slog.Int("attempts", a.Attempts),
			slog.Float64("took_ms", float64(a.Took)/float64(time.Millisecond)))
	}
}

// decision tells how a target was chosen.
func (l *Log) decision(d *exchange.Decision) {
	l.To.LogAttrs(context.Background(), slog.LevelInfo, "decision",
		slog.Uint64("seq", d.Seq), slog.Int("retry", d.Retry), slog.Int("attempt", d.Attempt), slog.String("group", d.Group), slog.String("choice", d.Choice),
		slog.String("reason", d.Reason), slog.Bool("waited", d.Waited), slog.Any("candidates", d.Candidates), slog.Any("tried", d.Tried))
}
