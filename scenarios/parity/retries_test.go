package parity

// clientRetryRows are situations of clients that try again.
func clientRetryRows() []row {
	const plain = "strategy: round_robin, health: off"
	client := func(retry string) string { return "timeout: 403ms, retry: {budget: unlimited, " + retry + "}" }
	half := func() []happen {
		return fault(30*ms, 310*ms, "error", map[string]string{"status": "503", "share": "50%"})
	}
	return []row{
		{
			name: "client, 503, one retry", pins: "an answer of 503 is followed by another attempt after the pause",
			group: plain, client: client("attempts: 1, jitter: none, backoff: 13.3ms"), happens: answering(503),
		},
		{
			name: "client, 503, three retries", pins: "the pause doubles with each retry",
			group: plain + "", targets: "count: 1", client: client("attempts: 3, jitter: none, backoff: 11.3ms"), happens: answering(503),
		},
		{
			name: "client, 503, the longest pause", pins: "the pause grows to its limit",
			group: plain, targets: "count: 1", client: client("attempts: 3, jitter: none, backoff: 11.3ms, max_backoff: 12.9ms"), happens: answering(503),
		},
		{
			name: "client, 503, full jitter", pins: "the pause is drawn by the request and its attempt",
			group: plain, targets: "count: 1", client: client("attempts: 3, backoff: 31.3ms"), happens: answering(503),
		},
		{
			name: "client, 503, equal jitter", pins: "the pause is drawn from the upper half",
			group: plain, targets: "count: 1", client: client("attempts: 3, backoff: 31.3ms, jitter: equal"), happens: answering(503),
		},
		{
			name: "client, half of the answers 503", pins: "a retry does not repeat the coin flip of what it follows",
			group: plain, targets: "count: 1", service: "time: {kind: constant, mean: 3.7ms}", client: client("attempts: 2, backoff: 17.3ms"), happens: half(),
		},
		{
			name: "client and balancer, half of the answers 503", pins: "the balancer's attempts at a client's retry have draws of their own",
			group: plain + ", retry: {attempts: 1, on: 5xx, budget: 100%}", service: "time: {kind: constant, mean: 3.7ms}", client: client("attempts: 2, backoff: 17.3ms"), happens: half(),
		},
		{
			name: "client, service times are drawn anew", pins: "a retry has a service time of its own",
			group: plain, targets: "count: 1", service: "time: {kind: exponential, mean: 3.7ms}, concurrency: 8", client: client("attempts: 2, backoff: 17.3ms"), happens: half(),
		},
		{
			name: "client, on error, 503", pins: "an answer is no error",
			group: plain, client: client("attempts: 1, on: error, jitter: none, backoff: 13.3ms"), happens: answering(503),
		},
		{
			name: "client, on 5xx, 404", pins: "an answer of 4xx is not followed by another attempt",
			group: plain, client: client("attempts: 1, jitter: none, backoff: 13.3ms"), happens: answering(404),
		},
		{
			name: "client, POST, 503", pins: "a request that is not idempotent is not repeated",
			group: plain, load: "{post: /, body: abc}", client: client("attempts: 1, jitter: none, backoff: 13.3ms"), happens: answering(503),
		},
		{
			name: "client, POST that may be repeated, 503", pins: "a request that is not idempotent is repeated where the client may",
			group: plain, load: "{post: /, body: abc}", client: client("attempts: 1, jitter: none, backoff: 13.3ms, non_idempotent: true"), happens: answering(503),
		},
		{
			name: "client, a target gone", pins: "the balancer's 502 is followed by another attempt",
			group: plain, client: client("attempts: 1, jitter: none, backoff: 13.3ms"), happens: []happen{kill(12*ms, "web-1")},
		},
		{
			name: "client, all targets gone", pins: "the last failure is the outcome",
			group: plain, targets: "count: 2", client: client("attempts: 2, jitter: none, backoff: 13.3ms"), happens: []happen{kill(12*ms, "web-1"), kill(13*ms, "web-2")},
		},
		{
			name: "client, budget exhausted", pins: "retries are bounded by the client's budget",
			group: plain, client: "timeout: 403ms, retry: {attempts: 2, budget: 10%, floor: 2/s, jitter: none, backoff: 13.3ms}", happens: []happen{kill(12*ms, "web-1")},
		},
		{
			name: "client, an attempt's timeout", pins: "an attempt that takes too long is left, and followed by another",
			group: plain, client: client("attempts: 1, timeout: 29.3ms, jitter: none, backoff: 13.3ms"), happens: fault(30*ms, 110*ms, "latency", map[string]string{"delay": "40.7ms"}),
		},
		{
			name: "client, an attempt's timeout while the balancer tries again", pins: "the balancer goes on until it looks, then leaves the attempt that its client has left",
			group:  plain + ", retry: {attempts: 1, on: error, budget: 100%}, timeouts: {response: 90.1ms}",
			client: client("attempts: 2, timeout: 71.3ms, jitter: none, backoff: 13.3ms"), happens: fault(30*ms, 310*ms, "latency", map[string]string{"delay": "140.7ms"}),
		},
		{
			name: "client, an attempt's timeout in the queue", pins: "a request leaves the balancer's queue when its client has left it, and joins it again",
			group: plain + ", limits: {requests: 1, queue: 20, wait: 300ms}", targets: "count: 1", service: "time: {kind: constant, mean: 43.7ms}",
			client: client("attempts: 2, timeout: 61.3ms, jitter: none, backoff: 13.3ms"),
		},
		{
			name: "client, too little time left", pins: "no retry begins for which too little of the timeout is left",
			group: plain, client: "timeout: 103ms, min_attempt: 20ms, retry: {attempts: 5, budget: unlimited, jitter: none, backoff: 23.3ms}", happens: []happen{kill(12*ms, "web-1"), kill(13*ms, "web-2"), kill(14*ms, "web-3")},
		},
		{
			name: "client, the timeout of the whole ends the last attempt", pins: "an attempt's own timeout reaches no further than the whole",
			group: plain, targets: "count: 1", client: "timeout: 203ms, retry: {attempts: 5, budget: unlimited, timeout: 97.1ms, jitter: none, backoff: 11.3ms}", happens: fault(30*ms, 310*ms, "latency", map[string]string{"delay": "140.7ms"}),
		},
	}
}
