package group

import "time"

// Runner runs the side of a group that belongs to its owner: every change goes through Do. It has no lock and no timer of its own: the
// live balancer gives it both, the simulator its events.
type Runner struct {
	Group  *Group
	Tell   func(*Effect)               // what a change has caused, in order
	Serve  func(now time.Duration)     // requests that wait may find room
	Arm    func(now, at time.Duration) // calls Tick at an instant, and no longer at an earlier one's; see Disarm
	Disarm func()                      // calls Tick no more
}

// Do makes a change, tells what it has caused and arms the timer for what is due next.
func (r *Runner) Do(now time.Duration, change func(now time.Duration) []Effect) {
	effects := r.Group.Update(now, change)
	for i := range effects {
		r.Tell(&effects[i])
	}
	r.Serve(now)
	if at, ok := r.Group.NextTick(now); ok {
		r.Arm(now, at)
		return
	}
	r.Disarm()
}

// Tick does what is due by now.
func (r *Runner) Tick(now time.Duration) { r.Do(now, r.Group.Tick) }
