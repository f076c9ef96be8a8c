package balancer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// windowless is a target of HTTP/2 that gives its streams no window, so that it takes nothing of a body.
func windowless(c net.Conn, r *bufio.Reader) {
	serveFrames(c, r, []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 0}}, func(*http2.Framer, http2.Frame) {})
}

// deafTLS is a target that shakes hands and then reads nothing.
func deafTLS(t *testing.T) func(c net.Conn, r *bufio.Reader) {
	s := httptest.NewTLSServer(nil)
	t.Cleanup(s.Close)
	cfg := &tls.Config{Certificates: s.TLS.Certificates}
	return func(c net.Conn, r *bufio.Reader) {
		if tls.Server(c, cfg).Handshake() == nil {
			deaf(t)(c, r)
		}
	}
}

// A target that takes nothing of a request's body: 504, however it is spoken to, and whether the body is kept or passed on
// as it comes.
func TestBodiesThatAreNotTaken(t *testing.T) {
	for name, x := range map[string]struct {
		target func(t *testing.T) func(c net.Conn, r *bufio.Reader)
		change func(*config.Group)
	}{
		"HTTP/1.1":          {deaf, func(*config.Group) {}},
		"HTTP/1.1 over TLS": {deafTLS, func(g *config.Group) { g.TLS = &config.TargetTLS{Insecure: true} }},
		"HTTP/2":            {func(*testing.T) func(net.Conn, *bufio.Reader) { return windowless }, func(g *config.Group) { g.HTTP2 = true }},
	} {
		for _, spooled := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", spooled ", spooled), func(t *testing.T) {
				t.Parallel()
				const size = 12 << 20 // more than the kernel's buffers of both sides
				cfg := raws(rawTarget(t, x.target(t)))
				x.change(&cfg.Groups[0])
				cfg.Groups[0].Timeouts.Response = 2 * short
				if spooled {
					cfg.Groups[0].Retry = &group.Retry{Attempts: 1, On: group.OnError, Spool: 16 << 20}
				}
				r := start(t, cfg, nil)
				c, rd := r.dial(t)
				go func() { // the answer may come before the end of the body
					_, _ = fmt.Fprintf(c, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", size)
					_, _ = c.Write(make([]byte, size))
				}()
				lines := head(t, rd)
				if !strings.HasPrefix(lines[0], "HTTP/1.1 504 ") {
					t.Errorf("%q", lines)
				}
				await(t, "the group to be told", func() bool { return r.has("raw-1 trouble") })
			})
		}
	}
}

// A target that takes a body slowly but steadily is left its time, and so is its answer afterwards; the time for that
// begins when it has the whole request.
func TestSlowTargets(t *testing.T) {
	x := rawTarget(t, func(c net.Conn, _ *bufio.Reader) {
		n, want := 0, 8<<20
		for b := make([]byte, 256<<10); n < want; time.Sleep(short / 3) {
			k, err := io.ReadFull(c, b)
			if err != nil {
				return
			}
			n += k
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
	cfg := raws(x)
	cfg.Groups[0].Timeouts.Response = 5 * short // it takes twice as long
	r := start(t, cfg, nil)
	c, rd := r.dial(t)
	if _, err := fmt.Fprintf(c, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", 8<<20, make([]byte, 8<<20)); err != nil {
		t.Fatal(err)
	}
	if lines := head(t, rd); !strings.HasPrefix(lines[0], "HTTP/1.1 200 ") {
		t.Errorf("%q", lines)
	}
}

// narrow is a listener whose connections hold little of what is sent.
type narrow struct{ net.Listener }

func (l narrow) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		err = c.(*net.TCPConn).SetWriteBuffer(64 << 10)
	}
	return c, err
}

// trickle is a connection that is read slowly and steadily.
type trickle struct{ net.Conn }

func (c trickle) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), 8<<10)])
	time.Sleep(time.Duration(n) * 8 * time.Microsecond) // 128 kB a second
	return n, err
}

// startOn is start on a listener of the test's own.
func startOn(t *testing.T, cfg config.Config, l net.Listener, opts Options) *running {
	t.Helper()
	b, err := New(cfg, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.ListenOn([]net.Listener{l}); err != nil {
		t.Fatal(err)
	}
	r := &running{Balancer: b, url: "http://" + b.Addresses()[0]}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Serve(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// A client that takes its answer slowly but steadily gets all of it, in whatever version of HTTP, although a piece of it
// takes longer than timeouts.write.
func TestSlowReadersAreKept(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 48<<10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	for name, way := range ways(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := settings(s)
			cfg.Listeners[0].Timeouts.Write = 10 * short // it takes 2 s for 256 KiB
			way.change(&cfg)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			r := startOn(t, cfg, narrow{l}, Options{})
			transport := way.transport.(*http.Transport).Clone()
			defer transport.CloseIdleConnections()
			transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				// Segments as small as on a network: with loopback's of 64 KiB the window stays shut for a second.
				d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) (err error) {
					if e := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, 1400) }); e != nil {
						return e
					}
					return err
				}}
				c, err := d.DialContext(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return trickle{c}, c.(*net.TCPConn).SetReadBuffer(32 << 10)
			}
			res, err := (&http.Client{Transport: transport, Timeout: 30 * time.Second}).Get(way.scheme + "://" + r.Addresses()[0])
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if got, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(got, body) {
				t.Errorf("%d of %d bytes, %v", len(got), len(body), err)
			}
		})
	}
}

// A tunnel in which nothing passes ends; one that is used in one direction only does not.
func TestIdleTunnels(t *testing.T) {
	for _, secure := range []bool{false, true} {
		ended := make(chan struct{})
		x := rawTarget(t, reading(func(c net.Conn, r *bufio.Reader) {
			defer close(ended)
			fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
			mute(c, r)
		}))
		cfg := raws(x)
		cfg.Groups[0].Timeouts.Tunnel = 8 * short
		if secure {
			cfg.Listeners[0].TLS = &config.TLS{Auto: t.TempDir()}
		}
		r := start(t, cfg, nil)
		c, rd := r.dial(t)
		if secure {
			c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
			rd = bufio.NewReader(c)
		}
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
		head(t, rd)
		for range 30 { // more than its idle time in all
			time.Sleep(short / 3)
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatalf("a tunnel in use ended: %v", err)
			}
		}
		select {
		case <-ended:
			t.Error("a tunnel in use ended")
		default:
		}
		if _, err := rd.ReadByte(); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		<-ended
		r.stop()
	}
}

// A connection on which HTTP/2 was agreed upon, or seems to begin, and nothing more comes ends with the header's time.
func TestPrefacesThatDoNotCome(t *testing.T) {
	for _, said := range []string{"", "PRI * HT"} {
		for _, secure := range []bool{true, false} {
			if said == "" && !secure {
				continue // a connection on which nothing was said is idle
			}
			cfg := settings(server(t, "a"))
			cfg.Listeners[0].Timeouts = config.FrontTimeouts{Header: short, Idle: time.Hour}
			if secure {
				cfg.Listeners[0].TLS = &config.TLS{Auto: t.TempDir()}
			}
			r := start(t, cfg, nil)
			c, _ := r.dial(t)
			if secure {
				c = tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
			}
			if _, err := io.WriteString(c, said); err != nil {
				t.Fatal(err)
			}
			if said == "" {
				if err := c.(*tls.Conn).Handshake(); err != nil {
					t.Fatal(err)
				}
			}
			var late net.Error
			if _, err := io.Copy(io.Discard, c); errors.As(err, &late) && late.Timeout() {
				t.Errorf("after %q, TLS %v: %v", said, secure, err)
			}
			await(t, "the refusal to be counted", func() bool { return r.Stats().Refused == 1 })
			r.stop()
		}
	}
}

// Whatever is stuck, a balancer that is told to stop has stopped soon after its grace.
func TestGraceBoundsWhatIsStuck(t *testing.T) {
	patient := func(cfg *config.Config) { // no other time bounds anything
		const hour = time.Hour
		cfg.Groups[0].Timeouts = config.TargetTimeouts{Connect: hour, Response: hour}
		cfg.Listeners[0].Timeouts = config.FrontTimeouts{Idle: hour, Header: hour, Body: hour, Write: hour}
	}
	write := func(text string, more int) func(*testing.T, *running) {
		return func(t *testing.T, r *running) {
			c, _ := r.dial(t)
			_, _ = io.WriteString(c, text)
			go func() { _, _ = c.Write(make([]byte, more)) }()
			underWay(t, r)
		}
	}
	upgraded := reading(func(c net.Conn, r *bufio.Reader) {
		fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
		mute(c, r)
	})
	spool := func(g *config.Group) { g.Retry = &group.Retry{Attempts: 1, On: group.OnError, Spool: 16 << 20} }
	const large = 12 << 20
	put := fmt.Sprintf("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", large)
	for _, x := range []struct {
		name   string
		target func(c net.Conn, r *bufio.Reader) // nil for a deaf one
		change func(*config.Group, *config.Listener)
		client func(*testing.T, *running)
	}{
		{"a target that never answers", mute, nil, write(plainGet, 0)},
		{"an upload that stalls", mute, nil, write("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", 0)},
		{"a target that takes nothing of a body that was kept", nil, func(g *config.Group, _ *config.Listener) { spool(g) }, write(put, large)},
		{"a target that takes nothing of a body that is passed on", nil, nil, write(put, large)},
		{"a target of HTTP/2 that takes nothing of a body that was kept", windowless, func(g *config.Group, _ *config.Listener) {
			g.HTTP2 = true
			spool(g)
		}, write(put, large)},
		{"a target that never shakes hands", mute, func(g *config.Group, _ *config.Listener) { g.TLS = &config.TargetTLS{Insecure: true} }, write(plainGet, 0)},
		{"a target of HTTP/2 that never shakes hands", mute, func(g *config.Group, _ *config.Listener) { g.TLS, g.HTTP2 = &config.TargetTLS{Insecure: true}, true }, write(plainGet, 0)},
		{"a client that takes nothing of its answer", reading(endless), nil, write(plainGet, 0)},
		{"a tunnel", upgraded, nil, write("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", 0)},
		{"a client that never shakes hands", mute, func(_ *config.Group, l *config.Listener) { l.TLS = &config.TLS{Auto: "auto"} }, func(t *testing.T, r *running) { r.dial(t) }},
		{"a stream that is not answered", mute, nil, streams("GET", func(*testing.T, *rawStreams) {}, false)},
		{"a stream without a window", reading(endless), nil, func(t *testing.T, r *running) {
			s := r.frames(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			s.open(t, 1, "GET", false)
			s.await(t, http2.FrameHeaders)
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			if x.target == nil {
				x.target = deaf(t)
			}
			cfg := raws(rawTarget(t, x.target))
			patient(&cfg)
			if x.change != nil {
				x.change(&cfg.Groups[0], &cfg.Listeners[0])
			}
			if l := &cfg.Listeners[0]; l.TLS != nil {
				l.TLS.Auto = t.TempDir()
			}
			b, err := New(cfg, Options{Grace: short})
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Listen(); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- b.Serve(ctx) }()
			x.client(t, &running{Balancer: b})
			cancel()
			select {
			case err := <-done:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(15 * time.Second):
				t.Fatal("it has not stopped")
			}
		})
	}
}

// A client that rests while its body is answered as it comes is left its time: a target that takes no more of the body
// meanwhile waits for its answer to be taken.
func TestRestingReaders(t *testing.T) {
	const size = 64 << 20 // more than the kernel's buffers on the way
	x := rawTarget(t, reading(func(c net.Conn, r *bufio.Reader) {
		if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size); err == nil {
			_, _ = io.CopyN(c, r, size)
		}
	}))
	cfg := raws(x)
	cfg.Groups[0].Timeouts.Response = 4 * short
	r := start(t, cfg, nil)
	c, rd := r.dial(t)
	if err := c.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", size)
		_, _ = c.Write(make([]byte, size))
	}()
	time.Sleep(12 * short) // more than the target's time
	res, err := http.ReadResponse(rd, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, res.Body); n != size || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	<-sent
	if r.has("raw-1 trouble") {
		t.Errorf("the target was blamed: %v", r.states)
	}
}

// A client that takes nothing of a short answer over HTTP/2 is not waited for longer than for one of a long answer.
func TestShortAnswersThatAreNotTaken(t *testing.T) {
	cfg := raws(rawTarget(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")))
	cfg.Listeners[0].Timeouts.Write = short
	r := start(t, cfg, nil)
	s := r.frames(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	s.open(t, 1, "GET", false)
	s.await(t, http2.FrameRSTStream)
}

// The time of an exchange bounds what its client may take, in either version, so that the target is there for others again.
func TestExchangesThatAreNotTaken(t *testing.T) {
	for name, client := range map[string]func(t *testing.T, r *running){
		"HTTP/1.1": func(t *testing.T, r *running) {
			c, _ := r.dial(t)
			fmt.Fprint(c, plainGet)
		},
		"HTTP/2 without a window": func(t *testing.T, r *running) {
			s := r.frames(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			s.open(t, 1, "GET", false)
			s.await(t, http2.FrameRSTStream)
		},
		"HTTP/2 and nothing read": func(t *testing.T, r *running) {
			s := r.frames(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
			_ = s.WriteWindowUpdate(0, 1<<30)
			s.open(t, 1, "GET", false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := rawTarget(t, reading(endless))
			cfg := raws(x)
			cfg.Groups[0].Timeouts.Exchange = 2 * short
			cfg.Listeners[0].Timeouts = config.FrontTimeouts{Idle: time.Hour, Write: time.Hour}
			r := start(t, cfg, nil)
			client(t, r)
			await(t, "the request to reach the target", func() bool { return x.text() != "" })
			await(t, "the target to be given back", func() bool {
				targets, _ := r.owners()[0].status()
				return targets[0].InFlight == 0
			})
		})
	}
}

// A client that takes an answer over HTTP/2 steadily, however little at a time, gets all of it.
func TestSlowStreams(t *testing.T) {
	t.Parallel()
	const size, grant = 16 << 10, 1000
	cfg := raws(rawTarget(t, answering(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, make([]byte, size)))))
	cfg.Listeners[0].Timeouts.Write = 14 * short // the whole takes more than twice as long
	r := start(t, cfg, nil)
	s := r.frames(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: grant})
	s.open(t, 1, "GET", false)
	for took := 0; took < size; {
		f, ok := s.await(t, http2.FrameData).(*http2.DataFrame)
		if !ok {
			t.Fatalf("cut after %d bytes", took)
		}
		if took += len(f.Data()); len(f.Data()) > 0 {
			time.Sleep(2 * short)
			if err := s.WriteWindowUpdate(1, grant); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A client that takes nothing of what a target of HTTP/2 says to it leaves the target to the others.
func TestInterimAnswersThatAreNotTaken(t *testing.T) {
	cfg := settings()
	handlerTargets(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hints" {
			w.Header().Set("Link", "</a.css>; x="+strings.Repeat("x", 2000))
			for range 20 {
				w.WriteHeader(http.StatusEarlyHints)
			}
		}
	}, nil)(t, &cfg)
	cfg.Groups[0].Targets = cfg.Groups[0].Targets[:1]
	r := start(t, cfg, nil)
	c, _ := r.dial(t)
	if err := c.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	for { // until nothing of it is taken any more
		_ = c.SetWriteDeadline(time.Now().Add(4 * short))
		if _, err := io.WriteString(c, "GET /hints HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			break
		}
	}
	other, rd := r.dial(t)
	fmt.Fprint(other, plainGet)
	if lines := head(t, rd); lines[0] != "HTTP/1.1 200 OK" {
		t.Errorf("%q", lines)
	}
}

// A target is not blamed for an exchange whose time another target, or the queue, has used.
func TestTimeOfOthers(t *testing.T) {
	t.Parallel()
	slow := func(c net.Conn, r *bufio.Reader) {
		for {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			time.Sleep(short)
			if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
				return
			}
		}
	}
	cfg := raws(rawTarget(t, mute), rawTarget(t, slow))
	g := &cfg.Groups[0]
	g.Strategy = spec.Written{Kind: "first"}
	g.Retry = &group.Retry{Attempts: 1, On: group.OnError, Budget: 1, Floor: 100, Spool: 1000}
	g.Timeouts = config.TargetTimeouts{Response: 8 * short, Exchange: 8*short + short/2}
	r := start(t, cfg, nil)
	for range 2 {
		c, rd := r.dial(t)
		fmt.Fprint(c, plainGet)
		if lines := head(t, rd); !strings.HasPrefix(lines[0], "HTTP/1.1 504 ") {
			t.Errorf("%q", lines)
		}
	}
	if !r.has("raw-1 trouble") || r.has("raw-2 trouble") {
		t.Errorf("%v", r.states)
	}
}
