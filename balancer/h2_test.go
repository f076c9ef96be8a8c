package balancer

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	grpchealth "google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/seed-8025779b/shakedown/balancer/certs"
	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/loadgen/socket"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// ways are the ways a client comes in: with each a configuration is changed, and asked by the transport.
func ways(t *testing.T) map[string]struct {
	change    func(*config.Config)
	transport http.RoundTripper
	scheme    string
} {
	dir := t.TempDir()
	secure := func(c *config.Config) { c.Listeners[0].TLS = &config.TLS{Auto: dir} }
	if _, err := certs.Open(config.TLS{Auto: dir}, time.Now); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(dir + "/shakedown-ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	prior, two := &http.Transport{Protocols: &http.Protocols{}}, &http.Transport{Protocols: &http.Protocols{}, TLSClientConfig: &tls.Config{RootCAs: roots}}
	prior.Protocols.SetUnencryptedHTTP2(true)
	two.Protocols.SetHTTP2(true)
	one, plain := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}, &http.Transport{}
	t.Cleanup(func() {
		prior.CloseIdleConnections()
		two.CloseIdleConnections()
		one.CloseIdleConnections()
		plain.CloseIdleConnections()
	})
	type way = struct {
		change    func(*config.Config)
		transport http.RoundTripper
		scheme    string
	}
	return map[string]way{
		"HTTP/2.0 by prior knowledge": {func(*config.Config) {}, prior, "http"}, "HTTP/2.0 over TLS": {secure, two, "https"},
		"HTTP/1.1 over TLS": {secure, one, "https"}, "HTTP/1.1": {func(*config.Config) {}, plain, "http"},
	}
}

// targetsOf are the ways a target is spoken to; each starts one with a handler and changes the configuration.
func targetsOf(t *testing.T) map[string]func(*config.Config, http.Handler) {
	add := func(c *config.Config, s *httptest.Server) {
		t.Cleanup(s.Close)
		c.Groups[0].Targets = []config.Target{{ID: "web-1", Address: address(s)}}
	}
	return map[string]func(*config.Config, http.Handler){
		"HTTP/1.1": func(c *config.Config, h http.Handler) { add(c, httptest.NewServer(h)) },
		"HTTP/1.1 over TLS": func(c *config.Config, h http.Handler) {
			add(c, httptest.NewTLSServer(h))
			c.Groups[0].TLS = &config.TargetTLS{Insecure: true}
		},
		"HTTP/2.0": func(c *config.Config, h http.Handler) {
			s := httptest.NewUnstartedServer(h)
			s.Config.Protocols = &http.Protocols{}
			s.Config.Protocols.SetUnencryptedHTTP2(true)
			s.Start()
			add(c, s)
			c.Groups[0].HTTP2 = true
		},
		"HTTP/2.0 over TLS": func(c *config.Config, h http.Handler) {
			s := httptest.NewUnstartedServer(h)
			s.EnableHTTP2 = true
			s.StartTLS()
			add(c, s)
			c.Groups[0].HTTP2, c.Groups[0].TLS = true, &config.TargetTLS{Insecure: true}
		},
	}
}

// versions is a handler that shows what an exchange can do.
func versions(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/echo":
		w.Header().Set("Trailer", "X-Sum")
		_ = http.NewResponseController(w).EnableFullDuplex() // an error means that it is so already
		n, err := io.Copy(w, r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("X-Sum", fmt.Sprint(n, " ", r.Trailer.Get("X-End")))
	case "/hint":
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(103)
		fmt.Fprint(w, "hinted")
	case "/cut":
		fmt.Fprint(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case "/nothing":
		w.WriteHeader(http.StatusNoContent)
	default:
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.RequestURI, r.Host, r.Header.Get("X-Forwarded-Proto"))
	}
}

// Whatever version either side speaks, an exchange is the same.
func TestVersionsOfHTTP(t *testing.T) {
	for from, way := range ways(t) {
		for to, target := range targetsOf(t) {
			t.Run(from+" to "+to, func(t *testing.T) {
				cfg := settings()
				way.change(&cfg)
				target(&cfg, http.HandlerFunc(versions))
				r := start(t, cfg, nil)
				url := way.scheme + "://" + r.Addresses()[0]
				client := &http.Client{Transport: way.transport, Timeout: 20 * time.Second}
				ask := func(method, path string, body io.Reader) (*http.Response, string, error) {
					req, err := http.NewRequestWithContext(t.Context(), method, url+path, body)
					if err != nil {
						t.Fatal(err)
					}
					if body != nil {
						req.Trailer = http.Header{"X-End": nil}
						req.ContentLength = -1
						req.Body = &ending{Reader: body, at: func() { req.Trailer.Set("X-End", "well") }}
					}
					res, err := client.Do(req)
					if err != nil {
						return nil, "", err
					}
					defer res.Body.Close()
					text, err := io.ReadAll(res.Body)
					return res, string(text), err
				}
				if _, text, err := ask("GET", "/a%2Fb//c?d=%20", nil); err != nil || text != "GET /a%2Fb/c?d=%20 "+r.Addresses()[0]+" "+way.scheme {
					t.Errorf("%q, %v", text, err)
				}
				if res, _, err := ask("HEAD", "/", nil); err != nil || res.ContentLength <= 0 || !strings.HasPrefix(from, res.Proto) {
					t.Errorf("HEAD: %v, %v", res, err)
				}
				if res, _, err := ask("GET", "/nothing", nil); err != nil || res.StatusCode != 204 {
					t.Errorf("204: %v, %v", res, err)
				}
				big := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
				if res, text, err := ask("POST", "/echo", bytes.NewReader(big)); err != nil || text != string(big) || res.Trailer.Get("X-Sum") != "1048576 well" {
					t.Errorf("echo: %d bytes, %v, %v", len(text), res, err)
				}
				if res, text, err := ask("GET", "/cut", nil); err == nil {
					t.Errorf("an answer that was cut off was taken for whole: %v, %q", res, text)
				}
				hints := 0
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
					if code == 103 && h.Get("Link") == "</a.css>" {
						hints++
					}
					return nil
				}})
				req, err := http.NewRequestWithContext(ctx, "GET", url+"/hint", nil)
				if err != nil {
					t.Fatal(err)
				}
				if res, err := client.Do(req); err != nil || hints != 1 {
					t.Errorf("early hints: %d, %v", hints, err)
				} else {
					res.Body.Close()
				}
				var wg sync.WaitGroup
				for i := range 50 {
					wg.Go(func() {
						want := strings.Repeat(fmt.Sprint(i), 1000)
						if _, text, err := ask("POST", "/echo", strings.NewReader(want)); err != nil || text != want {
							t.Errorf("one of many: %d bytes, %v", len(text), err)
						}
					})
				}
				wg.Wait()
				if c, ok := way.transport.(interface{ CloseIdleConnections() }); ok {
					c.CloseIdleConnections()
				}
			})
		}
	}
}

// What can't stand in a request of HTTP/1.1 is refused, and the target sees nothing of it.
func TestStreamsThatAreMalformed(t *testing.T) {
	x := rawTarget(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	r := start(t, raws(x), nil)
	transport := ways(t)["HTTP/2.0 by prior knowledge"].transport
	for _, opaque := range []string{"/a b", "/a#b", "/../a", "/a/..%2fb"} {
		req := &http.Request{Method: "GET", URL: &url.URL{Scheme: "http", Host: r.Addresses()[0], Opaque: "//" + r.Addresses()[0] + opaque}, Header: http.Header{}}
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 400 {
			t.Errorf("%s: %d", opaque, res.StatusCode)
		}
	}
	if seen := x.text(); seen != "" {
		t.Errorf("the target saw %q", seen)
	}
	if n := r.Counts(); n.Refused != 4 || n.Errors["malformed"] != 4 {
		t.Errorf("%+v", n)
	}
}

// ending tells when a body has been read.
type ending struct {
	io.Reader
	at func()
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if err == io.EOF {
		e.at()
	}
	return n, err
}
func (e *ending) Close() error { return nil }

// A client that resets its stream ends the exchange with the target.
func TestStreamReset(t *testing.T) {
	gone := make(chan struct{})
	cfg := settings()
	targetsOf(t)["HTTP/2.0"](&cfg, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(gone)
	}))
	r := start(t, cfg, nil)
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", r.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := ways(t)["HTTP/2.0 by prior knowledge"].transport.RoundTrip(req); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	<-gone
	await(t, "the abort to be counted", func() bool { return r.Stats().Aborted == 1 })
}

// greeter is a service of gRPC whose one method passes text both ways.
func greeter(t *testing.T, failing bool) (address string, h *grpchealth.Server) {
	t.Helper()
	s := grpc.NewServer()
	h = grpchealth.NewServer()
	grpc_health_v1.RegisterHealthServer(s, h)
	s.RegisterService(&grpc.ServiceDesc{ServiceName: "test.Greeter", HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{{
		StreamName: "Chat", ServerStreams: true, ClientStreams: true,
		Handler: func(_ any, stream grpc.ServerStream) error {
			if failing {
				return status.Error(codes.NotFound, "no such room: ü")
			}
			if err := stream.SendHeader(metadata.Pairs("room", "7")); err != nil {
				return err
			}
			stream.SetTrailer(metadata.Pairs("bye", "now"))
			for {
				var m wrapperspb.StringValue
				if err := stream.RecvMsg(&m); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
				if err := stream.SendMsg(wrapperspb.String("hello " + m.Value)); err != nil {
					return err
				}
			}
		},
	}}}, struct{}{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String(), h
}

func grpcConfig(addresses ...string) config.Config {
	cfg := settings()
	cfg.Groups[0].HTTP2 = true
	for i, a := range addresses {
		cfg.Groups[0].Targets = append(cfg.Groups[0].Targets, config.Target{ID: fmt.Sprint("grpc-", i+1), Address: a})
	}
	return cfg
}

func chat(t *testing.T, r *running) grpc.ClientStream {
	t.Helper()
	conn, err := grpc.NewClient(r.Addresses()[0], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/test.Greeter/Chat")
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// A stream of gRPC goes both ways at once, with metadata before and after.
func TestGRPC(t *testing.T) {
	a, _ := greeter(t, false)
	stream := chat(t, start(t, grpcConfig(a), nil))
	if h, err := stream.Header(); err != nil || len(h["room"]) != 1 { // before anything was said
		t.Fatalf("header: %v, %v", h, err)
	}
	for i := range 100 {
		if err := stream.SendMsg(wrapperspb.String(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		var m wrapperspb.StringValue
		if err := stream.RecvMsg(&m); err != nil || m.Value != fmt.Sprint("hello ", i) {
			t.Fatalf("%d: %q, %v", i, m.Value, err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(&wrapperspb.StringValue{}); err != io.EOF {
		t.Fatal(err)
	}
	if bye := stream.Trailer()["bye"]; len(bye) != 1 || bye[0] != "now" {
		t.Errorf("trailer %v", stream.Trailer())
	}
}

// The target's own status arrives, and so does the balancer's when there is no target.
func TestGRPCErrors(t *testing.T) {
	a, _ := greeter(t, true)
	err := chat(t, start(t, grpcConfig(a), nil)).RecvMsg(&wrapperspb.StringValue{})
	if s := status.Convert(err); s.Code() != codes.NotFound || s.Message() != "no such room: ü" {
		t.Errorf("the target's: %v", err)
	}
	refused, release, err := socket.Refuse()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	err = chat(t, start(t, grpcConfig(refused), nil)).RecvMsg(&wrapperspb.StringValue{})
	if s := status.Convert(err); s.Code() != codes.Unavailable || !strings.Contains(s.Message(), "connection refused") {
		t.Errorf("refused: %v", err)
	}
	err = chat(t, start(t, grpcConfig(), nil)).RecvMsg(&wrapperspb.StringValue{})
	if s := status.Convert(err); s.Code() != codes.Unavailable || s.Message() != "no target is ready" {
		t.Errorf("none: %v", err)
	}
}

func TestGRPCChecks(t *testing.T) {
	a, h := greeter(t, false)
	for matcher, path := range map[string]string{"": "", "12": "/AWS.ALB/healthcheck"} {
		v := spec.Defaults(health.Params(health.GRPC))
		v["kind"], v["interval"] = "grpc", 10*time.Millisecond
		if path != "" {
			v["matcher"], v["path"] = matcher, path
		}
		check, err := health.New(v)
		if err != nil {
			t.Fatal(err)
		}
		cfg := grpcConfig(a)
		cfg.Groups[0].Health = check
		r := start(t, cfg, nil)
		await(t, "healthy", r.Ready)
		if path == "" {
			h.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
			await(t, "unhealthy", func() bool { return r.has("grpc-1 unhealthy") })
		}
		r.stop()
	}
}

// A WebSocket by a library that is not ours, over both kinds of connection.
func TestWebSocket(t *testing.T) {
	for name, way := range ways(t) {
		if !strings.HasPrefix(name, "HTTP/1.1") {
			continue
		}
		cfg := settings(echoing(t))
		way.change(&cfg)
		r := start(t, cfg, nil)
		c, _, err := websocket.Dial(t.Context(), way.scheme+"://"+r.Addresses()[0]+"/chat", &websocket.DialOptions{HTTPClient: &http.Client{Transport: way.transport}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c.SetReadLimit(1 << 20)
		for _, size := range []int{0, 1, 125, 126, 65535, 65536, 500_000} {
			want := bytes.Repeat([]byte("x"), size)
			if err := c.Write(t.Context(), websocket.MessageBinary, want); err != nil {
				t.Fatal(err)
			}
			if kind, got, err := c.Read(t.Context()); err != nil || kind != websocket.MessageBinary || !bytes.Equal(got, want) {
				t.Errorf("%s: %d bytes came back as %d, %v", name, size, len(got), err)
			}
		}
		if err := c.Close(websocket.StatusNormalClosure, "done"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func echoing(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(1 << 20)
		for {
			kind, m, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), kind, m) != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// PROXY headers tell the balancer who its client is, and the targets who theirs is.
func TestProxyHeaders(t *testing.T) {
	for version := 1; version <= 2; version++ {
		seen := make(chan string, 10)
		back := server(t, "x")
		cfg := settings(back)
		cfg.Groups[0].ProxyHeader = version
		cfg.Listeners[0].ProxyHeader = true
		inner := settings()
		inner.Listeners[0].ProxyHeader = true
		inner.Listeners[0].Options = config.Options{ForwardedFor: config.Append}
		end := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header.Get("X-Forwarded-For") }))
		defer end.Close()
		inner.Groups[0].Targets = []config.Target{{ID: "end", Address: address(end)}}
		in := start(t, inner, nil)
		cfg.Groups[0].Targets[0].Address = in.Addresses()[0]
		out := start(t, cfg, nil)
		for _, client := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.1"} {
			c, rd := out.dial(t)
			fmt.Fprintf(c, "PROXY TCP4 %s 198.51.100.1 1234 80\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", client)
			for range 2 {
				if lines := head(t, rd); len(lines) == 0 || lines[0] != "HTTP/1.1 200 OK" {
					t.Fatalf("%q", lines)
				}
				if got := <-seen; got != client+", "+client { // each balancer adds what it was told
					t.Errorf("version %d: the end saw %q for %s", version, got, client)
				}
			}
		}
		c, rd := out.dial(t)
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if n, err := rd.ReadByte(); err == nil {
			t.Errorf("a connection without a header was answered: %q", n)
		}
	}
}

// selfSigned writes a certificate and its key into one file.
func selfSigned(t *testing.T, file, name string, ends time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: ends.Add(-48 * time.Hour), NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A successor takes the socket over from a balancer whose clients speak HTTP/2: they are told to go, and none of their
// requests fails.
func TestTakeoverWithHTTP2(t *testing.T) {
	for name, way := range ways(t) {
		if !strings.HasPrefix(name, "HTTP/2.0") {
			continue
		}
		cfg := settings(server(t, "one"))
		way.change(&cfg)
		next, err := New(cfg, Options{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := New(cfg, Options{Linger: 200 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Listen(); err != nil {
			t.Fatal(err)
		}
		file, err := b.Listeners()[0].(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		again, err := net.FileListener(file)
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
		if err := next.ListenOn([]net.Listener{again}); err != nil {
			t.Fatal(err)
		}
		serve := func(b *Balancer) (stop func()) {
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- b.Serve(ctx) }()
			return func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		}
		stopOld := serve(b)
		url := way.scheme + "://" + b.Addresses()[0]
		client := &http.Client{Transport: way.transport}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var sent, failed atomic.Int64
		for range 8 {
			wg.Go(func() {
				for ctx.Err() == nil {
					sent.Add(1)
					res, err := client.Get(url)
					if err != nil {
						t.Log(err)
						failed.Add(1)
						continue
					}
					_, _ = io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			})
		}
		await(t, "traffic", func() bool { return sent.Load() > 500 })
		stopNext := serve(next)
		stopOld()
		before := sent.Load()
		await(t, "more traffic", func() bool { return sent.Load() > before+500 })
		cancel()
		wg.Wait()
		client.CloseIdleConnections()
		if failed.Load() > 0 || next.Stats().Requests == 0 {
			t.Errorf("%s: %d of %d failed, the successor saw %d", name, failed.Load(), sent.Load(), next.Stats().Requests)
		}
		stopNext()
	}
}
