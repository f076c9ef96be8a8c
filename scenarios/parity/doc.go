// Package parity holds the test that the simulator and the live balancer decide the same.
//
// A row is a situation: a scenario, and what happens to its targets when. The simulator plays it in its virtual time; the
// real balancer, with its real data plane, and the real sample backends play it over a network in memory inside a
// bubble of testing/synctest, which has virtual time too. What both have decided, and at which instant, must be equal.
package parity
