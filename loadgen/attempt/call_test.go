package attempt

import (
	"slices"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

const ms = time.Millisecond

// tried is what happens to an attempt: after a time, an answer or a failure.
type tried struct {
	after  time.Duration
	status int // of an answer; 0 for a failure
	e      Event
}

func answered(after time.Duration, status int) tried {
	return tried{after, status, Event{Kind: Answered}}
}

func failed(after time.Duration, class measure.Class, unsent bool) tried {
	return tried{after, 0, Event{Kind: Failed, Class: class, Detail: string(class), Unsent: unsent}}
}

// play performs the steps of a call, whose attempts end as given, and which always finds a free connection.
func play(t *testing.T, cl *Client, idempotent bool, list ...tried) (c *Call, pauses []time.Duration) {
	t.Helper()
	c = &Call{}
	now := time.Duration(0)
	step := c.Begin(cl, 7, "GET /", idempotent, 0, 0)
	for step.Do != End {
		switch step.Do {
		case Wait:
			step = c.Next(now, Event{Kind: Connected})
		case Send, Resend:
			if len(list) == 0 {
				t.Fatal("one attempt too many")
			}
			x := list[0]
			list = list[1:]
			if c.Status != 0 || c.Sent != 0 || c.Class != "" {
				t.Errorf("an attempt begins with what the last one left: %+v", c.Sample)
			}
			if !x.e.Unsent {
				c.Sent = now + 1
			}
			now = min(now+x.after, step.Until)
			if c.Status = x.status; x.status != 0 {
				c.First = now
			}
			step = c.Next(now, x.e)
		case Pause:
			pauses = append(pauses, step.Until-now)
			now = step.Until
			step = c.Next(now, Event{Kind: Resumed})
		}
	}
	if len(list) > 0 {
		t.Errorf("%d attempts were not made", len(list))
	}
	return c, pauses
}

func client(change func(*Retry)) *Client {
	r := &Retry{Attempts: 2, On: On5xx, Backoff: 100 * ms, Max: 20 * time.Second, Jitter: NoJitter, Budget: unlimited}
	if change != nil {
		change(r)
	}
	return &Client{Config: &Config{Timeout: 2 * time.Second, MinAttempt: 100 * ms, Connections: 1, Retry: r}}
}

func TestRetriesOfClients(t *testing.T) {
	for name, tc := range map[string]struct {
		change   func(*Retry)
		post     bool
		list     []tried
		outcome  measure.Outcome
		class    measure.Class
		done     time.Duration
		retried  []measure.Class
		pauses   []time.Duration
		attempts int
	}{
		"a success":                 {list: []tried{answered(10*ms, 200)}, done: 10 * ms, attempts: 1},
		"the second one succeeds":   {list: []tried{answered(10*ms, 503), answered(10*ms, 200)}, done: 120 * ms, retried: []measure.Class{measure.Status5xx}, pauses: []time.Duration{100 * ms}, attempts: 2},
		"the pause doubles":         {list: []tried{answered(10*ms, 503), failed(10*ms, measure.Reset, false), answered(10*ms, 200)}, done: 330 * ms, retried: []measure.Class{measure.Status5xx, measure.Reset}, pauses: []time.Duration{100 * ms, 200 * ms}, attempts: 3},
		"up to its limit":           {change: func(r *Retry) { r.Max = 150 * ms }, list: []tried{answered(10*ms, 503), answered(10*ms, 503), answered(10*ms, 200)}, done: 280 * ms, retried: []measure.Class{measure.Status5xx, measure.Status5xx}, pauses: []time.Duration{100 * ms, 150 * ms}, attempts: 3},
		"attempts used up":          {list: []tried{answered(10*ms, 503), answered(10*ms, 500), answered(10*ms, 502)}, outcome: measure.Failed, class: measure.Status5xx, done: 330 * ms, retried: []measure.Class{measure.Status5xx, measure.Status5xx}, pauses: []time.Duration{100 * ms, 200 * ms}, attempts: 3},
		"no answer after a 4xx":     {list: []tried{answered(10*ms, 404)}, outcome: measure.Failed, class: measure.Status4xx, done: 10 * ms, attempts: 1},
		"a POST that was answered":  {post: true, list: []tried{answered(10*ms, 503)}, outcome: measure.Failed, class: measure.Status5xx, done: 10 * ms, attempts: 1},
		"a POST that was sent":      {post: true, list: []tried{failed(10*ms, measure.Reset, false)}, outcome: measure.Failed, class: measure.Reset, done: 10 * ms, attempts: 1},
		"a POST that was not sent":  {post: true, list: []tried{failed(10*ms, measure.Refused, true), answered(10*ms, 200)}, done: 120 * ms, retried: []measure.Class{measure.Refused}, pauses: []time.Duration{100 * ms}, attempts: 2},
		"a POST that may be twice":  {post: true, change: func(r *Retry) { r.Repeat = true }, list: []tried{answered(10*ms, 503), answered(10*ms, 200)}, done: 120 * ms, retried: []measure.Class{measure.Status5xx}, pauses: []time.Duration{100 * ms}, attempts: 2},
		"on error, an answer":       {change: func(r *Retry) { r.On = OnError }, list: []tried{answered(10*ms, 503)}, outcome: measure.Failed, class: measure.Status5xx, done: 10 * ms, attempts: 1},
		"on error, a reset":         {change: func(r *Retry) { r.On = OnError }, list: []tried{failed(10*ms, measure.Reset, false), answered(10*ms, 200)}, done: 120 * ms, retried: []measure.Class{measure.Reset}, pauses: []time.Duration{100 * ms}, attempts: 2},
		"on connect, a reset":       {change: func(r *Retry) { r.On = OnConnect }, list: []tried{failed(10*ms, measure.Reset, false)}, outcome: measure.Failed, class: measure.Reset, done: 10 * ms, attempts: 1},
		"on connect, a refusal":     {change: func(r *Retry) { r.On = OnConnect }, list: []tried{failed(10*ms, measure.Refused, true), answered(10*ms, 200)}, done: 120 * ms, retried: []measure.Class{measure.Refused}, pauses: []time.Duration{100 * ms}, attempts: 2},
		"the generator's own want":  {list: []tried{failed(10*ms, measure.Resources, true)}, outcome: measure.Failed, class: measure.Resources, done: 10 * ms, attempts: 1},
		"too little time is left":   {list: []tried{answered(1850*ms, 503)}, outcome: measure.Failed, class: measure.Status5xx, done: 1850 * ms, attempts: 1},
		"an attempt's own timeout":  {change: func(r *Retry) { r.Timeout = 300 * ms }, list: []tried{failed(time.Hour, measure.Timeout, false), answered(10*ms, 200)}, done: 410 * ms, retried: []measure.Class{measure.Timeout}, pauses: []time.Duration{100 * ms}, attempts: 2},
		"the timeout of the whole":  {change: func(r *Retry) { r.Timeout = 1500 * ms }, list: []tried{failed(time.Hour, measure.Timeout, false), failed(time.Hour, measure.Timeout, false)}, outcome: measure.Failed, class: measure.Timeout, done: 2 * time.Second, retried: []measure.Class{measure.Timeout}, pauses: []time.Duration{100 * ms}, attempts: 2},
		"the budget is used up":     {change: func(r *Retry) { r.Budget, r.Floor = .2, 1 }, list: []tried{answered(10*ms, 503), answered(10*ms, 503)}, outcome: measure.Failed, class: measure.Status5xx, done: 120 * ms, retried: []measure.Class{measure.Status5xx}, pauses: []time.Duration{100 * ms}, attempts: 2},
		"no budget, no floor":       {change: func(r *Retry) { r.Budget, r.Floor = 0, 0 }, list: []tried{answered(10*ms, 503)}, outcome: measure.Failed, class: measure.Status5xx, done: 10 * ms, attempts: 1},
		"a redirect that is no 5xx": {list: []tried{answered(10*ms, 302)}, done: 10 * ms, attempts: 1},
	} {
		t.Run(name, func(t *testing.T) {
			c, pauses := play(t, client(tc.change), !tc.post, tc.list...)
			if c.Outcome != tc.outcome || c.Class != tc.class || c.Done != tc.done || c.ClientAttempts != tc.attempts {
				t.Errorf("outcome %d, class %q, done %v, %d attempts; want %d, %q, %v, %d", c.Outcome, c.Class, c.Done, c.ClientAttempts, tc.outcome, tc.class, tc.done, tc.attempts)
			}
			if !slices.Equal(c.Retried, tc.retried) || !slices.Equal(pauses, tc.pauses) {
				t.Errorf("retried %v after %v, want %v after %v", c.Retried, pauses, tc.retried, tc.pauses)
			}
		})
	}
}

// A retry for which no connection becomes free has failed, and was not dropped: the request was sent.
func TestRetryWithoutConnection(t *testing.T) {
	c, cl := &Call{}, client(nil)
	c.Begin(cl, 7, "GET /", true, 0, 0)
	c.Next(0, Event{Kind: Connected})
	c.Sent, c.First, c.Status = 1, 10*ms, 503
	step := c.Next(10*ms, Event{Kind: Answered})
	if step != (Step{Pause, 110 * ms}) {
		t.Fatalf("%+v", step)
	}
	if step = c.Next(110*ms, Event{Kind: Resumed}); step != (Step{Wait, 1900 * ms}) {
		t.Fatalf("%+v", step)
	}
	if step = c.Next(1900*ms, Event{Kind: Expired}); step.Do != End {
		t.Fatalf("%+v", step)
	}
	if c.Outcome != measure.Failed || c.Class != measure.Status5xx || c.Done != 1900*ms || c.ClientAttempts != 1 || len(c.Retried) != 0 || c.Wait != 1790*ms {
		t.Errorf("%+v", c.Sample)
	}
}

// What waited for a connection until too little of its time was left is dropped, whether a connection comes then or not.
func TestNoConnectionInTime(t *testing.T) {
	for name, e := range map[string]Event{"none came": {Kind: Expired}, "one came too late": {Kind: Connected, Waited: true}} {
		c, cl := &Call{}, client(nil)
		if step := c.Begin(cl, 7, "GET /", true, 0, 0); step != (Step{Wait, 1900 * ms}) {
			t.Fatalf("%+v", step)
		}
		if step := c.Next(1900*ms, e); step.Do != End || c.Outcome != measure.Dropped || c.Done != 1900*ms || c.ClientAttempts != 0 {
			t.Errorf("%s: %+v, %+v", name, step, c.Sample)
		}
	}
}

func TestJitter(t *testing.T) {
	for _, tc := range []struct {
		jitter   Jitter
		low, top time.Duration
	}{{FullJitter, 0, 400 * ms}, {EqualJitter, 200 * ms, 400 * ms}, {NoJitter, 400 * ms, 400 * ms}} {
		r := Retry{Backoff: 100 * ms, Max: time.Second, Jitter: tc.jitter}
		var least, most time.Duration = time.Hour, 0
		for seq := range uint64(1000) {
			p := r.Pause(seq, 2)
			least, most = min(least, p), max(most, p)
		}
		near := func(a, b time.Duration) bool { return (a - b).Abs() < 2*ms }
		if !near(least, tc.low) || !near(most, tc.top) {
			t.Errorf("%s: pauses from %v to %v, want %v to %v", tc.jitter, least, most, tc.low, tc.top)
		}
	}
	if p := (&Retry{Backoff: time.Minute, Max: 20 * time.Second, Jitter: NoJitter}).Pause(1, 60); p != 20*time.Second {
		t.Errorf("after 60 attempts: %v", p)
	}
}

// Calls that are used again do not allocate.
func TestCallsDoNotAllocate(t *testing.T) {
	c, cl := &Call{}, client(nil)
	run := func() {
		step := c.Begin(cl, 7, "GET /", true, 0, 0)
		for now := time.Duration(0); step.Do != End; now++ {
			switch step.Do {
			case Wait:
				step = c.Next(now, Event{Kind: Connected})
			case Send:
				c.Sent, c.First, c.Status = now, now, 503
				step = c.Next(now, Event{Kind: Answered})
			case Pause:
				step = c.Next(step.Until, Event{Kind: Resumed})
			}
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations a request with retries", n)
	}
}
