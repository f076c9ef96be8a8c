package socket

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// What this machine lacks is told from what a target, or the way to it, does.
func TestNoResources(t *testing.T) {
	noAddress := func(to net.Addr) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: to, Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)}
	}
	here := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}
	for want, list := range map[bool][]error{
		true: {
			&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}, fmt.Errorf("x: %w", syscall.ENFILE), syscall.ENOBUFS, syscall.ENOMEM,
			os.NewSyscallError("connect", syscall.EAGAIN),
			&net.OpError{Op: "dial", Err: &net.DNSError{Name: "web", Err: "dial udp 127.0.0.53:53: socket: too many open files"}},
			noAddress(here), fmt.Errorf("x: %w", noAddress(here)), // no port is left: this machine has an address that leads there
		},
		false: {
			nil, syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EAFNOSUPPORT, syscall.ETIMEDOUT, os.ErrDeadlineExceeded, errors.New("too many open files"),
			&net.DNSError{Name: "web", Err: "no such host", IsNotFound: true},
			&net.DNSError{Name: "web", Err: "dial udp [::1]:53: connect: cannot assign requested address"}, // only the name server's family is missing
			noAddress(&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 80}),                                  // nothing leads there without a zone
			noAddress(nil), syscall.EADDRNOTAVAIL,
		},
	} {
		for _, err := range list {
			if got := NoResources(err); got != want {
				t.Errorf("%v: %v", err, got)
			}
		}
	}
}

// A server of a Unix socket that does not accept refuses whom its backlog has no place for: nothing is lacking on this machine.
func TestTheFullBacklogOfAUnixSocket(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere it refuses connections like a socket on which nobody listens")
	}
	path := filepath.Join(t.TempDir(), "s")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	const backlog = 2
	if err := unix.Listen(fd, backlog); err != nil {
		t.Fatal(err)
	}
	for range backlog + 2 { // the kernel takes one more
		c, err := net.Dial("unix", path)
		if err == nil {
			defer c.Close()
			continue
		}
		if err = fmt.Errorf("x: %w", err); NoResources(err) || !BacklogFull(err) {
			t.Errorf("%v: lacking here %v, a full backlog %v", err, NoResources(err), BacklogFull(err))
		}
		return
	}
	t.Fatal("every connection has a place")
}

// Only a connection to a Unix socket fails so for its server: what a socket of TCP can't have is this machine's.
func TestNoBacklogOfOthers(t *testing.T) {
	lacking := os.NewSyscallError("connect", syscall.EAGAIN)
	for _, err := range []error{
		nil, lacking, &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}, Err: lacking},
		&net.OpError{Op: "dial", Net: "unix", Addr: &net.UnixAddr{Name: "s", Net: "unix"}, Err: os.NewSyscallError("socket", syscall.EMFILE)},
		&net.OpError{Op: "dial", Net: "unix", Addr: &net.UnixAddr{Name: "s", Net: "unix"}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
	} {
		if BacklogFull(err) {
			t.Errorf("%v", err)
		}
	}
}
