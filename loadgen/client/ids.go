package client

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// maxIDs is how many different ids an IDs keeps. A scenario has some hundreds of targets and faults; the bound
// is for servers that send something else each time.
const maxIDs = 4096

// IDs turns the ids that answers carry into strings, without allocating for those it has seen before. The zero
// value is ready, and may be used from any goroutine.
type IDs struct {
	known  atomic.Pointer[map[string]string] // immutable: a new id replaces it
	adding sync.Mutex
}

// String returns the id as a string, or "" when it is new and 4096 others are known already.
func (t *IDs) String(id []byte) string {
	if len(id) == 0 {
		return ""
	}
	if known := t.known.Load(); known != nil {
		if s, ok := (*known)[string(id)]; ok || len(*known) >= maxIDs {
			return s
		}
	}
	t.adding.Lock()
	defer t.adding.Unlock()
	next := map[string]string{}
	if known := t.known.Load(); known != nil {
		if s, ok := (*known)[string(id)]; ok || len(*known) >= maxIDs {
			return s
		}
		next = maps.Clone(*known)
	}
	s := string(id)
	next[s] = s
	t.known.Store(&next)
	return s
}

// ReadAttempt takes the value of the header mix.AttemptHeader into a sample. A malformed value changes nothing.
func (t *IDs) ReadAttempt(value []byte, s *measure.Sample) {
	if attempts, target, fault, ok := mix.ParseAttempt(value); ok {
		s.Told, s.Attempts, s.Target, s.Fault = true, attempts, t.String(target), t.String(fault)
	}
}
