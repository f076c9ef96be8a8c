// Package memnet is a network in memory, for tests in virtual time: connections with buffers, deadlines, half-close and
// reset, as TCP has them, without delay. Inside a bubble of testing/synctest all its waiting is durable, so that the
// bubble's clock moves on.
//
//	n := memnet.New()
//	l, err := n.Listen("10.0.0.1:80")
//	c, err := n.Dial(ctx, "10.0.0.2:5000", "10.0.0.1:80")
//
// A connection tells by itself what package socket asks of a kernel: Quiet, Gone.
package memnet

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// bufferSize is how much each way of a connection holds that was not read.
const bufferSize = 64 << 10

// Network is a set of addresses that connections lead to.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*Listener
	silent    map[string]bool
}

// New returns a network on which nobody listens.
func New() *Network {
	return &Network{listeners: map[string]*Listener{}, silent: map[string]bool{}}
}

// Listener is an address at which connections are accepted. It implements net.Listener.
type Listener struct {
	network *Network
	address net.TCPAddr
	accept  chan *Conn
	closed  chan struct{}
	once    sync.Once
}

// Listen opens an address, which is an IP address and a port.
func (n *Network) Listen(address string) (*Listener, error) {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[address] != nil {
		return nil, fmt.Errorf("listen %s: %w", address, syscall.EADDRINUSE)
	}
	l := &Listener{network: n, address: *net.TCPAddrFromAddrPort(ap), accept: make(chan *Conn), closed: make(chan struct{})}
	n.listeners[address] = l
	return l, nil
}

// Silence makes connections to an address wait for ever, as behind a firewall that drops what comes.
func (n *Network) Silence(address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.silent[address] = true
}

// Dial connects from one address to another. Where nobody listens the connection is refused.
func (n *Network) Dial(ctx context.Context, from, to string) (*Conn, error) {
	source, err := netip.ParseAddrPort(from)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	n.mu.Lock()
	l, silent := n.listeners[to], n.silent[to]
	n.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	switch {
	case silent:
		<-ctx.Done()
		return nil, ctx.Err()
	case l == nil:
		return nil, refused
	}
	a, b := newStream(bufferSize), newStream(bufferSize)
	local := *net.TCPAddrFromAddrPort(source)
	ours, theirs := &Conn{in: a, out: b, local: local, remote: l.address}, &Conn{in: b, out: a, local: l.address, remote: local}
	select {
	case l.accept <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Connections that were accepted stay.
func (l *Listener) Close() error {
	l.once.Do(func() {
		l.network.mu.Lock()
		delete(l.network.listeners, l.address.AddrPort().String())
		l.network.mu.Unlock()
		close(l.closed)
	})
	return nil
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return &l.address }
