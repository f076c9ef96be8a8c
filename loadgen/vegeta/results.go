package vegeta

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

// Encoding is one of vegeta's encodings of results.
type Encoding func(io.Writer) vegeta.Encoder

// Vegeta's encodings.
var (
	Gob  Encoding = vegeta.NewEncoder
	JSON Encoding = vegeta.NewJSONEncoder
	CSV  Encoding = vegeta.NewCSVEncoder
)

// Results writes samples as vegeta's results while they come in. A latency is the response time, from when
// the request was due, and so is the stamp.
type Results struct {
	w        *bufio.Writer
	encode   vegeta.Encoder
	describe func(seq uint64) (method, url string)
	samples  chan measure.Sample
	done     chan error
	start    atomic.Int64 // since 1970 in ns; 0 while it is not known
}

// resultsQueue is how many samples may wait to be written; a disk that is slower than the load holds it up.
const resultsQueue = 1 << 14

// NewResults begins to write. describe says what a request was.
func NewResults(w io.Writer, encoding Encoding, describe func(seq uint64) (method, url string)) *Results {
	r := &Results{w: bufio.NewWriterSize(w, 1<<16), describe: describe, samples: make(chan measure.Sample, resultsQueue), done: make(chan error, 1)}
	r.encode = encoding(r.w)
	go func() { r.done <- r.write() }()
	return r
}

// StartAt sets when the run began, unless it is set already. Without it the first sample tells, as if it had just
// ended. It may be called from any goroutine.
func (r *Results) StartAt(t time.Time) { r.start.CompareAndSwap(0, t.UnixNano()) }

// Add takes in a sample. It is for one goroutine at a time.
func (r *Results) Add(s *measure.Sample) {
	if r.start.Load() == 0 {
		r.StartAt(time.Now().Add(-s.Done))
	}
	if s.Outcome != measure.Cancelled {
		r.samples <- *s
	}
}

// Close waits until everything is written.
func (r *Results) Close() error {
	close(r.samples)
	return <-r.done
}

func (r *Results) write() (err error) {
	for s := range r.samples {
		if err == nil { // after an error the rest is only taken in
			err = r.encode(r.result(&s))
		}
	}
	return errors.Join(err, r.w.Flush())
}

// result makes a result of a sample. Vegeta goes by the code alone: an answer that was not as expected must not count as a
// success, nor one as a failure whose status was expected.
func (r *Results) result(s *measure.Sample) *vegeta.Result {
	x := &vegeta.Result{
		Attack: "shakedown", Seq: s.Seq, Code: uint16(s.Status), Timestamp: time.Unix(0, r.start.Load()+int64(s.Due)), Latency: s.Response(),
		BytesIn: uint64(s.BytesIn), BytesOut: uint64(s.BytesOut),
	}
	x.Method, x.URL = r.describe(s.Seq)
	success := x.Code >= 200 && x.Code < 400
	switch {
	case s.Outcome == measure.Succeeded && !success:
		x.Code = 200
	case s.Outcome != measure.Succeeded:
		if x.Error = s.Detail; x.Error == "" {
			x.Error = string(s.Class)
		}
		if success {
			x.Code = 0
		}
	}
	return x
}

// Info is what a file of results says as a whole.
type Info struct {
	Attack string
	Start  time.Time
	Length time.Duration // from the first stamp to the last
	Count  int
}

// IsResults reports whether a file holds vegeta's results, in any of its encodings.
func IsResults(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var first vegeta.Result
	decode := vegeta.DecoderFor(f)
	return decode != nil && decode(&first) == nil && !first.Timestamp.IsZero()
}

// ReadResults reads a file of results and gives each as a sample to the function that begin returns: vegeta
// writes them as they end, so that the file is read twice, once to know when it began. Latency counts from
// when vegeta's worker took the request up; when it was due is not known.
func ReadResults(path string, begin func(Info) func(*measure.Sample)) error {
	var info Info
	var last time.Time
	if err := eachResult(path, func(r *vegeta.Result) {
		if info.Count == 0 || r.Timestamp.Before(info.Start) {
			info.Start = r.Timestamp
		}
		if r.Timestamp.After(last) {
			last = r.Timestamp
		}
		info.Attack = r.Attack
		info.Count++
	}); err != nil {
		return err
	}
	info.Length = last.Sub(info.Start)
	add := begin(info)
	names := map[string]bool{}
	return eachResult(path, func(r *vegeta.Result) {
		at := r.Timestamp.Sub(info.Start)
		s := &measure.Sample{
			Seq: r.Seq, Request: nameOf(r, names), Due: at, Offered: at, Sent: at, Done: at + r.Latency, Status: int(r.Code),
			BytesIn: int64(r.BytesIn), BytesOut: int64(r.BytesOut),
		}
		if s.Class = classOf(r); s.Class != "" {
			s.Outcome, s.Detail = measure.Failed, r.Error
		}
		add(s)
	})
}

func eachResult(path string, each func(*vegeta.Result)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	decode := vegeta.DecoderFor(bufio.NewReader(f))
	if decode == nil {
		return fmt.Errorf("%s: not a file of vegeta's results", path)
	}
	for n := 1; ; n++ {
		var r vegeta.Result
		switch err := decode(&r); {
		case errors.Is(err, io.EOF):
			return wholeLines(f)
		case err != nil:
			return fmt.Errorf("%s: result %d: %w", path, n, err)
		}
		each(&r)
	}
}

// wholeLines reports a file of JSON whose last line was cut off: vegeta's decoder takes that for its end.
func wholeLines(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	var first, last [1]byte
	if _, err := f.ReadAt(first[:], 0); err != nil {
		return err
	}
	if _, err := f.ReadAt(last[:], info.Size()-1); err != nil {
		return err
	}
	if first[0] == '{' && last[0] != '\n' {
		return fmt.Errorf("%s: the file is truncated: its last line does not end", f.Name())
	}
	return nil
}

// nameOf is the kind of request a result is of: method and path, while there are few.
func nameOf(r *vegeta.Result, names map[string]bool) string {
	name := r.Method
	if u, err := url.Parse(r.URL); err == nil && r.URL != "" {
		name = strings.TrimSpace(r.Method + " " + u.EscapedPath())
	}
	if !names[name] && len(names) >= maxNames {
		return r.Method
	}
	names[name] = true
	return name
}

// classOf reads a result's failure out of its code and its message; vegeta has no classes.
func classOf(r *vegeta.Result) measure.Class {
	switch {
	case r.Code >= 500:
		return measure.Status5xx
	case r.Code >= 400:
		return measure.Status4xx
	case r.Code >= 200 && r.Error == "":
		return ""
	}
	for _, x := range []struct {
		says  string
		class measure.Class
	}{
		{"too many open files", measure.Resources}, {"no such host", measure.DNS}, {"connection refused", measure.Refused}, {"backlog is full", measure.Refused}, {"reset by peer", measure.Reset}, {"broken pipe", measure.Reset},
		{"connections to become free", measure.NoConnection}, {"no connection became free", measure.NoConnection},
		{"too late for an attempt", measure.NoConnection}, {"redirect", measure.Redirects},
		{"tls", measure.TLS}, {"TLS", measure.TLS}, {"x509", measure.TLS}, {"no answer within", measure.FirstByteTimeout}, {"no connection within", measure.ConnectTimeout},
		{"deadline exceeded", measure.Timeout}, {"timeout", measure.Timeout}, {"no complete answer", measure.Timeout}, {"EOF", measure.ClosedEarly}, {"malformed", measure.Malformed},
		{"expected", measure.Expectation}, {"unreachable", measure.Unreachable},
	} {
		if strings.Contains(r.Error, x.says) {
			return x.class
		}
	}
	return measure.Other
}
