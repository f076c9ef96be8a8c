package autoscale

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

func points(v ...float64) (out []Datapoint) {
	for i, x := range v {
		out = append(out, Datapoint{At: time.Duration(i) * time.Second, Value: x, Missing: x < 0})
	}
	return out
}

func TestTargetTracking(t *testing.T) {
	p := tracking{target: .6, high: 2, in: 3}
	for _, tc := range []struct {
		name    string
		s       Signal
		desired int
		vote    Vote
	}{
		{"no data", Signal{InService: 3, Desired: 3}, 3, NoData},
		{"latest missing", Signal{Points: points(.9, -1), InService: 3, Desired: 3}, 3, NoData},
		{"one datapoint is not enough", Signal{Points: points(.5, .9), InService: 3, Desired: 3}, 3, Hold},
		{"out rounds up", Signal{Points: points(.9, .73), InService: 3, Desired: 3}, 4, Out},
		{"exactly on target", Signal{Points: points(.6, .6), InService: 3, Desired: 3}, 3, Hold},
		{"warming ones count in desired", Signal{Points: points(.9, .73), InService: 3, Warming: 1, Desired: 4}, 4, Hold},
		{"in keeps enough", Signal{Points: points(.3, .3, .3), InService: 5, Desired: 5}, 3, In},
		{"warming blocks in", Signal{Points: points(.3, .3, .3), InService: 4, Warming: 1, Desired: 5}, 5, Hold},
		{"never to none", Signal{Points: points(0, 0, 0), InService: 2, Desired: 2}, 1, In},
	} {
		if d := p.Decide(&tc.s); d.Desired != tc.desired || d.Vote != tc.vote {
			t.Errorf("%s: %+v", tc.name, d)
		}
	}
}

type fixed Decision

func (f fixed) Decide(*Signal) Decision { return Decision(f) }

func TestVotes(t *testing.T) {
	s := &Signal{Desired: 5}
	for _, tc := range []struct {
		all  All
		want Decision
	}{
		{All{fixed{Desired: 5, Vote: Hold}, fixed{Desired: 7, Vote: Out}}, Decision{Desired: 7, Vote: Out}},
		{All{fixed{Desired: 9, Vote: Out}, fixed{Desired: 7, Vote: Out}}, Decision{Desired: 9, Vote: Out}},
		{All{fixed{Desired: 3, Vote: In}, fixed{Desired: 7, Vote: Out}}, Decision{Desired: 7, Vote: Out}},
		{All{fixed{Desired: 3, Vote: In}, fixed{Desired: 5, Vote: Hold}}, Decision{Desired: 5, Vote: Hold}},
		{All{fixed{Desired: 3, Vote: In}, fixed{Desired: 5, Vote: NoData}}, Decision{Desired: 5, Vote: NoData}},
		{All{fixed{Desired: 3, Vote: In}, fixed{Desired: 4, Vote: In}}, Decision{Desired: 4, Vote: In}},
	} {
		if got := tc.all.Decide(s); got != tc.want {
			t.Errorf("%+v: %+v", tc.all, got)
		}
	}
}

func TestLimitsInsideCooldown(t *testing.T) {
	c := &Cooldown{Policy: Limits{fixed{Desired: 9, Vote: Out}, 1, 5}, For: 10 * time.Second}
	if d := c.Decide(&Signal{At: 0, Desired: 5}); d.Desired != 5 {
		t.Fatalf("limit broken: %+v", d)
	}
	if d := c.Decide(&Signal{At: time.Second, Desired: 3}); d.Desired != 5 {
		t.Fatalf("a change that limits forbade started a cooldown: %+v", d)
	}
	if d := c.Decide(&Signal{At: 5 * time.Second, Desired: 3}); d.Desired != 3 || d.Vote != Hold {
		t.Fatalf("cooldown broken: %+v", d)
	}
	if d := c.Decide(&Signal{At: 11 * time.Second, Desired: 3}); d.Desired != 5 {
		t.Fatalf("cooldown never ends: %+v", d)
	}
}

func TestReplayIsExact(t *testing.T) {
	cfg := Config{Min: 1, Max: 6, Cooldown: 3 * time.Second, Policies: []spec.Choice{{Kind: "target_tracking", Values: spec.Values{"target": .6, "datapoints": 2, "datapoints_in": 3}}}}
	rapid.Check(t, func(t *rapid.T) {
		p, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var signals []Signal
		var decisions []Decision
		desired := 3
		var pts []Datapoint
		for i := range 40 {
			pts = append(pts, Datapoint{time.Duration(i) * time.Second, rapid.Float64Range(0, 1).Draw(t, "cpu"), false})
			s := Signal{At: time.Duration(i) * time.Second, Points: append([]Datapoint(nil), pts...), InService: desired, Desired: desired}
			d := p.Decide(&s)
			if d.Desired < 1 || d.Desired > 6 {
				t.Fatalf("%+v", d)
			}
			desired = d.Desired
			signals, decisions = append(signals, s), append(decisions, d)
		}
		again, err := Replay(cfg, signals)
		if err != nil {
			t.Fatal(err)
		}
		for i := range again {
			if again[i] != decisions[i] {
				t.Fatalf("decision %d: %+v, then %+v", i, decisions[i], again[i])
			}
		}
	})
}
