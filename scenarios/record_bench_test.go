package scenarios

import (
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// What a sample costs to record: go test ./scenarios -run '^$' -bench Record
func BenchmarkRecord(b *testing.B) {
	r := rehearse(plan.Phase{Name: "a", End: time.Hour})
	x := measure.Sample{Request: "GET /", Status: 200, BytesIn: 65}
	i := 0
	for b.Loop() {
		i++
		x.Seq, x.Due = uint64(i), time.Duration(i)*12*time.Microsecond
		x.Offered, x.Sent, x.First, x.Done = x.Due, x.Due+time.Microsecond, x.Due+700*time.Microsecond, x.Due+710*time.Microsecond
		r.rec.sample(&x)
	}
}
