package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// stamp is an instant or a length of time that may be absent.
type stamp struct {
	at  time.Duration
	set bool
}

// sampleRow is one line of samples.csv, as README.md describes it.
type sampleRow struct {
	seq                        uint64
	request, phase             string
	discarded                  bool
	due                        time.Duration
	offered, sent, first, done stamp
	wait, connect, tls         stamp
	class                      string
	status                     int // 0 when absent
	bytesIn, bytesOut          int64
	reconnects, attempts       int
	clientAttempts             int
	retried                    []string // classes of failures
	target, shapedBy           string
	stalled                    time.Duration
	detail                     string

	// Its outcome is one of these; cut is cancelled.
	succeeded, failed, dropped, cut bool

	turned, unknown bool // at best: it had failed; nobody knows how long it would have taken
}

// timed leaves out rows of which nobody knows how long they would have taken.
func timed(of func(*sampleRow) bool) func(*sampleRow) bool {
	return func(r *sampleRow) bool { return of(r) && !r.unknown }
}

// finished reports whether the request had an end that counts: everything but a cancelled one.
func (r *sampleRow) finished() bool { return !r.cut }

// lost reports whether the request counts against the error rate.
func (r *sampleRow) lost() bool { return r.failed || r.dropped }

// delayed reports whether the generator itself delayed the request.
func (r *sampleRow) delayed() bool { return r.finished() && r.stalled > 0 }

// mayBeTurned reports whether a delayed failure may be the generator's doing: not when it would have come at any time, or after a
// small delay anyway.
func (r *sampleRow) mayBeTurned() bool {
	switch share := float64(r.stalled) / float64(r.response()); r.class {
	case "generator_resources":
		return true
	case "malformed", "redirects":
		return false
	case "connect_timeout", "first_byte_timeout", "timeout", "no_connection":
		return share >= .05
	default:
		return share >= .05 && r.stalled >= 5*time.Millisecond
	}
}

// tooLate reports whether the generator itself offered the request so late that it was of no use any more.
func (r *sampleRow) tooLate() bool {
	return r.dropped && r.stalled > 0 && r.wait.at == 0 && r.done.at <= r.offered.at
}

// response is what a user waited.
func (r *sampleRow) response() time.Duration { return r.done.at - r.due }

// service is what a naive tool would have said.
func (r *sampleRow) service() time.Duration { return r.done.at - r.sent.at }

// rowReader reads the fields of one line by the names of their columns, and keeps the first mistake.
type rowReader struct {
	column map[string]int
	fields []string
	err    error
}

func (x *rowReader) text(name string) string {
	i, ok := x.column[name]
	if !ok {
		x.fail(name, "no such column")
		return ""
	}
	return x.fields[i]
}

func (x *rowReader) fail(name, why string) {
	if x.err == nil {
		x.err = fmt.Errorf("column %s: %s", name, why)
	}
}

// integer reads a whole number; an empty field is 0 where it may be absent.
func (x *rowReader) integer(name string, optional bool) int64 {
	text := x.text(name)
	if text == "" && optional {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		x.fail(name, err.Error())
	}
	return n
}

// stamp reads milliseconds with six decimals without going through a floating-point number.
func (x *rowReader) stamp(name string) stamp {
	text := x.text(name)
	if text == "" {
		return stamp{}
	}
	whole, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil || len(fraction) != 6 {
		x.fail(name, fmt.Sprintf("%q is not in milliseconds with six decimals", text))
	}
	return stamp{time.Duration(n), true}
}

func (x *rowReader) row() (sampleRow, error) {
	r := sampleRow{
		seq: uint64(x.integer("seq", false)), request: x.text("request"), phase: x.text("phase"), discarded: x.text("discarded") == "true",
		due: x.stamp("due_ms").at, offered: x.stamp("offered_ms"), sent: x.stamp("sent_ms"), first: x.stamp("first_ms"), done: x.stamp("done_ms"),
		wait: x.stamp("wait_ms"), connect: x.stamp("connect_ms"), tls: x.stamp("tls_ms"),
		class: x.text("class"), status: int(x.integer("status", true)),
		bytesIn: x.integer("bytes_in", false), bytesOut: x.integer("bytes_out", false),
		clientAttempts: int(x.integer("client_attempts", true)), retried: strings.Fields(x.text("retried")),
		reconnects: int(x.integer("reconnects", false)), attempts: int(x.integer("attempts", true)),
		target: x.text("target"), shapedBy: x.text("shaped_by"), stalled: x.stamp("stalled_ms").at, detail: x.text("detail"),
	}
	switch outcome := x.text("outcome"); outcome {
	case "succeeded":
		r.succeeded = true
	case "failed":
		r.failed = true
	case "dropped":
		r.dropped = true
	case "cancelled":
		r.cut = true
	default:
		x.fail("outcome", fmt.Sprintf("%q is none of the outcomes", outcome))
	}
	if r.finished() && !r.done.set {
		x.fail("done_ms", "absent of a request that ended")
	}
	return r, x.err
}

// readRows reads samples.csv, and checks that it holds each planned request once.
func readRows(path string) ([]sampleRow, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil || len(lines) == 0 {
		return nil, fmt.Errorf("%s: no header: %w", path, err)
	}
	column := map[string]int{}
	for i, name := range lines[0] {
		column[name] = i
	}
	var rows []sampleRow
	seen := map[uint64]bool{}
	for i, fields := range lines[1:] {
		r, err := (&rowReader{column: column, fields: fields}).row()
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, i+2, err)
		}
		if seen[r.seq] {
			return nil, fmt.Errorf("%s, line %d: request %d is there twice", path, i+2, r.seq)
		}
		seen[r.seq] = true
		rows = append(rows, r)
	}
	return rows, checkNumbers(rows)
}

// closedNumbers is where the numbers of closed loops begin; each phase of users has its own from there on.
const closedNumbers = 1 << 48

// checkNumbers checks that no number is missing: those of the schedule follow each other, and so do those of each phase
// of users.
func checkNumbers(rows []sampleRow) error {
	type span struct{ first, last, n uint64 }
	spans := map[string]span{}
	for i := range rows {
		r := &rows[i]
		of := "the schedule"
		if r.seq >= closedNumbers {
			of = "phase " + r.phase
		}
		s, ok := spans[of]
		if !ok {
			s.first, s.last = r.seq, r.seq
		}
		spans[of] = span{min(s.first, r.seq), max(s.last, r.seq), s.n + 1}
	}
	for of, s := range spans {
		if s.last-s.first+1 != s.n {
			return fmt.Errorf("%s: %d requests are numbered from %d to %d", of, s.n, s.first, s.last)
		}
	}
	return nil
}

// where returns the rows that a condition holds for.
func rowsWhere(rows []sampleRow, cond func(*sampleRow) bool) []sampleRow {
	var out []sampleRow
	for i := range rows {
		if cond(&rows[i]) {
			out = append(out, rows[i])
		}
	}
	return out
}

// durations returns a duration of each row that a condition holds for.
func durations(rows []sampleRow, cond func(*sampleRow) bool, of func(*sampleRow) time.Duration) []time.Duration {
	var out []time.Duration
	for i := range rows {
		if cond(&rows[i]) {
			out = append(out, of(&rows[i]))
		}
	}
	return out
}

func hasSucceeded(r *sampleRow) bool { return r.succeeded }

// count returns how many rows a condition holds for.
func countRows(rows []sampleRow, cond func(*sampleRow) bool) (n int) {
	for i := range rows {
		if cond(&rows[i]) {
			n++
		}
	}
	return n
}
