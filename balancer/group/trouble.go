package group

import "time"

// quiet is how long a target must not have failed for a success to end its trouble: a target that fails now and then is
// told of about once a second at most, whatever its rate.
const quiet = time.Second

// Watch makes the next failure of a target be told, whatever failed before: somebody is about to do something to it,
// and wants to know when that is first seen.
//
// Otherwise a failed probe or exchange is told (Troubled) when it is the first of a target's trouble. The trouble ends,
// so that the next failure is told again, when the target becomes healthy, and with a success a second or more after
// the latest failure.
func (g *Group) Watch(t *Target) {
	t.trouble = false
	g.listen(t)
}

// troubled notes a failure, and tells it when it is the first of the target's trouble.
func (g *Group) troubled(now time.Duration, t *Target, reason string) []Effect {
	t.failedAt = now
	if t.trouble {
		return nil
	}
	t.trouble = true
	return []Effect{{At: now, Target: t.ID, Kind: Troubled, Reason: reason, LastRouted: time.Duration(t.lastRouted.Load())}}
}

// succeeded notes a success, which may end the target's trouble.
func (t *Target) succeeded(now time.Duration) {
	if now-t.failedAt >= quiet {
		t.trouble = false
	}
}
