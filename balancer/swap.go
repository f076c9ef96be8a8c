package balancer

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
)

// swap brings a group that stays to other settings and targets: those that it gains are brought in and checked before
// those that it loses are drained. Until it is finished it can be undone.
type swap struct {
	o        *owner
	next     config.Group // what the group comes to
	settings group.Config

	old     config.Group // what it was
	gained  []string     // ids of targets that were brought in ahead: new ones, and ones that were draining
	leaving []string     // ids of targets that it is going to lose
	checked []string     // ids of targets out of service that stay, and are checked by the new settings already
}

// newSwap checks what a group is to come to. It changes nothing.
func newSwap(o *owner, next config.Group) (*swap, error) {
	if err := checkUniqueIDs(&next); err != nil {
		return nil, err
	}
	settings, err := o.b.settings(&next)
	if err != nil {
		return nil, err
	}
	if err := o.sameAddresses(next.Targets); err != nil {
		return nil, err
	}
	return &swap{o: o, next: next, settings: settings}, nil
}

// sameAddresses refuses a target under an id that is in use with another address.
func (o *owner) sameAddresses(targets []config.Target) (err error) {
	o.do(func(time.Duration) []group.Effect {
		for _, t := range targets {
			if m := o.g.Find(t.ID); m != nil && m.Address != t.Address {
				err = fmt.Errorf("group %s: target %s has another address now: give it another id", o.g.Name(), t.ID)
			}
		}
		return nil
	})
	return err
}

func (s *swap) wants(id string) bool {
	return slices.ContainsFunc(s.next.Targets, func(t config.Target) bool { return t.ID == id })
}

// prepare brings the targets in that the group gains, if it loses others and there are checks: those that leave go on to
// be checked as before, those that come are checked by the new settings. Without checks a target takes traffic at once,
// and nothing needs to be prepared.
func (s *swap) prepare() {
	o := s.o
	o.do(func(now time.Duration) (out []group.Effect) {
		s.old = o.cfg
		for _, x := range o.g.Status() {
			if x.State != group.Draining && !s.wants(x.ID) {
				s.leaving = append(s.leaving, x.ID)
			}
		}
		if len(s.leaving) == 0 || s.next.Health == nil {
			return nil
		}
		changed := !reflect.DeepEqual(s.old.Health, s.next.Health)
		if changed {
			meanwhile := *o.g.Config()
			meanwhile.Health = s.next.Health
			out = o.g.Reconfigure(now, meanwhile, true)
		}
		for _, t := range s.next.Targets {
			m := o.g.Find(t.ID)
			switch {
			case m == nil || m.State() == group.Draining:
				out = append(out, o.bringIn(now, t, &s.next)...)
				s.gained = append(s.gained, t.ID)
			case changed && m.State() != group.Healthy:
				o.check(m, &s.next)
				s.checked = append(s.checked, t.ID)
			}
		}
		return out
	})
}

// settled reports whether there is nothing to wait for any more: every target that was gained is healthy and so is one
// that stays, or none of those that leave takes traffic anyway.
func (s *swap) settled() bool {
	healthy, missing, losing := s.look()
	return losing == 0 || (healthy > 0 && len(missing) == 0)
}

// verdict says what is to be done when the time is over: the error keeps the old targets, the note goes on.
func (s *swap) verdict(within time.Duration) (note string, err error) {
	healthy, missing, losing := s.look()
	switch {
	case losing > 0 && healthy == 0:
		return "", fmt.Errorf("group %s: none of the targets in the new configuration became healthy within %v: the old ones stay", s.o.g.Name(), within)
	case losing > 0 && len(missing) > 0:
		return fmt.Sprintf("group %s: not healthy within %v: %s; the old targets leave all the same", s.o.g.Name(), within, strings.Join(missing, ", ")), nil
	}
	return "", nil
}

// look counts the healthy targets of those that the group comes to and of those that leave; missing are the gained ones
// that are not healthy yet. A group that comes to have no targets loses none: that was asked for.
func (s *swap) look() (healthy int, missing []string, losing int) {
	if len(s.next.Targets) == 0 || s.next.Health == nil {
		return 0, nil, 0
	}
	s.o.do(func(time.Duration) []group.Effect {
		for _, x := range s.o.g.Status() {
			switch {
			case x.State == group.Healthy && s.wants(x.ID):
				healthy++
			case x.State == group.Healthy && slices.Contains(s.leaving, x.ID):
				losing++
			case slices.Contains(s.gained, x.ID):
				missing = append(missing, x.ID)
			}
		}
		return nil
	})
	return healthy, missing, losing
}

// undo puts the group back to what it was.
func (s *swap) undo() {
	o := s.o
	o.do(func(now time.Duration) (out []group.Effect) {
		if len(s.gained)+len(s.checked) == 0 && reflect.DeepEqual(o.g.Config().Health, s.old.Health) {
			return nil
		}
		for _, id := range s.gained { // first: without checks they would take traffic
			if m := o.g.Find(id); m != nil {
				out = append(out, o.g.Drain(now, m)...)
			}
		}
		before := *o.g.Config()
		before.Health = s.old.Health
		out = append(out, o.g.Reconfigure(now, before, true)...)
		for _, id := range s.checked {
			if m := o.g.Find(id); m != nil {
				o.check(m, &s.old)
			}
		}
		return out
	})
}

// finish puts the new settings in force: targets that come without checks join, then those that leave are drained.
func (s *swap) finish() {
	o := s.o
	o.do(func(now time.Duration) (out []group.Effect) {
		o.cfg = s.next
		a, b := s.old, s.next
		a.Targets, b.Targets = nil, nil
		if !reflect.DeepEqual(a, b) {
			out = o.g.Reconfigure(now, s.settings, reflect.DeepEqual(a.Strategy, b.Strategy))
		}
		for _, t := range s.next.Targets {
			m := o.g.Find(t.ID)
			switch {
			case m == nil || m.State() == group.Draining:
				out = append(out, o.bringIn(now, t, &s.next)...)
			case m.Status().Weight != max(t.Weight, 1):
				out = append(out, o.g.SetWeight(now, m, max(t.Weight, 1))...)
			}
		}
		for _, x := range o.g.Status() {
			switch m := o.g.Find(x.ID); {
			case !s.wants(x.ID):
				out = append(out, o.g.Drain(now, m)...)
			case !reflect.DeepEqual(a.Health, b.Health) && !slices.Contains(s.gained, x.ID):
				o.check(m, &s.next)
			}
		}
		return out
	})
}
