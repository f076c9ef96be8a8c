package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"
)

// checkTimeout is how long a target may take to accept the first connection.
const checkTimeout = 5 * time.Second

// Check reports whether anything listens at the target, so that a run against nothing is refused before
// it starts.
func Check(ctx context.Context, target string, c Connect) error {
	u, err := url.Parse(target)
	if err != nil {
		return fmt.Errorf("target: %w", err)
	}
	if _, err := c.tls(); err != nil {
		return err
	}
	dial, err := c.dial()
	if err != nil {
		return err
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	nc, err := dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return fmt.Errorf("nothing answers at %s: %w", target, err)
	}
	return nc.Close()
}
