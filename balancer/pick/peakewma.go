package pick

import (
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var peakEWMA = spec.Kind[Builder]{
	Entry: spec.Entry{
		Name: "peak_ewma", Doc: "of a few drawn targets, the one with the least time until an answer's head, times requests in flight; peaks count at once",
		Params: append(choicesParams(), spec.Param{Name: "decay", Type: spec.Duration, Default: "10s", Min: .01, Max: 3600, Doc: "time constant of the moving average"}),
	},
	New: func(v spec.Values) (Builder, error) {
		return func(s draw.Stream) Strategy {
			p := &peak{constant: v.Duration("decay")}
			p.choices = choices{s, v.Int("choices"), v.Bool("replacement"), p.better}
			return p
		}, nil
	},
}

// peak is Finagle's, with the response times that TimeObserver names: cost is the response time where it exceeds the average, and the average otherwise; load is
// cost times what would be pending. A target that nothing is known of yet and that has a request pending is given
// no second one: its first answer must come.
type peak struct {
	choices
	constant time.Duration
}

// unknown is the cost of a target whose first answer has not come, in microseconds: Finagle's penalty.
const unknown = 1e15

func (p *peak) load(now time.Duration, m *Member) float64 {
	cost, pending := m.Load.latency.read(now, p.constant), float64(m.Load.InFlight.Load())
	if cost == 0 && pending > 0 {
		cost = unknown
	}
	return cost * (pending + 1) / float64(m.weight())
}

func (p *peak) better(now time.Duration, a, b *Member) bool { return p.load(now, a) < p.load(now, b) }

// Answered implements TimeObserver. A failure says nothing of how long an answer takes; refusing quickly must not pay.
func (p *peak) Answered(now time.Duration, l *Load, took time.Duration) {
	l.latency.observe(now, took, p.constant, true)
}
