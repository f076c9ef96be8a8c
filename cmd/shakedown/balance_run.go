package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/seed-8025779b/shakedown/balancer"
	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/takeover"
	"github.com/seed-8025779b/shakedown/scenarios"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// run serves until the context ends, or a successor has taken over.
func (f *balanceFlags) run(ctx context.Context, cfg config.Config) error {
	logs, err := f.openLogs()
	if err != nil {
		return err
	}
	defer logs.close()
	cannot := func(err error) error { return fmt.Errorf("%w: %w", scenarios.ErrCannotRun, err) }
	var predecessor *takeover.Taken
	if f.takeover {
		if predecessor, err = takeover.Take(f.handover); err != nil {
			return cannot(err)
		}
		if !f.seeded && cfg.Seed == draw.Seed(f.seed) && predecessor.Seed != 0 { // cookies and draws go on as they were
			cfg.Seed = draw.Seed(predecessor.Seed)
		}
	}
	b, err := f.open(ctx, cfg, predecessor, logs)
	if err != nil {
		return err
	}
	adminListener, err := f.listenAdmin(predecessor)
	if err != nil {
		b.Close()
		if predecessor != nil {
			predecessor.Close()
		}
		return cannot(err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	stopAdmin := f.serveAdmin(b, adminListener, logs)
	defer stopAdmin()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	reloading := make(chan struct{})
	go func() {
		defer close(reloading)
		f.reload(ctx, b, cfg.Seed, hangups, logs)
	}()
	defer func() { stop(); <-reloading }()
	served := make(chan error, 1)
	go func() { served <- b.Serve(ctx) }()
	logs.say("seed %d", cfg.Seed)
	logs.say("%s", serving(&cfg, b.Addresses()))
	if predecessor != nil {
		if err := predecessor.Serving(); err != nil {
			stop()
			return errors.Join(cannot(err), <-served)
		}
	}
	if f.handover != "" {
		what := takeover.Handover{Listeners: b.Listeners(), Admin: adminListener, AdminAddress: f.admin, Seed: uint64(cfg.Seed)}
		offer, err := takeover.New(f.handover, what, func() {
			logs.say("a successor has taken over: finishing what is under way")
			stop()
			stopAdmin()
		})
		if err != nil {
			stop()
			return errors.Join(cannot(err), <-served)
		}
		defer offer.Close()
	}
	return <-served
}

// serving says where requests are taken, and for how many targets.
func serving(cfg *config.Config, addresses []string) string {
	targets := 0
	for _, g := range cfg.Groups {
		targets += len(g.Targets)
	}
	var urls []string
	for i, a := range addresses {
		scheme := "http://"
		if cfg.Listeners[i].TLS != nil {
			scheme = "https://"
		}
		urls = append(urls, scheme+a)
	}
	return fmt.Sprintf("balancing %s over %d targets; interrupt to stop", strings.Join(urls, ", "), targets)
}

// open makes the balancer, with listeners of its own or the predecessor's. A successor first waits until it can answer.
func (f *balanceFlags) open(ctx context.Context, cfg config.Config, predecessor *takeover.Taken, logs *balanceLogs) (*balancer.Balancer, error) {
	giveUp := func() {
		if predecessor != nil {
			predecessor.Close()
		}
	}
	b, err := balancer.New(cfg, balancer.Options{
		Events: logs.effect, Grace: f.grace, Linger: f.linger, ReadyWithin: f.within, Access: logs.access, Decisions: logs.decisions, Dropped: logs.dropped,
		Note: func(s string) { logs.say("%s", s) },
	})
	if err != nil {
		giveUp()
		return nil, err
	}
	if predecessor == nil {
		err = b.Listen()
	} else {
		err = b.ListenOn(predecessor.Listeners)
	}
	if err != nil {
		giveUp()
		return nil, fmt.Errorf("%w: %w", scenarios.ErrCannotRun, err)
	}
	if predecessor == nil {
		return b, nil
	}
	for deadline := time.Now().Add(f.within); !b.Ready(); time.Sleep(10 * time.Millisecond) {
		if ctx.Err() != nil || time.Now().After(deadline) {
			giveUp()
			b.Close()
			return nil, fmt.Errorf("%w: takeover: no target became healthy within %v; the predecessor goes on", scenarios.ErrCannotRun, f.within)
		}
	}
	return b, nil
}

// reload reads the configuration file again, and opens the logs again, whenever it is asked to, until the context ends. A file that gives
// no seed leaves the one in use.
func (f *balanceFlags) reload(ctx context.Context, b *balancer.Balancer, seed draw.Seed, hangups <-chan os.Signal, logs *balanceLogs) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		logs.reopen()
		if f.file == "" || f.file == fromStdin {
			logs.say("nothing to reload: the configuration is not in a file")
			continue
		}
		cfg, err := f.read()
		if cfg.Seed == draw.Seed(f.seed) {
			cfg.Seed = seed
		}
		if err == nil {
			err = b.Reload(cfg)
		}
		if err != nil {
			logs.say("%v\nthe old configuration stays in use", err)
			continue
		}
		logs.say("reloaded %s", f.file)
	}
}

// listenAdmin opens the listener of the API, or takes the predecessor's when it was told the same address; nil without an
// API.
func (f *balanceFlags) listenAdmin(predecessor *takeover.Taken) (net.Listener, error) {
	if predecessor != nil && predecessor.Admin != nil {
		if predecessor.AdminAddress == f.admin || listensAt(predecessor.Admin, f.admin) {
			return predecessor.Admin, nil
		}
		predecessor.Admin.Close()
		predecessor.Admin = nil
	}
	if f.admin == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", f.admin)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	return l, nil
}

// listensAt reports whether a listener is the one of an address, which may be written in another way.
func listensAt(l net.Listener, address string) bool {
	a, err := net.ResolveTCPAddr("tcp", address)
	return err == nil && a.Port > 0 && a.String() == l.Addr().String()
}
