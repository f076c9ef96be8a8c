// Package takeover hands listening sockets from a running balancer to its successor, so that no connection is
// refused in between: both accept from the same queue until the old one stops.
//
// The old process offers its sockets at a Unix socket that only its user may open. A successor takes them, begins
// to serve, and says so; then the old one drains.
package takeover

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long either side waits for the other's next word.
const patience = 10 * time.Second

// Handover is what a process hands to its successor.
type Handover struct {
	Listeners    []net.Listener
	Admin        net.Listener // of the API; nil when there is none
	AdminAddress string       // as the process was told it, to be compared with the successor's
	Seed         uint64       // of the process's draws, for a successor that has not been told any; 0: it is not told
}

// sockets are all the listeners, the API's last.
func (h *Handover) sockets() []net.Listener {
	if h.Admin == nil {
		return h.Listeners
	}
	return append(slices.Clone(h.Listeners), h.Admin)
}

// hello goes with the sockets.
type hello struct {
	Addresses []string
	Admin     string `json:",omitempty"` // the last socket is the API's, which was told this address
	Seed      uint64
}

// Offer is a standing offer.
type Offer struct {
	l       *net.UnixListener
	serving sync.WaitGroup
}

// New offers listeners at a path until the offer is closed or taken. taken is called once a successor serves.
func New(path string, h Handover, taken func()) (*Offer, error) {
	if err := vacate(path); err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("handover: %w", err)
	}
	o := &Offer{l: l}
	o.serving.Go(func() {
		for {
			c, err := l.AcceptUnix()
			if err != nil {
				return
			}
			if give(c, &h) == nil {
				l.Close() // and with it the path: the successor may offer there
				_, _ = c.Write([]byte("\n"))
				c.Close()
				taken()
				return
			}
			c.Close() // it did not get as far as serving: the offer stands
		}
	})
	return o, nil
}

// vacate removes a socket that a process has left behind that was killed. The error is of anything else that stands at the
// path: what is no socket is not ours to remove, and what may be in use is not either.
func vacate(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != os.ModeSocket:
		return fmt.Errorf("%s is there already and is no socket: give another path, or remove it", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		c.Close()
		return fmt.Errorf("another process offers its sockets at %s: start with --takeover to succeed it", path)
	case !errors.Is(err, syscall.ECONNREFUSED):
		return err // whoever is too busy to answer is there
	}
	return os.Remove(path)
}

// Close withdraws the offer.
func (o *Offer) Close() {
	o.l.Close()
	o.serving.Wait()
}

// give sends the sockets and waits until the successor says that it serves.
func give(c *net.UnixConn, what *Handover) error {
	h := hello{Seed: what.Seed}
	if what.Admin != nil {
		h.Admin = what.AdminAddress
	}
	var fds []int
	for _, l := range what.sockets() {
		s, ok := l.(syscall.Conn)
		if !ok {
			return errors.New("a listener is not a socket")
		}
		raw, err := s.SyscallConn()
		if err != nil {
			return err
		}
		// The descriptor itself, not File's copy: that would make both blocking.
		if err := raw.Control(func(fd uintptr) { fds = append(fds, int(fd)) }); err != nil {
			return err
		}
		h.Addresses = append(h.Addresses, l.Addr().String())
	}
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, _, err := c.WriteMsgUnix(append(text, '\n'), unix.UnixRights(fds...), nil); err != nil {
		return err
	}
	_, err = bufio.NewReader(c).ReadByte()
	return err
}

// Taken are a predecessor's sockets.
type Taken struct {
	Handover
	c *net.UnixConn
}

// maxSockets bounds how many are taken at once; the kernel's own limit is 253.
const maxSockets = 128

// Take asks the process that offers its sockets at a path for them.
func Take(path string) (*Taken, error) {
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("takeover: nobody offers sockets at %s: %w", path, err)
	}
	t := &Taken{c: c}
	if err := t.receive(); err != nil {
		t.Close()
		return nil, fmt.Errorf("takeover: %w", err)
	}
	return t, nil
}

func (t *Taken) receive() error {
	if err := t.c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	text, control := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4*maxSockets))
	n, k, _, _, err := t.c.ReadMsgUnix(text, control)
	if err != nil {
		return err
	}
	messages, err := unix.ParseSocketControlMessage(control[:k])
	if err != nil {
		return err
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return err
		}
		for _, fd := range fds {
			f := os.NewFile(uintptr(fd), "listener")
			l, err := net.FileListener(f)
			f.Close()
			if err != nil {
				return err
			}
			t.Listeners = append(t.Listeners, l)
		}
	}
	var h hello
	if err := json.Unmarshal(text[:n], &h); err != nil {
		return err
	}
	if len(h.Addresses) != len(t.Listeners) {
		return fmt.Errorf("%d sockets came for %d addresses", len(t.Listeners), len(h.Addresses))
	}
	t.Seed = h.Seed
	if last := len(t.Listeners) - 1; h.Admin != "" && last >= 0 {
		t.Admin, t.AdminAddress, t.Listeners = t.Listeners[last], h.Admin, t.Listeners[:last]
	}
	return nil
}

// Serving tells the predecessor that its sockets are served here, and returns when it has withdrawn its offer.
func (t *Taken) Serving() error {
	defer t.c.Close()
	if err := t.c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := t.c.Write([]byte("\n")); err != nil {
		return fmt.Errorf("takeover: %w", err)
	}
	if _, err := bufio.NewReader(t.c).ReadByte(); err != nil {
		return fmt.Errorf("takeover: the predecessor did not withdraw: %w", err)
	}
	return nil
}

// Close gives up what was taken.
func (t *Taken) Close() {
	t.c.Close()
	for _, l := range t.sockets() {
		l.Close()
	}
}
