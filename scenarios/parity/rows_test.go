package parity

import (
	"strconv"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

func kill(at time.Duration, id string) happen {
	return happen{at, plan.Apply{Fault: &chaos.Fault{ID: "k", Choice: spec.Choice{Kind: "kill"}}, Victims: []string{id}}}
}

// fault puts a fault in force on web-1 for some time.
func fault(from, to time.Duration, kind string, values map[string]string) []happen {
	choice, err := chaos.Kinds().Table().Read(spec.Written{Kind: kind, Values: values})
	if err != nil {
		panic(err) // the row is wrong
	}
	f := &chaos.Fault{ID: "f", Choice: choice}
	return []happen{{from, plan.Apply{Fault: f, Victims: []string{"web-1"}}}, {to, plan.Revert{Fault: "f"}}}
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
	start := func(at time.Duration, id string) happen {
		return happen{at, plan.Start{Target: plan.Target{ID: id, Group: "web"}}}
	}
	retire := func(at time.Duration, id string) happen { return happen{at, plan.Retire{Group: "web", Target: id}} }
	faulty := func(kind string, values map[string]string) []happen { return fault(32*ms, 111*ms, kind, values) }
	type written = map[string]string
	const (
		checked = "strategy: round_robin, health: {interval: 20ms, timeout: 10ms, unhealthy: 2, healthy: 2"
		slow    = "time: {kind: constant, mean: 53.3ms}, concurrency: 1, queue: 1"
		quick   = "time: {kind: constant, mean: 5.3ms}, concurrency: 8, queue: 8"
	)
	list = append(list,
		row{name: "a restart", pins: "a target that comes back takes traffic once its checks pass", group: checked + "}", happens: []happen{kill(12*ms, "web-1"), start(73*ms, "web-1")}},
		row{name: "a restart without checks", pins: "a target without checks takes traffic at once", group: plain, happens: []happen{kill(12*ms, "web-1"), start(73*ms, "web-1")}},
		row{name: "a restart, ejected", pins: "an ejection lasts its time, whatever the target does", group: plain + ", outliers: {consecutive: 1, eject_for: 61ms}", happens: []happen{kill(12*ms, "web-1"), start(33*ms, "web-1")}},
		row{name: "checks with jitter", pins: "the instants of checks are draws", group: checked + ", jitter: 50%}", happens: []happen{kill(12*ms, "web-1")}},
		row{name: "a check by TCP", pins: "a target that listens passes a check by TCP", group: checked + ", kind: tcp}", happens: []happen{kill(12*ms, "web-1"), start(73*ms, "web-1")}},
		row{name: "a matcher that never matches", pins: "an answer that is not expected fails a check", group: checked + ", matcher: '201'}"},
		row{name: "checks of a slow target", pins: "a check without an answer in time has failed", group: checked + "}", happens: faulty("latency", written{"delay": "15ms"})},
		row{name: "checks that a fault leaves alone", pins: "a fault may leave checks alone", group: checked + "}", happens: faulty("latency", written{"delay": "15ms", "probes": "false"})},
		row{name: "checks answered by a fault", pins: "a fault's status answers checks too", group: checked + "}", happens: faulty("error", written{"status": "503"})},
		row{name: "checks by TCP and a fault's status", pins: "a fault's status is HTTP's: a check by TCP does not meet it", group: checked + ", kind: tcp}", happens: faulty("error", written{"status": "503"})},
		row{name: "checks that a fault's status passes", pins: "a fault's status is judged like a target's", group: checked + ", matcher: 200-499}", happens: faulty("error", written{"status": "404"})},
		row{name: "a share of exchanges", pins: "which exchanges a fault meets is a draw", group: plain, happens: faulty("error", written{"status": "500", "share": "50%"})},
		row{name: "a delay with jitter", pins: "the delays of a fault are draws", group: plain, happens: faulty("latency", written{"delay": "13ms", "jitter": "7ms"})},
		row{name: "fail-open", pins: "with too few healthy targets all take traffic", group: checked + "}, fail_open: {healthy: 3}", happens: []happen{kill(12*ms, "web-1"), kill(13*ms, "web-2")}},
		row{name: "fail-open left", pins: "with enough healthy targets again only they take traffic", group: checked + "}, fail_open: {healthy: 2}", happens: []happen{kill(12*ms, "web-1"), kill(13*ms, "web-2"), start(74*ms, "web-1")}},
		row{name: "the sole target is not ejected", pins: "the last target that takes traffic stays", group: plain + ", outliers: {consecutive: 1, eject_for: 1s}", targets: "count: 1", happens: []happen{kill(12*ms, "web-1")}},
		row{name: "the sole target is ejected", pins: "the last target may be ejected where that is asked for", group: plain + ", outliers: {consecutive: 1, eject_for: 61ms, sole: true, max_ejected: 100%}", targets: "count: 1", happens: []happen{kill(12*ms, "web-1")}},
		row{name: "no more than a share is ejected", pins: "max_ejected bounds ejections", group: plain + ", outliers: {consecutive: 1, eject_for: 1s, max_ejected: 50%}", happens: []happen{kill(12*ms, "web-1"), kill(13*ms, "web-2")}},
		row{name: "ejection times grow", pins: "the n-th ejection lasts n times as long", group: plain + ", outliers: {consecutive: 1, eject_for: 21ms, interval: 1s}", happens: []happen{kill(12*ms, "web-1")}},
		row{name: "gateway errors apart", pins: "failures that are no answer may eject sooner", group: plain + ", outliers: {consecutive: 5, gateway: 1, eject_for: 1s}", happens: []happen{kill(12*ms, "web-1")}},
		row{name: "ejection on errors only", pins: "an answer with a status may count as no failure", group: plain + ", outliers: {consecutive: 1, on: error, eject_for: 1s}", happens: answering(500)},
		row{name: "success rate", pins: "a target whose share of successes is far below the others' is ejected", group: plain + ", outliers: {consecutive: 1000, success_rate: 1, interval: 50ms, requests: 3, hosts: 3, eject_for: 1s}", targets: "count: 4", rate: "400/s", service: quick, happens: answering(500)},
		row{name: "slow start", pins: "a target that comes back gets its share by and by", group: "strategy: weighted_random, health: {interval: 20ms, timeout: 10ms, unhealthy: 2, healthy: 2}, slow_start: 60ms", rate: "300/s", service: quick, happens: []happen{kill(12*ms, "web-1"), start(33*ms, "web-1")}},
		row{name: "weights", pins: "targets get requests by their weights", group: plain, targets: "count: 3, weights: [4, 2, 1]"},
		row{name: "zones", pins: "targets of the own zone are preferred", group: plain + ", zones: {own: a}", targets: "count: 4, zones: [a, b]"},
		row{name: "zones, one target gone", pins: "what the own zone has no room for goes to others", group: checked + "}, zones: {own: a}", targets: "count: 4, zones: [a, b]", happens: []happen{kill(12*ms, "web-1")}},
		row{name: "the backend's queue is full", pins: "a target whose queue is full answers 503", group: plain, service: slow},
		row{name: "the backend's queue is full, retried", pins: "503 may be tried elsewhere", group: plain + ", retry: {attempts: 2, on: 5xx, budget: 100%}", service: slow},
		row{name: "POST, 503, retried", pins: "an answer to a request that is not safe to repeat is final", group: plain + ", retry: {attempts: 2, on: 5xx, budget: 100%}", service: slow, load: "{post: /, body: abc}"},
		row{name: "the queue is full", pins: "who finds the queue full is answered 503", group: plain + ", limits: {requests: 1, queue: 1, wait: 1s}", service: slow},
		row{name: "an unlimited queue", pins: "requests wait in order", group: plain + ", limits: {requests: 1, queue: unlimited, wait: 1s}", service: slow},
		row{name: "waited in vain", pins: "who has waited his time is answered 503", group: plain + ", limits: {requests: 1, queue: 5, wait: 33ms}", service: slow},
		row{name: "a limit by path", pins: "each path has its own limit", group: plain, rules: "{forward: web, limit: {rate: 20/s, burst: 2, by: path}}", load: "{get: /a}, {get: /b}"},
		row{name: "a limit by header", pins: "each value of a header has its own limit", group: plain, rules: "{forward: web, limit: {rate: 20/s, burst: 1, by: 'header:x-user'}}", load: "{get: /, headers: {x-user: '{{int 1 4}}'}}"},
		row{name: "a limit for everybody", pins: "all requests share a limit", group: plain, rules: "{forward: web, limit: {rate: 20/s, burst: 3, by: everybody}}"},
		row{name: "a key of a header", pins: "requests with the same key go to the same target", group: "strategy: {kind: ring_hash, key: 'header:x-user'}, health: off", load: "{get: /, headers: {x-user: '{{int 1 9}}'}}"},
		row{name: "a key of the query", pins: "requests with the same key go to the same target", group: "strategy: {kind: maglev, key: 'query:u'}, health: off", load: "{get: '/?u={{int 1 9}}'}"},
		row{name: "a key of a cookie", pins: "requests with the same key go to the same target", group: "strategy: {kind: ring_hash, key: 'cookie:u'}, health: off", load: "{get: /, headers: {cookie: 'u={{int 1 9}}'}}"},
		row{name: "a key that is not there", pins: "a request without the key goes anywhere, by a draw", group: "strategy: {kind: ring_hash, key: 'header:x-user'}, health: off"},
		row{name: "rules by method", pins: "a rule may go by the method", group: plain, rules: "{method: [POST], respond: {status: 202}}, {forward: web}", load: "{get: /}, {post: /, body: a}"},
		row{name: "rules by header", pins: "a rule may go by a header", group: plain, rules: "{header: {x-user: '1'}, respond: {status: 202}}, {forward: web}", load: "{get: /, headers: {x-user: '{{int 1 2}}'}}"},
		row{name: "rules by query", pins: "a rule may go by the query", group: plain, rules: "{query: {v: '1'}, respond: {status: 202}}, {forward: web}", load: "{get: '/?v={{int 1 2}}'}"},
		row{name: "rules by source", pins: "a rule may go by the client's address", group: plain, rules: "{source: [127.0.0.1], respond: {status: 202}}, {forward: web}"},
		row{name: "rules by host", pins: "a rule may go by the host", group: plain, rules: "{host: a.example, respond: {status: 202}}, {forward: web}", load: "{get: /a, headers: {host: a.example}}, {get: /b, headers: {host: b.example}}"},
		row{name: "drained at once", pins: "what is under way when the drain time is over may end", group: plain + ", drain: 5ms", happens: []happen{retire(32*ms, "web-1")}},
		row{name: "drained to nothing", pins: "without a target left requests are answered 503", group: plain + ", drain: 1s", happens: []happen{retire(32*ms, "web-1"), retire(33*ms, "web-2"), retire(34*ms, "web-3")}},
		row{name: "HEAD", pins: "HEAD is as safe to repeat as GET", group: plain + ", retry: {attempts: 1, on: error, budget: 100%}", load: "{head: /}", happens: []happen{kill(62*ms, "web-1")}},
		row{name: "PUT", pins: "PUT may be repeated with its body", group: plain + ", retry: {attempts: 1, on: error, budget: 100%}", load: "{put: /, body: abc}", happens: []happen{kill(62*ms, "web-1")}},
		row{name: "the client's timeout", pins: "what the client gives up is given up", group: plain, service: slow, client: "timeout: 61ms"},
		row{name: "a reused connection that breaks", pins: "a request that met the closing of its connection goes to a new one", group: "strategy: first, health: off, retry: {attempts: 1, budget: 100%}", happens: []happen{kill(62*ms, "web-1")}},
	)
	const silent = "time: {kind: constant, mean: 41.3ms}, concurrency: 1, queue: 5"
	list = append(list,
		row{name: "no answer in time", pins: "a target that lets nothing come for the response timeout has failed: 504", group: plain + ", timeouts: {response: 33ms}", service: silent},
		row{name: "no answer in time, retried", pins: "a target that lets nothing come may be followed by another", group: plain + ", timeouts: {response: 33ms}, retry: {attempts: 2, on: error, budget: 100%}", service: silent, rate: "97/s"},
		row{name: "no answer in time, POST", pins: "a request that is not safe to repeat is not repeated when nothing comes", group: plain + ", timeouts: {response: 33ms}, retry: {attempts: 2, on: error, budget: 100%}", service: silent, load: "{post: /, body: abc}"},
		row{name: "no answer in time, ejected", pins: "no answer in time is a failure of the target", group: plain + ", timeouts: {response: 33ms}, outliers: {consecutive: 1, eject_for: 61ms}", service: silent},
		row{name: "no answer in time, from the target's queue", pins: "a request that the balancer gives up leaves the target's queue", group: plain + ", timeouts: {response: 51ms}", service: silent, rate: "200/s"},
		row{name: "delayed for longer than a response may take", pins: "a fault's delay counts against the response timeout, which ends it: 504", group: plain + ", timeouts: {response: 33ms}", happens: fault(3*ms, 141*ms, "latency", map[string]string{"delay": "43ms"})},
		row{name: "delayed for longer than a response may take, retried", pins: "what a delay has ended may be followed by another attempt", group: plain + ", timeouts: {response: 33ms}, retry: {attempts: 1, on: error, budget: 100%}", happens: fault(3*ms, 141*ms, "latency", map[string]string{"delay": "43ms"})},
		row{name: "delayed for longer than a response may take, POST", pins: "what a delay has ended counts as sent", group: plain + ", timeouts: {response: 33ms}, retry: {attempts: 1, on: error, budget: 100%}", load: "{post: /, body: abc}", happens: fault(3*ms, 141*ms, "latency", map[string]string{"delay": "43ms"})},
		row{name: "delayed for longer than a response may take, ejected", pins: "what a delay has ended is a failure of the target", group: plain + ", timeouts: {response: 33ms}, outliers: {consecutive: 2, eject_for: 61ms}", happens: fault(3*ms, 141*ms, "latency", map[string]string{"delay": "43ms"})},
		row{name: "delayed, and then too slow", pins: "a response may take the time that a delay has left of its timeout", group: plain + ", timeouts: {response: 33ms}", happens: fault(3*ms, 141*ms, "latency", map[string]string{"delay": "11.3ms"})},
		row{name: "delayed, and in time", pins: "a delay and the service within the response timeout are an answer", group: plain + ", timeouts: {response: 40ms}, limits: {requests: 1, queue: 9, wait: 1s}", rate: "60/s", happens: fault(3*ms, 141*ms, "latency", map[string]string{"delay": "11.3ms"})},
		row{name: "an answer just in time", pins: "what comes in time is an answer", group: plain + ", timeouts: {response: 41.4ms}", service: silent, rate: "60/s"},
		row{name: "the whole time is over", pins: "an exchange may not last longer than it may: 504", group: plain + ", timeouts: {exchange: 33ms}", service: silent},
		row{name: "the whole time is over, no retry", pins: "no attempt follows when the whole time is over", group: plain + ", timeouts: {exchange: 33ms}, retry: {attempts: 2, on: error, budget: 100%}", service: silent},
		row{name: "the whole time is over, whose it was", pins: "the target that had most of the time is to blame", group: plain + ", timeouts: {exchange: 33ms}, outliers: {consecutive: 1, eject_for: 61ms}", service: silent},
		row{name: "the whole time is over in the second attempt", pins: "a target is not to blame for the time that another had", group: plain + ", timeouts: {response: 19ms, exchange: 33ms}, retry: {attempts: 2, on: error, budget: 100%}, outliers: {consecutive: 2, eject_for: 60.7ms}", service: silent},
		row{name: "the whole time is over in the queue", pins: "the whole time counts in the queue: 504", group: plain + ", timeouts: {exchange: 33ms}, limits: {requests: 1, queue: 9, wait: 1s}", service: silent, rate: "200/s"},
		row{name: "the whole time is over after the queue", pins: "a target is not to blame for the time in the queue", group: plain + ", timeouts: {exchange: 61ms}, limits: {requests: 1, queue: 9, wait: 1s}, outliers: {consecutive: 1, eject_for: 1s}", service: silent, rate: "200/s"},
		row{name: "the whole time is over by a fault's delay", pins: "an injected delay counts against the whole time", group: plain + ", timeouts: {exchange: 27ms}, outliers: {consecutive: 1, eject_for: 1s}", happens: faulty("latency", written{"delay": "29ms"})},
		row{name: "the client's timeout before the balancer's", pins: "a client that has gone is noticed at the next look, unless the exchange ends before", group: plain + ", timeouts: {response: 71ms}", service: silent, rate: "200/s", client: "timeout: 31ms"},
		row{name: "ejected while its time runs", pins: "what is under way at an ejected target goes on", group: plain + ", timeouts: {response: 33ms}, outliers: {consecutive: 1, eject_for: 21ms}, retry: {attempts: 1, on: error, budget: 100%}", service: silent, happens: []happen{kill(62*ms, "web-2")}},
	)
	const other = "api: {strategy: round_robin, health: off, targets: {count: 2}, service: {time: {kind: constant, mean: 11.3ms}, concurrency: 2, queue: 2}}"
	list = append(list,
		row{name: "statuses of the listener's own", pins: "the statuses of the balancer's own answers are the listener's", group: plain, listens: "errors: {connect: 521, broken: 522}", happens: []happen{kill(62*ms, "web-1")}},
		row{name: "no target, another status", pins: "no target has a status of its own", group: plain + ", drain: 1s", targets: "count: 1", listens: "errors: {no_target: 529}", happens: []happen{retire(32*ms, "web-1")}},
		row{name: "a queue that is full, another status", pins: "a full queue has the status of no target", group: plain + ", limits: {requests: 1, queue: 1, wait: 1s}", service: slow, listens: "errors: {no_target: 529}"},
		row{name: "two groups by path", pins: "rules lead to groups", group: plain, more: other, rules: "{path: /api/*, forward: api}, {forward: web}", load: "{get: /, weight: 2}, {get: /api/x}"},
		row{name: "two groups by weight", pins: "which group a request goes to is a draw by weight", group: plain, more: other, rules: "{forward: {web: 2, api: 1}}"},
		row{name: "rules by priority", pins: "a rule of a higher priority comes first", group: plain, more: other, rules: "{path: /a*, forward: web, priority: 2}, {path: /ab*, forward: api, priority: 1}", load: "{get: /abc}, {get: /ax}"},
		row{name: "paths in normal form", pins: "rules see a path in normal form", group: plain, more: other, rules: "{path: /api/*, forward: api}, {forward: web}", load: "{get: '/x/../api/y'}, {get: '//api//y'}, {get: '/%61pi/y'}, {get: /apiary}"},
		row{name: "two limits", pins: "each rule has its own limit", group: plain, more: other, rules: "{path: /api/*, forward: api, limit: {rate: 20/s, burst: 1}}, {forward: web, limit: {rate: 30/s, burst: 2}}", load: "{get: /, weight: 2}, {get: /api/x}"},
		row{name: "ejected, and retried elsewhere", pins: "an attempt that ejects its target may be followed by another", group: plain + ", outliers: {consecutive: 1, eject_for: 1s}, retry: {attempts: 1, budget: 100%}", happens: []happen{kill(12*ms, "web-1")}},
		row{name: "unhealthy and ejected", pins: "a target that is unhealthy and ejected comes back when both are over", group: checked + "}, outliers: {consecutive: 1, eject_for: 77ms}", happens: []happen{kill(12*ms, "web-1"), start(33*ms, "web-1")}},
		row{name: "killed while it drains", pins: "what is under way on a target that drains breaks off with it", group: plain + ", drain: 1s", service: slow, happens: []happen{retire(32*ms, "web-1"), kill(41*ms, "web-1")}},
		row{name: "killed in its delay", pins: "a delay does not keep a request from a target that dies meanwhile", group: plain, happens: append(fault(3*ms, 111*ms, "latency", written{"delay": "13ms"}), kill(12*ms, "web-1"))},
		row{name: "two faults", pins: "faults add up", group: plain, happens: append(fault(3*ms, 111*ms, "latency", written{"delay": "13ms"}), kill(33*ms, "web-2"))},
		row{name: "a fault ends in a delay", pins: "a delay that has begun lasts", group: plain, happens: fault(3*ms, 21*ms, "latency", written{"delay": "53ms"})},
		row{name: "retries of injected errors", pins: "an injected error may be tried elsewhere, and the draws of the other attempt are its own", group: plain + ", retry: {attempts: 2, on: 5xx, budget: 100%}", targets: "count: 2", happens: faulty("error", written{"status": "503", "share": "50%"})},
		row{name: "no other target", pins: "an answer is passed on when nobody else could be asked", group: plain + ", retry: {attempts: 2, on: 5xx, budget: 100%}", targets: "count: 1", happens: faulty("error", written{"status": "503", "share": "50%"})},
		row{name: "POST, injected error", pins: "an injected error of a request that is not safe to repeat is final", group: plain + ", retry: {attempts: 2, on: 5xx, budget: 100%}", load: "{post: /, body: abc}", happens: answering(503)},
		row{name: "DELETE", pins: "DELETE may be repeated", group: plain + ", retry: {attempts: 1, on: error, budget: 100%}", load: "{delete: /}", happens: []happen{kill(62*ms, "web-1")}},
		row{name: "PATCH", pins: "PATCH may not be repeated", group: plain + ", retry: {attempts: 1, on: error, budget: 100%}", load: "{patch: /, body: a}", happens: []happen{kill(62*ms, "web-1")}},
		row{name: "OPTIONS", pins: "OPTIONS may be repeated", group: plain + ", retry: {attempts: 1, on: error, budget: 100%}", load: "{options: /}", happens: []happen{kill(62*ms, "web-1")}},
		row{name: "a mix of methods", pins: "each request is decided by its own method", group: plain + ", retry: {attempts: 1, on: 5xx, budget: 100%}", load: "{get: /}, {post: /, body: abc}, {put: /, body: abc}, {delete: /}", happens: append(answering(503), kill(62*ms, "web-2"))},
		row{name: "a limit with a queue, a target dies", pins: "a target that dies makes room in the queue", group: plain + ", limits: {requests: 2, queue: 5, wait: 1s}", service: slow, happens: []happen{kill(62*ms, "web-1")}},
		row{name: "a queue, retried", pins: "an attempt after a failure waits like any other", group: plain + ", limits: {requests: 1, queue: 5, wait: 1s}, retry: {attempts: 1, budget: 100%}", service: slow, happens: []happen{kill(12*ms, "web-1")}},
		row{name: "the client leaves the queue", pins: "who gives up in the queue leaves it", group: plain + ", limits: {requests: 1, queue: 5, wait: 1s}", service: slow, client: "timeout: 71ms"},
		row{name: "the client leaves in the delay", pins: "who gives up while a fault delays his request does not come to the target", group: plain, client: "timeout: 41ms", happens: fault(3*ms, 111*ms, "latency", written{"delay": "83ms"})},
		row{
			name: "a connection that is idle for who has waited", pins: "who waited for a target goes on the connection of who made room", group: "strategy: first, health: off, limits: {requests: 1, queue: 5, wait: 1s}",
			targets: "count: 1", listens: "errors: {connect: 521, broken: 522}", happens: []happen{kill(41*ms, "web-1")},
		},
		row{
			name: "an answer that is not passed on", pins: "the connection of a failure that is tried elsewhere is not used again", group: "strategy: first, health: off, retry: {attempts: 1, on: 5xx, budget: 93%, floor: 0/s}",
			targets: "count: 2", service: "time: {kind: constant, mean: 128.7ms}, concurrency: 1, queue: 0", client: "timeout: 50ms", listens: "errors: {connect: 521, broken: 522}", happens: []happen{kill(151*ms, "web-1")},
		},
	)
	list = append(list,
		row{name: "leaves in the delay", pins: "a client that has gone when its delay is over is not sent for", group: plain, targets: "count: 1", service: "time: {kind: constant, mean: 63.7ms}, concurrency: 1, queue: 0", client: "timeout: 41ms", rate: "20/s", happens: fault(3*ms, 30*ms, "latency", map[string]string{"delay": "47ms"})},
		row{name: "delay and status beyond the whole time", pins: "a fault's status is not answered after the whole time", group: plain + ", timeouts: {exchange: 27ms}", happens: append(fault(3*ms, 111*ms, "latency", map[string]string{"delay": "50ms"}), answering(503)...)},
		row{name: "leaves, then ejected", pins: "what is not sent for a client that has gone ejects nobody", group: plain + ", outliers: {consecutive: 1, eject_for: 1s}, timeouts: {response: 71ms}", targets: "count: 2", service: "time: {kind: constant, mean: 500ms}, concurrency: 1, queue: 5", client: "timeout: 31ms", rate: "20/s", happens: fault(3*ms, 141*ms, "latency", map[string]string{"delay": "43ms"})},
		row{name: "spooled POST queue late", pins: "the whole time counts in the queue before a second attempt", group: plain + ", timeouts: {exchange: 61ms}, retry: {attempts: 2, on: error, budget: 100%}, limits: {requests: 1, queue: 9, wait: 30ms}", service: "time: {kind: constant, mean: 500ms}, concurrency: 1, queue: 5", rate: "100/s", happens: []happen{kill(12*ms, "web-1")}},
		row{name: "waits longer than whole time in queue with retry", pins: "an attempt after another waits in the queue for the rest of the whole time", group: plain + ", timeouts: {exchange: 60.7ms, response: 19.3ms}, retry: {attempts: 2, on: error, budget: 100%}, limits: {requests: 1, queue: 9, wait: 1s}", service: "time: {kind: constant, mean: 500ms}, concurrency: 1, queue: 5", rate: "197/s"},
		row{name: "left in the queue, admitted before it is noticed, and the target is silent", pins: "a target is silent although nobody waits for it any more", group: "strategy: first, health: off, outliers: {consecutive: 2, eject_for: 1s, sole: true}, timeouts: {response: 97ms}, limits: {requests: 1, queue: 20, wait: 1s}", targets: "count: 1", service: "time: {kind: constant, mean: 500ms}, concurrency: 5, queue: 5", client: "timeout: 80ms"},
	)
	list = append(list, waitingRows()...)
	list = append(list, stickyRows()...)
	list = append(list, retryRows()...)
	list = append(list, clientRetryRows()...)
	for _, profile := range []string{"alb", "haproxy", "envoy", "nginx"} {
		list = append(list,
			row{name: profile + ": refused", pins: "the profile's statuses, retries and ejections", top: "balancer: {profile: " + profile + "}", group: "health: off", happens: []happen{kill(12*ms, "web-1")}},
			row{name: profile + ": broken off", pins: "the profile's statuses, retries and ejections", top: "balancer: {profile: " + profile + "}", group: "health: off", happens: []happen{kill(62*ms, "web-1"), kill(63*ms, "web-2")}},
			row{name: profile + ": answered 500", pins: "the profile's statuses, retries and ejections", top: "balancer: {profile: " + profile + "}", group: "health: off", happens: answering(500)},
			row{name: profile + ": answered 503", pins: "the profile's statuses, retries and ejections", top: "balancer: {profile: " + profile + "}", group: "health: off", happens: answering(503)},
			row{name: profile + ": all gone", pins: "the profile's statuses, retries and ejections", top: "balancer: {profile: " + profile + "}", group: "health: off", happens: []happen{kill(12*ms, "web-1"), kill(13*ms, "web-2"), kill(14*ms, "web-3")}},
		)
	}
	for _, status := range []int{404, 500, 502, 503, 504} {
		list = append(list,
			row{
				name: "injected " + strconv.Itoa(status), pins: "a fault's status is an answer", happens: answering(status),
				group: plain + ", outliers: {consecutive: 2, eject_for: 41ms}, retry: {attempts: 1, on: 5xx, budget: 100%}",
			},
		)
	}
	for _, kind := range []string{"random", "least_requests", "first", "least_time", "peak_ewma", "prequal", "ring_hash", "maglev", "ip_hash", "weighted_random"} {
		list = append(list, row{name: "strategy " + kind, pins: "the strategy chooses the same", group: "strategy: " + kind + ", health: off, retry: {attempts: 1, on: 5xx, budget: 100%}", happens: answering(500)})
	}
	return list
}

// waitingRows are of requests that wait, or don't, for a target that is not there.
func waitingRows() (list []row) {
	const (
		limits = "strategy: round_robin, health: off, limits: {requests: 1, queue: 9, wait: 61ms}"
		first  = "limits: {requests: 1, queue: 3, wait: 61ms, wait_for_target: true}"
	)
	start := func(at time.Duration, id string) happen {
		return happen{at, plan.Start{Target: plan.Target{ID: id, Group: "web"}}}
	}
	leaves := func(at time.Duration) happen { return happen{at, plan.Retire{Group: "web", Target: "web-1"}} }
	const slow = "time: {kind: constant, mean: 93.3ms}, concurrency: 1, queue: 1"
	list = append(list,
		row{name: "the last target leaves while others wait", pins: "nobody begins to wait for a group without a target, whoever waits already", group: limits, targets: "count: 1", service: slow, listens: "errors: {no_target: 529}", happens: []happen{leaves(22 * ms)}},
		row{name: "the last target leaves, and another comes", pins: "who waits already is admitted to a target that comes", group: limits, targets: "count: 1", service: slow, listens: "errors: {no_target: 529}", happens: []happen{leaves(22 * ms), start(52*ms, "web-2")}},
		row{name: "the last target is ejected while others wait", pins: "an ejected target is one that takes no traffic", group: limits + ", outliers: {consecutive: 1, eject_for: 57ms, sole: true, max_ejected: 100%}, timeouts: {response: 33.9ms}", targets: "count: 1", service: slow, listens: "errors: {no_target: 529}"},
		row{name: "a group without a target", pins: "without a target requests are answered at once, where nothing else is asked for", group: limits, targets: "count: 1", happens: []happen{leaves(2 * ms), start(52*ms, "web-2")}},
		row{name: "the first target comes", pins: "requests wait for the first target where that is asked for, as many as the queue holds", group: "strategy: round_robin, health: off, " + first, targets: "count: 1", happens: []happen{leaves(2 * ms), start(52*ms, "web-2")}},
		row{name: "the first target does not come", pins: "who has waited for the first target for his time is answered 503", group: "strategy: round_robin, health: off, " + first, targets: "count: 1", happens: []happen{leaves(2 * ms)}},
		row{name: "the first target is to be checked", pins: "a first target whose checks have not passed yet is waited for", group: "strategy: round_robin, health: {interval: 20ms, timeout: 10ms, unhealthy: 2, healthy: 2}, " + first, targets: "count: 1", happens: []happen{leaves(2 * ms), start(32*ms, "web-2")}},
		row{name: "the only target fails its checks", pins: "a target that is known to fail is not waited for", group: "strategy: round_robin, health: {interval: 20ms, timeout: 10ms, unhealthy: 1, healthy: 2}, " + first, targets: "count: 1", listens: "errors: {no_target: 529}", happens: []happen{kill(2*ms, "web-1"), start(73*ms, "web-1")}},
	)
	for _, kind := range []string{"least_time", "peak_ewma", "prequal"} {
		group := "strategy: " + kind + ", health: off"
		list = append(list,
			row{name: kind + ", a delay", pins: "a fault's delay counts as the target's time", group: group, happens: fault(3*ms, 71*ms, "latency", map[string]string{"delay": "31ms"}), rate: "190/s"},
			row{name: kind + ", a queue", pins: "the time in the queue is not the target's", group: group + ", limits: {requests: 1, queue: 9, wait: 1s}", rate: "190/s", targets: "count: 2"},
			row{name: kind + ", retried", pins: "the time of each attempt is its own target's", group: group + ", timeouts: {response: 17.3ms}, retry: {attempts: 2, on: error, budget: 100%}", rate: "190/s", happens: []happen{kill(62*ms, "web-1")}, service: "time: {kind: lognormal, mean: 13.7ms, p99: 60ms}, concurrency: 2, queue: 2"},
		)
	}
	return list
}

// stickyRows are of clients that send a cookie which the balancer has made, or might have.
func stickyRows() []row {
	sticky := &group.Sticky{Cookie: "lb", For: 24 * time.Hour, Secret: "s"}
	strategy, err := pick.Kinds().New(pick.Kinds().Table().Default("random"))
	if err != nil {
		panic(err)
	}
	of := func(name, id string, at time.Time) string {
		return sticky.Token(group.New(name, group.Config{Strategy: strategy}), id, at.Unix())
	}
	token := func(id string, at time.Time) string { return of("web", id, at) }
	bubble := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // when bubbles begin; a simulated run begins in 1970, for which the cookie is good as well
	with := func(cookie string) string { return "{get: /, headers: {cookie: 'a=b; lb=" + cookie + "'}}" }
	const settings = "strategy: round_robin, health: off, sticky: {cookie: lb, for: 24h, secret: s}"
	own := with(token("web-2", bubble))
	return []row{
		{name: "a sticky client", pins: "a client goes to the target of its cookie", group: settings, load: own, service: "time: {kind: constant, mean: 5.3ms}, concurrency: 8, queue: 8"},
		{name: "a sticky client, its target drains", pins: "a client whose target drains goes to another", group: settings + ", drain: 1s", load: own, happens: []happen{{32 * ms, plan.Retire{Group: "web", Target: "web-2"}}}},
		{name: "a sticky client, its target is ejected", pins: "a client whose target is ejected goes to another until it is back", group: settings + ", outliers: {consecutive: 1, eject_for: 47ms}", load: own, happens: []happen{kill(12*ms, "web-2")}},
		{name: "a sticky client, retried", pins: "a request is retried elsewhere although its client sticks", group: settings + ", retry: {attempts: 1, on: error, budget: 100%}", load: own, happens: []happen{kill(12*ms, "web-2")}},
		{name: "a sticky client, its target full", pins: "a client goes elsewhere when its target has no room", group: settings + ", limits: {requests: 1, queue: 5, wait: 1s}", load: own},
		{name: "a forged cookie", pins: "a cookie that the balancer has not made is none", group: settings, load: with("x" + token("web-2", bubble)[1:])},
		{name: "a cookie that has ended", pins: "a cookie is good for its time", group: settings, load: with(token("web-2", time.Unix(-1e6, 0)))},
		{name: "a cookie of nobody", pins: "a cookie of a target that is not there is none", group: settings, load: with(token("web-9", bubble))},
		{name: "a cookie of another group", pins: "a cookie is good for its group", group: settings, load: with(of("api", "web-2", bubble))},
	}
}

// retryRows are each rule of retries with requests of each kind and failures of each kind.
func retryRows() (list []row) {
	type failure struct {
		name, service, settings string
		happens                 []happen
	}
	failures := []failure{
		{name: "refused", happens: []happen{kill(12*ms, "web-1")}},
		{name: "broken off", happens: []happen{kill(62*ms, "web-1")}},
		{name: "no answer in time", service: "time: {kind: constant, mean: 41.3ms}, concurrency: 1, queue: 5", settings: ", timeouts: {response: 33.9ms}"},
		{name: "answered 503", service: "time: {kind: constant, mean: 53.3ms}, concurrency: 1, queue: 0"},
		{name: "injected 500", happens: answering(500)},
	}
	for _, on := range []string{"connect", "error", "5xx"} {
		for _, request := range []string{"get: /", "post: /, body: abc", "put: /, body: abc"} {
			for _, f := range failures {
				list = append(list, row{
					name: "retry on " + on + ", " + request + ", " + f.name, pins: "which failures of which requests may be tried elsewhere", load: "{" + request + "}", rate: "97/s", service: f.service, happens: f.happens,
					group: "strategy: round_robin, health: off, retry: {attempts: 2, on: " + on + ", budget: 100%}" + f.settings,
				})
			}
		}
	}
	return list
}
