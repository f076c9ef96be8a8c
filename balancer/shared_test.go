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

	"golang.org/x/net/http2"
)

// A client that begins requests and resets them does not have the target end a connection that others share: it sees so many resets on none
// of them, and what is under way there goes on.
func TestResetsOfOneClient(t *testing.T) {
	const batch, rounds = 50, 6
	var mu sync.Mutex
	begun, reset, most := 0, 0, 0
	var first *http2.Framer // that has the stream of somebody else
	var stream uint32
	target := func(c net.Conn, r *bufio.Reader) {
		resets := 0
		serveFrames(c, r, nil, func(f *http2.Framer, frame http2.Frame) {
			mu.Lock()
			defer mu.Unlock()
			switch frame := frame.(type) {
			case *http2.HeadersFrame:
				if begun++; first == nil {
					first, stream = f, frame.StreamID
				}
			case *http2.RSTStreamFrame:
				reset++
				resets++
				most = max(most, resets)
			}
		})
	}
	cfg := raws(rawTarget(t, target))
	cfg.Groups[0].HTTP2 = true
	r := start(t, cfg, nil)
	innocent, rd := r.dial(t)
	_, _ = io.WriteString(innocent, plainGet)
	seen := func(n *int, want int) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return *n >= want
		}
	}
	await(t, "the first request", seen(&begun, 1))
	s := r.frames(t)
	defer s.Close()
	go func() { // so that the balancer can write; nothing is answered, which would write beside the requests
		for {
			if _, err := s.ReadFrame(); err != nil {
				return
			}
		}
	}()
	for i := range rounds {
		for n := range batch {
			s.open(t, uint32(2*(i*batch+n)+1), "GET", false)
		}
		await(t, "the requests", seen(&begun, 1+(i+1)*batch))
		for n := range batch {
			_ = s.WriteRSTStream(uint32(2*(i*batch+n)+1), http2.ErrCodeCancel)
		}
		await(t, "the resets", seen(&reset, (i+1)*batch))
	}
	mu.Lock()
	answerEmpty(first, stream)
	mu.Unlock()
	if res, err := http.ReadResponse(rd, nil); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("somebody else's request: %v", err)
	}
	if most > 100+batch {
		t.Errorf("%d resets on a connection", most)
	}
}

// Uploads that wait on one connection for a target that does not read them do not count against it: one may wait for the other.
func TestUploadsThatWaitForEachOther(t *testing.T) {
	const size = 2 << 20
	done := make(chan struct{})
	cfg := settings()
	handlerTargets(func(http.ResponseWriter, *http.Request) { <-done }, nil)(t, &cfg)
	cfg.Groups[0].Targets = cfg.Groups[0].Targets[:1]
	cfg.Groups[0].Timeouts.Response = 4 * short
	r := start(t, cfg, nil)
	t.Cleanup(func() { close(done) })
	var readers []*bufio.Reader
	var sending sync.WaitGroup
	var conns []net.Conn
	for range 3 { // all of them begin before one waits
		c, rd := r.dial(t)
		_, _ = fmt.Fprintf(c, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", size)
		conns, readers = append(conns, c), append(readers, rd)
	}
	await(t, "the requests", func() bool { return int(r.Stats().Groups["web"][0].InFlight) == len(conns) })
	for _, c := range conns[1:] { // the first is under way as long as they are
		sending.Go(func() { _, _ = c.Write(make([]byte, size)) })
	}
	for _, rd := range readers[1:] {
		if lines := head(t, rd); !strings.HasPrefix(lines[0], "HTTP/1.1 504 ") {
			t.Errorf("%q", lines)
		}
	}
	if r.has("raw-1 trouble") {
		t.Error("they count against the target")
	}
	for _, c := range conns {
		c.Close()
	}
	sending.Wait()
}
