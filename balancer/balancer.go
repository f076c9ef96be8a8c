// Package balancer is the reference balancer: from a configuration to a running load balancer with health
// checks, ejection, retries, and targets that come and go while it runs.
//
//	b, err := balancer.New(config, balancer.Options{Events: log})
//	err = b.Listen()
//	err = b.Serve(ctx) // until ctx ends
//
// It owns sockets and goroutines only; each group is a group.Group, whose owner's side is held under one
// lock a group.
package balancer

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/certs"
	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/proxy"
	"github.com/seed-8025779b/shakedown/balancer/serve"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// Options are what a balancer tells its surroundings and asks of them. All are optional.
type Options struct {
	Events func(groupName string, e group.Effect)
	Touch  func(*chaos.Exchange) chaos.Effect
	// When it stops, requests may finish for Grace (0 stands for 3 s), and connections that are idle are kept for
	// Linger, so that a client that is about to send is answered first.
	Grace, Linger time.Duration
	// ReadyWithin is how long a reload waits until new targets are healthy; 0 stands for 30 s.
	ReadyWithin time.Duration
	// Clock is what times are told by; nil stands for CLOCK_MONOTONIC.
	Clock *pace.Clock
	// Dial makes connections to targets; nil stands for TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Access and Decisions must not wait for whoever reads them: see LineWriter.
	Access    *Log
	Decisions *Log
	// Dropped is how many lines each log has dropped so far, by its name; for the metrics.
	Dropped func() map[string]uint64
	// Note is told what a person should know, such as that a certificate could not be read again.
	Note func(string)
}

// Balancer is a running balancer.
type Balancer struct {
	cfg      config.Config
	opts     Options
	clock    pace.Clock
	origin   atomic.Int64                     // of the probes' grid, on clock
	routing  []*atomic.Pointer[proxy.Routing] // by listener
	certs    []*certs.Store                   // by listener, nil where TLS is not spoken
	counters exchange.Counters

	abandoned   abandonedLog
	shortage    shortage
	descriptors *serve.Descriptors // of connections of clients and to targets; nothing else is counted

	reloading sync.Mutex
	mu        sync.Mutex // of what follows
	groups    []*owner
	retired   []*owner // of groups that a reload has taken out

	listeners []net.Listener
	running   sync.WaitGroup // probers
	ctx       context.Context
	stop      context.CancelFunc
}

// New checks the configuration. It opens nothing.
func New(cfg config.Config, opts Options) (*Balancer, error) {
	if opts.Events == nil {
		opts.Events = func(string, group.Effect) {}
	}
	if opts.Note == nil {
		opts.Note = func(string) {}
	}
	b := &Balancer{cfg: cfg, opts: opts}
	b.descriptors = serve.NewDescriptors(connectionBudget(maxDescriptors()), b.closeIdle)
	if opts.Clock != nil {
		b.clock = *opts.Clock
	} else {
		b.clock = pace.NewClock(0)
	}
	pools := map[string]*proxy.Pool{}
	for _, gc := range cfg.Groups {
		o, err := b.newGroup(gc)
		if err != nil {
			return nil, err
		}
		b.groups = append(b.groups, o)
		pools[gc.Name] = o.pool
	}
	for _, l := range cfg.Listeners {
		routing, err := compile(&l, pools, cfg.Seed)
		if err != nil {
			return nil, err
		}
		p := &atomic.Pointer[proxy.Routing]{}
		p.Store(routing)
		b.routing = append(b.routing, p)
	}
	b.ctx, b.stop = context.WithCancel(context.Background())
	return b, nil
}

// newGroup checks a group's settings and makes it, without any target yet.
func (b *Balancer) newGroup(gc config.Group) (*owner, error) {
	if err := checkUniqueIDs(&gc); err != nil {
		return nil, err
	}
	settings, err := b.settings(&gc)
	if err != nil {
		return nil, err
	}
	return newOwner(b, gc, group.New(gc.Name, settings)), nil
}

// settings are a group's settings as package group wants them.
func (b *Balancer) settings(gc *config.Group) (group.Config, error) {
	choice, err := pick.Kinds().Table().Read(gc.Strategy)
	if err != nil {
		return group.Config{}, fmt.Errorf("group %s: strategy: %w", gc.Name, err)
	}
	strategy, err := pick.Kinds().New(choice)
	if err != nil {
		return group.Config{}, fmt.Errorf("group %s: strategy: %w", gc.Name, err)
	}
	return group.Config{
		Strategy: strategy, StrategyName: choice.Kind, Health: gc.Health, Outliers: gc.Outliers, Retry: gc.Retry, FailOpen: gc.FailOpen, SlowStart: gc.SlowStart, Drain: gc.Drain,
		Limits: gc.Limits, Zones: gc.Zones, Sticky: gc.Sticky, Seed: b.cfg.Seed,
	}, nil
}

// checkUniqueIDs refuses a group in which an id is given twice.
func checkUniqueIDs(gc *config.Group) error {
	seen := map[string]bool{}
	for _, t := range gc.Targets {
		if seen[t.ID] {
			return fmt.Errorf("group %s has two targets %s", gc.Name, t.ID)
		}
		seen[t.ID] = true
	}
	return nil
}

// compile prepares a listener's rules, and sees to it that every group they name is there.
func compile(l *config.Listener, pools map[string]*proxy.Pool, seed draw.Seed) (*proxy.Routing, error) {
	rules, err := l.Rules.Compile(seed)
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", l.Address, err)
	}
	for i := range rules {
		for _, name := range rules[i].Groups() {
			if pools[name] == nil {
				return nil, fmt.Errorf("listener %s: rule %d forwards to unknown group %q", l.Address, i+1, name)
			}
		}
	}
	return &proxy.Routing{Rules: rules, Pools: pools}, nil
}

// owners are the groups as they are now.
func (b *Balancer) owners() []*owner {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.groups)
}

// Listen opens the listeners and starts to check the targets.
func (b *Balancer) Listen() error {
	if err := b.openFiles(); err != nil {
		return err
	}
	for _, l := range b.cfg.Listeners {
		nl, err := net.Listen("tcp", l.Address)
		if err != nil {
			b.Close()
			return fmt.Errorf("listener: %w", err)
		}
		b.listeners = append(b.listeners, nl)
	}
	b.begin()
	return nil
}

// ListenOn uses sockets that are open already, one for each listener, and starts to check the targets.
func (b *Balancer) ListenOn(listeners []net.Listener) error {
	if len(listeners) != len(b.cfg.Listeners) {
		return fmt.Errorf("there are %d sockets for %d listeners", len(listeners), len(b.cfg.Listeners))
	}
	if err := b.openFiles(); err != nil {
		return err
	}
	b.listeners = listeners
	b.begin()
	return nil
}

// Listeners are the sockets, to hand them over.
func (b *Balancer) Listeners() []net.Listener { return b.listeners }

func (b *Balancer) begin() {
	for _, o := range b.owners() {
		o.begin()
	}
	b.running.Go(b.sweep)
	if slices.ContainsFunc(b.certs, func(s *certs.Store) bool { return s != nil }) {
		b.running.Go(b.watchCertificates)
	}
}

// sweepEvery is how often connections are looked for that targets have closed; HAProxy purges its pools as often.
const sweepEvery = 5 * time.Second

// sweep closes connections that targets have closed, until the balancer is closed.
func (b *Balancer) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-tick.C:
			for _, o := range b.owners() {
				o.pool.Sweep()
			}
		}
	}
}

// Ready reports whether each group with targets has one that takes traffic.
func (b *Balancer) Ready() bool {
	return !slices.ContainsFunc(b.owners(), func(o *owner) bool { return !o.ready() })
}

// Addresses are where the listeners really listen.
func (b *Balancer) Addresses() []string {
	var out []string
	for _, l := range b.listeners {
		out = append(out, l.Addr().String())
	}
	return out
}

// graceful is how long a stopping balancer lets its requests finish, unless the options say otherwise.
const graceful = 3 * time.Second

// Serve answers until the context ends or a listener fails; then it lets requests finish and closes everything.
// Listen must have succeeded.
func (b *Balancer) Serve(ctx context.Context) error {
	defer b.Close()
	failed := make(chan error, len(b.listeners))
	var servers []*frontServer
	for i, l := range b.listeners {
		srv, err := b.frontServer(i)
		if err != nil {
			return err
		}
		servers = append(servers, srv)
		go func() { failed <- srv.Serve(l) }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		failed <- nil // so that the loop below finds as many answers as there are servers
	}
	grace := b.opts.Grace
	if grace == 0 {
		grace = graceful
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	var stopping sync.WaitGroup
	for _, srv := range servers {
		stopping.Go(func() { srv.shutdown(deadline, b.opts.Linger) })
	}
	stopping.Wait()
	for range servers {
		if e := <-failed; e != nil && err == nil {
			err = e
		}
	}
	return err
}

// Close stops the checks and closes the listeners.
func (b *Balancer) Close() {
	b.stop()
	b.reloading.Lock() // a reload that is under way ends at once, and starts nothing afterwards
	defer b.reloading.Unlock()
	for _, l := range b.listeners {
		l.Close()
	}
	b.mu.Lock()
	all := slices.Concat(b.groups, b.retired)
	b.mu.Unlock()
	for _, o := range all {
		o.close()
	}
	b.running.Wait()
}

func (b *Balancer) discard(seq uint64) bool {
	for _, s := range b.cfg.Discard {
		if seq >= s.From && seq < s.To {
			return true
		}
	}
	return false
}

func (b *Balancer) group(name string) (*owner, error) {
	for _, o := range b.owners() {
		if o.g.Name() == name {
			return o, nil
		}
	}
	return nil, fmt.Errorf("no group %q", name)
}

// SetOrigin moves the origin of the probes' seeded grid, so that runs of one seed probe at the same
// instants since their load began.
func (b *Balancer) SetOrigin(t time.Duration) { b.origin.Store(int64(t)) }
