package h2

import (
	"errors"
	"net"
	"net/http"
	"net/textproto"
	"sync"

	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// maxWaiting is how many bytes of interim heads wait for a client that does not take them. What comes beyond is left out: no
// exchange needs it.
const maxWaiting = http1.MaxHead

var errProtocol = errors.New("the target changed the protocol, which a stream can't")

// interims passes the heads of interim answers on. net/http tells of them on the goroutine that reads the whole connection,
// which must not wait for one stream's client: they wait here, and a goroutine of their own writes them while there are any.
type interims struct {
	to net.Conn

	mu      sync.Mutex
	waiting []byte
	done    chan struct{} // closed when what waits has been written; nil while nothing does
}

// add takes a head in. It is net/http's hook, and does not wait.
func (i *interims) add(code int, h textproto.MIMEHeader) error {
	if code == http.StatusSwitchingProtocols { // RFC 9113, 8.6
		return errProtocol
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	head := append(appendFields(appendStatus(nil, code), http.Header(h)), "\r\n"...)
	if len(i.waiting) > 0 && len(i.waiting)+len(head) > maxWaiting {
		return nil
	}
	i.waiting = append(i.waiting, head...)
	if i.done == nil {
		i.done = make(chan struct{})
		go i.write(i.done)
	}
	return nil
}

// write writes what waits until nothing does. When the exchange is over, writing fails at once.
func (i *interims) write(done chan struct{}) {
	defer close(done)
	for {
		i.mu.Lock()
		heads := i.waiting
		if i.waiting = nil; len(heads) == 0 {
			i.done = nil
			i.mu.Unlock()
			return
		}
		i.mu.Unlock()
		_, _ = i.to.Write(heads)
	}
}

// wait waits until the heads have been written. None is added any more.
func (i *interims) wait() {
	i.mu.Lock()
	done := i.done
	i.mu.Unlock()
	if done != nil {
		<-done
	}
}
