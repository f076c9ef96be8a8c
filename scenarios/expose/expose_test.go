package expose

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

func TestFiguresAreExposed(t *testing.T) {
	s, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var h measure.Hist
	for _, ms := range []int{1, 3, 3, 40, 20000} {
		h.Record(time.Duration(ms) * time.Millisecond)
	}
	s.Set(Figures{
		Elapsed: 1500 * time.Millisecond, Length: 10 * time.Second, Planned: 100, Succeeded: 5, Failed: 2, Dropped: 1, InFlight: 7,
		Errors: map[measure.Class]uint64{measure.Refused: 2, measure.NoConnection: 1}, Lag: 200 * time.Microsecond, Response: h.AtMost(Bounds()), ResponseSum: h.Mean() * 5,
	})
	res, err := http.Get("http://" + s.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		t.Fatal(res.Status, err)
	}
	for _, want := range []string{
		"shakedown_elapsed_seconds 1.5", "shakedown_planned_requests 100", "shakedown_in_flight_requests 7", "shakedown_generator_lag_seconds 0.0002",
		`shakedown_requests_total{outcome="succeeded"} 5`, `shakedown_requests_total{outcome="dropped"} 1`, `shakedown_errors_total{class="refused"} 2`,
		`shakedown_response_seconds_bucket{le="0.001"} 1`, `shakedown_response_seconds_bucket{le="0.005"} 3`, `shakedown_response_seconds_bucket{le="10"} 4`,
		`shakedown_response_seconds_bucket{le="+Inf"} 5`, "shakedown_response_seconds_count 5",
	} {
		if !strings.Contains(string(body), want+"\n") {
			t.Errorf("%s is missing in\n%s", want, body)
		}
	}
	if _, err := Listen(s.Address); err == nil || !strings.Contains(err.Error(), "metrics: ") {
		t.Errorf("a taken port: %v", err)
	}
}
