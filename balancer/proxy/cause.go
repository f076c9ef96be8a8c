package proxy

import (
	"errors"
	"os"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/serve"
)

// Refusal is the answer to a request that was refused for a reason, for serve.
func Refusal(s *exchange.Statuses, reason error) int { return s.Of(causeOf(reason)) }

// causeOf is why a request was refused, or could not be read to its end.
func causeOf(reason error) exchange.Cause {
	for _, x := range []struct {
		err   error
		cause exchange.Cause
	}{
		{http1.ErrVersion, exchange.Version}, {http1.ErrCoding, exchange.Coding}, {http1.ErrMethod, exchange.Method}, {http1.ErrHeadTooLarge, exchange.HeadTooLarge}, {http1.ErrTargetTooLong, exchange.LineTooLong},
		{serve.ErrBodyTooLarge, exchange.BodyTooLarge}, {serve.ErrSlow, exchange.Slow}, {os.ErrDeadlineExceeded, exchange.Slow}, {serve.ErrFull, exchange.Connections}, {serve.ErrIntroduction, exchange.Introduction},
	} {
		if errors.Is(reason, x.err) {
			return x.cause
		}
	}
	return exchange.Malformed
}

func timedOut(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, os.ErrDeadlineExceeded) || (errors.As(err, &t) && t.Timeout())
}
