package group

// Share shares the requests since the last call out among the targets that took traffic meanwhile, by their weights:
// what each of them would have got of a strategy that does nothing but weigh, for Status.Expected. The group calls it
// before that set changes; others before they read Status. A request that is routed at that very moment may be shared
// out among those of the next call.
func (g *Group) Share() {
	rd := g.ready.Load()
	if rd == nil || len(rd.targets) == 0 {
		return
	}
	requests, weights := uint64(0), 0
	for _, t := range g.targets {
		n := t.requests.Load()
		requests += n - t.shared
		t.shared = n
	}
	for i := range rd.set.Members {
		weights += max(rd.set.Members[i].Weight, 1)
	}
	for i, t := range rd.targets {
		t.expected += float64(requests) * float64(max(rd.set.Members[i].Weight, 1)) / float64(weights)
	}
}
