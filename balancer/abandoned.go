package balancer

import (
	"sync"

	"github.com/seed-8025779b/shakedown/balancer/proxy"
)

// maxAbandoned bounds the requests that one report tells of: 32,768 in a fifth of a second are more than clients give up
// in any run that is worth judging, and some megabytes.
const maxAbandoned = 1 << 15

// Abandoned are requests whose clients cannot have read the answer since the last report. Ids are written once.
type Abandoned struct {
	IDs  []string         `json:"ids,omitempty"`  // of targets and faults
	List []AbandonedEntry `json:"list,omitempty"` // in the order they ended
	Lost uint64           `json:"lost,omitempty"` // requests beyond those that a report has room for
}

// AbandonedEntry is one request: its number, which retry of its client's it was, how many attempts were made, and the places in IDs, counted from 1, of the
// final one's target and of the fault that shaped it; 0 for none.
type AbandonedEntry [5]uint64

// Each calls f with each request.
func (a *Abandoned) Each(f func(proxy.Abandoned)) {
	id := func(place uint64) string {
		if place == 0 || place > uint64(len(a.IDs)) {
			return ""
		}
		return a.IDs[place-1]
	}
	for _, e := range a.List {
		f(proxy.Abandoned{Seq: e[0], Retry: int(e[1]), Attempts: int(e[2]), Target: id(e[3]), Fault: id(e[4])})
	}
}

// abandonedLog collects requests between two reports.
type abandonedLog struct {
	mu      sync.Mutex
	pending Abandoned
	places  map[string]uint64
}

func (l *abandonedLog) add(a proxy.Abandoned) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending.List) >= maxAbandoned {
		l.pending.Lost++
		return
	}
	l.pending.List = append(l.pending.List, AbandonedEntry{a.Seq, uint64(a.Retry), uint64(a.Attempts), l.place(a.Target), l.place(a.Fault)})
}

// place is where an id stands in the report, counted from 1; 0 for an empty one. The lock is held.
func (l *abandonedLog) place(id string) uint64 {
	if id == "" {
		return 0
	}
	n, ok := l.places[id]
	if !ok {
		if l.places == nil {
			l.places = map[string]uint64{}
		}
		l.pending.IDs = append(l.pending.IDs, id)
		n = uint64(len(l.pending.IDs))
		l.places[id] = n
	}
	return n
}

// take returns what was collected since the last call; nil when there was nothing.
func (l *abandonedLog) take() *Abandoned {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending.List) == 0 {
		return nil
	}
	out := l.pending
	l.pending, l.places = Abandoned{}, nil
	return &out
}
