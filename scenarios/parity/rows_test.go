package parity

import (
	"strconv"
	"time"

	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

func kill(at time.Duration, id string) happen { return happen{at, plan.Kill{Target: id}} }

// fault puts a fault in force on web-1 for some time.
func fault(from, to time.Duration, kind string, values map[string]string) []happen {
	choice, err := chaos.Kinds().Table().Read(spec.Written{Kind: kind, Values: values})
	if err != nil {
		panic(err) // the row is wrong
	}
	f := &chaos.Fault{ID: "f", Choice: choice}
	return []happen{{from, plan.WireOn{Fault: f, Targets: []string{"web-1"}}}, {to, plan.WireOff{Fault: "f"}}}
}

func answering(status int) []happen {
	return fault(30*ms, 110*ms, "error", map[string]string{"status": strconv.Itoa(status)})
}

func rows() (list []row) {
	const plain = "strategy: round_robin, health: off"
	list = append(list,
		row{
			name: "GET, p2c, reset before the head, one retry", pins: "a request that is safe to repeat, and whose target broke off before its answer, is sent to another one",
			group: "strategy: p2c, health: off, retry: {attempts: 1, on: error, budget: 100%}", happens: []happen{kill(62*ms, "web-1")},
		},
		row{
			name: "POST, reset before the head, one retry", pins: "a request that is not safe to repeat is not repeated once something of it was sent",
			group: plain + ", retry: {attempts: 1, on: error, budget: 100%}", load: "{post: /, body: abc}", happens: []happen{kill(62*ms, "web-1")},
		},
		row{
			name: "GET, retry on connect, reset before the head", pins: "what was sent is not repeated where only connections that fail are",
			group: plain + ", retry: {attempts: 1, on: connect, budget: 100%}", happens: []happen{kill(62*ms, "web-1")},
		},
		row{name: "no retry, refused", pins: "a connection that is refused is answered 502", group: plain, happens: []happen{kill(12*ms, "web-1")}},
		row{
			name: "two retries, two targets gone", pins: "each further attempt goes to a target that was not tried",
			group: plain + ", retry: {attempts: 2, budget: 100%}", happens: []happen{kill(12*ms, "web-1"), kill(13*ms, "web-2")},
		},
		row{
			name: "all targets gone", pins: "the last failure is the answer when no target is left",
			group: plain + ", retry: {attempts: 5, budget: 100%}", happens: []happen{kill(12*ms, "web-1"), kill(13*ms, "web-2"), kill(14*ms, "web-3")},
		},
		row{
			name: "budget exhausted", pins: "retries are bounded by the budget",
			group: plain + ", retry: {attempts: 1, budget: 10%, floor: 1/s}", happens: []happen{kill(12*ms, "web-1")},
		},
		row{
			name: "consecutive failures eject", pins: "failures in a row eject a target",
			group: plain + ", outliers: {consecutive: 2, eject_for: 41ms}", happens: []happen{kill(12*ms, "web-1")},
		},
		row{
			name: "a rate limit", pins: "what is beyond a rate limit is answered 429",
			group: plain, rules: "{forward: web, limit: {rate: 50/s, burst: 2}}",
		},
		row{
			name: "limits with a queue", pins: "requests wait in order for a target with room, and no longer than they may",
			group: plain + ", limits: {requests: 1, queue: 2, wait: 7ms}", happens: []happen{kill(12*ms, "web-1"), kill(13*ms, "web-2")},
		},
		row{
			name: "a health check that fails", pins: "a target whose checks fail takes no more traffic",
			group: "strategy: round_robin, health: {interval: 20ms, timeout: 10ms, unhealthy: 2, healthy: 2}", happens: []happen{kill(12*ms, "web-1")},
		},
		row{name: "a rule that answers", pins: "a rule may answer by itself", group: plain, rules: "{path: /a, respond: {status: 204}}, {forward: web}", load: "{get: /a}, {get: /b}"},
		row{name: "a rule that redirects", pins: "a rule may redirect", group: plain, rules: "{path: /a, redirect: {to: /b}}, {forward: web}", load: "{get: /a}, {get: /b}"},
		row{name: "no rule", pins: "what no rule is for is answered 503", group: plain, rules: "{path: /a, forward: web}", load: "{get: /a}, {get: /b}"},
		row{name: "draining", pins: "a target that drains gets nothing new and finishes what it has", group: plain + ", drain: 1s", happens: []happen{{32 * ms, plan.Retire{Group: "web", Target: "web-1"}}}},
		row{name: "an injected delay", pins: "a delay comes before the exchange with the target", group: plain, happens: fault(30*ms, 90*ms, "latency", map[string]string{"delay": "13ms"})},
	)
	for _, status := range []int{404, 500, 502, 503, 504} {
		list = append(list,
			row{
				name: "injected " + answer(status), pins: "a fault's status is an answer", happens: answering(status),
				group: plain + ", outliers: {consecutive: 2, eject_for: 41ms}, retry: {attempts: 1, on: 5xx, budget: 100%}",
			},
		)
	}
	for _, kind := range []string{"random", "least_requests", "first", "least_time", "peak_ewma", "prequal", "ring_hash", "maglev", "ip_hash", "weighted_random"} {
		list = append(list, row{name: "strategy " + kind, pins: "the strategy chooses the same", group: "strategy: " + kind + ", health: off, retry: {attempts: 1, on: 5xx, budget: 100%}", happens: answering(500)})
	}
	return list
}
