package h2

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
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
