package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/scenarios"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// ui tells a person how a run goes: on a terminal in one live line, elsewhere in a line every few seconds.
type ui struct {
	w        io.Writer
	quiet    bool
	terminal bool
	color    bool
	columns  func() int // of the terminal; 0 when not known
	virtual  bool       // the run takes place in virtual time, where the generator is never late

	mu     sync.Mutex
	status string // the line that stands at the bottom of a terminal; empty when there is none
	last   time.Duration
}

func newUI(f *os.File, quiet, noColor bool) *ui {
	terminal := term.IsTerminal(int(f.Fd()))
	_, forbidden := os.LookupEnv("NO_COLOR") // counts even if empty
	return &ui{w: f, quiet: quiet, terminal: terminal, color: terminal && !noColor && !forbidden, columns: func() int { return terminalColumns(f) }}
}

func (u *ui) paint(code, s string) string {
	if !u.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// say tells something, above the status line.
func (u *ui) say(s string) {
	if u.quiet {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	status := u.status
	u.clear()
	fmt.Fprintln(u.w, s)
	u.show(status)
}

// announce tells what has just happened in a run, in one line.
func (u *ui) announce(s string) { u.say(oneLine(s)) }

// show writes the status line. The terminal may have been made wider or narrower since the last one.
func (u *ui) show(line string) {
	if line != "" {
		fmt.Fprint(u.w, fit(line, u.columns()))
		u.status = line
	}
}

func (u *ui) clear() {
	if u.status != "" {
		fmt.Fprint(u.w, "\r\x1b[K")
		u.status = ""
	}
}

func (u *ui) endStatus() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.clear()
}

func (u *ui) begin(s *plan.Scenario, world string) {
	u.virtual = world == "sim"
	u.say(fmt.Sprintf("%s: %s of load in %s, %s, %s (%s)", u.paint("1", s.Name), s.Length(),
		reports.Plural(int64(len(s.Load.Phases)), "phase"), reports.Plural(int64(len(s.Faults)), "fault"), reports.Plural(int64(len(s.Gates)), "gate"), world))
	if s.About != "" {
		u.say(s.About)
	}
}

// lineEvery is how often a line is written when there is no terminal.
const lineEvery = 5 * time.Second

func (u *ui) progress(p scenarios.Progress) {
	if u.quiet {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	line := fmt.Sprintf("%3.0fs, %s left  %-10s  %d of %d ended, %d under way, %d failed  p50 %s  p99 %s",
		p.Now.Seconds(), max(p.Length-p.Now, 0).Round(time.Second), p.Phase, p.Ended, p.Planned, p.InFlight, p.Failed+p.Dropped,
		measured(p.P50), measured(p.P99))
	if !u.virtual {
		line += "  lag " + lag(p.Lag)
	}
	switch {
	case u.terminal:
		u.clear()
		u.show(line)
	case u.last == 0 || p.Now-u.last >= lineEvery: // the first at once: something happens
		u.last = p.Now
		fmt.Fprintln(u.w, line)
	}
}

// measured writes a time that a histogram holds; its least value is 1 µs, so that 0 says that there is none.
func measured(d time.Duration) string {
	if d == 0 {
		return reports.Dash
	}
	return reports.Quantity(reports.MS(d), "ms")
}

// lag writes how late the generator was; 0 says that nothing was offered.
func lag(d time.Duration) string {
	if d == 0 {
		return reports.Dash
	}
	return reports.LagText(reports.MS(d))
}

// summary says what the run came to.
func (u *ui) summary(r *reports.Result, paths []string) {
	if u.quiet {
		return
	}
	var b strings.Builder
	b.WriteString("\n" + reports.Summary(r, u.paint))
	for _, p := range paths {
		fmt.Fprintf(&b, "  %s\n", p)
	}
	u.say(strings.TrimRight(b.String(), "\n"))
}
