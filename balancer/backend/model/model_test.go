package model

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

func TestSlotsAndQueue(t *testing.T) {
	m := New(Config{Concurrency: 2, Queue: 1})
	for i, want := range []Admission{Started, Started, Queued, Rejected} {
		if got := m.Arrive(0, uint64(i)); got != want {
			t.Fatalf("arrival %d: %d", i, got)
		}
	}
	if next, ok := m.Finish(time.Second); !ok || next != 2 {
		t.Fatalf("next is %d %v", next, ok)
	}
	if got := m.BusyTime(2 * time.Second); got != 4*time.Second {
		t.Fatalf("busy time %v", got)
	}
	m.Finish(2 * time.Second)
	if _, ok := m.Finish(2 * time.Second); ok || m.Busy() != 0 || m.BusyTime(5*time.Second) != 4*time.Second {
		t.Fatal("an idle backend should not accumulate busy time")
	}
}

func TestLeaving(t *testing.T) {
	m := New(Config{Concurrency: 1, Queue: -1})
	for i := range uint64(4) {
		m.Arrive(0, i)
	}
	if !m.Leave(2) || m.Leave(2) || m.Leave(0) {
		t.Fatal("only what waits can leave")
	}
	if next, _ := m.Finish(0); next != 1 {
		t.Fatal("the queue lost its order")
	}
	if next, _ := m.Finish(0); next != 3 {
		t.Fatal("who left was served")
	}
}

func TestNeverMoreThanItsSlots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Config{rapid.IntRange(1, 4).Draw(t, "slots"), rapid.IntRange(-1, 3).Draw(t, "queue")}
		m := New(c)
		for i := range 60 {
			if rapid.Bool().Draw(t, "arrive") {
				m.Arrive(0, uint64(i))
			} else if m.Busy() > 0 {
				m.Finish(0)
			}
			if m.Busy() > c.Concurrency || (c.Queue >= 0 && m.Waiting() > c.Queue) || (m.Waiting() > 0 && m.Busy() < c.Concurrency) {
				t.Fatalf("%d busy, %d waiting with %+v", m.Busy(), m.Waiting(), c)
			}
		}
	})
}

func TestDistributionsHaveTheMomentsAsked(t *testing.T) {
	ln, err := NewLognormal(20*time.Millisecond, 80*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]Distribution{"lognormal": ln, "exponential": Exponential(20 * time.Millisecond), "constant": Constant(20 * time.Millisecond)} {
		const n = 200_000
		sum := 0.
		for i := range uint64(n) {
			sum += ServiceTime(draw.Seed(1), d, i).Seconds()
		}
		if got := sum / n; math.Abs(got-.02) > .0003 {
			t.Errorf("%s: mean %v", name, got)
		}
	}
	if got := ln.Quantile(.99); math.Abs(got.Seconds()-.08) > 1e-6 {
		t.Errorf("p99 %v", got)
	}
}

func TestImpossibleLognormal(t *testing.T) {
	for _, p99 := range []time.Duration{time.Millisecond, time.Second} {
		if _, err := NewLognormal(20*time.Millisecond, p99); err == nil {
			t.Errorf("p99 %v was accepted", p99)
		}
	}
}
