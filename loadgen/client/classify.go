package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/socket"
)

// Stage is how far an exchange had come when it failed; it tells timeouts apart.
type Stage uint8

// The stages of an exchange.
const (
	Connecting Stage = iota
	Securing         // the connection is there, TLS is not
	Waiting          // the request has left, no byte of the answer has come
	Reading
)

// IsClose reports whether the server closed or reset the connection.
func IsClose(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// errSwitched is the error of an exchange that was answered with 101, and did not ask for another protocol.
var errSwitched = errors.New("malformed answer: status 101, to a request without Upgrade")

// CheckSwitch returns the error of a request that is answered with 101: nil when it asks for another protocol, or expects that
// status. A server switches only to what was asked for (RFC 9110, 7.8).
func CheckSwitch(r *mix.Request) error {
	if r.Expect != nil && r.Expect.Status == http.StatusSwitchingProtocols {
		return nil
	}
	for _, h := range r.Headers {
		if strings.EqualFold(h.Name, "Upgrade") {
			return nil
		}
	}
	return errSwitched
}

// Classify returns the class of failure of the error that ended a sample, and a sentence about it for a person.
// That of a timeout names the limit.
func Classify(err error, stage Stage, s *measure.Sample, c *attempt.Config) (measure.Class, string) {
	var (
		dns     *net.DNSError
		waited  interface{ Timeout() bool }
		record  tls.RecordHeaderError
		cert    *tls.CertificateVerificationError
		unknown x509.UnknownAuthorityError
		alert   tls.AlertError
		proto   textproto.ProtocolError
	)
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	says := func(texts ...string) bool {
		for _, t := range texts {
			if strings.Contains(err.Error(), t) {
				return true
			}
		}
		return false
	}
	class := measure.Other
	switch {
	case socket.NoResources(err):
		class = measure.Resources
	case socket.BacklogFull(err): // before limits of time: the error's number counts as one
		return measure.Refused, err.Error() + ": the server does not accept, and its backlog is full"
	case errors.As(err, &dns):
		class = measure.DNS
	case errors.As(err, &waited) && waited.Timeout(), is(context.DeadlineExceeded, os.ErrDeadlineExceeded):
		return timeout(stage, s, c)
	case is(syscall.ECONNREFUSED):
		class = measure.Refused
	case is(syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EADDRNOTAVAIL, syscall.ENOENT):
		class = measure.Unreachable
	case errors.As(err, &record), errors.As(err, &cert), errors.As(err, &unknown), errors.As(err, &alert), says("tls: ", "gave HTTP response to HTTPS client"):
		class = measure.TLS
	case is(syscall.ECONNRESET, syscall.EPIPE), says("stream error", "RST_STREAM"):
		class = measure.Reset
	case is(io.EOF, io.ErrUnexpectedEOF), says("server closed", "GOAWAY"):
		class = measure.ClosedEarly
	case errors.As(err, &proto), says("malformed", "invalid", "exceeded", "Content-Length", "connection error"),
		is(errSwitched, http1.ErrLine, http1.ErrVersion, http1.ErrHeader, http1.ErrHeadTooLarge, http1.ErrContentLength, http1.ErrFraming, http1.ErrCoding, http1.ErrChunk):
		class = measure.Malformed
	}
	return class, err.Error()
}

// timeout says what was waited for, and which of the client's limits it met.
func timeout(stage Stage, s *measure.Sample, c *attempt.Config) (measure.Class, string) {
	x := [...]struct {
		class measure.Class
		what  string
		limit time.Duration
		since string
	}{
		{measure.ConnectTimeout, "no connection", c.Stages.Connect, ""},
		{measure.TLS, "no TLS handshake", c.Stages.TLS, ""},
		{measure.FirstByteTimeout, "no answer", c.Stages.FirstByte, " of when it was sent"},
		{measure.Timeout, "no complete answer", 0, ""},
	}[stage]
	r := c.Retry
	switch own := r != nil && r.Timeout > 0; {
	case s.Response() >= c.Timeout, x.limit == 0 && !own:
		x.limit, x.since = c.Timeout, " of when it was due"
	case own && (x.limit == 0 || r.Timeout < x.limit):
		x.limit, x.since = r.Timeout, " of when its attempt began"
	}
	return x.class, x.what + " within " + x.limit.String() + x.since
}
