package proxy

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
)

// NoResources reports whether a connection failed for want of something on this machine: descriptors, ports, memory. It says nothing
// about who was to be connected to.
func NoResources(err error) bool {
	return lacks(err, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EAGAIN) || noPort(err)
}

// NoDescriptor reports whether a connection failed for want of a descriptor.
func NoDescriptor(err error) bool { return lacks(err, syscall.EMFILE, syscall.ENFILE) }

// errNoDescriptor is of connections for which none is left beside those that clients and other exchanges have.
var errNoDescriptor = fmt.Errorf("the balancer has as many connections as its descriptors allow: %w", syscall.EMFILE)

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

// CloseIdle closes, of the idle connections to each target, those that have been so for the longest, and reports whether there was one:
// their descriptors are needed.
func (p *Pool) CloseIdle() bool {
	closed := 0
	p.upstreams.Range(func(_, u any) bool {
		closed += u.(*upstream).closeIdle()
		return true
	})
	return closed > 0
}

// idlePart is which part of the idle connections is closed at once when a descriptor is needed; nginx' is the same.
const idlePart = 8

// closeIdle closes the idle connections that have been so for the longest, and returns how many.
func (u *upstream) closeIdle() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := (len(u.idle) + idlePart - 1) / idlePart
	for _, c := range u.idle[:n] {
		c.nc.Close()
	}
	u.idle = slices.Delete(u.idle, 0, n)
	return n
}
