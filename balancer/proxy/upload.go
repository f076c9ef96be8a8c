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
	finished atomic.Bool           // the body went to the target to its end
	failed   atomic.Pointer[error] // on the client's side
}

// startUpload begins to pass the body on.
func startUpload(c *serve.Conn, u *conn) *upload {
	up := &upload{ended: make(chan struct{})}
	go func() {
		defer close(up.ended)
		up.run(c, u)
	}()
	return up
}

func (up *upload) run(c *serve.Conn, u *conn) {
	chunked := c.Request.Chunked
	var out []byte
	for {
		piece, err := c.ReadBody()
		if err == io.EOF {
			break
		}
		if err != nil {
			up.failed.Store(&err)
			u.nc.Close() // whoever waits for the answer need not
			return
		}
		if chunked {
			out = appendPiece(out[:0], piece, true)
			piece = out
		}
		if _, err := u.nc.Write(piece); err != nil {
			return // the target wants no more of it; its answer, if there is one, says why
		}
	}
	if chunked {
		if _, err := u.nc.Write(appendEnd(out[:0], c.Trailer())); err != nil {
			return
		}
	}
	up.finished.Store(true)
}

// done reports whether the body went to its end.
func (up *upload) done() bool { return up.finished.Load() }

// clientFailed reports whether the client broke off its body. A nil upload had none.
func (up *upload) clientFailed() bool { return up != nil && up.failed.Load() != nil }

// unusable is what is wrong with the body, when the client is still there to be told: it is malformed, too large, or did
// not come in time; nil otherwise.
func (up *upload) unusable() error {
	if !up.clientFailed() {
		return nil
	}
	return unusable(*up.failed.Load())
}

func unusable(err error) error {
	if errors.Is(err, http1.ErrChunk) || errors.Is(err, serve.ErrBodyTooLarge) || timedOut(err) {
		return err
	}
	return nil
}

// uploadGrace is how long a body may take to end after the answer to it: both ends are often under way at once.
const uploadGrace = time.Second

// finishUpload ends the upload with the exchange, and reports whether the target has the whole body.
func (x *exchange) finishUpload() bool {
	up := x.upload
	if up == nil {
		return true
	}
	late := time.NewTimer(uploadGrace)
	defer late.Stop()
	select {
	case <-up.ended:
	case <-late.C:
		// The answer came before the body's end: neither side can be used for another exchange.
		x.c.Stop()
		x.u.nc.Close()
		<-up.ended
	}
	if !up.done() {
		x.c.Close = true
	}
	return up.done()
}
