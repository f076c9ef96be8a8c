package serve

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// No more are taken than there may be, whoever asks at once, and those that nobody uses give way.
func TestDescriptors(t *testing.T) {
	const most, unused = 100, 30
	var d *Descriptors
	var idle, taken atomic.Int64
	d = NewDescriptors(most, func() bool {
		if idle.Add(-1) < 0 {
			return false
		}
		d.Give()
		return true
	})
	for range unused {
		if !d.Take() {
			t.Fatal("none was left")
		}
	}
	idle.Store(unused)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range most {
				if d.Take() {
					taken.Add(1)
				}
			}
		})
	}
	all.Wait()
	if n := taken.Load(); n != most {
		t.Errorf("%d were taken, of %d", n, most)
	}
	d.Give()
	if !d.Take() || d.Take() {
		t.Error("one that was given back was not there again, or another was")
	}
	d = nil
	if d.Give(); !d.Take() || d.Free() {
		t.Error("without a bound")
	}
}

// A connection gives its descriptor back once, however often it is closed.
func TestConnectionsGiveBackOnce(t *testing.T) {
	d := NewDescriptors(2, func() bool { return false })
	near, far := net.Pipe()
	defer near.Close()
	for range 2 {
		if !d.Take() {
			t.Fatal("none was left")
		}
	}
	c := NewProgressConn(far, 0, nil)
	c.Count(d)
	for range 2 {
		c.Close() // a pipe's never fails
	}
	if n := d.Open(); n != 1 {
		t.Errorf("%d are open", n)
	}
}

// pipes is a listener of connections in memory, each accepted after an error.
type pipes struct {
	next   chan net.Conn
	closed chan struct{}
	once   sync.Once
	err    error
	failed bool
}

func (l *pipes) Accept() (net.Conn, error) {
	if l.failed = !l.failed && l.err != nil; l.failed {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", l.err)}
	}
	select {
	case nc := <-l.next:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// Beyond what the process may have open, clients are turned away; what they had is given back.
// When the kernel has no descriptor left for a client, connections that nobody uses give way too.
func TestClientsWithinDescriptors(t *testing.T) {
	var freed atomic.Int64
	d := NewDescriptors(2, func() bool {
		freed.Add(1)
		return false
	})
	s := New(Config{Descriptors: d, Handler: handler(func(c *Conn) {
		_ = c.Respond(200, "", nil) // the client reads it
	})})
	l := &pipes{next: make(chan net.Conn), closed: make(chan struct{}), err: syscall.EMFILE}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	ask := func(request string) (near net.Conn, status string) {
		near, far := net.Pipe()
		_ = near.SetDeadline(time.Now().Add(20 * time.Second)) // a pipe's never fails
		l.next <- far
		if request != "" {
			if _, err := io.WriteString(near, request); err != nil {
				t.Error(err)
			}
		}
		b := make([]byte, 12)
		if _, err := io.ReadFull(near, b); err != nil {
			t.Error(err)
		}
		go func() { _, _ = io.Copy(io.Discard, near) }() // it ends with the connection
		return near, string(b[9:])
	}
	var open []net.Conn
	for range 2 {
		nc, status := ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if open = append(open, nc); status != "200" {
			t.Fatal(status)
		}
	}
	if freed.Load() == 0 {
		t.Error("nothing was asked to give way")
	}
	if _, status := ask(""); status != "503" {
		t.Errorf("beyond the bound: %s", status)
	}
	for _, nc := range open {
		nc.Close()
	}
	if err := s.Shutdown(context.Background(), 0); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if n := d.Open(); n != 0 {
		t.Errorf("%d of the clients' descriptors were not given back", n)
	}
}

// Those who are told why they are turned away hold no more than a small share of the descriptors, however many listeners turn them away.
// The others are closed at once.
func TestClientsTurnedAwayWithinDescriptors(t *testing.T) {
	for _, x := range []struct {
		descriptors *Descriptors
		listeners   int
		told        int
	}{
		{NewDescriptors(10, nil), 2, fewAway},
		{NewDescriptors(105, nil), 2, 6},
		{NewDescriptors(1<<20, nil), 1, maxAway},
		{NewDescriptors(1<<20, nil), 2, 2 * maxAway},
		{nil, 1, maxAway},
	} {
		synctest.Test(t, func(t *testing.T) {
			var servers []*Server
			for range x.listeners {
				servers = append(servers, New(Config{Descriptors: x.descriptors, Handler: handler(func(*Conn) {})}))
			}
			for range 2 { // the second time shows that the first gave all back
				var clients []net.Conn
				for i := range maxAway*x.listeners + 10 {
					near, far := net.Pipe()
					s := servers[i%x.listeners]
					s.turnAway(newConn(s, far))
					clients = append(clients, near)
				}
				synctest.Wait()
				told := 0
				for _, nc := range clients {
					if n, _ := nc.Read(make([]byte, 1)); n > 0 { // the others are closed
						told++
					}
					nc.Close()
				}
				if told != x.told {
					t.Errorf("%d of %d clients of %d listeners were told, want %d", told, len(clients), x.listeners, x.told)
				}
				synctest.Wait()
			}
		})
	}
}
