package serve

import (
	"net"

	"github.com/seed-8025779b/shakedown/loadgen/socket"
)

// Watcher looks at a connection without reading from it.
type Watcher interface {
	Quiet() bool  // the peer has sent nothing that was not read, and has not ended the connection
	Gone() bool   // the peer has ended it, or says no more
	Broken() bool // it is over both ways: the peer reads no more either
}

// Watch returns what watches a connection: the connection itself where it can, as one in memory does, else a look at its
// socket.
func Watch(nc net.Conn) (Watcher, error) {
	if w, ok := nc.(Watcher); ok {
		return w, nil
	}
	return socket.New(nc)
}
