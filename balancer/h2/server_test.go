package h2

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

// deadlines is a writer that notes the deadlines that are set, as net/http's takes them.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

// A timer that fires when the handler has just returned leaves net/http's writer alone, which is another stream's by then; what is
// left of the answer has its own time.
func TestTimersOfEndedStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		x := &serverStream{w: w, r: httptest.NewRequest("GET", "/", nil), control: http.NewResponseController(w), stall: time.Minute}
		x.watch()
		x.end()
		if left := time.Minute; len(w.set) != 1 || time.Until(w.set[0]) != left {
			t.Errorf("at the end: %v, want %v from now", w.set, left)
		}
		time.Sleep(2 * time.Minute) // its timer fires
		synctest.Wait()
		if len(w.set) != 1 {
			t.Errorf("after the end: %v", w.set)
		}
	})
}

// A client that takes nothing for too long ends the stream while its handler still runs.
func TestTimersOfStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		x := &serverStream{w: w, control: http.NewResponseController(w), stall: time.Minute}
		x.watch()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if len(w.set) != 1 || w.set[0].After(time.Now()) {
			t.Errorf("%v", w.set)
		}
	})
}

// What is written to a client must be taken in time, whatever the client does: the stream is reset, and the write says why. When the
// client reads nothing at all, so that it can't even be told of the reset, its connection ends a little later.
func TestDeadlinesOfStreams(t *testing.T) {
	const limit, stall, never = 3 * time.Second, time.Minute, time.Hour
	answer := "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 1000000)
	for _, x := range []struct {
		name   string
		limit  time.Duration
		window uint32
		grants time.Duration // between grants of a little more of a window; 0 for none
		deaf   bool
		begins time.Duration // when the write does
		ends   time.Duration
		err    error
	}{
		{"no window", limit, 0, 0, false, 0, limit, os.ErrDeadlineExceeded},
		{"a small window that grows steadily", limit, 10, time.Second / 2, false, 0, limit, os.ErrDeadlineExceeded},
		{"a client that reads nothing", limit, 1 << 30, 0, true, 0, limit + resetTime, os.ErrDeadlineExceeded},
		{"a write that begins late", limit, 1 << 30, 0, false, limit, limit, os.ErrDeadlineExceeded},
		{"an answer that is taken", limit, 1 << 30, 0, false, 0, 0, nil},
		{"no window, and no deadline that matters", never, 0, 0, false, 0, stall, os.ErrDeadlineExceeded},
	} {
		t.Run(x.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				s := NewServer(time.Hour, 0)
				var took time.Duration
				var err error
				answered, served := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(served)
					s.Serve(far, func(nc net.Conn) {
						defer close(answered)
						nc.(*serverStream).SetStall(stall)
						began := time.Now()
						_ = nc.SetWriteDeadline(began.Add(x.limit)) // it never fails
						time.Sleep(x.begins)
						_, err = io.WriteString(nc, answer)
						took = time.Since(began)
					})
				}()
				f := http2.NewFramer(near, near)
				if _, err := io.WriteString(near, http2.ClientPreface); err != nil {
					t.Fatal(err)
				}
				read := make(chan http2.ErrCode, 1)
				var deaf chan struct{} // that nothing more is read
				if x.deaf {
					deaf = make(chan struct{})
				}
				go func() {
					for {
						frame, err := f.ReadFrame()
						if err != nil {
							return
						}
						switch frame := frame.(type) {
						case *http2.RSTStreamFrame:
							read <- frame.ErrCode
						case *http2.HeadersFrame:
							if x.deaf {
								<-deaf
								return
							}
						}
					}
				}()
				setting := http2.Setting{ID: http2.SettingInitialWindowSize, Val: x.window}
				if err := errors.Join(f.WriteSettings(setting), f.WriteWindowUpdate(0, 1<<30), f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("\x82\x86\x84\x41\x01a"), EndHeaders: true, EndStream: true})); err != nil {
					t.Fatal(err)
				}
				for granted := false; !granted && x.grants > 0; {
					select {
					case <-answered:
						granted = true
					case <-time.After(x.grants):
						if err := f.WriteWindowUpdate(1, progressSize); err != nil {
							t.Fatal(err)
						}
					}
				}
				<-answered
				if took != x.ends || !errors.Is(err, x.err) {
					t.Errorf("it ended after %v: %v", took, err)
				}
				if x.err != nil && !x.deaf {
					if code := <-read; code != http2.ErrCodeInternal {
						t.Errorf("it was reset with %v", code)
					}
				}
				if x.deaf {
					<-served // without the client's doing
					close(deaf)
				}
				near.Close()
				<-served
				s.Shutdown(t.Context())
			})
		})
	}
}

// What can't be made an answer of HTTP/2 is not the client's failure.
func TestUnpassableAnswers(t *testing.T) {
	for name, text := range map[string]string{"head": "garbage\r\n\r\n", "body": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"} {
		w := httptest.NewRecorder()
		x := &serverStream{w: w, r: httptest.NewRequest("GET", "/", nil), control: http.NewResponseController(w)}
		if _, err := x.Write([]byte(text)); !errors.Is(err, ErrUnpassable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
