package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-8025779b/shakedown/balancer"
	"github.com/seed-8025779b/shakedown/balancer/control"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/takeover"
	"github.com/seed-8025779b/shakedown/chaos/inject"
	"github.com/seed-8025779b/shakedown/scenarios"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// balanceFlags are how the reference balancer runs alone.
type balanceFlags struct {
	listen, strategy, health string
	targets                  []string
	interval                 time.Duration
	retryOn                  string
	failOpen                 bool
	admin                    string
	token, tokenFile         string
	bearer                   string // the token, wherever it came from; empty for none
	handover                 string
	takeover                 bool
	accessLog                string
	accessShare              string
	file                     string // the configuration, when it is not in the flags
	stdin                    io.Reader
	grace, linger            time.Duration
	explain                  bool
	resolved                 *scenarios.Resolved // the configuration with where each value came from
	tls, key                 string
	decisions, decisionShare string
	front                    balancer.FrontTimeouts
	target                   balancer.TargetTimeouts
}

func balanceCommand() *cobra.Command {
	var controlled bool
	var f balanceFlags
	cmd := &cobra.Command{
		Use:   "balance [CONFIG]",
		Short: "run the reference balancer alone",
		Long: `Balances requests of HTTP/1.1 and HTTP/2 over targets of your own, with health checks, ejection of targets
that fail five times in a row, and one retry elsewhere when no connection could be made.
It runs until it is interrupted; then it answers what is under way. Changes of its targets' states are told
on stderr.

CONFIG is a file, or - for standard input, with version and topology, such as a scenario's, whose groups have addresses. It says more than
flags can: several listeners, rules, limits, sticky sessions, zones, the profile of another balancer. On SIGHUP it
is read again: rules, groups, targets and policies change without a request lost; mistakes are told, and the old
stays in use.

With --admin there is a page to look at, targets can be changed over HTTP, and Prometheus finds /metrics. With
--handover a successor, started with --takeover besides, takes its sockets over without a request lost.`,
		Example: `  shakedown balance --listen 127.0.0.1:8080 --targets 127.0.0.1:9001,127.0.0.1:9002 --strategy least_requests
  shakedown balance --targets 127.0.0.1:9001*3,127.0.0.1:9002 --strategy ring_hash:key=header:X-User,points=1000
  shakedown balance --targets 127.0.0.1:9001 --admin 127.0.0.1:9090 --handover /run/shakedown.sock
  shakedown balance --targets 127.0.0.1:9001 --tls auto
  shakedown balance balancer.yaml --admin 127.0.0.1:9090
  shakedown balance balancer.yaml --explain
  curl -X PATCH -d '{"maintenance": true}' http://127.0.0.1:9090/groups/targets/targets/127.0.0.1:9001`,
		Args:        cobra.MaximumNArgs(1),
		Annotations: map[string]string{onHangup: "reloads"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if controlled {
				return withControl(func(c *control.Conn) error {
					return balancer.ServeControlled(cmd.Context(), c, func(seed draw.Seed) balancer.Injector { return inject.NewWire(seed) })
				})
			}
			cfg, err := f.config()
			if len(args) > 0 {
				f.file, f.stdin = args[0], cmd.InOrStdin()
				cfg, err = f.fromFile(cmd.Flags().Changed)
			}
			if err != nil {
				return err
			}
			if f.explain {
				return f.explainTo(cmd.OutOrStdout())
			}
			return f.run(cmd.Context(), cfg)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8080", "address to listen on")
	flags.StringSliceVar(&f.targets, "targets", nil, "targets, HOST:PORT or HOST:PORT*WEIGHT each")
	flags.StringVar(&f.strategy, "strategy", "round_robin", "how a target is chosen, NAME or NAME:PARAMETER=VALUE,…: "+strings.Join(pick.Kinds().Table().Names(), ", "))
	complete(cmd, "strategy", completeWords(pick.Kinds().Table().Names()...))
	flags.StringVar(&f.health, "health", "/health", "path of the health check, or off")
	flags.DurationVar(&f.interval, "health-interval", 2*time.Second, "between two checks of a target")
	flags.StringVar(&f.retryOn, "retry", "connect", "what one retry elsewhere may follow: connect, error, 5xx, or off")
	flags.BoolVar(&f.failOpen, "fail-open", false, "when no target is healthy, send requests to all")
	flags.StringVar(&f.tls, "tls", "", "speak TLS: auto for a local authority of your own, or the file of a certificate, whose key is in --tls-key")
	flags.StringVar(&f.key, "tls-key", "", "file of the certificate's key; without it the certificate's own file")
	flags.BoolVar(&f.explain, "explain", false, "print each value of the configuration file and where it came from, and stop")
	flags.StringVar(&f.decisions, "decision-log", "", "file to which it is logged how targets were chosen, a line of JSON each; - for stdout")
	flags.StringVar(&f.decisionShare, "decision-log-share", "1%", "share of the requests whose decisions are logged")
	flags.StringVar(&f.admin, "admin", "", "HOST:PORT of the API and of /metrics; loopback only, unless there is a token")
	flags.StringVar(&f.token, "admin-token", "", "what the API asks for, as Authorization: Bearer TOKEN; other users of the machine can see it on the command line: --admin-token-file and the variable "+adminTokenVariable+" keep it from them")
	flags.StringVar(&f.tokenFile, "admin-token-file", "", "file that holds the API's token")
	flags.StringVar(&f.handover, "handover", "", "path of a Unix socket at which a successor may take the listening socket over")
	flags.BoolVar(&f.takeover, "takeover", false, "take the listening socket over from the process at --handover")
	flags.StringVar(&f.accessLog, "access-log", "", "file to which requests are logged, a line of JSON each; - for stdout")
	flags.StringVar(&f.accessShare, "access-log-share", "100%", "share of the requests that are logged")
	flags.DurationVar(&f.grace, "grace", 30*time.Second, "when it stops: how long requests may take to finish")
	flags.DurationVar(&f.linger, "linger", time.Second, "when it stops: how long idle connections are kept for what clients are about to send")
	flags.DurationVar(&f.front.Idle, "idle-timeout", time.Minute, "a client's connection without a request is closed after it")
	flags.DurationVar(&f.front.Header, "header-timeout", 10*time.Second, "from a head's first byte to its last; then 408")
	flags.DurationVar(&f.front.Body, "body-timeout", time.Minute, "without progress of a request's body")
	flags.DurationVar(&f.front.Write, "write-timeout", time.Minute, "without progress of an answer to the client")
	flags.DurationVar(&f.target.Connect, "connect-timeout", 5*time.Second, "until a connection to a target is there; then 504")
	flags.DurationVar(&f.target.Response, "response-timeout", time.Minute, "without a byte of a target's answer; then 504")
	flags.BoolVar(&controlled, "controlled", false, "as a child of a run")
	hide(cmd, "controlled")
	return cmd
}

// reload reads the configuration file again whenever it is asked to, until the context ends.
func (f *balanceFlags) reload(ctx context.Context, b *balancer.Balancer, hangups <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		if f.file == "" || f.file == fromStdin {
			fmt.Fprintln(os.Stderr, "nothing to reload: the configuration is not in a file")
			continue
		}
		cfg, err := f.read()
		if err == nil {
			err = b.Reload(cfg)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%v\nthe old configuration stays in use\n", err)
			continue
		}
		fmt.Fprintln(os.Stderr, "reloaded "+f.file)
	}
}

// run serves until the context ends, or a successor has taken over.
func (f *balanceFlags) run(ctx context.Context, cfg balancer.Config) error {
	access, closeAccess, err := openLog("access-log", f.accessLog, f.accessShare)
	if err != nil {
		return err
	}
	defer closeAccess()
	decisions, closeDecisions, err := openLog("decision-log", f.decisions, f.decisionShare)
	if err != nil {
		return err
	}
	defer closeDecisions()
	b, err := balancer.New(cfg, balancer.Options{
		Events: tellEffect, Grace: f.grace, Linger: f.linger, Access: access, Decisions: decisions, Note: func(s string) { fmt.Fprintln(os.Stderr, s) },
	})
	if err != nil {
		return err
	}
	cannot := func(err error) error { return fmt.Errorf("%w: %w", scenarios.ErrCannotRun, err) }
	predecessor, err := f.open(ctx, b)
	if err != nil {
		return cannot(err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if f.admin != "" {
		l, err := net.Listen("tcp", f.admin)
		if err != nil {
			b.Close()
			return cannot(fmt.Errorf("admin: %w", err))
		}
		api := &http.Server{Handler: b.Admin(f.bearer), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = api.Serve(l) // it ends when it is closed
		}()
		defer func() { api.Close(); <-served }()
		fmt.Fprintf(os.Stderr, "admin at http://%s/targets\n", l.Addr())
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	reloading := make(chan struct{})
	go func() {
		defer close(reloading)
		f.reload(ctx, b, hangups)
	}()
	defer func() { stop(); <-reloading }()
	served := make(chan error, 1)
	go func() { served <- b.Serve(ctx) }()
	targets := 0
	for _, g := range cfg.Groups {
		targets += len(g.Targets)
	}
	var urls []string
	for i, a := range b.Addresses() {
		scheme := "http://"
		if cfg.Listeners[i].TLS != nil {
			scheme = "https://"
		}
		urls = append(urls, scheme+a)
	}
	fmt.Fprintf(os.Stderr, "balancing %s over %d targets; interrupt to stop\n", strings.Join(urls, ", "), targets)
	if predecessor != nil {
		if err := predecessor.Serving(); err != nil {
			stop()
			return errors.Join(cannot(err), <-served)
		}
	}
	if f.handover != "" {
		offer, err := takeover.New(f.handover, b.Listeners(), func() {
			fmt.Fprintln(os.Stderr, "a successor has taken over: finishing what is under way")
			stop()
		})
		if err != nil {
			stop()
			return errors.Join(cannot(err), <-served)
		}
		defer offer.Close()
	}
	return <-served
}

// openLog opens the log that a flag names; nil when there is none.
func openLog(flag, file, sharePercent string) (log *balancer.Log, close func(), err error) {
	close = func() {}
	if file == "" {
		return nil, close, nil
	}
	share, err := spec.Param{Type: spec.Share, Max: 1}.Parse(sharePercent)
	if err != nil {
		return nil, close, fmt.Errorf("--%s-share: %w", flag, err)
	}
	to := os.Stdout
	if file != "-" {
		if to, err = os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
			return nil, close, fmt.Errorf("%w: --%s: %w", scenarios.ErrCannotRun, flag, err)
		}
		close = func() { to.Close() }
	}
	return &balancer.Log{To: slog.New(slog.NewJSONHandler(to, nil)), Share: share.(float64)}, close, nil
}

// readyWithin is how long a successor may take until its targets are known to be healthy.
const readyWithin = 30 * time.Second

// open opens the listeners, or takes them over. A successor first waits until it can answer.
func (f *balanceFlags) open(ctx context.Context, b *balancer.Balancer) (*takeover.Taken, error) {
	if !f.takeover {
		return nil, b.Listen()
	}
	predecessor, err := takeover.Take(f.handover)
	if err != nil {
		return nil, err
	}
	if err := b.ListenOn(predecessor.Listeners); err != nil {
		predecessor.Close()
		return nil, err
	}
	for deadline := time.Now().Add(readyWithin); !b.Ready(); time.Sleep(10 * time.Millisecond) {
		if ctx.Err() != nil || time.Now().After(deadline) {
			predecessor.Close()
			b.Close()
			return nil, fmt.Errorf("takeover: no target became healthy within %v; the predecessor goes on", readyWithin)
		}
	}
	return predecessor, nil
}

// tellEffect tells a person what has changed.
func tellEffect(_ string, e group.Effect) {
	switch {
	case e.Target == "":
		fmt.Fprintf(os.Stderr, "fail %s: %s\n", e.Kind, e.Reason)
	case e.Kind == group.Changed:
		fmt.Fprintf(os.Stderr, "%s: %s → %s (%s)\n", e.Target, e.From, e.To, e.Reason)
	default:
		fmt.Fprintf(os.Stderr, "%s: %s\n", e.Target, e.Reason)
	}
}
