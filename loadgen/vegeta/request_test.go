package vegeta

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// A body whose reads no context governs ends with the exchange all the same, at its deadline or when the play is cancelled.
func TestBodiesEndWithTheirExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, end := range map[error]func() (context.Context, context.CancelFunc){
			context.DeadlineExceeded: func() (context.Context, context.CancelFunc) { return context.WithTimeout(t.Context(), time.Second) },
			context.Canceled: func() (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				return ctx, cancel
			},
		} {
			ctx, cancel := end()
			defer cancel()
			body, server := io.Pipe()
			go func() { _, _ = io.WriteString(server, "abc") }()
			if n, err := readBody(ctx, body, io.Discard); n != 3 || !errors.Is(err, want) {
				t.Errorf("%d bytes, %v; want %v", n, err, want)
			}
		}
	})
}
