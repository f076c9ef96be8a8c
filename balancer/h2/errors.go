package h2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// ErrRequestTooLarge is of requests whose head the target does not take: it has said how large one may be.
var ErrRequestTooLarge = errors.New("the request's head is larger than the target takes")

// ErrUnprocessed is of requests of which the target has said that it did not act on them (RFC 9113, 8.7), so that
// they may be sent again whatever they are.
var ErrUnprocessed = errors.New("the target has not acted on the request")

// ErrEnded is of exchanges that the target has ended: it reset the stream, or the connection broke.
var ErrEnded = errors.New("the target has ended the stream")

// ErrBrokenAlready is of exchanges that ended with a connection that the target had said that it would leave, or that ended for what
// a client did.
var ErrBrokenAlready = errors.New("the connection has ended")

// ErrCalm is of exchanges that the target ended because it is asked too much (RFC 9113, 7: ENHANCE_YOUR_CALM).
var ErrCalm = errors.New("the target is asked too much")

// ErrUnpassable is of answers that can't be put in the form of HTTP/2 for a client.
var ErrUnpassable = errors.New("the answer can't be passed on over HTTP/2")

func unpassable(err error) error { return fmt.Errorf("%w: %w", ErrUnpassable, err) }

// ErrHeaderValue is of answers with control bytes in a header, which net/http refuses.
var ErrHeaderValue = errors.New("a header of the answer holds control bytes")

// largeRequest is from how many bytes on a request may make its target answer with a head that net/http does not take: too large, or
// with control bytes and in more than one frame. Then net/http ends the connection, for the client's doing.
const largeRequest = 2 << 10

// connectionError is the end of a connection, which each exchange that was on it is told alike. It is an ErrEnded.
type connectionError struct {
	error
	of *shared
}

func (e connectionError) Error() string        { return ErrEnded.Error() + ": " + e.error.Error() }
func (e connectionError) Unwrap() error        { return e.error }
func (e connectionError) Is(target error) bool { return target == ErrEnded }

// dialError is why a connection could not be made, which everybody is told who waited for it.
type dialError struct {
	error
	of *pending
}

func (e dialError) Unwrap() error { return e.error }

// SharedEnd returns whether the end of a connection, when that is what an exchange's error is, has counted as a failure of its target:
// it is one failure, however many exchanges were on the connection, or waited for it to be made. Whoever counts it sets it. It is nil for other errors.
func SharedEnd(err error) *atomic.Bool {
	var e connectionError
	if errors.As(err, &e) {
		return &e.of.counted
	}
	var d dialError
	if errors.As(err, &d) {
		return &d.of.counted
	}
	return nil
}

// explain gives an exchange's error its meaning.
func (s *shared) explain(err error) error {
	explained := explain(err)
	switch {
	case explained != err || errors.Is(err, context.Canceled) || errors.Is(err, io.ErrClosedPipe) || errors.As(err, new(streamError)):
		return explained
	case !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) && s.Err() == nil: // whoever writes may find the end before the connection does
		return explained
	case s.large.Load() && strings.HasPrefix(err.Error(), "connection error: "):
		return fmt.Errorf("%w: %w", ErrBrokenAlready, err)
	}
	return connectionError{err, s}
}

// ErrUnsendable is of requests that can't be put in the form of HTTP/2: the target has seen nothing of them.
var ErrUnsendable = errors.New("the request can't be sent over HTTP/2")

func unsendable(err error) error { return fmt.Errorf("%w: %w", ErrUnsendable, err) }

// streamError is net/http's, which it becomes by errors.As.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return fmt.Sprintf("stream %d: code %d", e.StreamID, e.Code) }

// The codes of errors that mean something here (RFC 9113, 7).
const (
	codeRefused = 7  // REFUSED_STREAM
	codeCalm    = 11 // ENHANCE_YOUR_CALM
)

// explain gives errors of net/http their meaning, which it only tells by their texts.
func explain(err error) error {
	var s streamError
	text := err.Error()
	isStream := errors.As(err, &s)
	switch {
	case strings.HasSuffix(text, "request header list larger than peer's advertised limit"):
		return fmt.Errorf("%w: %w", ErrRequestTooLarge, err)
	case strings.HasSuffix(text, "Transport received Server's graceful shutdown GOAWAY"), strings.HasSuffix(text, "client conn not usable"):
		return fmt.Errorf("%w: %w: %w", ErrUnprocessed, ErrBrokenAlready, err)
	case isStream && s.Code == codeRefused:
		return fmt.Errorf("%w: %w", ErrUnprocessed, err)
	case isStream && s.Code == codeCalm, strings.Contains(text, "GOAWAY") && strings.Contains(text, "ErrCode=ENHANCE_YOUR_CALM"):
		return fmt.Errorf("%w: %w", ErrCalm, err)
	case strings.HasSuffix(text, "GOAWAY from server ErrCode:ENHANCE_YOUR_CALM"): // the first stream of its connection is beyond the last one
		return fmt.Errorf("%w: %w: %w", ErrUnprocessed, ErrCalm, err)
	case strings.Contains(text, "Transport received GOAWAY from server ErrCode:"): // so it is here
		return fmt.Errorf("%w: %w: %w", ErrUnprocessed, ErrEnded, err)
	case isStream && strings.Contains(text, "invalid header field value"):
		return fmt.Errorf("%w: %w", ErrHeaderValue, err)
	case strings.HasSuffix(text, "response header list larger than advertised limit"):
		return fmt.Errorf("%w: %w", http1.ErrHeadTooLarge, err)
	case isStream && strings.HasSuffix(text, "received from peer"):
		return fmt.Errorf("%w: %w", ErrEnded, err)
	}
	return err
}
