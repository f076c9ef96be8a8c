package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// authority is a local authority: it signs whatever name is asked for, for those who trust its file.
type authority struct {
	file string
	cert *x509.Certificate
	key  crypto.Signer
	now  func() time.Time

	mu     sync.Mutex
	issued map[string]*tls.Certificate
}

// The files of a local authority.
const (
	authorityFile    = "shakedown-ca.pem"
	authorityKeyFile = "shakedown-ca-key.pem"
)

// Lives of what is issued. Browsers take no server's certificate of more than 398 days.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	serverLife    = 90 * 24 * time.Hour
	maxIssued     = 1000 // names remembered: a client may ask for any
)

// OwnFolder is where a user's own local authority is kept.
func OwnFolder() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("there is no place for a local authority: %w", err)
	}
	return filepath.Join(dir, "shakedown"), nil
}

// openAuthority reads the authority in a folder, or makes it there.
func openAuthority(dir string, now func() time.Time) (*authority, error) {
	a := &authority{file: filepath.Join(dir, authorityFile), now: now, issued: map[string]*tls.Certificate{}}
	err := a.read(filepath.Join(dir, authorityKeyFile))
	if errors.Is(err, os.ErrNotExist) {
		if err = a.make(dir); err == nil {
			err = a.read(filepath.Join(dir, authorityKeyFile))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("local authority: %w", err)
	}
	return a, nil
}

func (a *authority) read(keyFile string) error {
	pair, err := tls.LoadX509KeyPair(a.file, keyFile)
	if err != nil {
		return err
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok || !pair.Leaf.IsCA {
		return fmt.Errorf("%s is not an authority's", a.file)
	}
	if a.now().After(pair.Leaf.NotAfter) {
		return fmt.Errorf("%s expired on %s: remove it and its key, and new ones are made", a.file, pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	a.cert, a.key = pair.Leaf, key
	return nil
}

// make writes a new authority: first its key, unless another process has just written one, then the certificate.
func (a *authority) make(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	key, err := keyIn(filepath.Join(dir, authorityKeyFile))
	if err != nil {
		return err
	}
	host, _ := os.Hostname() // only a name
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "shakedown local authority on " + host},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	der, err := sign(template, template, key, key, a.now(), authorityLife)
	if err != nil {
		return err
	}
	return write(a.file, &pem.Block{Type: "CERTIFICATE", Bytes: der}, 0o644, os.Rename)
}

// keyIn returns the key in a file, which is made when it is not there.
func keyIn(file string) (crypto.Signer, error) {
	fresh, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(fresh)
	if err != nil {
		return nil, err
	}
	// A link, unlike a rename, leaves a file alone that is there.
	if err := write(file, &pem.Block{Type: "PRIVATE KEY", Bytes: der}, 0o600, os.Link); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no key", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s holds no key to sign with", file)
	}
	return signer, nil
}

// write writes a file beside its place and puts it there in one step.
func write(file string, block *pem.Block, mode os.FileMode, place func(from, to string) error) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name()) // unless it was renamed
	if err := errors.Join(pem.Encode(temporary, block), temporary.Chmod(mode), temporary.Close()); err != nil {
		return err
	}
	return place(temporary.Name(), file)
}

func sign(template, parent *x509.Certificate, public crypto.Signer, key crypto.Signer, now time.Time, life time.Duration) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = serial, now.Add(-time.Hour), now.Add(life)
	return x509.CreateCertificate(rand.Reader, template, parent, public.Public(), key)
}

// certificate returns the certificate for a name, made now unless it has been; for this machine's own addresses
// when there is no name.
func (a *authority) certificate(name string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.issued[name]; c != nil && a.now().Before(c.Leaf.NotAfter.Add(-serverLife/4)) {
		return c, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "shakedown"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	if name != "" {
		template.DNSNames = append(template.DNSNames, name)
	}
	der, err := sign(template, a.cert, key, a.key, a.now(), serverLife)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if len(a.issued) >= maxIssued {
		clear(a.issued)
	}
	c := &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}
	a.issued[name] = c
	return c, nil
}
