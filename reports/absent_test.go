package reports

import (
	"bytes"
	"encoding/json"
	"regexp"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

// allFailed is a run in which every request failed.
func allFailed() *Result {
	var t measure.Tally
	for i := range 100 {
		due := time.Duration(i) * 10 * time.Millisecond
		t.Add(&measure.Sample{
			Seq: uint64(i), Due: due, Offered: due + 200*time.Microsecond, Sent: due + 300*time.Microsecond, Done: due + 5*time.Millisecond,
			Outcome: measure.Failed, Class: measure.Refused,
		})
	}
	p := PeriodOf("main", 0, 1e9, &t, 100)
	return &Result{
		Schema: Schema, Name: "down", Verdict: Failed, World: "live", DurationMS: 1000, JudgedMS: 1000, PlannedMS: 1000,
		Totals: p.Totals, Rates: p.Rates, Latency: p.Latency, Errors: p.Errors, Histograms: p.Histograms,
		Validity: Validity{Valid: true, Lag: p.Lag, LagLimitMS: 1},
		Phases:   []Period{p}, Windows: []Period{p}, Requests: []Period{p},
		Examples: map[string]string{"refused": "connection refused"},
	}
}

// zeroLatency is how an output would say that a latency is 0; a line of CSV ends with
// service_p99_ms, lag_p99_ms, p95_ms, three figures of what ended, and reconnects.
var zeroLatency = regexp.MustCompile(`\b0(\.0+)? ms|"p[0-9]+_ms": 0,|"max_ms": 0,|,0,[0-9.]+,0,,,,[0-9]+\n`)

// A latency without a success does not exist: no output may call it 0.
func TestALatencyWithoutASuccessIsADash(t *testing.T) {
	r := allFailed()
	for _, f := range Formats() {
		if f.Write == nil || f.Name == "hgrm" { // its header says 0 for what it summarises, as HdrHistogram's own does
			continue
		}
		var b bytes.Buffer
		if err := f.Write(&b, r); err != nil {
			t.Fatal(err)
		}
		if zero := zeroLatency.FindString(b.String()); zero != "" {
			t.Errorf("%s says %q", f.File, zero)
		}
	}
	b, err := json.Marshal(r.Latency.Response)
	if want := `{"mean_ms":null,"p50_ms":null,"p90_ms":null,"p95_ms":null,"p99_ms":null,"p999_ms":null,"max_ms":null,"count":0}`; err != nil || string(b) != want {
		t.Errorf("%s, %v", b, err)
	}
	b, err = json.Marshal(Lag{})
	if want := `{"p50":null,"p99":null,"max":null}`; err != nil || string(b) != want {
		t.Errorf("%s, %v", b, err)
	}
}

func TestFiguresReadBack(t *testing.T) {
	for _, want := range []Figures{{}, {Mean: 1.5, P50: 1, P90: 2, P95: 3, P99: 4, P999: 5, Max: 6, Count: 7}} {
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Figures
		if err := json.Unmarshal(b, &got); err != nil || got != want {
			t.Errorf("%s: %+v, %v", b, got, err)
		}
	}
	var lag Lag
	if err := json.Unmarshal([]byte(`{"p50":null,"p99":null,"max":null}`), &lag); err != nil || !lag.Empty() {
		t.Error(lag, err)
	}
}

func TestAPercentileOfFewRequestsSaysHowMany(t *testing.T) {
	for _, tc := range []struct {
		q    float64
		n    int64
		want bool
	}{{.5, 40, true}, {.5, 39, false}, {.9, 200, true}, {.9, 199, false}, {.99, 2000, true}, {.99, 1999, false}, {.999, 20000, true}, {.999, 19999, false}} {
		if Reliable(tc.q, tc.n) != tc.want {
			t.Errorf("quantile %v of %d: reliable is %v", tc.q, tc.n, !tc.want)
		}
	}
	f := Figures{P50: 20, P99: 114, Count: 150}
	if got := f.Percentile(.99, f.P99) + ", " + f.Percentile(.5, f.P50) + ", " + (Figures{}).Percentile(.99, 0); got != "114 ms (of 150 requests), 20 ms, —" {
		t.Error(got)
	}
}
