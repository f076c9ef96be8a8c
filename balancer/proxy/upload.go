package proxy

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/serve"
)

// upload passes the rest of a request's body on while the answer may already be on its way.
type upload struct {
	ended    chan struct{}
	came     atomic.Bool           // something of the body came
	over     atomic.Bool           // nothing more is passed on
	finished atomic.Bool           // the body went to the target to its end
	failed   atomic.Pointer[error] // on the client's side
	stuck    atomic.Pointer[error] // on the target's side: it took nothing more in time
	cut      atomic.Bool           // the client is not waited for any more
	sent     atomic.Int64          // bytes of content that were given to the target's connection
	waiting  stopwatch             // for the client
}

// startUpload begins to pass the body on.
func (x *driver) startUpload() {
	up := &upload{ended: make(chan struct{})}
	x.upload = up
	x.spoke.Store(false)
	c, u := x.c, x.u
	go func() {
		defer close(up.ended)
		defer up.over.Store(true)
		x.runUpload(up, c, u)
	}()
}

func (x *driver) runUpload(up *upload, c *serve.Conn, u *conn) {
	chunked := c.Request.Chunked
	var content, out []byte
	for {
		piece, err := x.nextPiece(up, c)
		if err == nil {
			piece, content, err = gatherBody(c, piece, content)
		}
		if err == io.EOF {
			break
		}
		if err == errCut {
			return
		}
		if err != nil {
			up.breakOff(&up.failed, err, u)
			return
		}
		up.sent.Add(int64(len(piece)))
		up.came.Store(true)
		if chunked {
			out = appendPiece(out[:0], piece, true)
			piece = out
		}
		if !x.sendPiece(up, u, piece) {
			return
		}
	}
	if chunked && !x.sendPiece(up, u, appendEnd(out[:0], c.Trailer(), x.unwanted)) {
		return
	}
	up.finished.Store(true)
}

// errCut is of bodies that are not whole when their exchange has ended.
var errCut = errors.New("the exchange has ended")

// nextPiece reads a piece of the body, and counts for how long the client was waited for.
func (x *driver) nextPiece(up *upload, c *serve.Conn) ([]byte, error) {
	if c.Whole() {
		return nil, io.EOF
	}
	up.waiting.start()
	defer up.waiting.stop()
	if up.cut.Load() { // looked at after start, as finishUpload looks whether the client is waited for after it has set it
		return nil, errCut
	}
	return x.readBody(c)
}

// gatherBody adds to a piece of the body what was read behind it, so that one write takes small chunks along. memory is what more than
// one piece is put together in; it is returned for the next time.
func gatherBody(c *serve.Conn, piece, memory []byte) (all, kept []byte, err error) {
	more, err := c.Buffered()
	if err != nil || len(more) == 0 {
		return piece, memory, err
	}
	memory = append(memory[:0], piece...)
	for err == nil && len(more) > 0 {
		memory = append(memory, more...)
		more, err = c.Buffered()
	}
	return memory, memory, err
}

// readBody reads a piece of the body, and counts the time.
func (x *driver) readBody(c *serve.Conn) ([]byte, error) {
	if x.end.IsZero() {
		return c.ReadBody()
	}
	x.onClient.start()
	defer x.onClient.stop()
	return c.ReadBody()
}

// sendPiece sends a piece of the body to the target.
func (x *driver) sendPiece(up *upload, u *conn, piece []byte) bool {
	_, err := x.send(u, piece)
	switch {
	case err == nil:
		return true
	case errors.Is(err, errClient):
		up.breakOff(&up.failed, err, u)
	case timedOut(err):
		up.breakOff(&up.stuck, err, u)
	}
	return false // otherwise the target wants no more of it; its answer, if there is one, says why
}

// breakOff notes why the upload ends, and ends the exchange: whoever waits for the answer need not.
func (up *upload) breakOff(where *atomic.Pointer[error], err error, u *conn) {
	where.Store(&err)
	u.cut()
}

// done reports whether the body went to its end.
func (up *upload) done() bool { return up.finished.Load() }

// running reports whether the body is on its way. A nil upload has none.
func (up *upload) running() bool { return up != nil && !up.over.Load() }

// waited is for how long the client was waited for, to send what has come of the body. A nil upload had nothing to wait for.
func (up *upload) waited() time.Duration {
	if up == nil {
		return 0
	}
	return up.waiting.past()
}

// untouched reports whether nothing of the body has come yet. A nil upload has none to come.
func (up *upload) untouched() bool { return up != nil && !up.came.Load() }

// clientFailed reports whether the client broke off its body. A nil upload had none.
func (up *upload) clientFailed() bool { return up != nil && up.failed.Load() != nil }

// targetFailed is the error of a target that took nothing more of the body in time; nil otherwise.
func (up *upload) targetFailed() error {
	if up == nil {
		return nil
	}
	if err := up.stuck.Load(); err != nil {
		return *err
	}
	return nil
}

// unusable is what is wrong with a body, when the client is still there to be told: it is malformed, too large, or did
// not come in time; nil otherwise.
func unusable(err error) error {
	if errors.Is(err, http1.ErrChunk) || errors.Is(err, serve.ErrBodyTooLarge) || timedOut(err) {
		return err
	}
	return nil
}

// uploadGrace is how long a body may take to end after the answer to it: both ends are often under way at once.
const uploadGrace = time.Second

// finishUpload ends the upload with the exchange, at once when that has failed or the client still holds the body back, and reports whether
// the target has the whole body, by a connection that was not cut for it. The client's connection is used on when it does, however close to its end the exchange failed.
func (x *driver) finishUpload(failed bool) bool {
	up := x.upload
	if up == nil {
		return true
	}
	held := x.c.Request.Expect && up.running() && up.untouched()
	cut := failed || held || !up.endsWithin(uploadGrace)
	if cut {
		// Nothing more may be sent, and a body that is not whole is not waited for.
		up.cut.Store(true)
		x.u.cut()
		if up.waiting.running() {
			x.c.Stop()
		}
		<-up.ended
	}
	if !up.done() {
		x.c.Close = true
	}
	return up.done() && !cut
}

// endsWithin reports whether the upload ends within a time.
func (up *upload) endsWithin(d time.Duration) bool {
	late := time.NewTimer(d)
	defer late.Stop()
	select {
	case <-up.ended:
		return true
	case <-late.C:
		return false
	}
}
