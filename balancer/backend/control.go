package backend

import (
	"context"
	"net"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/control"
)

// Command is what a parent sends: first the configuration, at the end stop. The end of the stream means
// stop too.
type Command struct {
	Config *Config `json:"config,omitempty"`
	Stop   bool    `json:"stop,omitempty"`
}

// Report is what a backend sends.
type Report struct {
	Listening string `json:"listening,omitempty"`
	Error     string `json:"error,omitempty"`
	Stats     *Stats `json:"stats,omitempty"`
}

// StatsEvery is how often a controlled child reports what it has done.
const StatsEvery = 200 * time.Millisecond

// ServeControlled runs a backend as its parent says, until the parent hangs up or the context ends.
func ServeControlled(ctx context.Context, c *control.Conn) error {
	var first Command
	if err := c.Receive(&first); err != nil || first.Config == nil {
		return err
	}
	b, err := New(*first.Config)
	if err != nil {
		return c.Send(Report{Error: err.Error()})
	}
	l, err := net.Listen("tcp", first.Config.Listen)
	if err != nil {
		return c.Send(Report{Error: err.Error()})
	}
	if err := c.Send(Report{Listening: l.Addr().String()}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		defer cancel()
		for {
			var cmd Command
			if c.Receive(&cmd) != nil {
				return
			}
			if cmd.Stop {
				cancel()
			}
		}
	}()
	reporting := make(chan struct{})
	go func() {
		defer close(reporting)
		tick := time.NewTicker(StatsEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s := b.Stats()
				if c.Send(Report{Stats: &s}) != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	err = b.ServeOn(ctx, l)
	s := b.Stats()
	_ = c.Send(Report{Stats: &s}) // the parent may be gone, which is one of the reasons to be here
	c.Close()
	<-gone
	<-reporting
	return err
}
