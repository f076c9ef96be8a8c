package live

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer"
	"github.com/seed-8025779b/shakedown/balancer/backend"
	"github.com/seed-8025779b/shakedown/balancer/backend/model"
	"github.com/seed-8025779b/shakedown/balancer/control"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/chaos/inject"
	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// The tests' own binary is each child of a run, under the name by which a world starts them.
func TestMain(m *testing.M) {
	if os.Args[0] != programName {
		os.Exit(m.Run())
	}
	if err := beChild(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func beChild(args []string) error {
	if args[0] == "guardian" {
		return Guard(args[2], os.Stdin)
	}
	c, err := control.Inherited()
	if err != nil {
		return err
	}
	if args[0] == "backend" {
		return backend.ServeControlled(context.Background(), c)
	}
	return balancer.ServeControlled(context.Background(), c, func(seed draw.Seed) balancer.Injector { return inject.NewWire(seed) })
}

// scenario is one builtin target that is checked often, under a light load that is followed by a pause.
func scenario(load, pause time.Duration) *plan.Scenario {
	return &plan.Scenario{
		Name: "test", Seed: 1,
		Topology: &plan.Topology{
			Listeners: []plan.Listener{{Address: "127.0.0.1:0", Rules: route.Table{{Forward: "web"}}}},
			Groups: []plan.Group{{
				Name: "web", Strategy: pick.Kinds().Table().Default("round_robin"), Drain: time.Second,
				Health:  &health.Config{Path: "/health", Interval: 20 * time.Millisecond, Timeout: 10 * time.Second, Healthy: 1, Unhealthy: 1000},
				Targets: plan.Targets{Run: plan.Builtin, Count: 1, StartTimeout: time.Minute},
				Service: plan.Service{Time: spec.Choice{Kind: "constant", Values: spec.Values{"mean": time.Millisecond}}, Model: model.Config{Concurrency: 8, Queue: 8}},
			}},
		},
		Client: plan.Client{Engine: "wire", Config: attempt.Config{Timeout: 10 * time.Second, Connections: 4, Identify: true}},
		Load: plan.Load{
			Arrivals: profile.Even, Set: mix.Set{Requests: []mix.Request{{Name: "get", Method: "GET", Path: "/", Weight: 1}}},
			Phases: []plan.Phase{
				{Name: "main", End: load, Rate: spec.Choice{Kind: "hold", Values: spec.Values{"rate": 50., "for": load}}},
				{Name: "rest", Start: load, End: load + pause, Rate: spec.Choice{Kind: "pause", Values: spec.Values{"for": pause}}},
			},
		},
	}
}

// open opens a world for a scenario; what happens in it is told to events.
func open(t *testing.T, s *plan.Scenario, events func(plan.Event)) *World {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w, err := Open(t.Context(), s, Options{Exe: exe, Dir: t.TempDir(), Events: events})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// play plays the scenario's load and returns what became of each request.
func play(ctx context.Context, t *testing.T, w *World) (out []measure.Sample) {
	t.Helper()
	sched, err := w.s.Schedule()
	if err != nil {
		t.Fatal(err)
	}
	samples := make(chan measure.Sample, 10_000)
	if _, err := w.Play(ctx, sched, func(x *measure.Sample) { samples <- *x }); err != nil {
		t.Fatal(err)
	}
	close(samples)
	for x := range samples {
		out = append(out, x)
	}
	return out
}
