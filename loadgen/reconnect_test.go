package loadgen

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

const answer200 = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// everyClose makes every close one that a request may have crossed with, however busy the machine is.
const everyClose = 20 * time.Second

// counting is a server of HTTP/1.1 that counts each request it has read to its end, and does with its
// connection what a test wants.
type counting struct {
	t        *testing.T
	listener net.Listener
	url      string
	mu       sync.Mutex
	requests map[string]int // by sequence number
}

// newCounting starts a server. serve is called for each request, with its number on the connection, from 1 on;
// the connection is closed when it returns false.
func newCounting(t *testing.T, wrap func(net.Conn) net.Conn, serve func(c net.Conn, nth int) bool) *counting {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &counting{t: t, listener: l, url: "http://" + l.Addr().String(), requests: map[string]int{}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.connection(wrap(c), serve)
		}
	}()
	return s
}

func plain(c net.Conn) net.Conn { return c }

func (s *counting) connection(c net.Conn, serve func(c net.Conn, nth int) bool) {
	defer c.Close()
	r := bufio.NewReader(c)
	for n := 1; ; n++ {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		s.mu.Lock()
		s.requests[req.Header.Get(mix.SeqHeader)]++
		s.mu.Unlock()
		if !serve(c, n) {
			return
		}
	}
}

// check compares what came to the server with what the samples say was sent.
func (s *counting) check(samples []*measure.Sample, want int) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(samples) != want {
		s.t.Errorf("%d samples, want %d", len(samples), want)
	}
	for _, x := range samples {
		if got := s.requests[fmt.Sprint(x.Seq)]; got != 1+x.Reconnect {
			s.t.Errorf("request %d came %d times: %+v", x.Seq, got, x)
		}
	}
}

func answered(t *testing.T, samples []*measure.Sample) {
	t.Helper()
	failed := 0
	for _, s := range samples {
		if s.Outcome != measure.Succeeded {
			if failed++; failed <= 3 {
				t.Errorf("%+v", s)
			}
		}
	}
	if failed > 0 {
		t.Errorf("%d of %d failed", failed, len(samples))
	}
}

// A server that closes each connection after an answer, without having said so, fails no request, whether the
// close arrives before the next request is written or after.
func TestServerClosesAfterEachAnswer(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, delay := range []time.Duration{0, 2 * time.Millisecond, 20 * time.Millisecond} {
			srv := newCounting(t, plain, func(c net.Conn, _ int) bool {
				_, _ = io.WriteString(c, answer200) // should it fail, the client tells
				time.Sleep(delay)
				return false
			})
			samples := play(t, t.Context(), engine, attempt.Config{Target: srv.url, Timeout: 20 * time.Second, CloseRace: everyClose, Connections: 4, Identify: true}, 800, .5)
			answered(t, samples)
			if len(samples) != 400 || len(srv.requests) != 400 {
				t.Errorf("closed after %v: %d samples, %d requests came", delay, len(samples), len(srv.requests))
			}
		}
	})
}

// Every third request on a connection is read and not answered. What is idempotent is sent once more and
// succeeds; nothing else is sent twice, whatever its headers say.
func TestOnlyIdempotentRequestsAreSentAgain(t *testing.T) {
	closes := map[string]func(net.Conn){
		"closed": func(net.Conn) {},
		"reset":  func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) },
	}
	key := []mix.Header{{Name: "Idempotency-Key", Value: "{{seq}}"}, {Name: "X-Idempotency-Key", Value: "{{seq}}"}}
	each(t, func(t *testing.T, engine string) {
		for how, end := range closes {
			for _, r := range []mix.Request{
				{Method: "GET"}, {Method: "HEAD"}, {Method: "OPTIONS"}, {Method: "PUT", Body: "x{{seq}}"}, {Method: "DELETE"}, {Method: "GET", Body: "x"}, {Method: "PUT", Headers: key},
				{Method: "POST"}, {Method: "POST", Body: "x"}, {Method: "PATCH", Body: "x"}, {Method: "POST", Body: "x", Headers: key}, {Method: "POST", Headers: key},
			} {
				srv := newCounting(t, plain, func(c net.Conn, nth int) bool {
					if nth == 3 {
						end(c)
						return false
					}
					answer := answer200
					if r.Method == "HEAD" {
						answer = answer[:len(answer)-len("ok")]
					}
					_, err := io.WriteString(c, answer)
					return err == nil
				})
				idempotent := r.Method != "POST" && r.Method != "PATCH"
				r.Name, r.Path, r.Weight = "x", "/", 1
				c := attempt.Config{Target: srv.url, Timeout: 20 * time.Second, CloseRace: everyClose, Connections: 1, Identify: true, Mix: requests(t, mix.Set{Requests: []mix.Request{r}})}
				samples := play(t, t.Context(), engine, c, 1000, .031)
				srv.check(samples, 31)
				again, failed := 0, 0
				for _, s := range samples {
					again += s.Reconnect
					if s.Outcome != measure.Succeeded {
						failed++
					}
					if s.Reconnect > 0 && (s.Connect == 0 || s.Sent < s.Offered+s.Wait+s.Connect || s.First < s.Sent) {
						t.Errorf("sent is not the last time: %+v", s)
					}
				}
				// Answered are two requests of each connection. One that is sent again is the first of its next.
				if idempotent && (again != 15 || failed != 0) {
					t.Errorf("%s, %s %v: %d sent again, %d failed; want 15 and 0", how, r.Method, r.Headers, again, failed)
				}
				if !idempotent && (again != 0 || failed != 10) {
					t.Errorf("%s, %s %v: %d sent again, %d failed; want 0 and 10", how, r.Method, r.Headers, again, failed)
				}
			}
		}
	})
}

// A request is sent again once, and only when the connection had been used before.
func TestARequestIsSentAgainOnce(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		var answers atomic.Int64
		srv := newCounting(t, plain, func(c net.Conn, nth int) bool {
			if answers.Add(1) > 1 {
				return false
			}
			_, err := io.WriteString(c, answer200)
			return err == nil
		})
		samples := play(t, t.Context(), engine, attempt.Config{Target: srv.url, Timeout: 20 * time.Second, CloseRace: everyClose, Connections: 1, Identify: true}, 1000, .01)
		srv.check(samples, 10)
		succeeded, again := 0, 0
		for _, s := range samples {
			again += s.Reconnect
			if s.Outcome == measure.Succeeded {
				succeeded++
			} else if s.Class != measure.ClosedEarly {
				t.Errorf("%+v", s)
			}
		}
		if succeeded != 1 || again != 1 { // on the one connection that was answered on
			t.Errorf("%d succeeded, %d were sent again", succeeded, again)
		}
	})
}

// When no new connection can be made the request was not sent again, and fails for that reason.
func TestNoNewConnectionToSendAgain(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		var close func() error
		srv := newCounting(t, plain, func(c net.Conn, nth int) bool {
			if nth == 2 {
				_ = close()
				return false
			}
			_, err := io.WriteString(c, answer200)
			return err == nil
		})
		close = srv.listener.Close
		samples := play(t, t.Context(), engine, attempt.Config{Target: srv.url, Timeout: 20 * time.Second, CloseRace: everyClose, Connections: 1, Identify: true}, 1000, .002)
		srv.check(samples, 2)
		failed := 0
		for _, s := range samples {
			if s.Outcome == measure.Succeeded {
				continue
			}
			if failed++; s.Class != measure.Refused || s.Reconnect != 0 || s.Sent != 0 {
				t.Errorf("%+v", s)
			}
		}
		if failed != 1 {
			t.Errorf("%d failed", failed)
		}
	})
}

// A server that has worked on a request for a while, and then closes or resets the connection without an answer, has
// failed it: that did not cross with the closing of an idle connection, and nothing is sent again.
func TestWhatIsBrokenOffHasFailed(t *testing.T) {
	for how, tc := range map[string]struct {
		end   func(net.Conn)
		class measure.Class
	}{
		"closed": {func(net.Conn) {}, measure.ClosedEarly},
		"reset":  {func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }, measure.Reset},
	} {
		each(t, func(t *testing.T, engine string) {
			var n atomic.Int64
			srv := newCounting(t, plain, func(c net.Conn, nth int) bool {
				if nth > 1 && n.Add(1)%10 == 0 {
					time.Sleep(300 * time.Millisecond) // longer than whatever crosses with a close can take
					tc.end(c)
					return false
				}
				_, err := io.WriteString(c, answer200)
				return err == nil
			})
			c := attempt.Config{Target: srv.url, Timeout: 20 * time.Second, Connections: 8, Identify: true}
			samples := play(t, t.Context(), engine, c, 1000, .3)
			srv.check(samples, 300)
			failed := 0
			for _, s := range samples {
				if s.Outcome == measure.Succeeded {
					continue
				}
				failed++
				if s.Class != tc.class || s.Reconnect != 0 || s.Sent < s.Offered+s.Wait || s.Done-s.Sent < 300*time.Millisecond || s.First != 0 {
					t.Errorf("%s: %+v", how, s)
				}
			}
			if want := int(n.Load() / 10); failed != want || want < 20 {
				t.Errorf("%s: %d failed, %d were broken off", how, failed, want)
			}
		})
	}
}
