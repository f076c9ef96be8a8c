package vegeta

import (
	"crypto/tls"
	"errors"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/client"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
)

// errRefused ends a request of HTTP/2 that net/http is about to send a third time. It may be written all the same,
// because net/http then chooses at random between writing and stopping.
var errRefused = errors.New("the server refused the request twice, by GOAWAY or RST_STREAM")

// errBrokenOff ends the connecting of a request that the server has broken off, and that is not sent again.
var errBrokenOff = errors.New("the server has broken off the request")

// exchangeKey is the key by which a context holds the stamps of its exchange.
type exchangeKey struct{}

// stamps are set by net/http, from goroutines of its own. Of an exchange with redirects each keeps its first; of
// a request that is sent again, its last.
type stamps struct {
	clock                                  pace.Clock
	cfg                                    *attempt.Config
	began, connected, secured, sent, first atomic.Int64

	written atomic.Int32 // how often the request was written, or since a redirect the one it led to
	repeats atomic.Int32 // of these, how often again
	again   atomic.Int32 // the same over all redirects

	lastWritten atomic.Int64           // when the request was written, or since a redirect the one it led to
	socket      atomic.Pointer[socket] // that it was given; nil with HTTP/2
	brokenOff   atomic.Bool            // the server had it too long before it closed: it is not sent again
}

func (x *stamps) stamp(at *atomic.Int64) { at.CompareAndSwap(0, int64(x.clock.Now())) }

// trace returns the hooks for one exchange; stop ends it.
func (x *stamps) trace(stop func(error)) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) {
			if s := x.socket.Load(); s != nil && x.written.Load() > 0 && !x.metClose(s) {
				x.brokenOff.Store(true)
				stop(s.closed())
				return
			}
			if x.first.Load() == 0 { // otherwise it is for a redirect
				x.sent.Store(0)
			}
			if x.connected.Load() == 0 {
				x.began.Store(int64(x.clock.Now()))
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			x.socket.Store(socketOf(info.Conn))
			switch {
			case x.written.Load() == 0:
			case x.repeats.Load() == 0:
				x.repeat()
			default:
				stop(errRefused)
			}
		},
		ConnectDone:      func(_, _ string, err error) { x.done(&x.connected, err) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) { x.done(&x.secured, err) },
		WroteHeaders: func() {
			x.stamp(&x.sent)
			x.lastWritten.Store(int64(x.clock.Now()))
			if x.written.Add(1)-1 > x.repeats.Load() {
				x.repeat()
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

// metClose reports whether the request that net/http is about to send again may be.
func (x *stamps) metClose(s *socket) bool {
	return x.cfg.MetClose(time.Duration(x.lastWritten.Load()), x.clock.Now(), s.connect)
}

func (x *stamps) repeat() {
	x.repeats.Add(1)
	x.again.Add(1)
}

// redirected is called when another request follows the one that was answered.
func (x *stamps) redirected() {
	x.written.Store(0)
	x.repeats.Store(0)
}

// into puts the stamps into the sample, and says how far the exchange came.
func (x *stamps) into(s *measure.Sample, https bool) client.Stage {
	began, connected, secured := time.Duration(x.began.Load()), time.Duration(x.connected.Load()), time.Duration(x.secured.Load())
	s.Sent, s.First = time.Duration(x.sent.Load()), time.Duration(x.first.Load())
	if s.First > 0 && (s.Sent == 0 || s.Sent > s.First) {
		s.Sent = s.First // HTTP/2 tells that it has written when the answer may be there already
	}
	s.Reconnect = int(x.again.Load())
	if connected > 0 {
		s.Connect = connected - began
	}
	if secured > 0 && connected > 0 {
		s.Handshake = secured - connected
	}
	switch {
	case s.First > 0:
		return client.Reading
	case s.Sent > 0:
		return client.Waiting
	case https && connected > 0 && secured == 0:
		return client.Securing
	}
	return client.Connecting
}
