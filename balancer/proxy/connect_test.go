package proxy

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
	for want, list := range map[bool][]error{
		true: {
			&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}, fmt.Errorf("x: %w", syscall.ENFILE), syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL,
			&net.OpError{Op: "dial", Err: &net.DNSError{Name: "web", Err: "dial udp 127.0.0.53:53: socket: too many open files"}},
		},
		false: {
			nil, syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ETIMEDOUT, os.ErrDeadlineExceeded, errors.New("too many open files"),
			&net.DNSError{Name: "web", Err: "no such host", IsNotFound: true},
		},
	} {
		for _, err := range list {
			if got := NoResources(err); got != want {
				t.Errorf("%v: %v", err, got)
			}
		}
	}
}
