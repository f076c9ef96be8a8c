package reports

import (
	"bytes"
	"strings"
	"testing"
)

func plain(_, s string) string { return s }

func TestTheSummaryTellsEverythingInShort(t *testing.T) {
	r := fixture(t)
	r.Scenario = []byte(`{"client": {"timeout": "155ms"}}`)
	want := `FAILED
  pass  p99 < 400ms             115 ms (of 713 requests)
  FAIL  error_rate < 0.1%       0.42 %
  pass  recover(kill-one) < 3s  0 ms (the objective never broke)
  FAIL  p99[main] < 50ms        between 96 ms and 115 ms: the load generator was late or stood still (of 713 requests)
  requests       716 planned, 713 succeeded, 3 failed, 0 dropped, 0 cancelled, 2 sent again on a new connection, in the 4.5 s that are judged
  rate           158.4/s succeeded of 159.1/s planned
  response time  p50 19 ms, p90 65 ms, p95 83 ms, p99 115 ms (of 713 requests), max 151 ms (limited by the client's timeout of 155 ms)
  statuses       200: 713, 502: 3
  errors         3 status_5xx, for example: status 502
  phase warm-up  52.0/s, p99 35 ms (of 26 requests), errors 0.00 %, not judged
  phase main     158.4/s, p99 115 ms (of 713 requests), errors 0.42 %
  warning: The load generator itself stood still for 110 ms in all, took 20 ms more to work off what had piled up meanwhile, and delayed 18 of 716 judged requests (2.51 %). The p95 of the response time lies between 61 ms, without that time, and 83 ms, as measured.
`
	if got := Summary(r, plain); got != want {
		t.Errorf("it says\n%s\nwant\n%s", got, want)
	}
}

func TestTheSummaryOfARunWithoutSuccess(t *testing.T) {
	r := allFailed()
	r.Verdict, r.Reasons = Interrupted, []string{"interrupted after 1 s", "p99 < 1s: did not happen"}
	r.Gates = []Gate{{Expr: "p99 < 1s"}, {Expr: "rate > 5/s", Judged: true}}
	got := Summary(r, plain)
	for _, line := range []string{
		"INTERRUPTED\n", "  skip  p99 < 1s    not judged: the run was stopped early\n", "  FAIL  rate > 5/s  did not happen\n", "  interrupted after 1 s\n",
		"  response time  — (no request succeeded)\n", "100 refused, for example: connection refused\n", "  phase main     0.0/s, p99 —, errors 100.00 %\n",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("it does not say %q:\n%s", line, got)
		}
	}
	if zeroLatency.MatchString(got) || strings.Contains(got, "p99 < 1s: did") {
		t.Error(got)
	}
}

// What a name or an error's text holds stays within its cell.
func TestMarkdownCells(t *testing.T) {
	r := allFailed()
	r.Examples["refused"] = "a | b\nc"
	var b bytes.Buffer
	if err := WriteMarkdown(&b, r); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `| Connection refused | 100 | a \| b c |`) {
		t.Error(b.String())
	}
}
