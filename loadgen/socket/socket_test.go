package socket

import (
	"net"
	"path/filepath"
	"testing"
	"time"
)

func TestWatch(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		address := "127.0.0.1:0"
		if network == "unix" {
			address = filepath.Join(t.TempDir(), "s")
		}
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ours, err := net.Dial(network, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer ours.Close()
		theirs, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		w, err := New(ours)
		if err != nil {
			t.Fatal(err)
		}
		if !w.Quiet() || w.Gone() {
			t.Errorf("%s: an open, idle connection", network)
		}
		if n := testing.AllocsPerRun(100, func() { w.Quiet() }); n != 0 {
			t.Errorf("%s: %v allocations", network, n)
		}
		if _, err := theirs.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		await(t, func() bool { return !w.Quiet() })
		if w.Gone() || w.Broken() {
			t.Errorf("%s: a connection on which something came", network)
		}
		if err := theirs.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		await(t, w.Gone)
		if w.Broken() {
			t.Errorf("%s: a connection whose other side still reads", network)
		}
		if c, ok := theirs.(*net.TCPConn); ok {
			_ = c.SetLinger(0) // it resets
		}
		theirs.Close()
		await(t, w.Broken)
		ours.Close()
		if w.Quiet() || !w.Gone() || !w.Broken() {
			t.Errorf("%s: a connection that we have closed", network)
		}
	}
	a, _ := net.Pipe()
	defer a.Close()
	if _, err := New(a); err == nil {
		t.Error("a pipe has a descriptor")
	}
}

func await(t *testing.T, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}
