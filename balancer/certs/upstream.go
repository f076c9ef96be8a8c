package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/seed-8025779b/shakedown/balancer/config"
)

// ForTargets returns the settings for connections to targets.
func ForTargets(c *config.TargetTLS) (*tls.Config, error) {
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
