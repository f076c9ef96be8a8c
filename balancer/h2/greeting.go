package h2

import (
	"net"
	"sync"
	"time"
)

// greeting is a connection to a target that tells when the target's settings are in force: until then nobody knows how many streams it
// takes, and net/http lets those wait that are too many.
type greeting struct {
	net.Conn
	frames frames
	over   bool          // it has been told
	told   chan struct{} // is closed then
	once   sync.Once
	err    error // why they did not come; once told is closed
}

// Read implements net.Conn. net/http reads on when it has done what the frames say that have come, of which the settings are the first.
func (g *greeting) Read(p []byte) (int, error) {
	if g.over {
		return g.Conn.Read(p)
	}
	if g.over = g.frames.whole > 0; g.over {
		_ = g.Conn.SetReadDeadline(time.Time{}) // a connection that is closed tells at the read
		g.tell(nil)
		return g.Conn.Read(p)
	}
	n, err := g.Conn.Read(p)
	if err != nil {
		g.tell(err)
	}
	for rest := p[:n]; len(rest) > 0; {
		rest, _ = g.frames.step(rest)
	}
	return n, err
}

// Close implements net.Conn.
func (g *greeting) Close() error {
	g.tell(net.ErrClosed)
	return g.Conn.Close()
}

func (g *greeting) tell(err error) {
	g.once.Do(func() {
		g.err = err
		close(g.told)
	})
}
