package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
)

// put writes a self-signed certificate for a name, and returns its files.
func put(t *testing.T, dir, base, name string, ends time.Time) config.Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: ends.Add(-48 * time.Hour), NotAfter: ends,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p := config.Pair{Cert: filepath.Join(dir, base+".pem"), Key: filepath.Join(dir, base+"-key.pem")}
	for file, b := range map[string]*pem.Block{p.Cert: {Type: "CERTIFICATE", Bytes: der}, p.Key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// shown is the certificate that a store shows to a client that asks for a name.
func shown(t *testing.T, s *Store, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	server := tls.Server(b, s.TLS("h2", "http/1.1"))
	var wg sync.WaitGroup
	defer wg.Wait()
	failed := make(chan error, 1)
	wg.Go(func() {
		err := server.Handshake()
		if err == nil {
			_, err = server.Write([]byte("x"))
		}
		failed <- err
		b.Close()
	})
	c := tls.Client(a, client)
	err := c.Handshake()
	if err == nil { // with TLS 1.3 the client's certificate is judged after its handshake
		_, err = c.Read(make([]byte, 1))
	}
	a.Close()
	if e := <-failed; e != nil && err == nil {
		err = e
	}
	return c.ConnectionState(), err
}

func TestFilesByName(t *testing.T) {
	dir, later := t.TempDir(), time.Now().Add(time.Hour)
	s, err := Open(config.TLS{Files: []config.Pair{put(t, dir, "a", "a.test", later), put(t, dir, "b", "b.test", later), put(t, dir, "w", "*.w.test", later)}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a.test": "a.test", "B.test": "b.test", "x.w.test": "*.w.test", "x.y.w.test": "a.test", "other": "a.test", "": "a.test"} {
		state, err := shown(t, s, &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := state.PeerCertificates[0].Subject.CommonName; got != want || state.NegotiatedProtocol != "http/1.1" {
			t.Errorf("%q was shown %s, %s", name, got, state.NegotiatedProtocol)
		}
	}
	if _, err := shown(t, s, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}

// An expired file, a malformed one and one that does not fit its key are refused at a reload, and the old one stays.
func TestReload(t *testing.T) {
	dir, later := t.TempDir(), time.Now().Add(time.Hour)
	pair := put(t, dir, "a", "first", later)
	s, err := Open(config.TLS{Files: []config.Pair{pair}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	uses := func(want string) {
		t.Helper()
		state, err := shown(t, s, &tls.Config{InsecureSkipVerify: true})
		if err != nil || state.PeerCertificates[0].Subject.CommonName != want {
			t.Errorf("in use is %v, %v, not %s", state.PeerCertificates, err, want)
		}
	}
	if changed, err := s.Reload(); changed || err != nil {
		t.Errorf("nothing changed: %v, %v", changed, err)
	}
	put(t, dir, "a", "second", later)
	if changed, err := s.Reload(); !changed || err != nil {
		t.Errorf("changed: %v, %v", changed, err)
	}
	uses("second")
	for _, spoil := range []struct {
		what string
		do   func()
	}{
		{"expired on", func() { put(t, dir, "a", "old", time.Now().Add(-time.Hour)) }},
		{"not valid before", func() { put(t, dir, "a", "early", time.Now().Add(100*time.Hour)) }},
		{"private key does not match", func() { put(t, dir, "b", "third", later); os.Rename(dir+"/b.pem", pair.Cert) }},
		{"failed to find", func() { os.WriteFile(pair.Cert, []byte("nonsense"), 0o600) }},
		{"no such file", func() { os.Remove(pair.Key) }},
	} {
		spoil.do()
		if changed, err := s.Reload(); changed || err == nil || !strings.Contains(err.Error(), spoil.what) {
			t.Errorf("%s: %v, %v", spoil.what, changed, err)
		}
		uses("second")
	}
	if _, err := Open(config.TLS{Files: []config.Pair{pair}}, time.Now); err == nil {
		t.Error("opened without a key")
	}
}

func TestClients(t *testing.T) {
	dir, later := t.TempDir(), time.Now().Add(time.Hour)
	client, stranger := put(t, dir, "c", "client", later), put(t, dir, "x", "stranger", later)
	s, err := Open(config.TLS{Files: []config.Pair{put(t, dir, "a", "a.test", later)}, ClientCA: client.Cert}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		pair config.Pair
		ok   bool
	}{{client, true}, {stranger, false}, {config.Pair{}, false}} {
		c := &config.TargetTLS{CA: filepath.Join(dir, "a.pem"), Name: "a.test", Cert: tc.pair}
		cfg, err := ForTargets(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := shown(t, s, cfg); (err == nil) != tc.ok {
			t.Errorf("%v: %v", tc.pair, err)
		}
	}
}

// The authority is written once; who trusts it trusts what every store of that folder shows.
func TestAuto(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "here")
	var wg sync.WaitGroup
	stores := make([]*Store, 8)
	for i := range stores {
		wg.Go(func() {
			s, err := Open(config.TLS{Auto: dir}, time.Now)
			if err != nil {
				t.Error(err)
			}
			stores[i] = s
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	client := &config.TargetTLS{CA: stores[0].Authority()}
	cfg, err := ForTargets(client)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stores {
		for _, name := range []string{"127.0.0.1", "localhost", "any.test"} {
			cfg.ServerName = name
			if _, err := shown(t, s, cfg); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if info, err := os.Stat(filepath.Join(dir, authorityKeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".new-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	afterwards := func() time.Time { return time.Now().Add(authorityLife + time.Hour) }
	if _, err := Open(config.TLS{Auto: dir}, afterwards); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("an expired authority: %v", err)
	}
}
