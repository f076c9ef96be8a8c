package proxy

import (
	"errors"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/h2"
	"github.com/seed-8025779b/shakedown/loadgen/socket"
)

// connect takes an idle connection to a target, or makes one, for the attempt that begins.
func (x *driver) connect(step *exchange.Step) exchange.Event {
	up := x.pool.upstream(step.Target)
	var u *conn
	need := h2.Need{Body: x.c.Request.Length != 0}
	if step.New {
		need.Since = time.Now()
	}
	if !step.Fresh {
		u = up.reuse(&x.c.Peer, x.m.Repeatable(), need)
	}
	if u == nil {
		var err error
		if u, err = x.open(up, need); err != nil {
			return x.unconnected(err, step.Target)
		}
	}
	u.begin(x)
	x.u, x.up, x.target = u, up, step.Target
	if !x.end.IsZero() {
		x.c.Bound(x.end)
	}
	return exchange.Event{Kind: exchange.Connected}
}

// open makes a connection to a target.
func (x *driver) open(up *upstream, need h2.Need) (*conn, error) {
	if !x.end.IsZero() {
		x.onTarget.start()
		defer x.onTarget.stop()
	}
	ctx, stop := x.attended()
	defer stop()
	return up.open(ctx, &x.c.Peer, need)
}

// unconnected is the end of an attempt that got no connection.
func (x *driver) unconnected(err error, t *group.Target) exchange.Event {
	e := exchange.Event{Kind: exchange.Failed, Ending: exchange.Refused, Reason: err.Error(), Shared: h2.SharedEnd(err)}
	switch {
	case errors.Is(err, errClient):
		return clientLeft()
	case errors.Is(err, errOver):
		e.Ending = exchange.OverTime
		x.addWaits(&e)
	case socket.NoResources(err):
		e.Ending = exchange.NoResources
		x.f.hooks.Short(err)
	case timedOut(err):
		e.Ending = exchange.ConnectTimedOut
	}
	x.told = x.toldOf(err, t)
	return e
}

// endAttempt gives the connection of the attempt back, after an error or none.
func (x *driver) endAttempt(err error) {
	u := x.u
	keep := x.finishUpload(err != nil) && u.reusable && err == nil
	if err != nil {
		u.cut()
	}
	x.u = nil
	x.up.give(u, keep)
}

// drop ends an attempt whose answer is not passed on.
func (x *driver) drop() {
	x.unbound()
	x.u.reusable = false
	x.endAttempt(nil)
}

// unbound ends the bound on what the client may take: between attempts nobody reads or writes.
func (x *driver) unbound() {
	if !x.end.IsZero() {
		x.c.Bound(time.Time{})
	}
}
