package balancer

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// closer is a target that answers the first request of each connection, and ends the connection when it has read a second one.
type closer struct {
	mu   sync.Mutex
	seen map[string]int // how often each target of a request came
	end  func(c net.Conn)
}

func (x *closer) serve(c net.Conn, r *bufio.Reader) {
	for i := range 2 {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		x.mu.Lock()
		x.seen[req.RequestURI]++
		x.mu.Unlock()
		if i > 0 {
			x.end(c)
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	}
}

func (x *closer) times(uri string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.seen[uri]
}

func resets(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }

// A request that meets the closing of an idle connection goes once to a new connection of the same target, and neither the client
// nor the group hears of it.
func TestReconnects(t *testing.T) {
	for name, end := range map[string]func(net.Conn){"closed": func(net.Conn) {}, "reset": resets} {
		x := &closer{seen: map[string]int{}, end: end}
		r := start(t, raws(rawTarget(t, x.serve)), nil)
		c, rd := r.dial(t)
		late := 0
		for i := 0; r.Stats().Reconnects < 5; i++ {
			if i == 200 {
				t.Fatalf("%s: only %d of %d reached the target again", name, r.Stats().Reconnects, i)
			}
			fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i)
			switch lines := head(t, rd); lines[0] {
			case "HTTP/1.1 200 OK":
			default: // on a busy machine the end may come so late that it looks like a failure
				t.Logf("%s: %q", name, lines)
				c, rd = r.dial(t)
				late++
			}
		}
		if late == 0 && r.has("raw-1 trouble") {
			t.Errorf("%s: the target was blamed: %v", name, r.states)
		}
		if s := r.Stats(); s.Retries != 0 {
			t.Errorf("%s: %d retries", name, s.Retries)
		}
		r.stop()
	}
}

// What may have taken effect is not sent again: a request that is not idempotent, one whose connection ends so late that the target had
// begun with it, and one whose answer has begun.
func TestDoesNotReconnect(t *testing.T) {
	for _, tc := range []struct {
		name, method string
		end          func(c net.Conn)
	}{
		{"POST", "POST", resets},
		{"late", "GET", func(net.Conn) { time.Sleep(500 * time.Millisecond) }},
		{"answer begun", "GET", func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200") }},
	} {
		x := &closer{seen: map[string]int{}, end: tc.end}
		r := start(t, raws(rawTarget(t, x.serve)), nil)
		for i := range 3 {
			c, rd := r.dial(t)
			for j, want := range []string{"HTTP/1.1 200 ", "HTTP/1.1 502 "} {
				fmt.Fprintf(c, "%s /%d/%d HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", tc.method, i, j)
				res, err := http.ReadResponse(rd, nil)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				if got := fmt.Sprintf("HTTP/1.1 %d ", res.StatusCode); got != want {
					t.Errorf("%s: %s, want %s", tc.name, got, want)
				}
				if n := x.times(fmt.Sprintf("/%d/%d", i, j)); n != 1 {
					t.Errorf("%s: the target saw it %d times", tc.name, n)
				}
			}
			c.Close()
		}
		if r.Stats().Reconnects != 0 || !r.has("raw-1 trouble") {
			t.Errorf("%s: %d, %v", tc.name, r.Stats().Reconnects, r.states)
		}
		r.stop()
	}
}

// A client whose request makes the target end its connection does not make new connections necessary for what others ask.
func TestOneRequestLeavesTheConnectionsOfOthers(t *testing.T) {
	for name, end := range map[string]func(net.Conn){"closed": func(net.Conn) {}, "reset": resets} {
		var mu sync.Mutex
		conns := 0
		r := start(t, raws(rawTarget(t, func(c net.Conn, r *bufio.Reader) {
			mu.Lock()
			conns++
			mu.Unlock()
			for {
				req, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				if _, _ = io.Copy(io.Discard, req.Body); req.URL.Path == "/poison" {
					end(c)
					return
				}
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		})), nil)
		ask := func(c net.Conn, rd *bufio.Reader, line string, want int) {
			fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", line)
			res, err := http.ReadResponse(rd, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, _ = io.Copy(io.Discard, res.Body); res.StatusCode != want {
				t.Errorf("%s: %s got %d", name, line, res.StatusCode)
			}
		}
		c, rd := r.dial(t)
		ask(c, rd, "POST /", 200)
		ask(c, rd, "POST /poison", 502)
		mu.Lock()
		before := conns
		mu.Unlock()
		c, rd = r.dial(t)
		for range 5 {
			ask(c, rd, "POST /", 200)
		}
		mu.Lock()
		if n := conns - before; n != 1 {
			t.Errorf("%s: 5 requests made %d connections", name, n)
		}
		mu.Unlock()
		r.stop()
	}
}

// A target that closes its new connection too has failed, once.
func TestReconnectsOnce(t *testing.T) {
	var mu sync.Mutex
	conns := 0
	x := rawTarget(t, func(c net.Conn, r *bufio.Reader) {
		mu.Lock()
		conns++
		first := conns == 1
		mu.Unlock()
		if _, err := http.ReadRequest(r); err == nil && first {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			_, _ = http.ReadRequest(r)
		}
	})
	r := start(t, raws(x), nil)
	c, rd := r.dial(t)
	for _, want := range []string{"HTTP/1.1 200 ", "HTTP/1.1 502 "} {
		fmt.Fprint(c, plainGet)
		res, err := http.ReadResponse(rd, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		if got := fmt.Sprintf("HTTP/1.1 %d ", res.StatusCode); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if conns > 2 || !r.has("raw-1 trouble") {
		t.Errorf("%d connections, %v", conns, r.states)
	}
}

// A target of HTTP/2 that is leaving says that it has not acted on a stream: even a POST goes to a new connection.
func TestReconnectsStreams(t *testing.T) {
	for _, how := range []string{"GOAWAY", "REFUSED_STREAM"} {
		var mu sync.Mutex
		conns := 0
		x := rawTarget(t, func(c net.Conn, r *bufio.Reader) {
			mu.Lock()
			conns++
			refuse := conns == 1
			mu.Unlock()
			serveFrames(c, r, nil, func(f *http2.Framer, frame http2.Frame) {
				id := frame.Header().StreamID
				switch {
				case frame.Header().Type != http2.FrameHeaders:
				case refuse && how == "GOAWAY":
					_ = f.WriteGoAway(0, http2.ErrCodeNo, nil)
				case refuse:
					_ = f.WriteRSTStream(id, http2.ErrCodeRefusedStream)
					refuse = false
				default:
					answerEmpty(f, id)
				}
			})
		})
		cfg := raws(x)
		cfg.Groups[0].HTTP2 = true
		r := start(t, cfg, nil)
		c, rd := r.dial(t)
		fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
		if lines := head(t, rd); !strings.HasPrefix(lines[0], "HTTP/1.1 200 ") {
			t.Errorf("%s: %q", how, lines)
		}
		if s := r.Stats(); s.Reconnects != 1 || r.has("raw-1 trouble") {
			t.Errorf("%s: %d, %v", how, s.Reconnects, r.states)
		}
		r.stop()
	}
}

// A target of HTTP/2 that closes a connection in use without a word has met a request that can go again, unless it may have acted on it.
func TestReconnectsStreamsWithoutAWord(t *testing.T) {
	for method, again := range map[string]bool{"GET": true, "POST": false} {
		x := rawTarget(t, func(c net.Conn, r *bufio.Reader) {
			n := 0
			serveFrames(c, r, nil, func(f *http2.Framer, frame http2.Frame) {
				if frame.Header().Type != http2.FrameHeaders {
					return
				}
				if n++; n == 2 {
					c.Close()
					return
				}
				answerEmpty(f, frame.Header().StreamID)
			})
		})
		cfg := raws(x)
		cfg.Groups[0].HTTP2 = true
		r := start(t, cfg, nil)
		c, rd := r.dial(t)
		sent := 0
		for ; sent < 200 && r.Stats().Reconnects < 3 && (again || sent < 6); sent++ {
			fmt.Fprintf(c, "%s / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", method)
			res, err := http.ReadResponse(rd, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body) // on a busy machine the end may come so late that it looks like a failure
		}
		n := r.Stats().Reconnects
		r.stop()
		if (n >= 3) != again || (!again && n > 0) {
			t.Errorf("%s: %d of %d went again", method, n, sent)
		}
	}
}
