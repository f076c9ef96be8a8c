package h2

import (
	"errors"
	"fmt"
	"strings"
)

// ErrRequestTooLarge is of requests whose head the target does not take: it has said how large one may be.
var ErrRequestTooLarge = errors.New("the request's head is larger than the target takes")

// ErrUnprocessed is of requests of which the target has said that it did not act on them (RFC 9113, 8.7), so that
// they may be sent again whatever they are.
var ErrUnprocessed = errors.New("the target has not acted on the request")

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

const codeRefused = 7 // REFUSED_STREAM

// explain gives errors of net/http their meaning, which it only tells by their texts.
func explain(err error) error {
	var s streamError
	text := err.Error()
	switch {
	case strings.HasSuffix(text, "request header list larger than peer's advertised limit"):
		return fmt.Errorf("%w: %w", ErrRequestTooLarge, err)
	case strings.HasSuffix(text, "Transport received Server's graceful shutdown GOAWAY"), strings.HasSuffix(text, "client conn not usable"),
		errors.As(err, &s) && s.Code == codeRefused:
		return fmt.Errorf("%w: %w", ErrUnprocessed, err)
	}
	return err
}
