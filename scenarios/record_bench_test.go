package scenarios

import (
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// What a sample costs to record: go test ./scenarios -run '^$' -bench Record
func BenchmarkRecord(b *testing.B) {
	for _, faulty := range []bool{false, true} {
		name := map[bool]string{false: "without a fault", true: "while a fault lasts"}[faulty]
		b.Run(name, func(b *testing.B) {
			r := rehearse(plan.Phase{Name: "a", End: time.Hour})
			if faulty {
				r.fault("slow", 0, time.Hour, "web-1")
			}
			x := measure.Sample{Request: "GET /", Status: 200, BytesIn: 65, Target: "web-1"}
			i := 0
			for b.Loop() {
				i++
				x.Seq, x.Due = uint64(i), time.Duration(i)*12*time.Microsecond
				x.Offered, x.Sent, x.First, x.Done = x.Due, x.Due+time.Microsecond, x.Due+700*time.Microsecond, x.Due+710*time.Microsecond
				r.rec.sample(&x)
			}
		})
	}
}

// What a stretch of time needs is allocated with its first samples; no other allocates.
func TestRecordingDoesNotAllocateWhileAFaultLasts(t *testing.T) {
	r := rehearse(plan.Phase{Name: "a", End: time.Hour})
	r.fault("slow", 0, time.Hour, "web-1")
	x := measure.Sample{Request: "GET /", Status: 200, Target: "web-1"}
	ask := func() {
		x.Seq++
		x.Due += 10 * time.Microsecond
		x.Offered, x.Sent, x.Done = x.Due, x.Due, x.Due+700*time.Microsecond
		r.rec.sample(&x)
	}
	for range 200 {
		ask()
	}
	if n := testing.AllocsPerRun(1000, ask); n != 0 {
		t.Errorf("%v allocations a sample", n)
	}
}
