// Package draw makes random numbers that depend on identity alone.
//
// A draw is a pure function of (seed, stream, sequence, attempt): never "the next number of a shared
// generator". The same request therefore meets the same service time, the same coin flips of a fault and
// the same choice of a strategy in a live run, in a simulated one and in every variant of a comparison,
// whatever order goroutines run in.
//
//	service := draw.Seed(42).Stream("service")
//	u := service.Float(seq, attempt) // in [0, 1)
//
// The mixing is SplitMix64's finalizer (Steele, Lea, Flood: "Fast splittable pseudorandom number
// generators", 2014). It is not fit for secrets.
package draw

import "math"

// Seed is a scenario's seed.
type Seed uint64

// Stream is a seed bound to one named use of randomness. The zero Stream is valid and deterministic.
type Stream uint64

const golden = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio: SplitMix64's increment

// Mix scatters 64 bits so that each of them counts in all: the finalizer by itself.
func Mix(x uint64) uint64 {
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}

// Stream returns the stream of that name. Streams of different names are independent.
func (s Seed) Stream(name string) Stream {
	return Stream(Mix(Mix(uint64(s)+golden) ^ Fold(name)))
}

// Fold folds a text into 64 bits: FNV-1a.
func Fold[T ~string | ~[]byte](text T) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(text); i++ {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return h
}

// Uint64 returns the draw for one sequence number and attempt.
func (s Stream) Uint64(seq uint64, attempt int) uint64 {
	return Mix(Mix(uint64(s)+golden*(seq+1)) + golden*uint64(attempt+1))
}

// Float returns a draw in [0, 1), uniform on multiples of 2^-53.
func (s Stream) Float(seq uint64, attempt int) float64 {
	return float64(s.Uint64(seq, attempt)>>11) / (1 << 53)
}

// Exp returns a draw from the exponential distribution with mean 1.
func (s Stream) Exp(seq uint64, attempt int) float64 {
	return -math.Log1p(-s.Float(seq, attempt))
}

// Intn returns a draw in [0, n). n must be positive. The bias of the multiplication method is below n/2^53.
func (s Stream) Intn(n int, seq uint64, attempt int) int {
	return int(s.Float(seq, attempt) * float64(n))
}

// Attempt returns the identity of a client's attempt at a request: the request's own number for the first, counted from 0, and
// a number of its own for each further one, so that a retry does not repeat the draws of what it follows.
func Attempt(seq uint64, attempt int) uint64 {
	if attempt == 0 {
		return seq
	}
	return Mix(Mix(seq+golden) + golden*uint64(attempt))
}

// Name folds a name into a sequence number, for draws about a thing that has an id instead of a number.
func Name(id string) uint64 { return uint64(Seed(0).Stream(id)) }

// NormalQuantile is the inverse of the standard normal distribution function, for p in (0, 1).
func NormalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }
