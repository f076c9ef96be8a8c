package loadgen

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

// TLS is verified by the certificates given, or not at all; names may be sent elsewhere.
func TestTLSAndResolve(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		defer srv.Close()
		srv.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are the point
		ca := filepath.Join(t.TempDir(), "ca.pem")
		pemBytes := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
		if err := os.WriteFile(ca, pemBytes, 0o600); err != nil {
			t.Fatal(err)
		}
		resolve := []string{"example.com:443=" + srv.Listener.Addr().String()} // a name in the certificate
		for _, tc := range []struct {
			name, target string
			connect      attempt.Connect
			want         measure.Class
		}{
			{"unknown authority", srv.URL, attempt.Connect{}, measure.TLS},
			{"insecure", srv.URL, attempt.Connect{Insecure: true}, ""},
			{"trusted", srv.URL, attempt.Connect{CA: ca}, ""},
			{"another name", "https://example.com", attempt.Connect{CA: ca, Resolve: resolve}, ""},
			{"a wrong name", "https://wrong.test", attempt.Connect{CA: ca, Resolve: []string{"wrong.test:443=" + srv.Listener.Addr().String()}}, measure.TLS},
		} {
			got := play(t, t.Context(), engine, attempt.Config{Target: tc.target, Timeout: 5 * time.Second, Connections: 2, Connect: tc.connect}, 100, .03)
			if len(got) != 3 {
				t.Fatalf("%s: %d samples", tc.name, len(got))
			}
			for _, s := range got {
				if s.Class != tc.want {
					t.Errorf("%s: %s (%s), want %q", tc.name, s.Class, s.Detail, tc.want)
				}
			}
		}
	})
	for _, c := range []attempt.Connect{{CA: "/nowhere"}, {CA: "engine_test.go"}, {Cert: "a"}, {Cert: "/nowhere", Key: "/nowhere"}, {Resolve: []string{"nonsense"}}, {Resolve: []string{"a:1=b"}}} {
		if err := Check(t.Context(), attempt.Config{Target: "http://127.0.0.1:1", Connect: c}); err == nil || strings.Contains(err.Error(), "nothing answers") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		path := filepath.Join(t.TempDir(), "s")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) })}
		go srv.Serve(l)
		defer srv.Close()
		c := attempt.Config{Target: "http://example.org", Timeout: 5 * time.Second, Connections: 2, Connect: attempt.Connect{UnixSocket: path}}
		if err := Check(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		for _, s := range play(t, t.Context(), engine, c, 100, .05) {
			if s.Outcome != measure.Succeeded || s.BytesIn != int64(len("example.org")) {
				t.Fatalf("%+v", s)
			}
		}
		srv.Close()
		c.Connect.UnixSocket += "x"
		if err := Check(t.Context(), c); err == nil {
			t.Error("a socket that is not there was accepted")
		}
		if s := play(t, t.Context(), engine, c, 100, .01)[0]; s.Class != measure.Unreachable {
			t.Errorf("%s (%s)", s.Class, s.Detail)
		}
	})
}

// A server that asks for a certificate gets the client's; without one the handshake fails.
func TestClientCertificate(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
		}))
		srv.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		srv.StartTLS()
		defer srv.Close()
		cert, key := certificate(t, "someone")
		for _, tc := range []struct {
			connect attempt.Connect
			want    measure.Class
		}{
			{attempt.Connect{Insecure: true, Cert: cert, Key: key}, ""},
			{attempt.Connect{Insecure: true}, measure.TLS},
		} {
			for _, s := range play(t, t.Context(), engine, attempt.Config{Target: srv.URL, Timeout: 5 * time.Second, Connections: 2, Connect: tc.connect}, 100, .03) {
				if s.Class != tc.want || (s.Class == "" && s.BytesIn != int64(len("someone"))) {
					t.Errorf("%s (%s), want %q", s.Class, s.Detail, tc.want)
				}
			}
		}
	})
}

// certificate writes a self-signed certificate and its key into files.
func certificate(t *testing.T, name string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)},
		&x509.Certificate{SerialNumber: big.NewInt(1)}, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// How long connecting and TLS took stands in the samples that made a connection, and only there.
func TestStagesOfAnExchange(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		defer srv.Close()
		made := 0
		for _, s := range play(t, t.Context(), engine, attempt.Config{Target: srv.URL, Timeout: 5 * time.Second, Connections: 1, Connect: attempt.Connect{Insecure: true}}, 100, .1) {
			if (s.Connect > 0) != (s.Handshake > 0) {
				t.Errorf("%+v", s)
			}
			if s.Connect > 0 {
				made++
			}
		}
		if made != 1 {
			t.Errorf("%d samples made a connection, there was one", made)
		}
	})
}
