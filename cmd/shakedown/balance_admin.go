package main

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/balancer"
)

// adminGrace is how long requests to the API may take to finish when it ends.
const adminGrace = time.Second

// serveAdmin serves the API on a listener, nil for none, until stop is called.
func (f *balanceFlags) serveAdmin(b *balancer.Balancer, l net.Listener, logs *balanceLogs) (stop func()) {
	if l == nil {
		return func() {}
	}
	var open atomic.Int64
	api := &http.Server{
		Handler: b.Admin(f.bearer), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		ConnState: func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed, http.StateHijacked:
				open.Add(-1)
			}
		},
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = api.Serve(l) // it ends when the listener is closed
	}()
	logs.say("admin at http://%s/targets", l.Addr())
	return sync.OnceFunc(func() {
		l.Close()
		<-served
		// Shutdown would drop requests that come on connections which are accepted already: a successor that takes the
		// listener over does not get those.
		api.SetKeepAlivesEnabled(false)
		for end := time.Now().Add(adminGrace); open.Load() > 0 && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond)
		}
		api.Close()
	})
}
