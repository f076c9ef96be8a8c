// Package model is the queueing model of a backend: N slots, a bounded queue before them, and a service
// time drawn from each request's identity. The live sample backend and the simulator share it.
//
// A Model is not safe for concurrent use, and it never waits: it says what starts, and its caller says
// when that ended.
package model

import (
	"slices"
	"time"
)

// Config is a backend's capacity.
type Config struct {
	Concurrency int // requests served at once
	Queue       int // requests that may wait; negative means without limit
}

// Admission is what happens to an arriving request.
type Admission uint8

// The admissions.
const (
	Started  Admission = iota // it holds a slot
	Queued                    // it waits; Finish will name it
	Rejected                  // no slot and no room: 503
)

// Model is the state of one backend.
type Model struct {
	cfg   Config
	busy  int
	queue []uint64 // tickets, oldest first

	busyTime time.Duration // integral of busy slots up to `as of`
	asOf     time.Duration
}

// New returns an idle backend.
func New(cfg Config) *Model { return &Model{cfg: cfg} }

// Arrive admits a request; the ticket is any number its caller knows it by.
func (m *Model) Arrive(now time.Duration, ticket uint64) Admission {
	if m.busy < m.cfg.Concurrency {
		m.account(now)
		m.busy++
		return Started
	}
	if m.cfg.Queue >= 0 && len(m.queue) >= m.cfg.Queue {
		return Rejected
	}
	m.queue = append(m.queue, ticket)
	return Queued
}

// Finish frees a slot. When a request waits, it takes the slot at once and is returned.
func (m *Model) Finish(now time.Duration) (next uint64, ok bool) {
	m.account(now)
	if len(m.queue) > 0 {
		next = m.queue[0]
		m.queue = m.queue[1:]
		return next, true
	}
	m.busy--
	return 0, false
}

// Waits reports whether a request waits for a slot.
func (m *Model) Waits(ticket uint64) bool { return slices.Contains(m.queue, ticket) }

// LookEvery is how often a server looks whether the client of a request that waits is still there, from the instant on at which the
// request came.
const LookEvery = 50 * time.Millisecond

// Leave takes a waiting request out of the queue, because its client went away. It reports false when the
// request does not wait: what has started runs to its end, as in most servers.
func (m *Model) Leave(ticket uint64) bool {
	for i, t := range m.queue {
		if t == ticket {
			m.queue = append(m.queue[:i], m.queue[i+1:]...)
			return true
		}
	}
	return false
}

func (m *Model) account(now time.Duration) {
	m.busyTime += time.Duration(m.busy) * (now - m.asOf)
	m.asOf = now
}

// BusyTime is the integral of busy slots over time: its increase over a period, divided by slots × period,
// is the utilisation.
func (m *Model) BusyTime(now time.Duration) time.Duration {
	m.account(now)
	return m.busyTime
}

// Busy is how many slots are held, Waiting how many requests wait for one.
func (m *Model) Busy() int    { return m.busy }
func (m *Model) Waiting() int { return len(m.queue) }
