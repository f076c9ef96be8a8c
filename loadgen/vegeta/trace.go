package vegeta

import (
	"crypto/tls"
	"errors"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/neterr"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
)

// maxWritten is how often a request is written at most: once, and once more on another connection.
const maxWritten = 2

// errRefused ends a request that net/http would send a third time, as it does with HTTP/2.
var errRefused = errors.New("the server refused the request twice, by GOAWAY or RST_STREAM")

// stamps are set by net/http, from goroutines of its own. Of an exchange with redirects each keeps its first; of
// a request that is sent again, its last.
type stamps struct {
	clock                                  pace.Clock
	began, connected, secured, sent, first atomic.Int64

	written atomic.Int32 // how often the request was, or since a redirect the one it led to
	again   atomic.Int32 // how often one was that had been written before
}

func (x *stamps) stamp(at *atomic.Int64) { at.CompareAndSwap(0, int64(x.clock.Now())) }

// trace returns the hooks for one exchange; stop ends it.
func (x *stamps) trace(stop func(error)) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) {
			if x.first.Load() == 0 { // otherwise it is for a redirect
				x.sent.Store(0)
			}
			if x.connected.Load() == 0 {
				x.began.Store(int64(x.clock.Now()))
			}
		},
		GotConn: func(httptrace.GotConnInfo) {
			if x.written.Load() == maxWritten {
				stop(errRefused)
			}
		},
		ConnectDone:      func(_, _ string, err error) { x.done(&x.connected, err) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) { x.done(&x.secured, err) },
		WroteHeaders: func() {
			x.stamp(&x.sent)
			if x.written.Add(1) > 1 {
				x.again.Add(1)
			}
		},
		GotFirstResponseByte: func() { x.stamp(&x.first) },
	}
}

func (x *stamps) done(at *atomic.Int64, err error) {
	if err == nil {
		x.stamp(at)
	}
}

// redirected is called when another request follows the one that was answered.
func (x *stamps) redirected() { x.written.Store(0) }

// into puts the stamps into the sample, and says how far the exchange came.
func (x *stamps) into(s *measure.Sample, https bool) neterr.Stage {
	began, connected, secured := time.Duration(x.began.Load()), time.Duration(x.connected.Load()), time.Duration(x.secured.Load())
	s.Sent, s.First = time.Duration(x.sent.Load()), time.Duration(x.first.Load())
	s.Reconnect = int(x.again.Load())
	if connected > 0 {
		s.Connect = connected - began
	}
	if secured > 0 && connected > 0 {
		s.Handshake = secured - connected
	}
	switch {
	case s.First > 0:
		return neterr.Reading
	case s.Sent > 0:
		return neterr.Waiting
	case https && connected > 0 && secured == 0:
		return neterr.Securing
	}
	return neterr.Connecting
}
