package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/proxyheader"
)

// Peer is who is at the other end of a connection, as far as that is known.
type Peer struct {
	IP            string // the client's address without the port
	Remote, Local netip.AddrPort
	Secure        bool   // the client speaks TLS
	HTTP2         bool   // it speaks HTTP/2: its stream has this one exchange
	Subject       string // of the client's verified certificate
}

func peerOf(nc net.Conn) (p Peer) {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		p.Remote, p.IP = a.AddrPort(), a.IP.String()
	}
	if a, ok := nc.LocalAddr().(*net.TCPAddr); ok {
		p.Local = a.AddrPort()
	}
	return p
}

// begin does what comes before the first request — the PROXY header, the handshake — and serves.
func (c *Conn) begin() {
	c.idle.Store(true) // nothing was asked yet
	if c.s.cfg.Proxied || c.s.cfg.TLS != nil {
		_ = c.nc.SetDeadline(time.Now().Add(c.s.cfg.Header)) // a connection that is closed tells at the next use
		if err := c.introduce(); err != nil {
			c.reject(err)
			return
		}
		var two net.Conn
		if t, ok := c.nc.(*tls.Conn); ok && t.ConnectionState().NegotiatedProtocol == "h2" && c.s.cfg.HTTP2 != nil {
			read, err := readPreface(t)
			if err != nil {
				c.reject(err)
				return
			}
			two = &begun{Conn: t, read: read}
		}
		_ = c.nc.SetDeadline(time.Time{})
		if two != nil {
			c.idle.Store(false) // whoever speaks HTTP/2 knows when it is
			c.s.cfg.HTTP2(two, c.Peer)
			c.socket.Close()
			return
		}
	}
	c.serve()
}

// reject ends a connection that could not be begun.
func (c *Conn) reject(err error) {
	c.s.cfg.Refused(0, fmt.Errorf("%w: %w", ErrIntroduction, err))
	c.socket.Close()
}

// readPreface reads how a connection of HTTP/2 begins that was agreed upon.
func readPreface(r io.Reader) ([]byte, error) {
	b := make([]byte, len(preface))
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("HTTP/2 was agreed upon: %w", err)
	}
	if string(b) != preface {
		return nil, errors.New("HTTP/2 was agreed upon, and something else is spoken")
	}
	return b, nil
}

// introduce reads the PROXY header and shakes hands.
func (c *Conn) introduce() error {
	if c.s.cfg.Proxied {
		h, err := readHeader(c.socket)
		if err != nil {
			return err
		}
		if !h.Local() {
			c.Peer.Remote, c.Peer.Local, c.Peer.IP = h.Source, h.Destination, h.Source.Addr().Unmap().String()
		}
	}
	if c.s.cfg.TLS == nil {
		return nil
	}
	t := tls.Server(c.nc, c.s.cfg.TLS)
	if err := t.HandshakeContext(context.Background()); err != nil { // the deadline bounds it
		return fmt.Errorf("TLS handshake: %w", err)
	}
	c.nc, c.raw, c.Peer.Secure = t, nil, true
	if certs := t.ConnectionState().PeerCertificates; len(certs) > 0 {
		c.Peer.Subject = certs[0].Subject.String()
	}
	return nil
}

// readHeader reads a PROXY header and not a byte more.
func readHeader(r io.Reader) (proxyheader.Header, error) {
	b := make([]byte, proxyheader.First, 128)
	if _, err := io.ReadFull(r, b); err != nil {
		return proxyheader.Header{}, proxyheader.ErrMalformed
	}
	for {
		more, err := proxyheader.More(b)
		if err != nil {
			return proxyheader.Header{}, err
		}
		if more == 0 {
			return proxyheader.Parse(b)
		}
		at := len(b)
		b = append(b, make([]byte, more)...)
		if _, err := io.ReadFull(r, b[at:]); err != nil {
			return proxyheader.Header{}, proxyheader.ErrMalformed
		}
	}
}

// preface is how a connection of HTTP/2 begins that was not agreed upon; the rest is for whoever serves it.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// isPreface reports whether what was read begins with the preface, or may yet.
func isPreface(b []byte) (whole, maybe bool) {
	n := min(len(b), len(preface))
	same := string(b[:n]) == preface[:n]
	return same && n == len(preface), same
}

// http2 leaves the connection to whoever speaks HTTP/2.
func (c *Conn) http2() {
	c.idle.Store(false)
	read := append([]byte(nil), (*c.in)[:c.have]...)
	c.release()
	_ = c.nc.SetDeadline(time.Time{}) // a connection that is closed tells at the next use
	c.s.cfg.HTTP2(&begun{Conn: c.nc, read: read}, c.Peer)
	c.socket.Close()
}

// begun is a connection of which something was read already.
type begun struct {
	net.Conn
	read []byte
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.read) > 0 {
		n := copy(p, b.read)
		b.read = b.read[n:]
		return n, nil
	}
	return b.Conn.Read(p)
}
