package exchange

import (
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
)

// Do is what a driver has to do.
type Do uint8

// The steps.
const (
	Answer   Do = iota // answer with Status for Cause; final
	Redirect           // answer as the rule's Redirect says; final
	Respond            // answer as the rule's Respond says; final
	Spool              // have the request ready for a target, with up to Max bytes of its body if more than what has come is to be waited for: Spooled, BodyBad or Left follows
	Queue              // wait for a target with room, or for a first one, until Until: Admitted, Full, TimedOut or Left follows
	Wait               // let the time pass until Until: Waited or Left follows
	Connect            // connect to Target: Connected, Failed or Left follows
	Converse           // send the request and read the answer's head, which may let nothing come for Idle: Head or Failed follows
	Forward            // pass the answer on, whose status is Status, and of which nothing may come for Idle: Complete or Failed follows. An answer in the target's place is Injected
	Tunnel             // pass on that the protocol changes, and then what either side says: Complete or Failed follows
	Cut                // end the answer, of which something went to the client, so that it is not taken for whole; final
	End                // nothing is left to be done, but for ending the connection of a client that has gone or stalled, for Cause; final
)

// Step is what a driver has to do next. Which fields are set depends on Do. Whatever it does with a target, it ends the attempt with
// OverTime when the exchange's Deadline has come. After a final answer that its client did not take, Left may still be told.
type Step struct {
	Do       Do
	Status   int // of an End with a Cause: for the log
	Cause    Cause
	Reason   string
	After    time.Duration // of an Answer for RateLimit: when another request may pass
	Target   *group.Target // also of a Forward that is not Injected, and of a Tunnel
	Fresh    bool          // of a Connect: by a new connection
	New      bool          // of one that is Fresh: by a connection that is made from now on, where there are some that others use
	Injected bool
	Cookie   bool // of a Forward: the client is to stick to Target
	Until    time.Duration
	Idle     time.Duration
	Max      int
}

// Happened is the kind of an Event.
type Happened uint8

// What may have happened.
const (
	Spooled   Happened = iota // the request is ready; Whole says whether all of its body is at hand
	BodyBad                   // the body can't be used, for Cause
	Admitted                  // the queue has found Target
	Full                      // the queue takes no more
	TimedOut                  // of the queue
	Waited                    // the time has passed
	Connected                 // there is a connection
	Head                      // the target has answered with Status
	Complete                  // the answer was passed on to its end
	Failed                    // the attempt ended by Ending, for Reason
	Left                      // the client has gone
)

// Event is what has happened. Which fields are set depends on Kind.
type Event struct {
	Kind   Happened
	Whole  bool
	Cause  Cause // also of a body that turned out to be unusable while it was passed on
	Target *group.Target
	Status int
	Ending Ending // as the driver sees it; endingOf looks closer
	Reason string

	// Of a Head, and of an attempt that Failed on a connection: for how long the client was waited for, to send pieces of its body that
	// have come. The wait for one that has not come is not in it: the target may have answered without it.
	Body time.Duration

	// Of an attempt that Failed on a connection:
	Reused      bool          // the connection had had an exchange before
	Closed      bool          // the target's side has ended it
	Sent        bool          // bytes of the request may have reached the target
	Got         bool          // bytes of an answer have come
	Uploading   bool          // the body did not come with the head, and was passed on
	Unprocessed bool          // the target has said that it did not act on the request
	Unsent      bool          // the target did not take the whole request
	Connecting  time.Duration // that the connection took to make
	Said        int64         // bytes that the target was told and may repeat in its answer
	Patience    time.Duration // of an exchange that the target ended: for how long the client was waited for, to send its body or to take the answer
	Shared      *atomic.Bool  // whether the end of the connection has counted against the target; nil for a connection that no other exchange was on
	Expecting   bool          // the client waits to be told to send its body

	// Of one that took the whole time of the exchange: how long target and client were waited for, and how long of that since the
	// attempt began.
	Waits, Here Waits
}

// Waits is for how long each side was waited for.
type Waits struct{ Target, Client time.Duration }
