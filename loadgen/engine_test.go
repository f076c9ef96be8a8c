package loadgen

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/client"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/loadgen/socket"
)

func play(t *testing.T, ctx context.Context, engine string, c client.Config, rate, seconds float64) []*measure.Sample {
	t.Helper()
	if c.Mix == nil {
		c.Mix = requests(t, mix.Set{Requests: []mix.Request{{Name: "get", Method: "GET", Path: "/x?y=1", Weight: 1, Headers: []mix.Header{{Name: "a", Value: "b"}}}}})
	}
	e, _, err := New(engine, c)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var out []*measure.Sample
	s := profile.Schedule{Profile: profile.New(profile.Hold{PerSecond: rate, Seconds: seconds}), Arrivals: profile.Even}
	err = e.Play(ctx, s, pace.NewClock(pace.Monotonic()), func(s *measure.Sample) {
		mu.Lock()
		defer mu.Unlock()
		kept := *s // the engine may use its own again
		out = append(out, &kept)
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func requests(t *testing.T, set mix.Set) *mix.Mix {
	t.Helper()
	m, err := mix.New(1, set)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// each runs a test for every engine: they keep one contract.
func each(t *testing.T, test func(t *testing.T, engine string)) {
	for _, engine := range Names() {
		t.Run(engine, func(t *testing.T) { test(t, engine) })
	}
}

func TestSamplesCarryIdentityAndStages(t *testing.T) { each(t, samplesCarryIdentityAndStages) }

func samplesCarryIdentityAndStages(t *testing.T, engine string) {
	var mu sync.Mutex
	seen := map[string]int{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.Header.Get(mix.SeqHeader)]++
		if r.URL.String() != "/base/x?y=1" || r.Header.Get("a") != "b" {
			http.Error(w, "wrong request "+r.URL.String(), 400)
		}
		io.WriteString(w, "hello")
	}))
	defer srv.Close()
	got := play(t, t.Context(), engine, client.Config{Target: srv.URL + "/base/", Timeout: 5 * time.Second, Connections: 4, Identify: true}, 200, .5)
	if len(got) != 100 || len(seen) != 100 {
		t.Fatalf("%d samples, %d identities", len(got), len(seen))
	}
	for _, s := range got {
		want := time.Duration((float64(s.Seq) + .5) / 200 * 1e9)
		if s.Due != want || s.Offered < s.Due || s.Sent < s.Offered || s.First < s.Sent || s.Done < s.First {
			t.Fatalf("stamps out of order, or due at %v: %+v", want, s)
		}
		if s.Outcome != measure.Succeeded || s.Status != 200 || s.BytesIn != 5 {
			t.Fatalf("%+v", s)
		}
	}
}

func TestCancelledIsNeitherSuccessNorFailure(t *testing.T) { each(t, cancelledIsNeither) }

func cancelledIsNeither(t *testing.T, engine string) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-release }))
	defer srv.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	got := play(t, ctx, engine, client.Config{Target: srv.URL, Timeout: time.Minute, Connections: 100}, 50, 60)
	if len(got) == 0 || len(got) > 50 {
		t.Fatalf("%d samples", len(got))
	}
	for _, s := range got {
		if s.Outcome != measure.Cancelled || s.Class != "" {
			t.Fatalf("%+v", s)
		}
	}
}

// Every class comes from a real misbehaving server.
func TestClasses(t *testing.T) { each(t, classes) }

func classes(t *testing.T, engine string) {
	raw := func(answer func(net.Conn)) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					_, _ = c.Read(make([]byte, 4096))
					answer(c)
				}()
			}
		}()
		return "http://" + l.Addr().String()
	}
	status := func(code int) string {
		return raw(func(c net.Conn) { fmt.Fprintf(c, "HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", code) })
	}
	refusing, release, err := socket.Refuse()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	plain := raw(func(c net.Conn) { fmt.Fprint(c, "this is not TLS") })
	hold := func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) } // until the client gives up
	says := func(text string) string { return raw(func(c net.Conn) { fmt.Fprint(c, text); hold(c) }) }
	flood := func(c net.Conn, text string) { // bounded, should nobody hang up
		for range 1 << 16 {
			if _, err := c.Write([]byte(text)); err != nil {
				return
			}
		}
	}
	reset := func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }
	https := func(url string) string { return strings.Replace(url, "http://", "https://", 1) }
	whole := client.Timeouts{}
	for _, tc := range []struct {
		name, target string
		stages       client.Timeouts
		want         measure.Class
	}{
		{"refused", "http://" + refusing, whole, measure.Refused},
		{"dns", "http://name.invalid", whole, measure.DNS},
		{"no TLS there", https(plain), whole, measure.TLS},
		{"silent at the handshake", https(raw(hold)), whole, measure.TLS},
		{"silent at the handshake, own limit", https(raw(hold)), client.Timeouts{TLS: 50 * time.Millisecond}, measure.TLS},
		{"closed at the handshake", https(raw(func(net.Conn) {})), whole, measure.ClosedEarly},
		{"reset at the handshake", https(raw(reset)), whole, measure.Reset},
		{"4xx", status(404), whole, measure.Status4xx},
		{"5xx", status(503), whole, measure.Status5xx},
		{"garbage", says("garbage\r\n\r\n"), whole, measure.Malformed},
		{"binary garbage", says("\x00\xff\x01\r\n\r\n"), whole, measure.Malformed},
		{"a status without digits", says("HTTP/1.1 two OK\r\n\r\n"), whole, measure.Malformed},
		{"another protocol", says("ICY 200 OK\r\n\r\n"), whole, measure.Malformed},
		{"endless headers", raw(func(c net.Conn) {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\n")
			flood(c, "A: "+strings.Repeat("b", 1000)+"\r\n")
		}), whole, measure.Malformed},
		{"an endless header", raw(func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\nA: "); flood(c, strings.Repeat("b", 1000)) }), whole, measure.Malformed},
		{"contradicting lengths", says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), whole, measure.Malformed},
		{"a length that is none", says("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nab"), whole, measure.Malformed},
		{"a chunk size that is none", says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), whole, measure.Malformed},
		{"closed", raw(func(net.Conn) {}), whole, measure.ClosedEarly},
		{"closed in the head", raw(func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\nServer: x\r\n") }), whole, measure.ClosedEarly},
		{"closed in the body", raw(func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") }), whole, measure.ClosedEarly},
		{"closed in a chunk", raw(func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab") }), whole, measure.ClosedEarly},
		{"reset", raw(reset), whole, measure.Reset},
		{"silent", raw(hold), whole, measure.FirstByteTimeout},
		{"silent, own limit", raw(hold), client.Timeouts{FirstByte: 50 * time.Millisecond}, measure.FirstByteTimeout},
		{"a head that does not end", says("HTTP/1.1 200 OK\r\n"), whole, measure.Timeout},
		{"a body shorter than said", says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\na"), whole, measure.Timeout},
		{"a body that never ends", raw(func(c net.Conn) {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\n")
			for range 100 { // until the client has given up
				if _, err := c.Write([]byte("a")); err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		}), whole, measure.Timeout},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const timeout = 300 * time.Millisecond
			got := play(t, t.Context(), engine, client.Config{Target: tc.target, Timeout: timeout, Stages: tc.stages, Connections: 2}, 10, .15)
			if len(got) != 2 { // due at 50 and 150 ms, the second on the edge
				if len(got) != 1 {
					t.Fatalf("%d samples", len(got))
				}
			}
			s := got[0]
			if s.Outcome != measure.Failed || s.Class != tc.want || s.Detail == "" {
				t.Fatalf("%s (%s), want %s", s.Class, s.Detail, tc.want)
			}
			if tc.stages != whole && s.Response() >= timeout {
				t.Errorf("its own limit did not end it: %s", s.Detail)
			}
			limit := ""
			switch {
			case tc.stages != whole:
				limit = "within 50ms"
			case strings.HasPrefix(tc.name, "silent") || tc.want == measure.Timeout:
				limit = "within 300ms of when it was due"
			}
			if !strings.Contains(s.Detail, limit) {
				t.Errorf("%q does not say %q", s.Detail, limit)
			}
		})
	}
}

// A response that says 200 and not what was expected has failed, in a class of its own.
func TestExpectationsFail(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Kind", "good")
			if r.URL.Path == "/error" {
				w.WriteHeader(http.StatusNotFound)
			}
			io.WriteString(w, "all is well")
		}))
		defer srv.Close()
		for _, tc := range []struct {
			path   string
			expect mix.Expect
			want   measure.Class
		}{
			{"/", mix.Expect{Status: 200, Body: "is well", Headers: []mix.Header{{Name: "x-kind", Value: "good"}}}, ""},
			{"/", mix.Expect{Body: "out of stock"}, measure.Expectation},
			{"/", mix.Expect{Headers: []mix.Header{{Name: "x-kind", Value: "bad"}}}, measure.Expectation},
			{"/error", mix.Expect{Status: 404}, ""},
			{"/error", mix.Expect{Body: "is well"}, measure.Status4xx},
		} {
			m := requests(t, mix.Set{Requests: []mix.Request{{Name: "x", Method: "GET", Path: tc.path, Weight: 1, Expect: &tc.expect}}})
			e, _, err := New(engine, client.Config{Target: srv.URL, Mix: m, Timeout: 5 * time.Second, Connections: 2})
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			s := profile.Schedule{Profile: profile.New(profile.Hold{PerSecond: 100, Seconds: .05}), Arrivals: profile.Even}
			var mu sync.Mutex
			if err := e.Play(t.Context(), s, pace.NewClock(pace.Monotonic()), func(s *measure.Sample) {
				mu.Lock()
				defer mu.Unlock()
				n++
				if s.Class != tc.want || (s.Outcome == measure.Failed) != (tc.want != "") {
					t.Errorf("%s %+v: %s (%s)", tc.path, tc.expect, s.Class, s.Detail)
				}
			}); err != nil || n != 5 {
				t.Fatalf("%d samples, %v", n, err)
			}
		}
	})
}

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
			connect      client.Connect
			want         measure.Class
		}{
			{"unknown authority", srv.URL, client.Connect{}, measure.TLS},
			{"insecure", srv.URL, client.Connect{Insecure: true}, ""},
			{"trusted", srv.URL, client.Connect{CA: ca}, ""},
			{"another name", "https://example.com", client.Connect{CA: ca, Resolve: resolve}, ""},
			{"a wrong name", "https://wrong.test", client.Connect{CA: ca, Resolve: []string{"wrong.test:443=" + srv.Listener.Addr().String()}}, measure.TLS},
		} {
			got := play(t, t.Context(), engine, client.Config{Target: tc.target, Timeout: 5 * time.Second, Connections: 2, Connect: tc.connect}, 100, .03)
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
	for _, c := range []client.Connect{{CA: "/nowhere"}, {CA: "engine_test.go"}, {Cert: "a"}, {Cert: "/nowhere", Key: "/nowhere"}, {Resolve: []string{"nonsense"}}, {Resolve: []string{"a:1=b"}}} {
		if err := Check(t.Context(), client.Config{Target: "http://127.0.0.1:1", Connect: c}); err == nil || strings.Contains(err.Error(), "nothing answers") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestBadConfigurations(t *testing.T) {
	m := requests(t, mix.Set{Requests: []mix.Request{{Name: "get", Method: "GET", Path: "/", Weight: 1}}})
	each(t, func(t *testing.T, engine string) {
		for _, target := range []string{"", "ftp://x", "127.0.0.1:80", "http://", "http://a b"} {
			if _, _, err := New(engine, client.Config{Target: target, Mix: m}); err == nil {
				t.Errorf("%q was accepted", target)
			}
		}
	})
	if _, _, err := New("warp", client.Config{Target: "http://x", Mix: m}); err == nil {
		t.Error("an unknown engine was accepted")
	}
}

// each option is had by an engine, or refused by it.
func TestUnsupported(t *testing.T) {
	m := requests(t, mix.Set{Requests: []mix.Request{{Name: "get", Method: "GET", Path: "/", Weight: 1}}})
	for engine, configs := range map[string][]client.Config{
		"wire":   {{HTTP2: true}, {Redirects: 1}},
		"vegeta": {{Cookies: true}, {PerConn: 1}},
	} {
		for _, c := range configs {
			c.Target, c.Mix = "http://x", m
			if _, _, err := New(engine, c); err == nil || !strings.Contains(err.Error(), "engine "+engine+" has no ") {
				t.Errorf("%s: %v", engine, err)
			}
			if other := Choose(c); other == engine || Unsupported(other, c) != "" {
				t.Errorf("%+v chooses %s", c, other)
			}
		}
	}
}

// Templates are filled in the same by both engines, wherever they stand.
func TestTemplatesAreSent(t *testing.T) {
	seen := map[string]map[string]bool{}
	each(t, func(t *testing.T, engine string) {
		var mu sync.Mutex
		seen[engine] = map[string]bool{}
		srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			body, _ := io.ReadAll(r.Body)
			seen[engine][r.URL.String()+" "+r.Header.Get("X-Id")+" "+string(body)] = true
		}))
		defer srv.Close()
		m := requests(t, mix.Set{Requests: []mix.Request{{
			Name: "x", Method: "POST", Path: "/{{seq}}?id={{uuid}}", Weight: 1, Headers: []mix.Header{{Name: "x-id", Value: "{{uuid}}"}}, Body: "{{pick a b}}{{int 1 9}}",
		}}})
		for _, s := range play(t, t.Context(), engine, client.Config{Target: srv.URL, Mix: m, Timeout: 5 * time.Second, Connections: 4}, 200, .2) {
			if s.Outcome != measure.Succeeded || s.BytesOut != 2 {
				t.Fatalf("%+v", s)
			}
		}
	})
	if len(seen["wire"]) != 40 || !maps.Equal(seen["wire"], seen["vegeta"]) {
		t.Errorf("wire sent %v\nvegeta sent %v", seen["wire"], seen["vegeta"])
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
		c := client.Config{Target: "http://example.org", Timeout: 5 * time.Second, Connections: 2, Connect: client.Connect{UnixSocket: path}}
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
			connect client.Connect
			want    measure.Class
		}{
			{client.Connect{Insecure: true, Cert: cert, Key: key}, ""},
			{client.Connect{Insecure: true}, measure.TLS},
		} {
			for _, s := range play(t, t.Context(), engine, client.Config{Target: srv.URL, Timeout: 5 * time.Second, Connections: 2, Connect: tc.connect}, 100, .03) {
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
		for _, s := range play(t, t.Context(), engine, client.Config{Target: srv.URL, Timeout: 5 * time.Second, Connections: 1, Connect: client.Connect{Insecure: true}}, 100, .1) {
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

func TestHTTP2AndRedirects(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/around":
			http.Redirect(w, r, "/around", http.StatusFound)
		case r.URL.Path == "/there":
			io.WriteString(w, r.Proto)
		default:
			http.Redirect(w, r, "/there", http.StatusFound)
		}
	}))
	srv.Config.Protocols = &http.Protocols{}
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Start()
	defer srv.Close()
	overTLS := httptest.NewUnstartedServer(srv.Config.Handler)
	overTLS.EnableHTTP2 = true
	overTLS.StartTLS()
	defer overTLS.Close()
	one := func(c client.Config, path string) *measure.Sample {
		t.Helper()
		c.Mix = requests(t, mix.Set{Requests: []mix.Request{{Name: "x", Method: "GET", Path: path, Weight: 1}}})
		c.Timeout, c.Connections, c.Connect.Insecure = 5*time.Second, 4, true
		return play(t, t.Context(), Choose(c), c, 100, .01)[0]
	}
	for _, url := range []string{srv.URL, overTLS.URL} {
		if s := one(client.Config{Target: url, HTTP2: true}, "/there"); s.Status != 200 || s.BytesIn != int64(len("HTTP/2.0")) {
			t.Errorf("%+v", s)
		}
		if s := one(client.Config{Target: url, HTTP2: true}, "/"); s.Status != 302 || s.Outcome != measure.Succeeded {
			t.Errorf("a redirect that is not followed is the answer: %+v", s)
		}
		if s := one(client.Config{Target: url, Redirects: 1}, "/"); s.Status != 200 || s.BytesIn != int64(len("HTTP/1.1")) {
			t.Errorf("%+v", s)
		}
		if s := one(client.Config{Target: url, Redirects: 3}, "/around"); s.Outcome != measure.Failed || s.Class != measure.Redirects || s.Detail != "redirected more than 3 times" {
			t.Errorf("%+v", s)
		}
	}
	if s := one(client.Config{Target: strings.Replace(srv.URL, "http:", "https:", 1), HTTP2: true}, "/"); s.Class != measure.TLS {
		t.Errorf("%+v", s)
	}
}

// A user keeps the cookies it was given, over reconnects, and sends them where they belong; a connection is
// replaced after its share of requests.
func TestCookiesAndTheLimitOfRequests(t *testing.T) {
	var mu sync.Mutex
	visits, conns, wrong := map[string]int{}, map[string]int{}, ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		conns[r.RemoteAddr]++
		id, err := r.Cookie("id")
		if err != nil {
			id = &http.Cookie{Name: "id", Value: fmt.Sprint("user", len(visits))}
			http.SetCookie(w, id)
			http.SetCookie(w, &http.Cookie{Name: "other", Value: "x", Path: "/other"})
		}
		if _, err := r.Cookie("other"); err == nil {
			wrong = r.Header.Get("Cookie")
		}
		visits[id.Value]++
	}))
	defer srv.Close()
	m := requests(t, mix.Set{Requests: []mix.Request{{Name: "x", Method: "GET", Path: "/a", Weight: 1}}})
	e, _, err := New("wire", client.Config{Target: srv.URL, Mix: m, Timeout: 5 * time.Second, Connections: 3, PerConn: 4, Cookies: true})
	if err != nil {
		t.Fatal(err)
	}
	s := profile.Schedule{Profile: profile.New(profile.Pause{Seconds: .3}), Closed: []profile.Closed{{To: 300 * time.Millisecond, Users: 3, Think: 5 * time.Millisecond}}}
	var failed atomic.Int64
	if err := e.Play(t.Context(), s, pace.NewClock(pace.Monotonic()), func(s *measure.Sample) {
		if s.Outcome != measure.Succeeded {
			failed.Add(1)
		}
	}); err != nil || failed.Load() > 0 || e.InFlight() != 0 {
		t.Fatalf("%d failed, %d in flight, %v", failed.Load(), e.InFlight(), err)
	}
	if len(visits) != 3 || wrong != "" {
		t.Errorf("visits by user %v; a cookie that went astray: %q", visits, wrong)
	}
	for c, n := range conns {
		if n > 4 {
			t.Errorf("%d requests on connection %s", n, c)
		}
	}
	if len(conns) < 6 {
		t.Errorf("%d connections", len(conns))
	}
}

// The ceiling is a rate that the engine really carries: some thousands a second even on a slow machine.
func TestCalibrate(t *testing.T) {
	m := requests(t, mix.Set{Requests: []mix.Request{{Name: "x", Method: "POST", Path: "/{{seq}}", Body: "{{uuid}}", Weight: 1}}})
	for engine, c := range map[string]client.Config{"wire": {}, "vegeta": {HTTP2: true}} {
		c.Mix, c.Connections = m, 100
		ceiling, err := Calibrate(t.Context(), engine, c)
		if err != nil || !(ceiling > 100) || ceiling > 1e7 {
			t.Errorf("%s: %v, %v", engine, ceiling, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if ceiling, err := Calibrate(ctx, "wire", client.Config{Mix: m, Connections: 1}); ceiling != 0 {
		t.Errorf("after it was interrupted: %v, %v", ceiling, err)
	}
}
