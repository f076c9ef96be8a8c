package h2

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// serving is a client of a target in memory, which takes as many streams as there may be on one connection.
func serving(h http.HandlerFunc) (c *Client, stop func()) {
	conns := newHanded()
	s := &http.Server{Protocols: &http.Protocols{}, Handler: h, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 2 * maxEnding}}
	s.Protocols.SetUnencryptedHTTP2(true)
	var served sync.WaitGroup
	served.Go(func() { _ = s.Serve(conns) }) // it ends when it is closed
	c = NewClient("a", false, time.Hour, func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		conns.next <- far
		return near, nil
	})
	return c, func() {
		c.Close()
		s.Close()
		served.Wait()
	}
}

// What a target does after its whole answer is not cut off by a reset, unless it takes too long. An exchange that is not whole is.
func TestWorkAfterAnswers(t *testing.T) {
	const (
		get  = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
		post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
	)
	answer := func(status int, length, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body) // whoever has gone is seen later
			_ = http.NewResponseController(w).Flush()
		}
	}
	for _, x := range []struct {
		name    string
		request string
		target  http.HandlerFunc
		reads   int64 // of the body
		work    time.Duration
		cut     bool
		took    time.Duration
	}{
		{"counted", get, answer(200, "5", "hello"), 5, endTime / 2, false, endTime / 2},
		{"empty", get, answer(200, "0", ""), 0, endTime / 2, false, endTime / 2},
		{"without content", get, answer(204, "", ""), 0, endTime / 2, false, endTime / 2},
		{"not modified", get, answer(304, "", ""), 0, endTime / 2, false, endTime / 2},
		{"after an upload", post + "hello", answer(200, "5", "hello"), 5, endTime / 2, false, endTime / 2},
		{"too long", get, answer(200, "5", "hello"), 5, 2 * endTime, true, endTime},
		{"too long, empty", get, answer(200, "0", ""), 0, 2 * endTime, true, endTime},
		{"an answer that is not read", get, answer(200, "5", "hello"), 0, endTime / 2, true, 0},
		{"half an answer", get, answer(200, "10", "hello"), 5, endTime / 2, true, 0},
		{"an answer without a length", get, answer(200, "", "hello"), 5, endTime / 2, true, 0},
		{"half an upload", post + "he", answer(200, "5", "hello"), 5, endTime / 2, true, 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cut := make(chan bool, 1)
				c, stop := serving(func(w http.ResponseWriter, r *http.Request) {
					x.target(w, r)
					select {
					case <-r.Context().Done():
						cut <- true
					case <-time.After(x.work):
						cut <- false
					}
				})
				defer stop()
				began := time.Now()
				e, err := c.Open(t.Context(), Need{})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(e, x.request); err != nil {
					t.Fatal(err)
				}
				res, err := http.ReadResponse(bufio.NewReader(e), nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.CopyN(io.Discard, res.Body, x.reads); err != nil {
					t.Error(err)
				}
				e.Close()
				if got, took := <-cut, time.Since(began); got != x.cut || took != x.took {
					t.Errorf("cut off %v, after %v", got, took)
				}
				synctest.Wait()
				if len(c.endings.open) > 0 || e.ctx.Err() == nil {
					t.Error("the stream is still waited for")
				}
			})
		})
	}
}

// Only so many streams are left to end by themselves; there is room again once they have, or have had their time.
func TestStreamsThatDoNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cut atomic.Int64
		c, stop := serving(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "0")
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			cut.Add(1)
		})
		defer stop()
		const beyond = 5
		for round := range int64(2) {
			for range maxEnding + beyond {
				e, err := c.Open(t.Context(), Need{})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(e, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				if _, err := http.ReadResponse(bufio.NewReader(e), nil); err != nil {
					t.Fatal(err)
				}
				e.Close()
			}
			before := round * (maxEnding + beyond)
			if synctest.Wait(); cut.Load() != before+beyond {
				t.Errorf("%d of %d were cut off at once", cut.Load()-before, maxEnding+beyond)
			}
			time.Sleep(endTime)
			if synctest.Wait(); cut.Load() != before+maxEnding+beyond || len(c.endings.open) > 0 {
				t.Errorf("in the end %d of %d were cut off, and %d are waited for", cut.Load()-before, maxEnding+beyond, len(c.endings.open))
			}
		}
	})
}
