// Package certs is the certificates of a listener: files that are read again when they change, several of them told
// apart by the name that a client asks for, or a local authority of one's own for first steps.
//
//	s, err := certs.Open(config, time.Now)
//	l := tls.NewListener(inner, s.TLS("h2", "http/1.1"))
//	changed, err := s.Reload()
//
// What can't be used, because it is expired, malformed or does not fit its key, is refused, and what was in use before
// stays in use.
package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
)

// Store is the certificates in use.
type Store struct {
	cfg  config.TLS
	now  func() time.Time
	made *authority
	used atomic.Pointer[inUse]
}

// inUse is one state of the files.
type inUse struct {
	contents [][]byte
	all      []tls.Certificate
	names    map[string]*tls.Certificate
	clients  *x509.CertPool
}

// Open reads what the configuration names.
func Open(cfg config.TLS, now func() time.Time) (*Store, error) {
	s := &Store{cfg: cfg, now: now}
	if cfg.Auto != "" {
		a, err := openAuthority(cfg.Auto, now)
		if err != nil {
			return nil, err
		}
		s.made = a
	} else if len(cfg.Files) == 0 {
		return nil, errors.New("no certificate is given")
	}
	u, err := s.read()
	if err != nil {
		return nil, err
	}
	s.used.Store(u)
	return s, nil
}

// Reload reads the files again if they have changed. On an error the old ones stay in use.
func (s *Store) Reload() (changed bool, err error) {
	contents, err := s.contents()
	if err != nil {
		return false, err
	}
	old := s.used.Load()
	same := len(contents) == len(old.contents)
	for i := range contents {
		same = same && bytes.Equal(contents[i], old.contents[i])
	}
	if same {
		return false, nil
	}
	u, err := s.parse(contents)
	if err != nil {
		return false, err
	}
	s.used.Store(u)
	return true, nil
}

// AuthorityFile is the certificate of the local authority in a folder.
func AuthorityFile(dir string) string { return filepath.Join(dir, authorityFile) }

// Authority is the file of the local authority's certificate, "" when there is none: whoever trusts it trusts the
// listener.
func (s *Store) Authority() string {
	if s.made == nil {
		return ""
	}
	return s.made.file
}

func (s *Store) contents() (out [][]byte, err error) {
	names := []string{}
	for _, p := range s.cfg.Files {
		names = append(names, p.Cert, p.Key)
	}
	if s.cfg.ClientCA != "" {
		names = append(names, s.cfg.ClientCA)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		out = append(out, b)
	}
	return out, nil
}

func (s *Store) read() (*inUse, error) {
	contents, err := s.contents()
	if err != nil {
		return nil, err
	}
	return s.parse(contents)
}

func (s *Store) parse(contents [][]byte) (*inUse, error) {
	u := &inUse{contents: contents, names: map[string]*tls.Certificate{}}
	for i, p := range s.cfg.Files {
		c, err := tls.X509KeyPair(contents[2*i], contents[2*i+1])
		if err != nil {
			return nil, fmt.Errorf("certificate %s: %w", p.Cert, err)
		}
		if now := s.now(); now.After(c.Leaf.NotAfter) {
			return nil, fmt.Errorf("certificate %s expired on %s", p.Cert, c.Leaf.NotAfter.UTC().Format(time.RFC3339))
		} else if now.Before(c.Leaf.NotBefore) {
			return nil, fmt.Errorf("certificate %s is not valid before %s", p.Cert, c.Leaf.NotBefore.UTC().Format(time.RFC3339))
		}
		u.all = append(u.all, c)
	}
	for i := range u.all {
		for _, name := range u.all[i].Leaf.DNSNames {
			if name = strings.ToLower(name); u.names[name] == nil {
				u.names[name] = &u.all[i]
			}
		}
	}
	if s.cfg.ClientCA != "" {
		u.clients = x509.NewCertPool()
		if !u.clients.AppendCertsFromPEM(contents[len(contents)-1]) {
			return nil, fmt.Errorf("%s holds no certificate of an authority", s.cfg.ClientCA)
		}
	}
	return u, nil
}

// TLS is the settings of a listener that speaks the given protocols, the preferred one first.
func (s *Store) TLS(protocols ...string) *tls.Config {
	c := &tls.Config{NextProtos: protocols, MinVersion: tls.VersionTLS12, GetCertificate: s.certificate, Time: s.now}
	// Of version 1.2, what HTTP/2 may be spoken with (RFC 9113, 9.2.2): forward secrecy and authenticated encryption.
	for _, suite := range tls.CipherSuites() {
		if strings.HasPrefix(suite.Name, "TLS_ECDHE_") && !strings.Contains(suite.Name, "CBC") {
			c.CipherSuites = append(c.CipherSuites, suite.ID)
		}
	}
	if s.cfg.Min == "1.3" {
		c.MinVersion = tls.VersionTLS13
	}
	if s.cfg.ClientCA != "" {
		c.ClientAuth = tls.RequireAndVerifyClientCert
		// The pool may change while the listener runs. Without tickets of its own each copy would make new keys,
		// and no session could be resumed.
		c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			now := c.Clone()
			now.GetConfigForClient, now.ClientCAs, now.SessionTicketsDisabled = nil, s.used.Load().clients, true
			return now, nil
		}
	}
	return c
}

// certificate picks by the name that the client asks for: the exact one, a wildcard's, else the first.
func (s *Store) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	u := s.used.Load()
	if c := u.names[name]; c != nil {
		return c, nil
	}
	if _, domain, ok := strings.Cut(name, "."); ok {
		if c := u.names["*."+domain]; c != nil {
			return c, nil
		}
	}
	if s.made != nil {
		return s.made.certificate(name)
	}
	return &u.all[0], nil
}
