package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/proxyheader"
	"github.com/seed-8025779b/shakedown/balancer/serve"
	"github.com/seed-8025779b/shakedown/loadgen/socket"
)

// dial makes a connection, and tells the target who the client is when it wants to know.
func (u *upstream) dial(ctx context.Context, client *serve.Peer, c *conn) error {
	by := time.Now().Add(u.connect)
	nc, err := u.connection(ctx, by)
	if err != nil {
		return err
	}
	c.socket = serve.NewProgressConn(nc, u.response, c.look)
	c.socket.Count(u.descriptors)
	c.nc = c.socket
	if err = u.introduce(ctx, client, c, by); err != nil {
		c.socket.Close()
	} else if u.h2 != nil {
		_ = c.socket.SetReadDeadline(by) // of the target's settings, which a connection is made with; one that is closed tells at the read
	}
	return err
}

// connection makes a connection before an instant, for which a descriptor is taken.
func (u *upstream) connection(ctx context.Context, by time.Time) (net.Conn, error) {
	if !u.descriptors.Take() {
		return nil, errNoDescriptor
	}
	nc, err := u.reach(ctx, by)
	if socket.NoDescriptor(err) && u.descriptors.Free() {
		nc, err = u.reach(ctx, by)
	}
	if err != nil {
		u.descriptors.Give()
	}
	return nc, err
}

// reach makes a connection before an instant.
func (u *upstream) reach(ctx context.Context, by time.Time) (net.Conn, error) {
	if u.dialer == nil {
		dialer := net.Dialer{Deadline: by}
		return dialer.DialContext(ctx, "tcp", u.address)
	}
	ctx, cancel := context.WithDeadline(ctx, by)
	defer cancel()
	return u.dialer(ctx, u.address)
}

// introduce does what comes before the first request: the PROXY header, the handshake.
func (u *upstream) introduce(ctx context.Context, client *serve.Peer, c *conn, by time.Time) error {
	if u.header == 0 && u.tls == nil {
		return nil
	}
	_ = c.socket.SetDeadline(by) // a connection that is closed tells at the next use
	if u.header > 0 {
		if _, err := c.socket.Write(proxyheader.Append(nil, u.header, proxyheader.Header{Source: client.Remote, Destination: client.Local})); err != nil {
			return err
		}
	}
	if u.tls != nil {
		c.below = &tlsSocket{ProgressConn: c.socket}
		t := tls.Client(c.below, u.tls)
		err := t.HandshakeContext(ctx)
		if err == nil && u.h2 != nil && t.ConnectionState().NegotiatedProtocol != "h2" {
			err = errors.New("the target does not speak HTTP/2")
		}
		if err != nil {
			return handshakeError{err}
		}
		c.nc = t
	}
	_ = c.socket.SetDeadline(time.Time{})
	return nil
}

type handshakeError struct{ error }

func (e handshakeError) Error() string { return "TLS handshake: " + e.error.Error() }
func (e handshakeError) Unwrap() error { return e.error }
