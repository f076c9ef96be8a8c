package h2

import (
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"
)

// Look is asked ten times a second while the target takes nothing of a body. An error ends the write; excused says that
// the time until now does not count, because the target is not to blame for it.
type Look func() (excused bool, err error)

// SetLook sets who is asked while a write waits. It is not called after the write has ended.
func (x *Exchange) SetLook(f Look) { x.look = f }

// Write takes the request. It fails with os.ErrDeadlineExceeded when the target takes nothing of the body for too long.
func (x *Exchange) Write(p []byte) (int, error) {
	size := len(p)
	if x.written += size; x.written >= largeRequest {
		x.cc.large.Store(true)
	}
	if x.request == nil {
		whole, rest, err := x.head.add(p)
		if err != nil {
			return 0, unsendable(err)
		}
		if whole == nil {
			return size, nil
		}
		if err := x.start(whole); err != nil {
			return 0, err
		}
		p = rest
	}
	for len(p) > 0 && !x.body.Ended() {
		n, piece, err := x.body.Next(p)
		if err != nil {
			return 0, err
		}
		p = p[n:]
		if err := x.put(piece); err != nil {
			return 0, err
		}
	}
	if x.body.Ended() && x.upload != nil {
		eachLine(x.body.Trailer, func(name, value string) {
			if name = http.CanonicalHeaderKey(name); hasKey(x.request.Trailer, name) {
				x.request.Trailer.Add(name, value)
			}
		})
		_ = x.upload.Close() // it never fails
		x.asked.Store(true)
	}
	return size, nil
}

// put passes content on. Each piece that the stream takes is progress.
func (x *Exchange) put(content []byte) error {
	if len(content) == 0 {
		return nil
	}
	w := waiting{x: x, last: time.Now()}
	w.begin()
	defer w.end()
	for len(content) > 0 {
		n := min(len(content), pieceSize)
		if _, err := x.upload.Write(content[:n]); err != nil {
			return err
		}
		content = content[n:]
		w.progress()
	}
	return nil
}

func hasKey(h http.Header, name string) bool { _, ok := h[name]; return ok }

// lookEvery is how often a write that waits asks.
const lookEvery = 100 * time.Millisecond

// waiting ends a write that has waited for too long.
type waiting struct {
	x     *Exchange
	mu    sync.Mutex
	timer *time.Timer
	last  time.Time // the latest progress
	over  bool
}

func (w *waiting) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(min(lookEvery, w.x.stall), w.tick)
}

func (w *waiting) progress() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = time.Now()
}

// end waits for a look that is under way.
func (w *waiting) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.timer.Stop()
}

func (w *waiting) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	now := time.Now()
	var excused bool
	var err error
	if w.x.look != nil {
		excused, err = w.x.look()
	}
	if excused {
		w.last = now
	}
	if err == nil && now.Sub(w.last) >= w.x.stall {
		err = fmt.Errorf("nothing was taken within %v: %w", w.x.stall, os.ErrDeadlineExceeded)
	}
	if err != nil {
		w.x.gaveUp.Store(&err)
		_ = w.x.content.CloseWithError(err) // it never fails
		return
	}
	w.timer.Reset(min(lookEvery, w.x.stall))
}
