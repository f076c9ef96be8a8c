package socket

import (
	"errors"
	"net"
	"strings"
	"syscall"
)

// NoResources reports whether a connection failed for want of something on this machine: descriptors, ports, memory. It says nothing
// about who was to be connected to.
func NoResources(err error) bool {
	return !BacklogFull(err) && lacks(err, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EAGAIN) || noPort(err)
}

// BacklogFull reports whether a connection failed because the server of a Unix socket does not accept as fast as clients come. Linux
// says so with the number by which it tells, of other sockets, that it has nothing left itself; in place of TCP's wait in a full backlog,
// connect(2) on a Unix socket that does not block fails at once.
func BacklogFull(err error) bool {
	var op *net.OpError
	if !errors.Is(err, syscall.EAGAIN) || !errors.As(err, &op) || op.Op != "dial" {
		return false
	}
	_, ok := op.Addr.(*net.UnixAddr)
	return ok
}

// NoDescriptor reports whether a connection failed for want of a descriptor.
func NoDescriptor(err error) bool { return lacks(err, syscall.EMFILE, syscall.ENFILE) }

// lacks reports whether an error is one of those numbers, or a lookup's that failed with one.
func lacks(err error, numbers ...syscall.Errno) bool {
	var lookup *net.DNSError // it keeps what failed as text
	named := errors.As(err, &lookup)
	for _, number := range numbers {
		if errors.Is(err, number) || (named && strings.HasSuffix(lookup.Err, number.Error())) {
			return true
		}
	}
	return false
}

// noPort reports whether a connection failed because no port was left for it. The kernel gives the same error when no address of
// this machine leads to the target, because its family is missing here: then a socket of UDP, for which TCP's ports do not matter and
// which sends nothing by being connected, meets the error too.
func noPort(err error) bool {
	var op *net.OpError
	if !errors.Is(err, syscall.EADDRNOTAVAIL) || !errors.As(err, &op) {
		return false
	}
	to, ok := op.Addr.(*net.TCPAddr)
	if !ok {
		return false
	}
	c, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: to.IP, Port: to.Port, Zone: to.Zone})
	if err != nil {
		return NoResources(err)
	}
	c.Close()
	return true
}
