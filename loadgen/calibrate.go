package loadgen

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
)

// What a calibration sends: enough to take some 0.1 to 0.3 s, over as many connections as keep a machine busy.
const (
	calibrationRequests    = 4000
	calibrationConnections = 64
	calibrationWarmUp      = calibrationRequests / 4 // connections are made, buffers get their size
)

// Calibrate learns how many requests a second an engine carries on this machine: it sends a burst of the
// load's own requests to a server in this process that answers each with nothing, without TLS. Generator and
// server share the CPU, as they do in a run on one machine; against another machine the generator can do more.
func Calibrate(ctx context.Context, engine string, c attempt.Config) (float64, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	stop := serveNothing(l, c.HTTP2)
	defer stop()
	e, _, err := New(engine, attempt.Config{
		Target: "http://" + l.Addr().String(), Mix: c.Mix, Timeout: 10 * time.Second, Connections: min(c.Connections, calibrationConnections),
		Identify: c.Identify, HTTP2: c.HTTP2,
	})
	if err != nil {
		return 0, err
	}
	var mu sync.Mutex
	var done []time.Duration
	burst := profile.Schedule{Profile: profile.New(profile.Hold{PerSecond: 1e6, Seconds: calibrationRequests / 1e6}), Arrivals: profile.Even}
	err = e.Play(ctx, burst, pace.NewClock(pace.Monotonic()), func(s *measure.Sample) {
		mu.Lock()
		defer mu.Unlock()
		done = append(done, s.Done)
	})
	if err != nil || len(done) < calibrationRequests || ctx.Err() != nil {
		return 0, err
	}
	return float64(len(done)-calibrationWarmUp) / (done[len(done)-1] - done[calibrationWarmUp-1]).Seconds(), nil
}

// serveNothing answers every request on a listener with an empty 200 until it is stopped.
func serveNothing(l net.Listener, http2 bool) (stop func()) {
	if http2 {
		s := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), Protocols: &http.Protocols{}}
		s.Protocols.SetUnencryptedHTTP2(true)
		var serving sync.WaitGroup
		serving.Go(func() { _ = s.Serve(l) }) // it ends when it is closed
		return func() {
			s.Close()
			serving.Wait()
		}
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				answerNothing(c)
			})
		}
	})
	return func() {
		l.Close()
		serving.Wait() // the client has closed its connections
	}
}

// answerNothing answers an empty 200 to each request of our own engines: they don't pipeline, so that
// whatever ends with a whole request is one.
func answerNothing(c net.Conn) {
	nothing := []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	var in []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		in = append(in, buf[:n]...)
		head, body, whole := bytes.Cut(in, []byte("\r\n\r\n"))
		if !whole || len(body) < contentLength(head) {
			continue
		}
		in = in[:0]
		if _, err := c.Write(nothing); err != nil {
			return
		}
	}
}

func contentLength(head []byte) (n int) {
	_, value, _ := bytes.Cut(head, []byte("\r\nContent-Length: "))
	for _, c := range value {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int(c-'0')
	}
	return n
}
