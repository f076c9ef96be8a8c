package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/client"
)

// checkTimeout is how long a target may take to accept the first connection.
const checkTimeout = 5 * time.Second

// Check reports whether anything listens at the target, so that a run against nothing is refused before
// it starts.
func Check(ctx context.Context, c attempt.Config) error {
	u, err := client.Base(&c)
	if err != nil {
		return err
	}
	if _, err := client.TLS(&c.Connect); err != nil {
		return err
	}
	dial, err := client.NewDialer(&c.Connect)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	nc, err := dial(ctx, client.Address(u), 0)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		at := c.Target
		if c.Connect.UnixSocket != "" {
			at = c.Connect.UnixSocket
		}
		return fmt.Errorf("nothing answers at %s: %w", at, err)
	}
	return nc.Close()
}
