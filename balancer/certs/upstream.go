package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// Client is how a balancer speaks TLS to its targets.
type Client struct {
	CA       string `json:"ca,omitempty"`          // file of authorities; the system's without it
	Name     string `json:"server_name,omitempty"` // asked for and verified; the target's host without it
	Insecure bool   `json:"insecure,omitempty"`    // nothing is verified
	Cert     Pair   `json:"cert"`                  // shown to targets that ask for one
}

// TLS is the settings for connections to targets.
func (c *Client) TLS() (*tls.Config, error) {
	out := &tls.Config{ServerName: c.Name, InsecureSkipVerify: c.Insecure, MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("tls: %s holds no certificate", c.CA)
		}
	}
	if (c.Cert.Cert == "") != (c.Cert.Key == "") {
		return nil, errors.New("tls: a certificate needs its key, and a key its certificate")
	}
	if c.Cert.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert.Cert, c.Cert.Key)
		if err != nil {
			return nil, fmt.Errorf("tls: certificate %s: %w", c.Cert.Cert, err)
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}
