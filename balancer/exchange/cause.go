package exchange

import "cmp"

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

// statusGone stands in the access log for a client that went away before its answer was whole.
const statusGone = 460

// Of is the status for a cause.
func (s *Statuses) Of(c Cause) int {
	switch c {
	case Version:
		return 505
	case Coding:
		return cmp.Or(s.Coding, 501)
	case Method:
		return 405
	case HeadTooLarge:
		return cmp.Or(s.HeadTooLarge, 431)
	case LineTooLong:
		return cmp.Or(s.LineTooLong, 414)
	case BodyTooLarge:
		return 413
	case Slow:
		return 408
	case RateLimit:
		return 429
	case NoTarget, QueueFull, QueueTimeout:
		return cmp.Or(s.NoTarget, 503)
	case NoRule, Connections, Resources:
		return 503
	case ConnectFailed:
		return cmp.Or(s.Connect, 502)
	case ConnectTimeout:
		return cmp.Or(s.ConnectTimeout, 504)
	case Broken:
		return cmp.Or(s.Broken, 502)
	case Timeout:
		return cmp.Or(s.Timeout, 504)
	case ClientGone:
		return cmp.Or(s.Gone, statusGone)
	}
	return 400
}
