package balancer

import (
	"context"
	"log/slog"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/proxy"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// AccessLog is where requests are told of.
type AccessLog struct {
	To    *slog.Logger
	Share float64 // of the requests, drawn
}

// hook makes the function that data planes call; nil for no log.
func (l *AccessLog) hook(seed draw.Seed) func(seq uint64, a *proxy.Access) {
	if l == nil || l.To == nil {
		return nil
	}
	stream := seed.Stream("access log")
	return func(seq uint64, a *proxy.Access) {
		if stream.Float(seq, 0) >= l.Share {
			return
		}
		l.To.LogAttrs(context.Background(), slog.LevelInfo, "request",
			slog.String("client", a.Client), slog.String("method", string(a.Method)), slog.String("host", string(a.Host)), slog.String("target", string(a.Target)),
			slog.Int("status", a.Status), slog.String("reason", a.Reason), slog.String("upstream", a.Upstream), slog.Int("attempts", a.Attempts),
			slog.Float64("took_ms", float64(a.Took)/float64(time.Millisecond)))
	}
}
