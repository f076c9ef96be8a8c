package proxy

import (
	"cmp"
	"errors"
	"net/http"
	"os"
	"sync/atomic"

	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/serve"
)

// Cause is why a client got an answer of the balancer's own: what logs and metrics call it, while the reason says more.
type Cause uint8

// The causes of the balancer's own answers, with the status of each unless the listener has another.
const (
	NoCause        Cause = iota
	Malformed            // the request, or its framing: 400
	Version              // not HTTP/1.0 or 1.1: 505
	Coding               // a transfer coding other than chunked: 501
	Method               // CONNECT or TRACE: 405
	HeadTooLarge         // 431
	LineTooLong          // 414
	BodyTooLarge         // 413
	Slow                 // the client's head or body did not come in time: 408
	Introduction         // the PROXY header or the handshake failed: no answer
	Connections          // the listener has as many as it may: 503
	RateLimit            // 429
	NoRule               // 503
	NoTarget             // none is ready: 503
	QueueFull            // 503
	QueueTimeout         // 503
	Resources            // no descriptor, port or memory was left for a connection to a target: 503
	ConnectFailed        // 502
	ConnectTimeout       // 504
	Broken               // the exchange with the target broke off, or its answer was malformed: 502
	Timeout              // of the target's answer: 504
	ClientGone           // it went away first: 460 in the log
	TargetError          // the target answered so, and no other could be asked: its own status
	causes
)

// String is the cause as logs and metrics have it.
func (c Cause) String() string {
	return [causes]string{
		"", "malformed", "version", "coding", "method", "head_too_large", "line_too_long", "body_too_large", "slow", "introduction", "connections",
		"rate_limit", "no_rule", "no_target", "queue_full", "queue_timeout", "resources", "connect", "connect_timeout", "broken", "timeout", "client_gone", "target_error",
	}[c]
}

// Statuses are the answers to failures; 0 stands for the default, an application load balancer's.
type Statuses struct {
	Connect        int `json:"connect,omitempty"`         // no connection to a target: 502
	ConnectTimeout int `json:"connect_timeout,omitempty"` // none in time: 504
	Broken         int `json:"broken,omitempty"`          // the exchange broke off: 502
	Timeout        int `json:"timeout,omitempty"`         // no answer in time: 504
	NoTarget       int `json:"no_target,omitempty"`       // no target is ready, or none has room: 503
	HeadTooLarge   int `json:"head_too_large,omitempty"`  // 431
	LineTooLong    int `json:"line_too_long,omitempty"`   // 414
	Coding         int `json:"coding,omitempty"`          // a transfer coding that is not known: 501
	Gone           int `json:"gone,omitempty"`            // in the access log, when the client went away first: 460
}

// Of is the status for a cause.
func (s *Statuses) Of(c Cause) int {
	switch c {
	case Version:
		return http.StatusHTTPVersionNotSupported
	case Coding:
		return cmp.Or(s.Coding, http.StatusNotImplemented)
	case Method:
		return http.StatusMethodNotAllowed
	case HeadTooLarge:
		return cmp.Or(s.HeadTooLarge, http.StatusRequestHeaderFieldsTooLarge)
	case LineTooLong:
		return cmp.Or(s.LineTooLong, http.StatusRequestURITooLong)
	case BodyTooLarge:
		return http.StatusRequestEntityTooLarge
	case Slow:
		return http.StatusRequestTimeout
	case RateLimit:
		return http.StatusTooManyRequests
	case NoTarget, QueueFull, QueueTimeout:
		return cmp.Or(s.NoTarget, http.StatusServiceUnavailable)
	case NoRule, Connections, Resources:
		return http.StatusServiceUnavailable
	case ConnectFailed:
		return cmp.Or(s.Connect, http.StatusBadGateway)
	case ConnectTimeout:
		return cmp.Or(s.ConnectTimeout, http.StatusGatewayTimeout)
	case Broken:
		return cmp.Or(s.Broken, http.StatusBadGateway)
	case Timeout:
		return cmp.Or(s.Timeout, http.StatusGatewayTimeout)
	}
	return http.StatusBadRequest
}

// Refusal is the answer to a request that was refused for a reason, for serve.
func (s *Statuses) Refusal(reason error) int { return s.Of(causeOf(reason)) }

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

// ErrorCounts counts the balancer's own answers by their causes.
type ErrorCounts struct{ n [causes]atomic.Uint64 }

// Counts is how many answers each cause had that had any.
func (e *ErrorCounts) Counts() map[string]uint64 {
	out := map[string]uint64{}
	for c := range causes {
		if n := e.n[c].Load(); n > 0 {
			out[c.String()] = n
		}
	}
	return out
}
