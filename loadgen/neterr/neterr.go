// Package neterr puts errors of the network into the bounded classes of failure, with a sentence for a
// person.
package neterr

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/textproto"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

// Stage is how far an exchange had come when it failed; it tells timeouts apart.
type Stage uint8

// The stages of an exchange.
const (
	Connecting Stage = iota // no byte of the request has left
	Waiting                 // no byte of the answer has come
	Reading
)

// StageOf is the stage that a sample's stamps tell of.
func StageOf(s *measure.Sample) Stage {
	switch {
	case s.Sent == 0:
		return Connecting
	case s.First == 0:
		return Waiting
	}
	return Reading
}

// Classify returns the class of an error and what to tell of it. timeout is what a client waits from the
// due time.
func Classify(err error, stage Stage, timeout time.Duration) (measure.Class, string) {
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
	class := measure.Other
	switch {
	case errors.As(err, &dns):
		class = measure.DNS
	case errors.As(err, &waited) && waited.Timeout(), is(context.DeadlineExceeded, os.ErrDeadlineExceeded):
		class = [...]measure.Class{measure.ConnectTimeout, measure.FirstByteTimeout, measure.Timeout}[stage]
		what := [...]string{"no connection", "no answer", "no complete answer"}[stage]
		return class, what + " within " + timeout.String() + " of when it was due"
	case is(syscall.ECONNREFUSED):
		class = measure.Refused
	case is(syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EADDRNOTAVAIL):
		class = measure.Unreachable
	case errors.As(err, &record), errors.As(err, &cert), errors.As(err, &unknown), errors.As(err, &alert):
		class = measure.TLS
	case is(syscall.ECONNRESET, syscall.EPIPE):
		class = measure.Reset
	case is(io.EOF, io.ErrUnexpectedEOF), strings.Contains(err.Error(), "server closed"):
		class = measure.ClosedEarly
	case errors.As(err, &proto), strings.Contains(err.Error(), "malformed"), strings.Contains(err.Error(), "invalid"),
		is(http1.ErrLine, http1.ErrVersion, http1.ErrHeader, http1.ErrHeadTooLarge, http1.ErrContentLength, http1.ErrFraming, http1.ErrCoding, http1.ErrChunk):
		class = measure.Malformed
	}
	return class, err.Error()
}
