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

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// leaver is a target of HTTP/2 that says on some of its connections that it is leaving, and answers every stream up to the last one
// that it named when the whole request has come.
type leaver struct {
	leaves func(conns int) bool                    // on the how manieth connection, from 1 on
	leave  func(f *http2.Framer, id uint32) uint32 // is called at a frame of a stream, and returns the last stream that is served
	at     http2.FrameType

	mu    sync.Mutex
	conns int
	left  bool
}

// hasLeft reports whether it has said so.
func (x *leaver) hasLeft() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.left
}

func (x *leaver) serve(c net.Conn, r *bufio.Reader) {
	x.mu.Lock()
	x.conns++
	leaves := x.leaves(x.conns)
	x.mu.Unlock()
	last, left := uint32(1<<31-1), false
	serveFrames(c, r, nil, func(f *http2.Framer, frame http2.Frame) {
		id := frame.Header().StreamID
		if leaves && !left && frame.Header().Type == x.at {
			left, last = true, x.leave(f, id)
			x.mu.Lock()
			x.left = true
			x.mu.Unlock()
		}
		ended := false
		switch frame := frame.(type) {
		case *http2.HeadersFrame:
			ended = frame.StreamEnded()
		case *http2.DataFrame:
			ended = frame.StreamEnded()
		}
		if ended && id <= last {
			answerEmpty(f, id)
		}
	})
}

// goAway says that a stream is the last, or the last but some.
func goAway(back uint32, code http2.ErrCode) func(*http2.Framer, uint32) uint32 {
	return func(f *http2.Framer, id uint32) uint32 {
		_ = f.WriteGoAway(id-back, code, nil)
		return id - back
	}
}

// What a target that leaves has said it will still serve ends as if it stayed (RFC 9113, 6.8). What it has said it did not act on goes
// elsewhere when it is at hand, and does not count against the target.
func TestTargetsThatLeave(t *testing.T) {
	const (
		upload = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello|world"
		chunks = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n|5\r\nworld\r\n0\r\n\r\n"
		kept   = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello|world"
		post   = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
	)
	twice := func(f *http2.Framer, id uint32) uint32 {
		_ = f.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil)
		return goAway(0, http2.ErrCodeNo)(f, id)
	}
	first, always := func(n int) bool { return n == 1 }, func(int) bool { return true }
	thrice := func(n int) bool { return n <= 3 }
	retry := &group.Retry{Attempts: 1, On: group.OnError, Budget: 1, Floor: 10, Spool: 1000}
	for _, x := range []struct {
		name       string
		request    string // the second piece is sent when the target has said that it leaves, unless the body is kept
		at         http2.FrameType
		leave      func(*http2.Framer, uint32) uint32
		leaves     func(int) bool
		retry      *group.Retry
		status     int
		reconnects int64
		retries    int64
	}{
		{"an upload that is served on", upload, http2.FrameData, goAway(0, http2.ErrCodeNo), first, nil, 200, 0, 0},
		{"a chunked upload that is served on", chunks, http2.FrameData, goAway(0, http2.ErrCodeNo), first, nil, 200, 0, 0},
		{"an upload that is served on, after a warning", upload, http2.FrameHeaders, twice, first, nil, 200, 0, 0},
		{"an upload that is served on, by a target with an error", upload, http2.FrameData, goAway(0, http2.ErrCodeInternal), first, nil, 200, 0, 0},
		{"a body that was kept", kept, http2.FrameHeaders, goAway(1, http2.ErrCodeNo), first, retry, 200, 1, 0},
		{"a body that came with the head", post, http2.FrameHeaders, goAway(1, http2.ErrCodeNo), first, nil, 200, 1, 0},
		{"no body", plainGet, http2.FrameHeaders, goAway(1, http2.ErrCodeNo), first, nil, 200, 1, 0},
		{"no body, by a target with an error", plainGet, http2.FrameHeaders, goAway(1, http2.ErrCodeInternal), first, nil, 200, 1, 0},
		{"no body, by a target that is asked too much", plainGet, http2.FrameHeaders, goAway(1, http2.ErrCodeEnhanceYourCalm), first, nil, 200, 1, 0},
		{"a POST, by a target that leaves three times", post, http2.FrameHeaders, goAway(1, http2.ErrCodeNo), thrice, nil, 200, 3, 0},
		{"a body that was kept, by a target that leaves for good", kept, http2.FrameHeaders, goAway(1, http2.ErrCodeNo), always, retry, 200, 3, 1},
		{"a POST, by a target that leaves for good", post, http2.FrameHeaders, goAway(1, http2.ErrCodeNo), always, retry, 200, 3, 1},
		{"an upload that is not served", upload, http2.FrameData, goAway(1, http2.ErrCodeNo), first, retry, 502, 0, 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			leaving := &leaver{leaves: x.leaves, leave: x.leave, at: x.at}
			staying := &leaver{leaves: func(int) bool { return false }}
			cfg := raws(rawTarget(t, leaving.serve), rawTarget(t, staying.serve))
			cfg.Groups[0].HTTP2, cfg.Groups[0].Retry = true, x.retry
			cfg.Groups[0].Strategy = spec.Written{Kind: "first"}
			r := start(t, cfg, nil)
			c, rd := r.dial(t)
			for i, piece := range strings.Split(x.request, "|") {
				if i > 0 && x.request != kept {
					await(t, "the target to leave", leaving.hasLeft)
				}
				_, _ = io.WriteString(c, piece)
			}
			res, err := http.ReadResponse(rd, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			s := r.Stats()
			if got := fmt.Sprint(res.StatusCode, s.Reconnects, s.Retries); got != fmt.Sprint(x.status, x.reconnects, x.retries) || r.has("raw-1 trouble") {
				t.Errorf("status, reconnects and retries %s, %v", got, r.states)
			}
		})
	}
}
