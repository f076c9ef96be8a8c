package gate

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

func TestParse(t *testing.T) {
	for expr, want := range map[string]Gate{
		"p99 < 400ms":             {Metric: "p99", Op: "<", Limit: 400},
		"p99[spike] < 800ms":      {Metric: "p99", Window: "spike", Op: "<", Limit: 800},
		"p999_all[warm up] <= 2s": {Metric: "p999_all", Window: "warm up", Op: "<=", Limit: 2000},
		"error_rate<1%":           {Metric: "error_rate", Op: "<", Limit: 1},
		"recover(kill-one) < 6s":  {Metric: "recover", ID: "kill-one", Op: "<", Limit: 6000},
		"rate[spike] >= 900/s":    {Metric: "rate", Window: "spike", Op: ">=", Limit: 900},
		"lost(kill-one) < 10":     {Metric: "lost", ID: "kill-one", Op: "<", Limit: 10},
		"scale_out(web) < 10s":    {Metric: "scale_out", ID: "web", Op: "<", Limit: 10000},
		"imbalance < 0.2":         {Metric: "imbalance", Op: "<", Limit: .2},
		"p99.9[GET /] < 1s":       {Metric: "p99.9", Window: "GET /", Op: "<", Limit: 1000},
		"p100 < 1s":               {Metric: "p100", Op: "<", Limit: 1000},
		"p5_all < 1s":             {Metric: "p5_all", Op: "<", Limit: 1000},
		"status(503)[spike] < 1%": {Metric: "status", ID: "503", Window: "spike", Op: "<", Limit: 1},
		"error_rate < 100%":       {Metric: "error_rate", Op: "<", Limit: 100},
		"error_rate >= 100%":      {Metric: "error_rate", Op: ">=", Limit: 100},
		"dropped <= 0":            {Metric: "dropped", Op: "<=", Limit: 0},
		"imbalance < 1.5":         {Metric: "imbalance", Op: "<", Limit: 1.5},
		"status(5xx) < 1%":        {Metric: "status", ID: "5xx", Op: "<", Limit: 1},
	} {
		want.Expr = expr
		if got, err := Parse(expr); err != nil || got != want {
			t.Errorf("%s: %+v, %v", expr, got, err)
		}
	}
	for expr, msg := range map[string]string{
		"p99":                  "is not a gate",
		"p99 = 4ms":            "is not a gate",
		"p99 < 4":              "not a duration",
		"error_rate < 1s":      "not a share",
		"eror_rate < 1%":       `did you mean "error_rate"`,
		"recover < 6s":         "needs the id of a fault",
		"p99(spike) < 6s":      "takes no id",
		"detect(x)[spike]<6s":  "takes no window",
		"cost < 5":             "not supported yet",
		"p1000 < 1s":           "p100 is the maximum",
		"p995 < 1s":            "unknown metric",
		"p0 < 1s":              "unknown metric",
		"p101 < 1s":            "unknown metric",
		"p05 < 1s":             "unknown metric",
		"p99.9999 < 1s":        "unknown metric",
		"rps > 5/s":            "there are mean, max, error_rate, dropped, failed, resent, amplification, rate, status",
		"status < 1%":          "status(503)",
		"status(20) < 1%":      "status(503)",
		"status(600) < 1%":     "status(503)",
		"p99[spike] << 800ms":  "is not a gate",
		"error_rate < NaN%":    "not a share",
		"p99[spike](x) < 80ms": "is not a gate",
		"error_rate < 150%":    "would always pass: error_rate lies between 0 % and 100 %",
		"error_rate <= 100%":   "would always pass",
		"error_rate >= 0%":     "would always pass",
		"error_rate < 0%":      "would always fail",
		"error_rate > 100%":    "would always fail",
		"status(503) > 200%":   "would always fail",
		"p99 < 0s":             "would always fail: p99 is never below 0",
		"dropped < 0":          "would always fail",
		"rate >= 0/s":          "would always pass",
	} {
		if _, err := Parse(expr); err == nil || !strings.Contains(err.Error(), msg) {
			t.Errorf("%s: %v, want %q", expr, err, msg)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"p99 < 400ms", "recover(kill-one) < 6s", "p99[spike] >= 1s", "", "p99[[ < 1s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		g, err := Parse(expr)
		if err != nil {
			return
		}
		if again, err := Parse(g.Expr); err != nil || again != g {
			t.Fatalf("%q read back as %+v, %v", g.Expr, again, err)
		}
	})
}

func facts(ok, failed int) *Facts {
	tally := &measure.Tally{}
	for i := range ok {
		x := &measure.Sample{Done: time.Duration(i+1) * time.Millisecond, Status: 200 + i%2}
		tally.Add(x)
		tally.AddEnd(x, func(time.Duration) bool { return i < 95 })
	}
	for range failed {
		tally.Add(&measure.Sample{Done: time.Second, Outcome: measure.Failed, Class: measure.Refused})
	}
	d := 3 * time.Second
	return &Facts{
		Window: func(name, _ string) (Window, bool) { return Window{tally, 10}, name != "never" },
		Fault: func(id string) (Fault, bool) {
			x := Fault{Recover: &d, Residual: &d, Lost: 4, Broken: id != "harmless", Before: id == "second", Empty: id == "idle"}
			if id == "broken" {
				x.Recover, x.Residual, x.RecoverOver, x.ResidualOver = nil, nil, 4*time.Second, time.Second
			}
			return x, id != "later"
		},
		Imbalance: func() (float64, bool) { return .1, true },
		ScaleOut:  func(string) (time.Duration, bool) { return 0, false },
	}
}

func TestJudge(t *testing.T) {
	for _, tc := range []struct {
		expr            string
		ok, failed      int
		passed, happens bool
		empty           bool
	}{
		{"p50 < 60ms", 100, 0, true, true, false},
		{"p50 < 40ms", 100, 0, false, true, false},
		{"p50_all > 60ms", 100, 100, true, true, false}, // half of all failed after a second
		{"p50 < 60ms", 100, 100, true, true, false},     // which does not touch the successes
		{"error_rate < 50%", 100, 100, false, true, false},
		{"error_rate <= 50%", 100, 100, true, true, false},
		{"rate > 9/s", 100, 0, true, true, false},
		{"rate > 9.6/s", 100, 0, false, true, false}, // 95 ended in time
		{"p100 <= 101ms", 100, 0, true, true, false},
		{"p100 < 100ms", 100, 0, false, true, false},
		{"p99 > 98ms", 100, 0, true, true, false},
		{"status(201) <= 50%", 100, 0, true, true, false},
		{"status(2xx) >= 100%", 100, 5, true, true, false}, // a refused request has no status
		{"status(503) < 1%", 0, 10, false, false, false},   // nobody answered: failed, as a latency without a success has
		{"status(503) < 1%", 0, 0, false, false, true},
		{"lost(idle) < 5", 10, 0, false, false, true},
		{"recover(idle) < 5s", 10, 0, false, false, true},
		{"recover(broken) < 5s", 10, 0, false, false, true}, // it may have held again just after the load
		{"recover(broken) <= 4s", 10, 0, false, false, true},
		{"recover(broken) < 4s", 10, 0, false, false, false},
		{"recover(broken) > 5s", 10, 0, false, false, true},
		{"residual(broken) < 2s", 10, 0, false, false, true},
		{"residual(broken) < 1s", 10, 0, false, false, false},
		{"lost(broken) < 5", 10, 0, true, true, false},
		{"eject(later) < 5s", 10, 0, false, false, false},
		{"p99 < 1s", 0, 0, false, false, true}, // no data is never a pass
		{"error_rate < 1%", 0, 0, false, false, true},
		{"p99[never] < 1s", 10, 0, false, false, true},
		{"p99 < 1s", 0, 10, false, false, false}, // all failed: failed, not invalid
		{"recover(f) < 6s", 1, 0, true, true, false},
		{"eject(f) < 6s", 1, 0, false, false, false}, // it never happened
		{"lost(f) < 4", 1, 0, false, true, false},
		{"scale_out(web) < 6s", 1, 0, false, false, false},
	} {
		g, err := Parse(tc.expr)
		if err != nil {
			t.Fatal(err)
		}
		if j := g.Judge(facts(tc.ok, tc.failed)); j.Passed != tc.passed || j.Happened != tc.happens || j.Empty != tc.empty {
			t.Errorf("%s with %d/%d: %+v", tc.expr, tc.ok, tc.failed, j)
		}
	}
}

// Requests that have no such figure have failed, and say why.
func TestNoFigure(t *testing.T) {
	for expr, why := range map[string]string{"status(5xx) < 1%": "no request was answered", "status(2xx) > 1%": "no request was answered", "p99 < 1s": "no request succeeded"} {
		g, err := Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		if j := g.Judge(facts(0, 10)); j.Empty || j.Passed || j.Happened || j.Note != why {
			t.Errorf("%s: %+v, want %q", expr, j, why)
		}
	}
}

// At best a failure that was turned is an answer of a status below 400, and nobody knows how long one would have taken that
// was never sent; at worst a success is an answer of another status, or none.
func TestUnknownAnswers(t *testing.T) {
	answers := func(n int, x measure.Sample) *measure.Tally {
		tally := &measure.Tally{}
		for range n {
			tally.Add(&x)
		}
		return tally
	}
	sum := func(list ...*measure.Tally) *measure.Tally {
		all := &measure.Tally{}
		for _, t := range list {
			all.Merge(t)
		}
		return all
	}
	good := answers(900, measure.Sample{Done: 20 * time.Millisecond, Status: 200})
	bad := answers(40, measure.Sample{Done: 20 * time.Millisecond, Status: 503, Outcome: measure.Failed})
	turned := answers(60, measure.Sample{Done: time.Second, Stalled: time.Second, Status: 503, Outcome: measure.Failed})
	dropped := answers(60, measure.Sample{Offered: time.Second, Done: time.Second, Stalled: time.Second, Outcome: measure.Dropped})
	unknown := answers(60, measure.Sample{Done: 20 * time.Millisecond, Status: 999, Outcome: measure.Failed}) // RFC 9110, 15: as 5xx
	missed := answers(60, measure.Sample{Done: time.Second, Stalled: time.Second, Status: 200})
	var misses measure.Misses
	misses.Add(200, 60)
	for _, tc := range []struct {
		expr     string
		tally    *measure.Tally
		observed float64
		empty    bool
	}{
		{"status(503) < 4%", sum(good, bad, turned).Lower(), 4, false},
		{"status(5xx) < 4%", sum(good, bad, dropped).Lower(), 4, false},
		{"status(5xx) < 9%", sum(good, bad, unknown), 10, false},
		{"status(2xx) > 90%", sum(good, bad, turned).Lower(), 96, false},
		{"status(503) < 1%", turned.Lower(), 0, false},
		{"status(503) < 10%", sum(good, bad, missed).Worst(&misses), 10, false},
		{"status(200) > 90%", sum(good, bad, missed).Worst(&misses), 90, false},
		{"error_rate < 10%", sum(good, bad, missed).Worst(&misses), 10, false},
		{"dropped < 60", sum(good, missed).Worst(&misses), 60, false},
		{"failed < 60", sum(good, missed).Worst(&misses), 60, false},
		{"p99 < 1s", dropped.Lower(), 0, true},
		{"p99_all < 1s", dropped.Lower(), 0, true},
		{"p99 < 1s", turned.Lower(), 0, true},
		{"mean < 1s", sum(dropped, turned).Lower(), 0, true},
		{"p100 < 1s", sum(bad, turned, answers(1, measure.Sample{Done: 20 * time.Millisecond, Status: 200})).Lower(), 20.015, false},
		{"p100_all < 1s", turned.Lower(), .001, false},
	} {
		g, err := Parse(tc.expr)
		if err != nil {
			t.Fatal(err)
		}
		j := g.Judge(&Facts{Window: func(_, _ string) (Window, bool) { return Window{tc.tally, 10}, true }})
		if j.Observed != tc.observed || j.Empty != tc.empty || j.Happened == tc.empty {
			t.Errorf("%s: %+v, want %v", tc.expr, j, tc.observed)
		}
	}
}

// A share that equals its limit is at the limit, whatever the rounding of binary numbers; and limits stay as written.
func TestEqualToTheLimit(t *testing.T) {
	judge := func(expr string, bad, n int) Judgement {
		g, err := Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		tally := &measure.Tally{}
		for i := range n {
			x := &measure.Sample{Done: time.Millisecond, Status: 200}
			if i < bad {
				x.Status, x.Outcome, x.Class = 503, measure.Failed, measure.Status5xx
			}
			tally.Add(x)
		}
		return g.Judge(&Facts{Window: func(_, _ string) (Window, bool) { return Window{tally, 10}, true }})
	}
	for _, of := range []int{100, 200, 1000} {
		for k := 1; k < of; k++ {
			percent := strconv.FormatFloat(float64(k*1000/of)/10, 'f', 1, 64)
			for _, metric := range []string{"error_rate", "status(503)"} {
				for op, want := range map[string]bool{"<": false, "<=": true, ">": false, ">=": true} {
					if of == 1000 && k > 20 && k%37 > 0 { // a thousand requests take their time
						continue
					}
					if k*1000%of > 0 {
						t.Fatalf("%d of %d", k, of)
					}
					j := judge(metric+" "+op+" "+percent+"%", k, of)
					if written, _ := strconv.ParseFloat(percent, 64); j.Passed != want || j.Limit != written || j.Observed != written {
						t.Errorf("%s with %d of %d: passed %v; observed %v", j.Expr, k, of, j.Passed, j.Observed)
					}
				}
			}
		}
	}
}

// A window without a length has no rate, whatever ended in it, but every other figure.
func TestNothingToJudge(t *testing.T) {
	for expr, why := range map[string]string{"imbalance < 1": "no target should have had 20 requests"} {
		g, err := Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		f := facts(0, 10)
		f.Imbalance = func() (float64, bool) { return 0, false }
		if j := g.Judge(f); !j.Empty || j.Passed || j.Happened || j.Note != why {
			t.Errorf("%s: %+v, want %q", expr, j, why)
		}
	}
}

func TestAWindowWithoutALength(t *testing.T) {
	for _, seconds := range []float64{0, -1} {
		for expr, empty := range map[string]bool{"rate < 5/s": true, "rate > 5/s": true, "rate >= 1/s": true, "error_rate < 50%": false, "p50 < 1s": false} {
			for _, ok := range []int{0, 10} {
				f := facts(ok, 1)
				f.Window = func(string, string) (Window, bool) {
					w, there := facts(ok, 1).Window("", "")
					w.Seconds = seconds
					return w, there
				}
				g, err := Parse(expr)
				if err != nil {
					t.Fatal(err)
				}
				if j := g.Judge(f); j.Empty != empty || empty && (j.Passed || j.Happened) {
					t.Errorf("%s of %v s with %d successes: %+v", expr, seconds, ok, j)
				}
			}
		}
	}
}

// A percentile takes 20 requests beyond it.
func TestPercentilesOfFewRequestsAreMarked(t *testing.T) {
	for expr, want := range map[string][2]uint64{
		"p99 < 1s": {100, 2000}, "p99_all < 2s": {120, 2000}, "p80 < 1s": {0, 0}, "p81 < 1s": {100, 106}, "p100 < 1s": {0, 0}, "mean < 1s": {0, 0},
	} {
		g, err := Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		if j := g.Judge(facts(100, 20)); !j.Passed || j.Few != want[0] || j.Needed != want[1] {
			t.Errorf("%s: %d of %d requests", expr, j.Few, j.Needed)
		}
	}
}

func TestNotesOnRecovery(t *testing.T) {
	for expr, want := range map[string]string{
		"recover(harmless) < 6s":  "the objective did not break",
		"recover(kill) < 6s":      "",
		"recover(second) < 6s":    "the objective was not met already before its injection",
		"residual(second) < 6s":   "the objective was not met already before its injection",
		"residual(harmless) < 6s": "",
		"lost(second) < 6":        "",
	} {
		g, err := Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		if j := g.Judge(facts(1, 0)); !j.Passed || j.Note != want {
			t.Errorf("%s: %+v, want the note %q", expr, j, want)
		}
	}
	never := facts(1, 0)
	never.Fault = func(string) (Fault, bool) {
		return Fault{Broken: true, Before: true, RecoverOver: 6 * time.Second}, true
	}
	g, err := Parse("recover(kill) < 6s")
	if err != nil {
		t.Fatal(err)
	}
	if j := g.Judge(never); j.Passed || j.Happened || j.Note != BrokenBefore {
		t.Errorf("without a recovery: %+v", j)
	}
	never.Fault = func(string) (Fault, bool) { return Fault{RecoverOver: 6 * time.Second}, true }
	if j := g.Judge(never); j.Passed || j.Happened || j.Note != "" {
		t.Errorf("without a recovery, and without a breach: %+v", j)
	}
}

func TestAbout(t *testing.T) {
	for expr, want := range map[string]bool{
		"recover(503) < 1s": true, "lost(503) < 1": true, "p99[503] < 1s": true, "status(503)[503] < 1%": true,
		"status(503) < 1%": false, "scale_out(503) < 1s": false, "recover(504) < 1s": false, "p99[504] < 1s": false, "p99 < 1s": false,
	} {
		g, err := Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.About("503"); got != want {
			t.Errorf("%s is about fault 503: %v", expr, got)
		}
	}
}

func TestCheck(t *testing.T) {
	n := Names{Phases: []string{"spike"}, Faults: []string{"kill-one"}, Groups: []string{"web"}, Requests: []string{"GET /", "a, b"}}
	for expr, msg := range map[string]string{
		"p99[spike] < 1s": "", "p99[kill-one] < 1s": "", "detect(kill-one) < 1s": "", "scale_out(web) < 1s": "", "p99[GET /] < 1s": "", "p99[spike, GET /] < 1s": "", "p99[GET / ,spike] < 1s": "", "p99[a, b] < 1s": "", "p99[spike, a, b] < 1s": "",
		"p99[spike, POST /] < 1s": "not a phase and a request of this scenario, such as [spike, GET /]", "p99[kill-one, GET /] < 1s": "not a phase and a request",
		"p99[spyke] < 1s": `did you mean "spike"`, "detect(spike) < 1s": "no fault", "scale_out(api) < 1s": "no group",
	} {
		g, err := Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		checked, err := g.Check(n)
		if (msg == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), msg)) {
			t.Errorf("%s: %v", expr, err)
		}
		if want := map[string][2]string{"spike, GET /": {"spike", "GET /"}, "GET / ,spike": {"spike", "GET /"}, "spike, a, b": {"spike", "a, b"}}[g.Window]; err == nil && want[0] != "" && want != [2]string{checked.Window, checked.Request} {
			t.Errorf("%s: the requests %q of %q", expr, checked.Request, checked.Window)
		}
	}
}
