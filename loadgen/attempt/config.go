// Package attempt decides about the client's side of a request: when one that waits for a connection is dropped, whether one that met
// the closing of its connection may be sent again, how long each stage may take. The engines and the simulator share it.
package attempt

import (
	"fmt"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// Config is what a load is played with.
type Config struct {
	Target string // http or https URL; the requests' paths are resolved below it
	Mix    *mix.Mix

	Timeout     time.Duration // from the due time to the end of the exchange
	MinAttempt  time.Duration // least time left of Timeout when a request has a connection, from 0 to Timeout; with less it is dropped, not sent
	FailPause   time.Duration // how long a user of a closed loop pauses after a failure, in addition to its think time; 0: not at all
	CloseRace   time.Duration // see MetClose; 0: DefaultCloseRace
	Stages      Timeouts
	Connections int  // exchanges at once; more wait in order of due time
	PerConn     int  // exchanges before a connection is replaced; 0: no limit
	Identify    bool // send each request's sequence number along
	Cookies     bool // each user, or in an open loop each connection, keeps the cookies it was given
	HTTP2       bool // by ALPN with https, by prior knowledge with http
	Redirects   int  // how many are followed; 0: an answer that redirects is the answer
	Connect     Connect
	Retry       *Retry // nil: a request that failed has failed
}

// DefaultMinAttemptShare is the share of the timeout that Config.MinAttempt is when nobody sets it: an exchange
// that has only a twentieth of its time left would hardly ever end within it, and would take the connection from
// a request that could.
const DefaultMinAttemptShare = .05

// DefaultFailPause is Config.FailPause when nobody sets it. A refusal takes some 25 µs: without a pause a few
// users whose requests are refused send tens of thousands a second. It is the base delay of the AWS SDK for
// Java's retries.
const DefaultFailPause = 100 * time.Millisecond

// DefaultMinAttempt returns Config.MinAttempt for a timeout.
func DefaultMinAttempt(timeout time.Duration) time.Duration {
	return time.Duration(float64(timeout) * DefaultMinAttemptShare)
}

// Spread is how many connections are made before one is used again, and requests are then spread over the connections that
// are free: as many as there are client addresses, so that each is seen. It is 0 with a single address, when the
// connection that was used last is used next.
func (c *Config) Spread() int {
	if c.Connect.Addresses < 2 {
		return 0
	}
	return min(c.Connect.Addresses, c.Connections)
}

// LastStart returns the instant from which it is of no use to send a request that waits for a connection.
func (c *Config) LastStart(due time.Duration) time.Duration { return due + c.Timeout - c.MinAttempt }

// TooLate reports whether a request was offered so late that it is of no use to send it, even if a connection is
// free: the generator stood still for long. A delay below tolerated, which is the engine's LagLimit, is never too
// long, so that MinAttempt may be the whole timeout: then what has to wait is dropped.
func (c *Config) TooLate(due, offered, tolerated time.Duration) bool {
	return offered >= max(c.LastStart(due), due+tolerated)
}

// Drop ends the sample of a request that had no connection before LastStart, or was offered TooLate. It ends at
// LastStart, whenever its sample is delivered; one that was offered later ends when it was offered.
func (c *Config) Drop(s *measure.Sample, tolerated time.Duration) {
	s.Done = max(c.LastStart(s.Due), s.Offered)
	s.Wait = s.Done - s.Offered
	s.Outcome, s.Class = measure.Dropped, measure.NoConnection
	if c.TooLate(s.Due, s.Offered, tolerated) {
		s.Detail = fmt.Sprintf("offered %v after it was due, too late for an attempt within its timeout of %v", s.Lag().Round(time.Millisecond), c.Timeout)
	} else {
		s.Detail = fmt.Sprintf("waited %v for one of %d connections to become free", s.Wait.Round(time.Millisecond), c.Connections)
	}
}

// Timeouts bound single stages of an exchange; 0 leaves a stage to the timeout of the whole.
type Timeouts struct {
	Connect   time.Duration // until the connection is there, name resolved
	TLS       time.Duration // the handshake
	FirstByte time.Duration // from the last byte of the request's head to the first of the answer
}
