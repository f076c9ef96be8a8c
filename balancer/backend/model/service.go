package model

import (
	"fmt"
	"math"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Distribution is a distribution of service times, by its quantile function.
type Distribution interface {
	Quantile(u float64) time.Duration // u in [0, 1)
}

// Times is the table of service-time distributions.
func Times() spec.Kinds[Distribution] {
	return spec.Kinds[Distribution]{constant, exponential, lognormal}
}

// ServiceTime is a request's service time: the same draw in every world, for every target and attempt.
func ServiceTime(seed draw.Seed, d Distribution, seq uint64) time.Duration {
	return d.Quantile(seed.Stream("service").Float(seq, 0))
}

var mean = spec.Param{Name: "mean", Type: spec.Duration, Required: true, Max: 600, Doc: "the mean service time"}

var constant = spec.Kind[Distribution]{
	Entry: spec.Entry{Name: "constant", Doc: "every request takes the same time", Plain: "mean", Params: []spec.Param{mean}},
	New:   func(v spec.Values) (Distribution, error) { return Constant(v.Duration("mean")), nil },
}

// Constant is one service time for all.
type Constant time.Duration

// Quantile is the constant.
func (c Constant) Quantile(float64) time.Duration { return time.Duration(c) }

var exponential = spec.Kind[Distribution]{
	Entry: spec.Entry{Name: "exponential", Doc: "memoryless: many short, few long", Params: []spec.Param{mean}},
	New:   func(v spec.Values) (Distribution, error) { return Exponential(v.Duration("mean")), nil },
}

// Exponential is the exponential distribution with that mean.
type Exponential time.Duration

// Quantile is −mean·ln(1−u).
func (e Exponential) Quantile(u float64) time.Duration {
	return time.Duration(-float64(e) * math.Log1p(-u))
}

var lognormal = spec.Kind[Distribution]{
	Entry: spec.Entry{
		Name: "lognormal", Doc: "as most services measure: a body and a long tail",
		Params: []spec.Param{mean, {Name: "p99", Type: spec.Duration, Required: true, Max: 3600, Doc: "its 99th percentile, 1 to " + mostSpread + " times the mean"}},
	},
	New: func(v spec.Values) (Distribution, error) {
		return NewLognormal(v.Duration("mean"), v.Duration("p99"))
	},
}

// mostSpread is the largest ratio of p99 and mean that a lognormal can have, as people are told it: exp(z²/2), rounded down.
const mostSpread = "14.96"

// Lognormal is exp(N(Mu, Sigma²)) nanoseconds.
type Lognormal struct{ Mu, Sigma float64 }

// NewLognormal fits a lognormal to a mean and a p99: with z the normal 99 % point, ln(p99/mean) =
// z·σ − σ²/2, whose smaller root is taken; it exists while p99/mean ≤ exp(z²/2).
func NewLognormal(mean, p99 time.Duration) (Lognormal, error) {
	if mean <= 0 || p99 < mean {
		return Lognormal{}, fmt.Errorf("p99 %v is below the mean %v", p99, mean)
	}
	z := draw.NormalQuantile(.99)
	disc := z*z - 2*math.Log(float64(p99)/float64(mean))
	if disc < 0 {
		return Lognormal{}, fmt.Errorf("no lognormal has a p99 of %v at a mean of %v: the ratio must not exceed %s", p99, mean, mostSpread)
	}
	sigma := z - math.Sqrt(disc)
	return Lognormal{math.Log(float64(mean)) - sigma*sigma/2, sigma}, nil
}

// Quantile is exp(Mu + Sigma·z(u)).
func (l Lognormal) Quantile(u float64) time.Duration {
	// u is a multiple of 2^-53 below 1; half a step keeps the normal quantile finite at 0.
	return time.Duration(math.Exp(l.Mu + l.Sigma*draw.NormalQuantile(u+1./(1<<54))))
}
