package parity

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-8025779b/shakedown/balancer"
	"github.com/seed-8025779b/shakedown/balancer/backend"
	"github.com/seed-8025779b/shakedown/balancer/backend/model"
	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/memnet"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/chaos/inject"
	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// front is where the balancer listens.
const front = "10.0.0.100:80"

// lead is the time before the load, in which the balancer starts.
const lead = time.Second

// playLive plays a row with the balancer and its backends, in a bubble.
func playLive(t *testing.T, r *row) (list []decision) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := r.plan(t)
		w := &liveWorld{t: t, s: s, network: memnet.New(), targets: map[string]*liveTarget{}, faults: inject.NewWire(s.Seed), clock: pace.StartClock(), client: attempt.Client{Config: &s.Client.Config}}
		ctx, cancel := context.WithCancel(t.Context())
		w.start(ctx)
		for _, h := range r.happens {
			w.running.Go(func() {
				w.sleep(h.at)
				w.do(ctx, h.do)
			})
		}
		w.load()
		cancel()
		w.servers.Wait()
		list = w.list
	})
	return list
}

// liveWorld is a balancer with its backends and its clients.
type liveWorld struct {
	t        *testing.T
	s        *plan.Scenario
	network  *memnet.Network
	clock    pace.Clock
	client   attempt.Client
	balancer *balancer.Balancer
	faults   *inject.Wire
	targets  map[string]*liveTarget
	servers  sync.WaitGroup
	running  sync.WaitGroup
	ports    atomic.Uint32

	mu   sync.Mutex
	list []decision
}

// now is the time since the load began.
func (w *liveWorld) now() time.Duration { return w.clock.Now() - lead }

// sleep waits until an instant of the load.
func (w *liveWorld) sleep(at time.Duration) { time.Sleep(at - w.now()) }

func (w *liveWorld) decided(seq uint64, log string) { w.note(decision{w.now(), seq, log, false}) }

func (w *liveWorld) answered(s *measure.Sample) {
	w.note(decision{s.Done, s.Seq, answer(s), true})
}

func (w *liveWorld) note(d decision) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, d)
}

// dial connects from a port of its own of the address that simulated clients have.
func (w *liveWorld) dial(ctx context.Context, address string) (net.Conn, error) {
	c, err := w.network.Dial(ctx, fmt.Sprintf("127.0.0.1:%d", 1024+w.ports.Add(1)), address)
	if err != nil {
		return nil, err // a nil *memnet.Conn is no nil net.Conn
	}
	return c, nil
}

func (w *liveWorld) listen(address string) *memnet.Listener {
	l, err := w.network.Listen(address)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// start starts the backends and the balancer, which end with the context.
func (w *liveWorld) start(ctx context.Context) {
	cfg := w.s.Topology.Balancer(w.s.Seed, true)
	cfg.TrustSeq = true
	for i := range w.s.Topology.Groups {
		g := &w.s.Topology.Groups[i]
		for n := range g.Targets.Count {
			x := g.Target(n)
			address := fmt.Sprintf("10.0.%d.%d:80", 2+i, n+1)
			w.startTarget(ctx, g, x.ID, address)
			cfg.Groups[i].Targets = append(cfg.Groups[i].Targets, config.Target{ID: x.ID, Address: address, Zone: x.Zone, Weight: x.Weight})
		}
	}
	var err error
	w.balancer, err = balancer.New(cfg, balancer.Options{
		Clock: &w.clock, Dial: w.dial,
		Touch: func(x *chaos.Exchange) chaos.Effect {
			if !x.Probe {
				w.decided(x.Seq, attemptAt(x))
			}
			return w.faults.Touch(x)
		},
		Events: func(_ string, e group.Effect) {
			if e.Kind == group.Changed && w.now() >= 0 {
				w.decided(ofGroup, change(e.Target, string(e.From), string(e.To)))
			}
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	b := w.balancer
	b.SetOrigin(lead)
	if err := b.ListenOn([]net.Listener{w.listen(front)}); err != nil {
		w.t.Fatal(err)
	}
	w.servers.Go(func() {
		if err := b.Serve(ctx); err != nil {
			w.t.Error(err)
		}
	})
}

// do does what the player would ask of a world.
func (w *liveWorld) do(ctx context.Context, a plan.Action) {
	var err error
	switch a := a.(type) {
	case plan.Apply:
		w.balancer.Watch(a.Victims)
		if a.Fault.Kind != "kill" {
			err = w.faults.On(a.Fault.ID, chaos.Kinds().Table().Write(a.Fault.Choice), a.Victims)
			break
		}
		for _, id := range a.Victims {
			w.targets[id].kill()
		}
	case plan.Start:
		x := w.targets[a.Target.ID]
		w.startTarget(ctx, &w.s.Topology.Groups[0], a.Target.ID, x.Addr().String())
	case plan.Revert:
		w.faults.Off(a.Fault)
	case plan.Retire:
		err = w.balancer.Drain(a.Group, a.Target)
	default:
		err = fmt.Errorf("unknown action %T", a)
	}
	if err != nil {
		w.t.Error(err)
	}
}

// liveTarget is a backend whose connections can be cut.
type liveTarget struct {
	*memnet.Listener
	end  context.CancelFunc
	mu   sync.Mutex
	open []*memnet.Conn
}

// Accept implements net.Listener.
func (x *liveTarget) Accept() (net.Conn, error) {
	c, err := x.Listener.Accept()
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.open = append(x.open, c.(*memnet.Conn))
	return c, nil
}

// kill is what the end of its process does to a target.
func (x *liveTarget) kill() {
	x.end()
	x.Close()
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range x.open {
		c.Reset()
	}
}

func (w *liveWorld) startTarget(ctx context.Context, g *plan.Group, id, address string) {
	b, err := backend.New(backend.Config{
		ID: id, Time: model.Times().Table().Write(g.Service.Time), Concurrency: g.Service.Model.Concurrency, Queue: g.Service.Model.Queue, Seed: w.s.Seed,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, end := context.WithCancel(ctx)
	x := &liveTarget{Listener: w.listen(address), end: end}
	w.targets[id] = x
	w.servers.Go(func() {
		if err := b.ServeOn(ctx, x); err != nil && ctx.Err() == nil {
			w.t.Error(err)
		}
	})
}

// load sends the requests when they are due, each on a connection of its own, and returns when all are answered.
func (w *liveWorld) load() {
	sched, err := w.s.Schedule()
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := mix.New(w.s.Seed, w.s.Load.Set)
	if err != nil {
		w.t.Fatal(err)
	}
	walk := sched.Walk()
	for {
		seq, due, more := walk.Next()
		if !more {
			break
		}
		w.running.Go(func() {
			w.sleep(due)
			w.ask(m, seq)
		})
	}
	w.running.Wait()
}

// ask carries out one request, each attempt on a connection of its own, and notes its answer.
func (w *liveWorld) ask(m *mix.Mix, seq uint64) {
	r, call := m.At(seq), &attempt.Call{}
	step := call.Begin(&w.client, seq, r.Name, http1.Idempotent(r.Method), w.now(), w.now())
	for step.Do != attempt.End {
		switch step.Do {
		case attempt.Wait:
			step = call.Next(w.now(), attempt.Event{Kind: attempt.Connected})
		case attempt.Send:
			e := w.attempt(m, call, step.Until)
			step = call.Next(w.now(), e)
		case attempt.Pause:
			w.sleep(step.Until)
			step = call.Next(w.now(), attempt.Event{Kind: attempt.Resumed})
		default:
			w.t.Errorf("request %d: step %d", seq, step.Do)
			return
		}
	}
	w.answered(&call.Sample)
}

// attempt sends a request once, and returns what became of it.
func (w *liveWorld) attempt(m *mix.Mix, call *attempt.Call, until time.Duration) attempt.Event {
	c, err := w.dial(w.t.Context(), front)
	if err != nil {
		w.t.Error(err)
		return attempt.Event{Kind: attempt.Failed, Class: measure.Refused, Unsent: true}
	}
	defer c.Close()
	seq := call.Seq
	x := m.Texts(m.Index(seq))
	host, headers := "a", ""
	for _, h := range x.Headers {
		if h.Name == "host" {
			host = h.Value.String(seq)
			continue
		}
		headers += h.Name + ": " + h.Value.String(seq) + "\r\n"
	}
	body := x.Body.String(seq)
	method := m.At(seq).Method
	call.Sent = w.now()
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: %s\r\n%s: %s\r\n%sContent-Length: %d\r\n\r\n%s", method, m.Path(seq), host, mix.SeqHeader, mix.AppendSeq(nil, seq, call.ClientAttempts-1), headers, len(body), body)
	_ = c.SetDeadline(time.Now().Add(until - w.now())) // a connection in memory takes it
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return attempt.Event{Kind: attempt.Failed, Class: measure.FirstByteTimeout}
	}
	if err != nil {
		w.t.Errorf("request %d: %v", seq, err)
		return attempt.Event{Kind: attempt.Failed, Class: measure.Other}
	}
	res.Body.Close()
	call.First, call.Status = w.now(), res.StatusCode
	return attempt.Event{Kind: attempt.Answered}
}
