package reports

import (
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

// samplesHeader is the first line of the format "samples"; the README tells what each column means.
const samplesHeader = "seq,request,phase,discarded,due_ms,offered_ms,sent_ms,first_ms,done_ms,wait_ms,connect_ms,tls_ms," +
	"outcome,class,status,bytes_in,bytes_out,reconnects,client_attempts,retried,attempts,target,shaped_by,stalled_ms,detail\n"

// samplesBuffer is the size of a buffer of rows, and samplesBuffers how many there are: so much waits in memory when
// the disk is slower than the load for a while. Beyond it, Add waits for the disk.
const (
	samplesBuffer  = 256 << 10
	samplesBuffers = 16
	// samplesEvery is after how much of the run's time rows are written at the latest: so much is lost when the
	// process is killed.
	samplesEvery = time.Second
)

// Samples writes every planned request as a line of CSV (RFC 4180, with LF), while the run goes on. Times are in
// milliseconds, to the nanosecond.
type Samples struct {
	row  []byte        // the buffer that is filled
	last time.Duration // end of the last request that was in a buffer handed on
	full chan []byte   // what waits to be written
	free chan []byte   // buffers to fill next; nil ones are made when they are first needed
	done chan error
}

// NewSamples begins to write to w; Close ends it.
func NewSamples(w io.Writer) *Samples {
	s := &Samples{full: make(chan []byte, samplesBuffers), free: make(chan []byte, samplesBuffers), done: make(chan error, 1)}
	for range samplesBuffers {
		s.free <- nil
	}
	s.row = append(s.next(), samplesHeader...)
	go func() { s.done <- s.write(w) }()
	return s
}

// next returns an empty buffer.
func (s *Samples) next() []byte {
	if b := <-s.free; b != nil {
		return b[:0]
	}
	return make([]byte, 0, samplesBuffer+samplesBuffer/8) // with room for the row that fills it
}

// write writes buffers in the order in which they were filled, and returns the first error; after it the rest is only
// taken in.
func (s *Samples) write(w io.Writer) (err error) {
	for b := range s.full {
		if err == nil {
			_, err = w.Write(b)
		}
		s.free <- b
	}
	return err
}

// Add takes in a row; it keeps nothing of it. It is for one goroutine at a time.
func (s *Samples) Add(x *SampleRow) {
	s.row = appendSample(s.row, x)
	if len(s.row) >= samplesBuffer || x.Done > s.last+samplesEvery {
		s.last = x.Done
		s.full <- s.row
		s.row = s.next()
	}
}

// Close waits until everything is written, and returns the first error of writing.
func (s *Samples) Close() error {
	s.full <- s.row
	close(s.full)
	return <-s.done
}

var outcomes = [...]string{measure.Succeeded: "succeeded", measure.Failed: "failed", measure.Dropped: "dropped", measure.Cancelled: "cancelled"}

func appendSample(b []byte, x *SampleRow) []byte {
	b = strconv.AppendUint(b, x.Seq, 10)
	b = appendText(append(b, ','), x.Request)
	b = appendText(append(b, ','), x.Phase)
	b = strconv.AppendBool(append(b, ','), x.Discarded)
	b = appendMS(append(b, ','), x.Due)
	b = appendStamp(append(b, ','), x.Offered, x.Offered >= x.Due)
	// A request that is due at 0 can be sent at 0 in a simulated world; only one that was answered is known to be.
	b = appendStamp(append(b, ','), x.Sent, x.Sent > 0 || x.Outcome == measure.Succeeded)
	b = appendStamp(append(b, ','), x.First, x.First > 0)
	b = appendStamp(append(b, ','), x.Done, x.Done >= x.Due)
	b = appendStamp(append(b, ','), x.Wait, x.Wait > 0)
	b = appendStamp(append(b, ','), x.Connect, x.Connect > 0)
	b = appendStamp(append(b, ','), x.Handshake, x.Handshake > 0)
	b = append(append(b, ','), outcomes[x.Outcome]...)
	b = appendText(append(b, ','), string(x.Class))
	b = appendPositive(append(b, ','), x.Status)
	b = strconv.AppendInt(append(b, ','), x.BytesIn, 10)
	b = strconv.AppendInt(append(b, ','), x.BytesOut, 10)
	b = strconv.AppendInt(append(b, ','), int64(x.Reconnect), 10)
	b = appendPositive(append(b, ','), x.ClientAttempts)
	b = appendClasses(append(b, ','), x.Retried)
	b = appendPositive(append(b, ','), x.Attempts)
	b = appendText(append(b, ','), x.Target)
	b = appendText(append(b, ','), x.Fault)
	b = appendMS(append(b, ','), x.Stalled)
	b = appendText(append(b, ','), x.Detail)
	return append(b, '\n')
}

// appendClasses appends classes of failures, with spaces between them.
func appendClasses(b []byte, list []measure.Class) []byte {
	for i, c := range list {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, c...)
	}
	return b
}

// appendStamp appends a time that is set, and nothing for one that is not.
func appendStamp(b []byte, d time.Duration, set bool) []byte {
	if !set {
		return b
	}
	return appendMS(b, d)
}

// appendPositive appends a number that 0 stands for the absence of.
func appendPositive(b []byte, n int) []byte {
	if n <= 0 {
		return b
	}
	return strconv.AppendInt(b, int64(n), 10)
}

// appendMS appends a time in milliseconds with six decimals, which are nanoseconds.
func appendMS(b []byte, d time.Duration) []byte {
	n := uint64(d)
	if d < 0 {
		b, n = append(b, '-'), -n
	}
	b = strconv.AppendUint(b, n/1e6, 10)
	b = append(b, '.')
	rest := n % 1e6
	for place := uint64(1e5); place > 0; place /= 10 {
		b = append(b, byte('0'+rest/place%10))
	}
	return b
}

// appendText appends a field, in quotes where RFC 4180 asks for them.
func appendText(b []byte, s string) []byte {
	if !strings.ContainsAny(s, "\",\r\n") && !strings.HasPrefix(s, " ") {
		return append(b, s...)
	}
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' {
			b = append(b, '"')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}
