package main

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

func TestFit(t *testing.T) {
	for _, tc := range []struct {
		line    string
		columns int
		want    string
	}{
		{"abcdef", 0, "abcdef"}, // no width is known
		{"abcdef", 80, "abcdef"},
		{"abcdef", 7, "abcdef"},
		{"abcdef", 6, "abcd…"},
		{"abcdef", 2, "…"},
		{"abcdef", 1, ""},
		{"日本語", 7, "日本語"},
		{"日本語", 6, "日本…"},
		{"日本語", 5, "日…"},
		{"日本語", 4, "日…"},
		{"日本語", 3, "…"},
		{"e\u0301e\u0301e\u0301", 4, "e\u0301e\u0301e\u0301"},
		{"e\u0301e\u0301e\u0301", 3, "e\u0301…"},
		{"a\tb\r\nc\x1b[2J", 80, "a b  c [2J"},
	} {
		if got := fit(tc.line, tc.columns); got != tc.want {
			t.Errorf("fit(%q, %d) = %q, want %q", tc.line, tc.columns, got, tc.want)
		}
	}
}

// screen is what a terminal shows of what was written to it: lines, of which the last may be written over.
func screen(written string) (lines []string) {
	for _, line := range strings.Split(written, "\n") {
		if i := strings.LastIndex(line, "\r\x1b[K"); i >= 0 {
			line = line[i+len("\r\x1b[K"):]
		}
		lines = append(lines, line)
	}
	return lines
}

func TestAnnouncementsStandAboveTheStatusLine(t *testing.T) {
	var b strings.Builder
	u := &ui{w: &b, terminal: true, columns: func() int { return 40 }}
	u.progress(scenarios.Progress{Now: time.Second, Length: 9 * time.Second, Phase: "spike", Ended: 1, Planned: 2})
	u.announce("fault kill-one: kill on web-2")
	u.announce("web-2:\nhealthy → ejected")
	lines := screen(b.String())
	if len(lines) != 3 || lines[0] != "fault kill-one: kill on web-2" || lines[1] != "web-2: healthy → ejected" || !strings.HasPrefix(lines[2], "  1s, 8s left  spike") {
		t.Errorf("%q", lines)
	}
	if n := len([]rune(lines[2])); n != 39 {
		t.Errorf("the status line takes %d columns of 40: %q", n, lines[2])
	}
	u.endStatus()
	u.say("done")
	if lines = screen(b.String()); len(lines) != 4 || lines[2] != "done" || lines[3] != "" {
		t.Errorf("%q", lines)
	}
}

func TestAnnouncementsWithoutATerminal(t *testing.T) {
	var b strings.Builder
	u := &ui{w: &b, columns: func() int { return 0 }}
	u.progress(scenarios.Progress{Now: time.Second, Length: 9 * time.Second, Phase: "spike"})
	u.announce("fault kill-one: kill on web-2")
	u.progress(scenarios.Progress{Now: 2 * time.Second, Length: 9 * time.Second, Phase: "spike"})
	lines := strings.Split(b.String(), "\n")
	if len(lines) != 3 || lines[1] != "fault kill-one: kill on web-2" || strings.Contains(b.String(), "\x1b") {
		t.Errorf("%q", lines)
	}
	b.Reset()
	u.quiet = true
	u.announce("fault kill-one: kill on web-2")
	if b.Len() > 0 {
		t.Errorf("quiet says %q", b.String())
	}
}

// In virtual time nothing is ever late; elsewhere a histogram's least value stands for no delay.
func TestTheStatusLineTellsOfDelaysThatCanBe(t *testing.T) {
	for _, tc := range []struct {
		world string
		lag   time.Duration
		want  string
	}{{"sim", time.Microsecond, "p99 2.00 ms"}, {"live", 0, "lag —"}, {"live", time.Microsecond, "lag 0 µs"}, {"live", 3 * time.Millisecond, "lag 3.00 ms"}} {
		var b strings.Builder
		u := &ui{w: &b, columns: func() int { return 0 }}
		u.begin(&plan.Scenario{Load: plan.Load{Phases: []plan.Phase{{}}}}, tc.world)
		u.progress(scenarios.Progress{Now: time.Second, Length: 9 * time.Second, Phase: "spike", P99: 2 * time.Millisecond, Lag: tc.lag})
		if !strings.HasSuffix(b.String(), "  "+tc.want+"\n") {
			t.Errorf("%s, %v: %q", tc.world, tc.lag, b.String())
		}
	}
}
