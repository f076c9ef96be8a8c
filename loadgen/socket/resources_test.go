package socket

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
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
