package balancer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/balancer/serve"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// target is a server that speaks raw bytes: the beginning of what it was sent is recorded, what it answers is the test's.
type target struct {
	net.Listener
	mu   sync.Mutex
	seen bytes.Buffer
}

func rawTarget(t *testing.T, serve func(c net.Conn, r *bufio.Reader)) *target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := &target{Listener: l}
	var conns sync.WaitGroup
	t.Cleanup(func() { l.Close(); conns.Wait() })
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer c.Close()
				serve(c, bufio.NewReader(io.TeeReader(c, x)))
			})
		}
	})
	return x
}

// recorded is how much of what a target was sent is kept. A buffer of many megabytes takes so long to grow, with the race
// detector, that the target looks stuck meanwhile.
const recorded = 1 << 20

func (x *target) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seen.Write(p[:min(len(p), recorded-x.seen.Len())])
	return len(p), nil
}

func (x *target) text() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.seen.String()
}

func raws(targets ...*target) config.Config {
	cfg := settings()
	for i, x := range targets {
		cfg.Groups[0].Targets = append(cfg.Groups[0].Targets, config.Target{ID: fmt.Sprint("raw-", i+1), Address: x.Addr().String()})
	}
	return cfg
}

// dial opens a connection to the balancer under test, with a deadline far beyond what anything should take.
func (r *running) dial(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", r.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// head reads lines up to an empty one.
func head(t *testing.T, r *bufio.Reader) (lines []string) {
	t.Helper()
	for {
		l, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("after %q: %v", lines, err)
		}
		if l = strings.TrimRight(l, "\r\n"); l == "" {
			return lines
		}
		lines = append(lines, l)
	}
}

// answered is a target that reads one head at a time and answers the same bytes.
func answering(answer string) func(c net.Conn, r *bufio.Reader) {
	return func(c net.Conn, r *bufio.Reader) {
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
			if _, err := io.WriteString(c, answer); err != nil {
				return
			}
		}
	}
}

// Malformed and ambiguous requests are refused and the connection closed; the target sees nothing of them, nor of
// what was sent behind them.
func TestMalformedRequestsNeverReachATarget(t *testing.T) {
	x := rawTarget(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	cfg := raws(x)
	cfg.Listeners[0].HTTP1Only = true // the preface of HTTP/2 is no request of HTTP/1.1
	r := start(t, cfg, nil)
	statuses := map[error]int{
		http1.ErrVersion: 505, http1.ErrCoding: 501, http1.ErrHeadTooLarge: 431, http1.ErrTargetTooLong: 414, http1.ErrMethod: 405,
	}
	n, long := 0, 0
	for in, why := range http1.Malformed() {
		if why == http1.ErrChunk && len(in) > 4096 {
			long++
		}
		c, rd := r.dial(t)
		// What a smuggler would have the target take for a request of somebody else's.
		if _, err := io.WriteString(c, in+"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Logf("%.60q: %v", in, err) // refused while it was still being sent
		}
		if half, ok := c.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
		lines := head(t, rd)
		want := statuses[why]
		if want == 0 {
			want = 400
		}
		if !strings.HasPrefix(lines[0], "HTTP/1.1 "+strconv.Itoa(want)+" ") || !strings.Contains(strings.Join(lines, "\n"), "Connection: close") || !strings.Contains(strings.Join(lines, "\n"), "Shakedown-Reason: ") {
			t.Errorf("%.80q: %q, want %d", in, lines, want)
		}
		rest, err := io.ReadAll(rd)
		if err != nil || bytes.Contains(rest, []byte("HTTP/1.1")) {
			t.Errorf("%.80q: after the refusal %q, %v", in, rest, err)
		}
		c.Close()
		n++
	}
	if n < 80 {
		t.Errorf("only %d", n)
	}
	// Of a body that turns out malformed only after kilobytes, the head was passed on; never an end.
	if got := x.text(); strings.Contains(got, "smuggled") || strings.Count(got, "HTTP/1.1") > long || strings.Contains(got, "0\r\n") {
		t.Errorf("the target saw %q", got)
	}
	if s := r.Stats(); s.Refused != uint64(n) || s.Groups["web"][0].Requests > uint64(n) {
		t.Errorf("%d refused of %d", s.Refused, n)
	}
}

// What a target gets, to the byte, and what a client gets.
func TestForwardedHeaders(t *testing.T) {
	x := rawTarget(t, answering("HTTP/1.1 200 Fine\r\nServer: x\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive, X-Secret\r\nX-Secret: 1\r\nX-Open: 2\r\nContent-Length: 2\r\n\r\nhi"))
	r := start(t, raws(x), nil)
	c, rd := r.dial(t)
	fmt.Fprint(c, "POST http://example.org/a?b HTTP/1.1\r\nHost: other\r\nX-One: 1\r\nConnection: X-Gone, keep-alive\r\nX-Gone: 1\r\nKeep-Alive: 3\r\nTE: gzip, trailers\r\n"+
		"X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nContent-Length: 3\r\n\r\nabc")
	lines := head(t, rd)
	if got := strings.Join(lines, "|"); got != "HTTP/1.1 200 OK|Server: x|X-Open: 2|Content-Length: 2" {
		t.Errorf("%s", got)
	}
	if b := make([]byte, 2); func() error { _, err := io.ReadFull(rd, b); return err }() != nil || string(b) != "hi" {
		t.Errorf("%q", b)
	}
	_, port, _ := net.SplitHostPort(r.Addresses()[0])
	want := "POST /a?b HTTP/1.1\r\nHost: example.org\r\nX-One: 1\r\nTE: trailers\r\nX-Forwarded-For: 10.0.0.1, 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: " + port +
		"\r\nX-Forwarded-Host: example.org\r\nContent-Length: 3\r\n\r\nabc"
	if got := x.text(); got != want {
		t.Errorf("the target got\n%q, want\n%q", got, want)
	}
}

// A client that sends no more after a request which came behind a body has not gone: it waits for the answers.
func TestRequestBehindABodyAndNoMore(t *testing.T) {
	x := rawTarget(t, func(c net.Conn, r *bufio.Reader) {
		if req, err := http.ReadRequest(r); err == nil {
			_, _ = io.Copy(io.Discard, req.Body)
			time.Sleep(2 * short) // the balancer looks after the client meanwhile
			_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		}
	})
	r := start(t, raws(x), nil)
	c, rd := r.dial(t)
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
	underWay(t, r) // so that the body comes by itself
	_, _ = io.WriteString(c, "hello"+plainGet)
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if lines := head(t, rd); lines[0] != "HTTP/1.1 204 No Content" {
		t.Errorf("%q", lines)
	}
}

// Requests sent ahead are answered in order, and each reaches a target whole.
func TestPipelinedRequests(t *testing.T) {
	r := start(t, settings(server(t, "one")), nil)
	c, rd := r.dial(t)
	fmt.Fprint(c, "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"+
		"POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n1\r\nd\r\n0\r\n\r\n"+
		"GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	for _, want := range []string{"one POST /1 xff=127.0.0.1 ab", "one POST /2 xff=127.0.0.1 cd", "one GET /3 xff=127.0.0.1 "} {
		res, err := http.ReadResponse(rd, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		if string(b) != want || err != nil {
			t.Errorf("%q, %v", b, err)
		}
	}
	if _, err := rd.ReadByte(); err != io.EOF {
		t.Errorf("the connection stays open: %v", err)
	}
}

func TestVersionsAndFraming(t *testing.T) {
	for _, tc := range []struct{ name, request, answer, want string }{
		{"a client of 1.0", "GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhi"},
		{"a client of 1.0 that stays", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
			"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"},
		{"HEAD", "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nConnection: close\r\n\r\n"},
		{"204", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"},
		{"304", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\nConnection: close\r\n\r\n"},
		{"chunked with trailer", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK\r\nTrailer: T\r\nTransfer-Encoding: chunked\r\n\r\n2;e=f\r\nhi\r\n0\r\nT: v\r\nContent-Length: 3\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTrailer: T\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nhi\r\n0\r\nT: v\r\n\r\n"},
		{"an interim answer", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
		{"TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "", "HTTP/1.1 405 Method Not Allowed"},
	} {
		r := start(t, raws(rawTarget(t, answering(tc.answer))), nil)
		c, rd := r.dial(t)
		fmt.Fprint(c, tc.request)
		got, err := io.ReadAll(rd)
		if err != nil || !strings.HasPrefix(string(got), tc.want) || (tc.answer != "" && len(got) != len(tc.want)) {
			t.Errorf("%s:\n%q, %v, want\n%q", tc.name, got, err, tc.want)
		}
		r.stop()
	}
}

// A target's answer that lasts until the connection ends becomes chunked, and its end is known.
func TestAnswerUntilClose(t *testing.T) {
	x := rawTarget(t, func(c net.Conn, r *bufio.Reader) {
		_, _ = http.ReadRequest(r)
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\nhello")
	})
	r := start(t, raws(x), nil)
	c, rd := r.dial(t)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	res, err := http.ReadResponse(rd, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(res.Body); string(b) != "hello" || err != nil || len(res.TransferEncoding) != 1 {
		t.Errorf("%q, %v, %v", b, err, res.TransferEncoding)
	}
}

// What can't be passed on is not: an answer that breaks off, or that is none.
func TestTargetsThatMisbehave(t *testing.T) {
	for _, tc := range []struct {
		name, answer string
		status       int  // 0: the head was passed on already
		cut          bool // the client sees that the answer is not whole
	}{
		{"closed at once", "", 502, false},
		{"garbage", "garbage\r\n\r\n", 502, false},
		{"a head that breaks off", "HTTP/1.1 200 OK\r\nA: ", 502, false},
		{"both framings", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502, false},
		{"bare LF", "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", 502, false},
		{"too large a head", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 20000) + "\r\n\r\n", 502, false},
		{"another protocol unasked", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 502, false},
		{"a body that breaks off", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 0, true},
		{"a chunk that breaks off", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", 0, true},
		{"a chunk that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabXX", 502, false},
	} {
		x := rawTarget(t, func(c net.Conn, r *bufio.Reader) {
			_, _ = http.ReadRequest(r)
			_, _ = io.WriteString(c, tc.answer)
		})
		r := start(t, raws(x), nil)
		c, rd := r.dial(t)
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		res, err := http.ReadResponse(rd, nil)
		if tc.cut && err != nil { // the reset may overtake the head
			r.stop()
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		_, err = io.ReadAll(res.Body)
		if (tc.status != 0 && res.StatusCode != tc.status) || (err != nil) != tc.cut {
			t.Errorf("%s: %d, %v", tc.name, res.StatusCode, err)
		}
		if tc.status != 0 && !strings.HasPrefix(res.Header.Get("Shakedown-Reason"), "raw-1: receive: ") {
			t.Errorf("%s: reason %q", tc.name, res.Header.Get("Shakedown-Reason"))
		}
		r.stop()
	}
}

// WebSockets, and whatever else takes the connection over: both sides speak at will, each may end first.
func TestUpgrade(t *testing.T) {
	x := rawTarget(t, func(c net.Conn, r *bufio.Reader) {
		req, err := http.ReadRequest(r)
		if err != nil || req.Header.Get("Upgrade") != "echo" || req.Header.Get("Connection") != "upgrade" {
			return
		}
		fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\nX-Y: z\r\n\r\nwelcome\n")
		_, _ = io.Copy(c, r)
		fmt.Fprint(c, "bye\n")
	})
	r := start(t, raws(x), nil)
	c, rd := r.dial(t)
	fmt.Fprint(c, "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly\n")
	if got := strings.Join(head(t, rd), "|"); got != "HTTP/1.1 101 Switching Protocols|X-Y: z|Connection: upgrade|Upgrade: echo" {
		t.Errorf("%s", got)
	}
	for _, want := range []string{"welcome\n", "early\n"} {
		if l, err := rd.ReadString('\n'); l != want || err != nil {
			t.Fatalf("%q, %v", l, err)
		}
	}
	for i := range 100 {
		fmt.Fprintf(c, "line %d\n", i)
		if l, err := rd.ReadString('\n'); l != fmt.Sprintf("line %d\n", i) || err != nil {
			t.Fatalf("%q, %v", l, err)
		}
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(rd); string(rest) != "bye\n" || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
	await(t, "the target to be released", func() bool { return r.Stats().Groups["web"][0].InFlight == 0 })
}

// Server-sent events are passed on as they come.
func TestEventsArePassedOnAtOnce(t *testing.T) {
	next := make(chan string)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for e := range next {
			fmt.Fprintf(w, "data: %s\n\n", e)
			w.(http.Flusher).Flush()
		}
	}))
	defer s.Close()
	r := start(t, settings(s), nil)
	c, rd := r.dial(t)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	for i := range 20 {
		next <- fmt.Sprint(i) // the next one is only made once this one has arrived
		if i == 0 {
			head(t, rd)
		}
		for {
			l, err := rd.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(l, "data: ") {
				if l != fmt.Sprintf("data: %d\n", i) {
					t.Fatalf("%q", l)
				}
				break
			}
		}
	}
	close(next)
	if _, err := io.ReadAll(rd); err != nil {
		t.Error(err)
	}
}

// A client that waits to be told to continue is told by the target, through the balancer; one that is refused
// keeps its body.
func TestContinue(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			http.Error(w, "too much", http.StatusRequestEntityTooLarge)
			return
		}
		b, _ := io.ReadAll(r.Body) // net/http says 100 Continue here
		fmt.Fprintf(w, "%d", len(b))
	}))
	defer s.Close()
	r := start(t, settings(s), nil)
	for path, want := range map[string]string{"/yes": "200 OK 5000", "/no": "413 Request Entity Too Large too much\n"} {
		told := false
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { told = true }})
		req, err := http.NewRequestWithContext(ctx, "POST", r.url+path, bytes.NewReader(make([]byte, 5000)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Expect", "100-continue")
		req.Close = true
		res, err := (&http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if got := res.Status + " " + string(b); got != want || told != (path == "/yes") {
			t.Errorf("%s: %q, told to continue: %v", path, got, told)
		}
	}
}

// Each request is told of once, with the status that the client got and why.
func TestLog(t *testing.T) {
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			<-r.Context().Done()
		}
	}))
	defer slow.Close()
	cfg := settings(slow, slow)
	cfg.Groups[0].Targets[0].Address = refusing(t)
	cfg.Groups[0].Retry = &group.Retry{Attempts: 1, On: group.OnConnect, Floor: 1000}
	cfg.Listeners[0].Rules = route.Table{{Path: "/teapot", Respond: &route.Respond{Status: 418}}, {Path: "/none", Forward: "none"}, {Forward: "web"}}
	cfg.Groups = append(cfg.Groups, config.Group{Name: "none", Strategy: spec.Written{Kind: "round_robin"}})
	var mu sync.Mutex
	var log bytes.Buffer
	r := startWith(t, cfg, Options{Access: &Log{To: slog.New(slog.NewJSONHandler(locked{&mu, &log}, nil)), Share: 1}})
	lines := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Split(strings.TrimSpace(log.String()), "\n")
	}
	// A client has its answer before the line is written: the next request waits for it.
	told := func(n int) {
		t.Helper()
		await(t, fmt.Sprint(n, " lines"), func() bool { l := lines(); return len(l) == n && l[n-1] != "" })
	}
	get(t, r.url+"/a?b=c") // the dead one first, then the other
	told(1)
	get(t, r.url+"/teapot")
	told(2)
	get(t, r.url+"/none")
	told(3)
	c, rd := r.dial(t)
	fmt.Fprint(c, "nonsense\r\n\r\n")
	head(t, rd)
	told(4)
	c, _ = r.dial(t)
	fmt.Fprint(c, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n")
	await(t, "the request to be under way", func() bool { return r.Stats().Groups["web"][1].InFlight == 1 })
	c.Close()
	told(5)
	for i, want := range []string{
		`"client":"127.0.0.1","protocol":"HTTP/1.1","tls":false,"method":"GET","host":"` + r.Addresses()[0] + `","target":"/a?b=c","status":200,"cause":"","reason":"","upstream":"web-2","attempts":2,"took_ms":`,
		`"target":"/teapot","status":418,"cause":"","reason":"","upstream":"","attempts":0,`,
		`"target":"/none","status":503,"cause":"no_target","reason":"no target is ready","upstream":"","attempts":0,`,
		`"client":"","protocol":"","tls":false,"method":"","host":"","target":"","status":400,"cause":"malformed","reason":"malformed first line"`,
		`"target":"/wait","status":460,"cause":"client_gone","reason":"the client has gone","upstream":"web-2","attempts":`,
	} {
		if !strings.Contains(lines()[i], want) {
			t.Errorf("line %d: %s, want %s", i+1, lines()[i], want)
		}
	}
	r.stop()
}

// locked is a writer for several goroutines.
type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// Trailers go both ways; what a rule or the listener keeps from targets in a head is kept from them in a trailer.
func TestTrailersBothWays(t *testing.T) {
	trailers := make(chan http.Header, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		b, _ := io.ReadAll(r.Body)
		trailers <- r.Trailer
		fmt.Fprintf(w, "%d %s", len(b), r.Trailer.Get("X-In"))
		w.Header().Set("X-Sum", "42")
	}))
	defer s.Close()
	cfg := settings(s)
	cfg.Listeners[0].Rules[0].Remove, cfg.Listeners[0].Rules[0].Set = []string{"x-out"}, []route.Pair{{Name: "X-Set", Value: "1"}}
	cfg.Listeners[0].Options.Underscores = config.RefuseNames
	r := start(t, cfg, nil)
	for _, pause := range []bool{false, true} { // the body with the head, and after it
		c, rd := r.dial(t)
		fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-In\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
		if pause {
			await(t, "the target to have the head", func() bool { return r.Stats().Groups["web"][0].InFlight == 1 })
		}
		fmt.Fprint(c, "3\r\nabc\r\n0\r\nX-In: 7\r\nX-Out: 8\r\nX-Set: 9\r\nX_Y: 1\r\n\r\n")
		res, err := http.ReadResponse(rd, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		if err != nil || string(b) != "3 7" || res.Trailer.Get("X-Sum") != "42" {
			t.Errorf("%q, trailer %v, %v", b, res.Trailer, err)
		}
		if got := <-trailers; len(got) != 1 {
			t.Errorf("the target got the trailer %v", got)
		}
	}
}

// zeros is n bytes of a body, made as they are read.
type zeros struct{ n int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.n)
	z.n -= n
	return int(n), nil
}

// Bodies of any size stream through with bounded memory, both ways, counted and chunked.
func TestLargeBodies(t *testing.T) {
	const size = 256 << 20
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			n, _ := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n)
			return
		}
		if r.URL.Path == "/counted" {
			w.Header().Set("Content-Length", fmt.Sprint(size))
		}
		_, _ = io.Copy(w, &zeros{size})
	}))
	defer s.Close()
	r := start(t, settings(s), nil)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, path := range []string{"/counted", "/chunked"} {
		res, err := client.Get(r.url + path)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if n != size || err != nil {
			t.Errorf("%s: %d bytes down, %v", path, n, err)
		}
		req, err := http.NewRequest("POST", r.url+path, &zeros{size})
		if err != nil {
			t.Fatal(err)
		}
		if path == "/counted" {
			req.ContentLength = size
		}
		if res, err = client.Do(req); err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if string(b) != fmt.Sprint(size) {
			t.Errorf("%s: %s bytes up", path, b)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > size/4 {
		t.Errorf("%d MiB were allocated to pass 1 GiB on", grown>>20)
	}
}

// A slow reader holds its target up, not the balancer's memory.
func TestBackPressure(t *testing.T) {
	var sent atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 1<<20)
		for range 1 << 10 {
			n, err := w.Write(buf)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	r := start(t, settings(s), nil)
	c, rd := r.dial(t)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	head(t, rd)
	last := int64(-1)
	await(t, "the target to be held up", func() bool {
		time.Sleep(50 * time.Millisecond)
		now := sent.Load()
		held := now == last
		last = now
		return held
	})
	if last > 100<<20 { // what the kernel's buffers take on four sockets
		t.Errorf("%d MiB went out to nobody", last>>20)
	}
	c.Close()
	await(t, "the exchange to be cancelled", func() bool { return r.Stats().Groups["web"][0].InFlight == 0 })
}

// A client that goes away ends its exchange at the target too, whatever stage it is in.
func TestClientAborts(t *testing.T) {
	var cancelled, begun atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun.Add(1)
		if r.URL.Path == "/body" {
			if _, err := io.ReadAll(r.Body); err != nil {
				cancelled.Add(1)
			}
			return
		}
		if r.URL.Path == "/answer" {
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
		cancelled.Add(1)
	}))
	defer s.Close()
	r := start(t, settings(s), nil)
	for i, request := range []string{
		"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n", "GET /answer HTTP/1.1\r\nHost: a\r\n\r\n", "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc",
		"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
	} {
		c, _ := r.dial(t)
		fmt.Fprint(c, request)
		await(t, "the target to begin", func() bool { return begun.Load() == int64(i+1) })
		c.Close()
		await(t, "the target to be told of "+request, func() bool { return cancelled.Load() == int64(i+1) })
	}
	await(t, "all to be released", func() bool { s := r.Stats(); return s.Groups["web"][0].InFlight == 0 && s.Aborted == 4 })
	if r.has("web-1 trouble") {
		t.Errorf("the target was blamed: %v", r.states)
	}
}

// A target that answers before it has read the body: the answer arrives, and nobody waits for the rest for ever.
func TestAnswerBeforeTheBody(t *testing.T) {
	x := rawTarget(t, func(c net.Conn, r *bufio.Reader) {
		_, _ = http.ReadRequest(r)
		fmt.Fprint(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
	})
	r := start(t, raws(x), nil)
	c, rd := r.dial(t)
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc")
	res, err := http.ReadResponse(rd, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(res.Body); res.StatusCode != 403 || string(b) != "no" || err != nil {
		t.Errorf("%d %q, %v", res.StatusCode, b, err)
	}
	if _, err := rd.ReadByte(); err == nil {
		t.Error("the connection stays open")
	}
}

// A chunked body that turns out malformed on its way is the client's fault.
func TestMalformedBodyOnTheWay(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) }))
	defer s.Close()
	r := start(t, settings(s), nil)
	c, rd := r.dial(t)
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	await(t, "the target to begin", func() bool { return r.Stats().Groups["web"][0].InFlight == 1 })
	fmt.Fprint(c, "nonsense\r\n")
	if lines := head(t, rd); !strings.HasPrefix(lines[0], "HTTP/1.1 400 ") {
		t.Errorf("%q", lines)
	}
	if r.has("web-1 trouble") {
		t.Errorf("the target was blamed: %v", r.states)
	}
}

func TestIdleConnectionsAreClosedInTime(t *testing.T) {
	s := serve.New(serve.Config{Handler: handler(func(c *serve.Conn) { _ = c.Respond(200, "", []byte("x")) }), Idle: 100 * time.Millisecond, Header: 100 * time.Millisecond, Body: 100 * time.Millisecond})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	for send, want := range map[string]string{
		"":                                  "",
		"GET / HTTP/1.1\r\nHos":             "HTTP/1.1 408 Request Timeout",
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n": "HTTP/1.1 200 OK",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab": "HTTP/1.1 200 OK",
	} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprint(c, send)
		got, err := io.ReadAll(c)
		if err != nil || !strings.HasPrefix(string(got), want) || (want == "") != (len(got) == 0) {
			t.Errorf("%q: %q, %v", send, got, err)
		}
		c.Close()
	}
	if err := s.Shutdown(t.Context(), 0); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil || s.Connections() != 0 {
		t.Errorf("%v, %d connections", err, s.Connections())
	}
}

// A target that takes too long: 504, with what was waited for; the group hears of it.
func TestTargetTimeouts(t *testing.T) {
	x := rawTarget(t, func(c net.Conn, r *bufio.Reader) {
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if req.URL.Path == "/half" {
				fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
			}
		}
	})
	cfg := raws(x)
	cfg.Groups[0].Timeouts.Response = 150 * time.Millisecond
	r := start(t, cfg, nil)
	c, rd := r.dial(t)
	fmt.Fprint(c, "GET /silent HTTP/1.1\r\nHost: a\r\n\r\n")
	lines := head(t, rd)
	if !strings.HasPrefix(lines[0], "HTTP/1.1 504 ") || !strings.Contains(strings.Join(lines, "\n"), "nothing within 150ms") {
		t.Errorf("%q", lines)
	}
	if !r.has("raw-1 trouble") {
		t.Errorf("the group heard nothing: %v", r.states)
	}
	whole := raws(x)
	whole.Groups[0].Timeouts.Exchange = 150 * time.Millisecond
	slow := start(t, whole, nil)
	c, rd = slow.dial(t)
	fmt.Fprint(c, "GET /silent HTTP/1.1\r\nHost: a\r\n\r\n")
	if lines := head(t, rd); !strings.HasPrefix(lines[0], "HTTP/1.1 504 ") || !strings.Contains(strings.Join(lines, "\n"), "the exchange has taken too long") {
		t.Errorf("the whole exchange: %q", lines)
	}
	c, rd = r.dial(t)
	fmt.Fprint(c, "GET /half HTTP/1.1\r\nHost: a\r\n\r\n")
	if res, err := http.ReadResponse(rd, nil); err == nil { // the reset may overtake the head
		if _, err := io.ReadAll(res.Body); err == nil {
			t.Error("half an answer passed for a whole one")
		}
	}
}

// Two thousand connections that send a head byte by byte and never end it: other clients are served meanwhile, and
// each of the slow ones is answered 408 and closed.
func TestSlowHeads(t *testing.T) {
	cfg := settings(server(t, "one"))
	cfg.Listeners[0].Timeouts.Header = 2 * time.Second
	r := start(t, cfg, nil)
	const attackers = 2000
	var closed, refused atomic.Int64
	var wg sync.WaitGroup
	for range attackers {
		c, err := net.Dial("tcp", r.Addresses()[0])
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(60 * time.Second))
		wg.Go(func() {
			defer c.Close()
			var dripping sync.WaitGroup
			over := make(chan struct{})
			dripping.Go(func() {
				for _, b := range []byte("GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 1000)) {
					if _, err := c.Write([]byte{b}); err != nil {
						return
					}
					select {
					case <-over:
						return
					case <-time.After(100 * time.Millisecond):
					}
				}
			})
			answer, _ := io.ReadAll(c) // a reset after the answer is an end too
			close(over)
			dripping.Wait()
			if strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
				refused.Add(1)
			}
			closed.Add(1)
		})
	}
	served := 0
	for closed.Load() < attackers { // as long as some of them are there: on a busy machine the first are gone before the last have come
		if code, body := get(t, r.url); code != 200 || !strings.HasPrefix(body, "one") {
			t.Fatalf("%d %s", code, body)
		}
		served++
	}
	wg.Wait()
	if served == 0 || refused.Load() < attackers*9/10 {
		t.Errorf("%d served meanwhile; %d of %d were refused", served, refused.Load(), attackers)
	}
	if got := r.Stats().Refused; got != attackers {
		t.Errorf("%d were counted as refused", got)
	}
}

type handler func(c *serve.Conn)

func (h handler) Serve(c *serve.Conn) { h(c) }

// A server that shuts down answers what it is asked until the last moment, and says that it closes.
func TestShutdownAnswersWhatComes(t *testing.T) {
	s := serve.New(serve.Config{Handler: handler(func(c *serve.Conn) { _ = c.Respond(200, "", nil) })})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tp := textproto.NewReader(bufio.NewReader(c))
	ask := func() string {
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		l, err := tp.ReadLine()
		if err != nil {
			t.Fatal(err)
		}
		h, err := tp.ReadMIMEHeader()
		if err != nil {
			t.Fatal(err)
		}
		return l + " " + h.Get("Connection")
	}
	if got := ask(); got != "HTTP/1.1 200 OK " {
		t.Errorf("%q", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(ctx, time.Hour) }()
	if err := <-done; err != nil { // it accepts no more
		t.Error(err)
	}
	if got := ask(); got != "HTTP/1.1 200 OK close" {
		t.Errorf("%q", got)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}
