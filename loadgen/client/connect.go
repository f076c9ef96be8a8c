package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// Connect says how connections to a target are made. The zero Connect resolves names by the system and
// verifies certificates by its roots.
type Connect struct {
	Insecure   bool     // certificates are not verified
	CA         string   // file of PEM certificates to trust instead of the system's
	Cert, Key  string   // files of the client's own certificate, with its chain, and of its key, both PEM
	Resolve    []string // HOST:PORT=ADDRESS:PORT: connect there instead
	UnixSocket string   // path of a Unix domain socket to connect to, whatever the target's host
}

// Dialer opens connections.
type Dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// ParseResolve reads HOST:PORT=ADDRESS:PORT.
func ParseResolve(s string) (from, to string, err error) {
	from, to, ok := strings.Cut(s, "=")
	for _, hostport := range []string{from, to} {
		if _, _, err := net.SplitHostPort(hostport); !ok || err != nil {
			return "", "", fmt.Errorf("%q is not HOST:PORT=ADDRESS:PORT, such as example.org:443=127.0.0.1:8443", s)
		}
	}
	return from, to, nil
}

// TLS makes the configuration of TLS connections.
func (c *Connect) TLS() (*tls.Config, error) {
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
func (c *Connect) Dialer() (Dialer, error) {
	d := &net.Dialer{KeepAlive: keepAlive}
	if c.UnixSocket != "" {
		return func(ctx context.Context, _, _ string) (net.Conn, error) {
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
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if to, ok := instead[address]; ok {
			address = to
		}
		return d.DialContext(ctx, network, address)
	}, nil
}
