package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
)

// Dialer opens a load's n-th connection, n from 0, over TCP. A connection that replaces another one has its number.
type Dialer = func(ctx context.Context, address string, n int) (net.Conn, error)

// Loopback reports whether HOST:PORT is a loopback address of IPv4, by its number or as localhost. Only to such a target
// may a connection come from another address of 127.0.0.0/8.
func Loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || (err == nil && a.Is4() && a.IsLoopback())
}

// ParseResolve reads HOST:PORT=ADDRESS:PORT.
func ParseResolve(s string) (from, to string, err error) {
	from, to, ok := strings.Cut(s, "=")
	for _, hostport := range []string{from, to} {
		_, port, err := net.SplitHostPort(hostport)
		if !ok || err != nil {
			return "", "", fmt.Errorf("%q is not HOST:PORT=ADDRESS:PORT, such as example.org:443=127.0.0.1:8443", s)
		}
		if !isPort(port) {
			return "", "", fmt.Errorf("%q: port %q is not one from 1 to 65535", s, port)
		}
	}
	return from, to, nil
}

// TLS makes the configuration of TLS connections.
func TLS(c *attempt.Connect) (*tls.Config, error) {
	t := &tls.Config{InsecureSkipVerify: c.Insecure, MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("certificates to trust: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("certificates to trust: %s holds no PEM certificate", c.CA)
		}
	}
	if (c.Cert == "") != (c.Key == "") {
		return nil, errors.New("a client certificate needs both files: cert and key")
	}
	if c.Cert != "" {
		own, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		t.Certificates = []tls.Certificate{own}
	}
	return t, nil
}

// keepAlive is the period of TCP keep-alive probes; curl's and Go's own is of the same order.
const keepAlive = 30 * time.Second

// Dialer makes the function that opens connections. Names are resolved each time, so that a change is
// followed.
func NewDialer(c *attempt.Connect) (Dialer, error) {
	d := &net.Dialer{KeepAlive: keepAlive}
	if c.UnixSocket != "" {
		return func(ctx context.Context, _ string, _ int) (net.Conn, error) {
			return d.DialContext(ctx, "unix", c.UnixSocket)
		}, nil
	}
	instead := map[string]string{}
	for _, r := range c.Resolve {
		from, to, err := ParseResolve(r)
		if err != nil {
			return nil, err
		}
		instead[from] = to
	}
	return func(ctx context.Context, address string, n int) (net.Conn, error) {
		if to, ok := instead[address]; ok {
			address = to
		}
		if source := c.Source(n); source.IsValid() && Loopback(address) {
			from := *d
			from.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
			return from.DialContext(ctx, "tcp", address)
		}
		return d.DialContext(ctx, "tcp", address)
	}, nil
}
