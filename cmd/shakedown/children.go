package main

import (
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-8025779b/shakedown/balancer/backend"
	"github.com/seed-8025779b/shakedown/balancer/control"
	"github.com/seed-8025779b/shakedown/scenarios"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/live"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

func backendCommand() *cobra.Command {
	var controlled bool
	cfg := backend.Config{ID: "backend"}
	var mean time.Duration
	var seed uint64
	cmd := &cobra.Command{
		Use:   "backend",
		Short: "run one sample backend alone",
		Long: `An HTTP server whose capacity is a queueing model: a request holds one of some slots for a service
time, waits for one in a bounded queue, or is answered 503. GET /health answers 200.`,
		Example: `  shakedown backend --listen 127.0.0.1:9001 --mean 20ms --concurrency 8`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if controlled {
				return withControl(func(c *control.Conn) error { return backend.ServeControlled(cmd.Context(), c) })
			}
			if err := checkAddress("listen", cfg.Listen); err != nil {
				return err
			}
			cfg.Time = spec.Written{Kind: "exponential", Values: map[string]string{"mean": mean.String()}}
			cfg.Seed = draw.Seed(seed)
			b, err := backend.New(cfg)
			if err != nil {
				return err
			}
			l, err := net.Listen("tcp", cfg.Listen)
			if err != nil {
				return fmt.Errorf("%w: %w", scenarios.ErrCannotRun, err)
			}
			fmt.Fprintf(os.Stderr, "serving http://%s; interrupt to stop\n", l.Addr())
			err = b.ServeOn(cmd.Context(), l)
			fmt.Fprintf(os.Stderr, "served %d, rejected %d\n", b.Stats().Served, b.Stats().Rejected)
			return err
		},
	}
	cmd.Flags().StringVar(&cfg.Listen, "listen", "127.0.0.1:9001", "address to listen on")
	cmd.Flags().StringVar(&cfg.ID, "id", "backend", "what its answers call it")
	cmd.Flags().DurationVar(&mean, "mean", 20*time.Millisecond, "mean of the exponential service time")
	cmd.Flags().IntVar(&cfg.Concurrency, "concurrency", 8, "requests served at once")
	cmd.Flags().IntVar(&cfg.Queue, "queue", 64, "requests that may wait; negative: without limit")
	cmd.Flags().DurationVar(&cfg.Boot, "boot", 0, "how long health checks fail after the start")
	cmd.Flags().Uint64Var(&seed, "seed", 1, "seed of the service times")
	cmd.Flags().BoolVar(&controlled, "controlled", false, "as a child of a run")
	hide(cmd, "controlled")
	return cmd
}

// withControl runs a child of a run on its inherited channel.
func withControl(f func(*control.Conn) error) error {
	c, err := control.Inherited()
	if err != nil {
		return fmt.Errorf("%w: --controlled is only for children of a run: %w", scenarios.ErrCannotRun, err)
	}
	return f(c)
}

func guardianCommand() *cobra.Command {
	var run string
	cmd := &cobra.Command{
		Use: "guardian", Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return live.Guard(run, os.Stdin) },
	}
	cmd.Flags().StringVar(&run, "run", "", "mark of the run's processes")
	return cmd
}

func hide(cmd *cobra.Command, flag string) {
	if err := cmd.Flags().MarkHidden(flag); err != nil {
		panic(err)
	}
}
