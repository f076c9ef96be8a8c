package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-8025779b/shakedown/balancer"
	"github.com/seed-8025779b/shakedown/balancer/backend"
	"github.com/seed-8025779b/shakedown/balancer/control"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/chaos/inject"
	"github.com/seed-8025779b/shakedown/scenarios"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/live"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

func balanceCommand() *cobra.Command {
	var controlled bool
	var listen, strategy, path string
	var targets []string
	var interval time.Duration
	cmd := &cobra.Command{
		Use:   "balance",
		Short: "run the reference balancer alone",
		Long: `Balances HTTP/1.1 requests over targets of your own, with health checks, ejection of targets that
fail five times in a row, and one retry elsewhere when no connection could be made.
It runs until it is interrupted; changes of its targets' states are told on stderr.`,
		Example: `  shakedown balance --listen 127.0.0.1:8080 --targets 127.0.0.1:9001,127.0.0.1:9002 --strategy least_requests
  shakedown balance --targets 127.0.0.1:9001*3,127.0.0.1:9002 --strategy ring_hash:key=header:X-User,points=1000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if controlled {
				return withControl(func(c *control.Conn) error {
					return balancer.ServeControlled(cmd.Context(), c, func(seed draw.Seed) balancer.Injector { return inject.NewWire(seed) })
				})
			}
			if len(targets) == 0 {
				return fmt.Errorf("balance needs --targets HOST:PORT,…")
			}
			cfg, err := balanceConfig(listen, strategy, path, interval, targets)
			if err != nil {
				return err
			}
			return balance(cmd.Context(), cfg)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "address to listen on")
	cmd.Flags().StringSliceVar(&targets, "targets", nil, "targets, HOST:PORT or HOST:PORT*WEIGHT each")
	cmd.Flags().StringVar(&strategy, "strategy", "round_robin", "how a target is chosen, NAME or NAME:PARAMETER=VALUE,…: "+strings.Join(pick.Kinds().Table().Names(), ", "))
	cmd.Flags().StringVar(&path, "health", "/health", "path of the health check, or off")
	cmd.Flags().DurationVar(&interval, "health-interval", 2*time.Second, "between two checks of a target")
	cmd.Flags().BoolVar(&controlled, "controlled", false, "as a child of a run")
	hide(cmd, "controlled")
	return cmd
}

func hide(cmd *cobra.Command, flag string) {
	if err := cmd.Flags().MarkHidden(flag); err != nil {
		panic(err)
	}
}

func balanceConfig(listen, strategy, path string, interval time.Duration, targets []string) (balancer.Config, error) {
	chosen, err := parseStrategy(strategy)
	if err != nil {
		return balancer.Config{}, err
	}
	if _, _, err := net.SplitHostPort(listen); err != nil {
		return balancer.Config{}, fmt.Errorf("--listen %s is not HOST:PORT", listen)
	}
	g := balancer.Group{
		Name: "targets", Strategy: chosen, Retry: group.NewRetry(spec.Defaults(group.RetryParams())), Drain: 30 * time.Second,
		Outliers: health.NewOutliers(spec.Defaults(health.OutlierParams())),
	}
	if path != "off" {
		if !strings.HasPrefix(path, "/") {
			return balancer.Config{}, fmt.Errorf("--health %s is neither off nor a path", path)
		}
		g.Health = health.New(spec.Defaults(health.Params()))
		g.Health.Path, g.Health.Interval = path, interval
		if interval < 10*time.Millisecond {
			return balancer.Config{}, fmt.Errorf("--health-interval %v is too small: the least is 10ms", interval)
		}
	}
	for _, t := range targets {
		address, text, weighted := strings.Cut(t, "*")
		weight := 1
		if weighted {
			w, err := spec.Param{Type: spec.Count, Min: 1, Max: 1000}.Parse(text)
			if err != nil {
				return balancer.Config{}, fmt.Errorf("--targets: weight of %s: %w", address, err)
			}
			weight = w.(int)
		}
		if _, _, err := net.SplitHostPort(address); err != nil {
			return balancer.Config{}, fmt.Errorf("--targets: %s is not HOST:PORT, nor HOST:PORT*WEIGHT", t)
		}
		g.Targets = append(g.Targets, balancer.Target{ID: address, Address: address, Weight: weight})
	}
	return balancer.Config{
		Seed: 1, Groups: []balancer.Group{g}, Listeners: []balancer.Listener{{Address: listen, Rules: route.Table{{Forward: g.Name}}}},
	}, nil
}

// parseStrategy reads NAME, or NAME:PARAMETER=VALUE,….
func parseStrategy(text string) (spec.Written, error) {
	table := pick.Kinds().Table()
	name, params, _ := strings.Cut(text, ":")
	if _, ok := table.Find(name); !ok {
		return spec.Written{}, fmt.Errorf("--strategy %s is unknown%s: there are %s", name, spec.Suggest(name, table.Names()), strings.Join(table.Names(), ", "))
	}
	w := spec.Written{Kind: name, Values: map[string]string{}}
	for _, p := range strings.FieldsFunc(params, func(r rune) bool { return r == ',' }) {
		key, value, ok := strings.Cut(p, "=")
		if !ok {
			return w, fmt.Errorf("--strategy %s: %q is not PARAMETER=VALUE", text, p)
		}
		w.Values[key] = value
	}
	choice, err := table.Read(w)
	if err == nil {
		_, err = pick.Kinds().New(choice)
	}
	if err != nil {
		return w, fmt.Errorf("--strategy %s: %w", text, err)
	}
	return table.Write(choice), nil
}

func balance(ctx context.Context, cfg balancer.Config) error {
	b, err := balancer.New(cfg, balancer.Options{Events: func(_ string, e group.Effect) {
		if e.Target == "" {
			fmt.Fprintf(os.Stderr, "fail %s: %s\n", e.Kind, e.Reason)
		} else if e.Kind == group.Changed {
			fmt.Fprintf(os.Stderr, "%s: %s → %s (%s)\n", e.Target, e.From, e.To, e.Reason)
		} else {
			fmt.Fprintf(os.Stderr, "%s: %s\n", e.Target, e.Reason)
		}
	}})
	if err != nil {
		return err
	}
	if err := b.Listen(); err != nil {
		return fmt.Errorf("%w: %w", scenarios.ErrCannotRun, err)
	}
	fmt.Fprintf(os.Stderr, "balancing http://%s over %d targets; interrupt to stop\n", b.Addresses()[0], len(cfg.Groups[0].Targets))
	return b.Serve(ctx)
}

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
			return b.ServeOn(cmd.Context(), l)
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
