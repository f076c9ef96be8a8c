package main

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-8025779b/shakedown/balancer"
	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/control"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/chaos/inject"
	"github.com/seed-8025779b/shakedown/scenarios"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
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
	seed                     uint64
	seeded                   bool // by a flag
	trustSeq                 bool
	within                   time.Duration
	front                    config.FrontTimeouts
	target                   config.TargetTimeouts
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
stays in use, as it does when none of a group's new targets becomes healthy. Logs are opened again too. What is written to
a log or to stderr never holds requests up: lines that nobody reads in time are dropped and counted.

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
			if f.seeded = cmd.Flags().Changed("seed"); !f.seeded {
				f.seed = drawSeed()
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
			cfg.TrustSeq = f.trustSeq
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
	flags.Uint64Var(&f.seed, "seed", 0, "seed of every random draw (default: the file's, or one that is drawn at the start; it is logged)")
	flags.BoolVar(&f.trustSeq, "trust-seq", false, "believe the numbers that requests carry in Shakedown-Seq: whoever sends them chooses how the draws about the request fall")
	flags.DurationVar(&f.within, "ready-within", 30*time.Second, "at a reload or a takeover: how long new targets may take until they are healthy")
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
	flags.DurationVar(&f.target.Tunnel, "tunnel-timeout", time.Hour, "without a byte either way once the protocol has changed, as for a WebSocket")
	flags.BoolVar(&controlled, "controlled", false, "as a child of a run")
	hide(cmd, "controlled")
	return cmd
}

// drawSeed is a seed that nobody knows beforehand: clients can't foresee the choices of a balancer. It is of 53 bits, so
// that it is the same number wherever it is written.
func drawSeed() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return binary.BigEndian.Uint64(b[:]) >> 11
}
