package proxy

import (
	"errors"
	"os"

	machine "github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/serve"
)

type (
	Cause    = machine.Cause
	Statuses = machine.Statuses
	Counters = machine.Counters
)

const (
	NoCause        = machine.NoCause
	Malformed      = machine.Malformed
	Version        = machine.Version
	Coding         = machine.Coding
	Method         = machine.Method
	HeadTooLarge   = machine.HeadTooLarge
	LineTooLong    = machine.LineTooLong
	BodyTooLarge   = machine.BodyTooLarge
	Slow           = machine.Slow
	Introduction   = machine.Introduction
	Connections    = machine.Connections
	RateLimit      = machine.RateLimit
	NoRule         = machine.NoRule
	NoTarget       = machine.NoTarget
	QueueFull      = machine.QueueFull
	QueueTimeout   = machine.QueueTimeout
	Resources      = machine.Resources
	ConnectFailed  = machine.ConnectFailed
	ConnectTimeout = machine.ConnectTimeout
	Broken         = machine.Broken
	Timeout        = machine.Timeout
	ClientGone     = machine.ClientGone
	TargetError    = machine.TargetError
)

// Refusal is the answer to a request that was refused for a reason, for serve.
func Refusal(s *Statuses, reason error) int { return s.Of(causeOf(reason)) }

// causeOf is why a request was refused, or could not be read to its end.
func causeOf(reason error) Cause {
	for _, x := range []struct {
		err   error
		cause Cause
	}{
		{http1.ErrVersion, Version}, {http1.ErrCoding, Coding}, {http1.ErrMethod, Method}, {http1.ErrHeadTooLarge, HeadTooLarge}, {http1.ErrTargetTooLong, LineTooLong},
		{serve.ErrBodyTooLarge, BodyTooLarge}, {serve.ErrSlow, Slow}, {os.ErrDeadlineExceeded, Slow}, {serve.ErrFull, Connections}, {serve.ErrIntroduction, Introduction},
	} {
		if errors.Is(reason, x.err) {
			return x.cause
		}
	}
	return Malformed
}

func timedOut(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, os.ErrDeadlineExceeded) || (errors.As(err, &t) && t.Timeout())
}
