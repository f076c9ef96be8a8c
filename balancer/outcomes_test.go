package balancer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// outcome is one way in which an exchange may end.
type outcome struct {
	name   string
	target func(c net.Conn, r *bufio.Reader) // of both targets; nil when change sets them
	change func(*testing.T, *config.Config)
	client func(*testing.T, *running) // makes one request, and sees to it that it ends
	status int                        // in the access log
	cause  string                     // there, or causes with | between them
	dial   func(ctx context.Context, address string) (net.Conn, error)
	ejects bool // three in a row take the target out
}

// request is a client that sends a request and reads what it is answered until the connection ends or the answer is whole.
func request(text string) func(*testing.T, *running) {
	return func(t *testing.T, r *running) {
		c, rd := r.dial(t)
		if _, err := io.WriteString(c, text); err != nil {
			t.Error(err)
		}
		if res, err := http.ReadResponse(rd, nil); err == nil { // an answer that was cut off may be lost
			_, _ = io.Copy(io.Discard, res.Body)
		}
		c.Close()
	}
}

const plainGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// reading is a target that reads the head of a request and then does something once.
func reading(then func(c net.Conn, r *bufio.Reader)) func(c net.Conn, r *bufio.Reader) {
	return func(c net.Conn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err == nil {
			then(c, r)
		}
	}
}

// saying is a target that answers any head with the same bytes, and resets the connection.
func saying(text string) func(c net.Conn, r *bufio.Reader) {
	return reading(func(c net.Conn, _ *bufio.Reader) {
		_, _ = io.WriteString(c, text)
		if text == "" {
			_ = c.(*net.TCPConn).SetLinger(0)
		}
	})
}

// mute is a target that reads whatever comes and never answers.
func mute(_ net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) }

// deaf is a target that reads nothing, as long as the test runs.
func deaf(t *testing.T) func(c net.Conn, r *bufio.Reader) {
	return func(net.Conn, *bufio.Reader) { <-t.Context().Done() }
}

// endless is a target that answers without end.
func endless(c net.Conn, _ *bufio.Reader) {
	if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"); err != nil {
		return
	}
	for piece := make([]byte, 64<<10); ; {
		if _, err := c.Write(piece); err != nil {
			return
		}
	}
}

// underWay waits until the first target that is in has a request.
func underWay(t *testing.T, r *running) {
	t.Helper()
	await(t, "the request to be under way", func() bool {
		for _, s := range r.Stats().Groups["web"] {
			if s.InFlight > 0 {
				return true
			}
		}
		return false
	})
}

// begins is a client that sends the beginning of a request, waits until the target has it, goes on with the rest, and then
// reads what it is answered; with abort it does not, but resets the connection.
func begins(text, rest string, abort bool) func(*testing.T, *running) {
	return func(t *testing.T, r *running) {
		c, rd := r.dial(t)
		_, _ = io.WriteString(c, text)
		underWay(t, r)
		_, _ = io.WriteString(c, rest)
		if abort {
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
			return
		}
		if res, err := http.ReadResponse(rd, nil); err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
		}
		c.Close()
	}
}

// fill is a client that sends a request with a body for as long as it is taken, and reads nothing meanwhile.
func fill(head string, chunked bool) func(*testing.T, *running) {
	return func(t *testing.T, r *running) {
		c, _ := r.dial(t)
		defer c.Close()
		if _, err := io.WriteString(c, head); err != nil {
			t.Error(err)
		}
		piece := bytes.Repeat([]byte("x"), 64<<10)
		if chunked {
			piece = []byte("10000\r\n" + string(piece) + "\r\n")
		}
		for {
			if _, err := c.Write(piece); err != nil {
				return
			}
		}
	}
}

// expects is a client that holds a body of five bytes back until it is told to go on, sends what it is given of it then, and is answered
// with a status.
func expects(body, status string) func(*testing.T, *running) {
	return func(t *testing.T, r *running) {
		c, rd := r.dial(t)
		defer c.Close()
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
		if lines := head(t, rd); lines[0] != "HTTP/1.1 100 Continue" {
			t.Errorf("before the body: %q", lines)
			return
		}
		_, _ = io.WriteString(c, body)
		if lines := head(t, rd); !strings.HasPrefix(lines[0], "HTTP/1.1 "+status+" ") {
			t.Errorf("%q", lines)
		}
	}
}

// half reads a little of an answer without end, and then does something.
func half(then func(c net.Conn, rd *bufio.Reader)) func(*testing.T, *running) {
	return func(t *testing.T, r *running) {
		c, rd := r.dial(t)
		defer c.Close()
		_, _ = io.WriteString(c, plainGet)
		if _, err := http.ReadResponse(rd, nil); err != nil {
			t.Error(err)
		}
		then(c, rd)
	}
}

func reset(c net.Conn, _ *bufio.Reader) { _ = c.(*net.TCPConn).SetLinger(0) }

func timeouts(set func(front *config.FrontTimeouts, target *config.TargetTimeouts)) func(*testing.T, *config.Config) {
	return func(_ *testing.T, cfg *config.Config) { set(&cfg.Listeners[0].Timeouts, &cfg.Groups[0].Timeouts) }
}

func withStatus(code int) func(c net.Conn, r *bufio.Reader) {
	return answering(fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nno", code))
}

const (
	short = 150 * time.Millisecond
	long  = 30 * time.Second
)

// handlerTargets are two targets of net/http that speak HTTP/2.
func handlerTargets(h http.HandlerFunc, server func(*http.Server)) func(*testing.T, *config.Config) {
	return func(t *testing.T, cfg *config.Config) {
		cfg.Groups[0].HTTP2 = true
		for i := range 2 {
			s := httptest.NewUnstartedServer(h)
			s.Config.Protocols = &http.Protocols{}
			s.Config.Protocols.SetUnencryptedHTTP2(true)
			if server != nil {
				server(s.Config)
			}
			s.Start()
			t.Cleanup(s.Close)
			cfg.Groups[0].Targets = append(cfg.Groups[0].Targets, config.Target{ID: fmt.Sprint("raw-", i+1), Address: address(s)})
		}
	}
}

// slowUpload is a client that sends a body slowly and steadily, and is answered with a status.
func slowUpload(status string) func(*testing.T, *running) {
	return func(t *testing.T, r *running) {
		c, rd := r.dial(t)
		defer c.Close()
		_, _ = io.WriteString(c, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
		for range 10 {
			time.Sleep(2 * short / 3) // ten of them are more than twice the target's time
			_, _ = c.Write([]byte("x"))
		}
		if lines := head(t, rd); !strings.HasPrefix(lines[0], "HTTP/1.1 "+status+" ") {
			t.Errorf("%q", lines)
		}
	}
}

// refusingStreams is a target of HTTP/2 that refuses every stream, saying that it has not acted on it.
func refusingStreams(c net.Conn, r *bufio.Reader) {
	serveFrames(c, r, nil, func(f *http2.Framer, frame http2.Frame) {
		if frame.Header().Type == http2.FrameHeaders {
			_ = f.WriteGoAway(0, http2.ErrCodeNo, nil)
		}
	})
}

// changing is a target that changes the protocol when it is asked to, and else waits for a body.
func changing(c net.Conn, r *bufio.Reader) {
	req, err := http.ReadRequest(r)
	if err == nil && req.Header.Get("Upgrade") != "" {
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	}
	mute(c, r)
}

// ofTargets are the ways in which a target fails: they count.
func ofTargets() []outcome {
	large := "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 20000) + "\r\n\r\n"
	return []outcome{
		{name: "refused", change: func(t *testing.T, cfg *config.Config) {
			cfg.Groups[0].Targets = []config.Target{{ID: "raw-1", Address: refusing(t)}, {ID: "raw-2", Address: refusing(t)}}
		}, client: request(plainGet), status: 502, cause: "connect", ejects: true},
		{name: "no address of this machine leads there", change: func(_ *testing.T, cfg *config.Config) {
			cfg.Groups[0].Targets = []config.Target{{ID: "raw-1", Address: "[fe80::1]:80"}, {ID: "raw-2", Address: "[fe80::2]:80"}}
		}, dial: without(syscall.EADDRNOTAVAIL), client: request(plainGet), status: 502, cause: "connect", ejects: true},
		{name: "HTTP/2: no address of this machine leads there", change: func(_ *testing.T, cfg *config.Config) {
			cfg.Groups[0].Targets = []config.Target{{ID: "raw-1", Address: "[fe80::1]:80"}, {ID: "raw-2", Address: "[fe80::2]:80"}}
			cfg.Groups[0].HTTP2 = true
		}, dial: without(syscall.EADDRNOTAVAIL), client: request(plainGet), status: 502, cause: "connect", ejects: true},
		{name: "reset before the head", target: saying(""), client: request(plainGet), status: 502, cause: "broken", ejects: true},
		{name: "reset in the head", target: saying("HTTP/1.1 200 OK\r\nA: "), client: request(plainGet), status: 502, cause: "broken", ejects: true},
		{name: "ended in the body", target: saying("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), client: request(plainGet), status: 200, cause: "broken", ejects: true},
		{name: "reset in the request's body", target: saying(""), client: request(unfinished), status: 502, cause: "broken", ejects: true},
		{name: "malformed head", target: saying("garbage\r\n\r\n"), client: request(plainGet), status: 502, cause: "broken", ejects: true},
		{name: "NUL in the head", target: saying("HTTP/1.1 200 OK\r\nA: \x00\r\nContent-Length: 0\r\n\r\n"), client: request(plainGet), status: 502, cause: "broken", ejects: true},
		{name: "malformed chunk", target: saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabXX"), client: request(plainGet), status: 502, cause: "broken", ejects: true},
		{name: "head too large", target: saying(large), client: request(plainGet), status: 502, cause: "broken", ejects: true},
		{name: "no answer in time", target: mute, change: timeouts(func(_ *config.FrontTimeouts, x *config.TargetTimeouts) { x.Response = short }), client: request(plainGet), status: 504, cause: "timeout", ejects: true},
		{name: "no answer in time to a slow body", target: mute, change: timeouts(func(_ *config.FrontTimeouts, x *config.TargetTimeouts) { x.Response = short }), client: slowUpload("504"), status: 504, cause: "timeout", ejects: true},
		{name: "no TLS", target: answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), change: func(_ *testing.T, cfg *config.Config) { cfg.Groups[0].TLS = &config.TargetTLS{Insecure: true} }, client: request(plainGet), status: 502, cause: "connect", ejects: true},
		{name: "no handshake in time", target: mute, change: func(_ *testing.T, cfg *config.Config) {
			cfg.Groups[0].TLS, cfg.Groups[0].Timeouts.Connect = &config.TargetTLS{Insecure: true}, short
		}, client: request(plainGet), status: 504, cause: "connect_timeout", ejects: true},
		{name: "silence in the body", target: reading(func(c net.Conn, r *bufio.Reader) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
			mute(c, r)
		}), change: timeouts(func(_ *config.FrontTimeouts, x *config.TargetTimeouts) { x.Response = short }), client: request(plainGet), status: 200, cause: "timeout", ejects: true},
		{name: "exchange over, waiting for the target", target: mute, change: timeouts(func(_ *config.FrontTimeouts, x *config.TargetTimeouts) { x.Exchange = short }), client: request(plainGet), status: 504, cause: "timeout", ejects: true},
		{name: "silence after 100 Continue", target: mute, change: timeouts(func(_ *config.FrontTimeouts, x *config.TargetTimeouts) { x.Response = short }),
			client: expects("hello", "504"), status: 504, cause: "timeout", ejects: true},
		{name: "body not taken", change: func(t *testing.T, cfg *config.Config) {
			*cfg = raws(rawTarget(t, deaf(t)), rawTarget(t, deaf(t)))
			cfg.Groups[0].Timeouts.Response = short
		},
			client: fill("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n", false), status: 504, cause: "timeout", ejects: true},
		{name: "500", target: withStatus(500), client: request(plainGet), status: 500, ejects: true},
		{name: "502", target: withStatus(502), client: request(plainGet), status: 502, ejects: true},
		{name: "503", target: withStatus(503), client: request(plainGet), status: 503, ejects: true},
		{name: "504", target: withStatus(504), client: request(plainGet), status: 504, ejects: true},
		{name: "HTTP/2: reset", change: handlerTargets(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil), client: request(plainGet), status: 502, cause: "broken", ejects: true},
		{name: "HTTP/2: contradictory lengths", change: func(t *testing.T, cfg *config.Config) {
			x := framing(func(_ net.Conn, f *http2.Framer, id uint32) {
				answerFrame(f, id, ":status", "200", "content-length", "2", "content-length", "3")
			})
			*cfg = raws(rawTarget(t, x), rawTarget(t, x))
			cfg.Groups[0].HTTP2 = true
		}, client: request(plainGet), status: 502, cause: "broken", ejects: true},
		{name: "HTTP/2: head too large", change: handlerTargets(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("A", strings.Repeat("a", 100_000)) }, nil), client: request(plainGet), status: 502, cause: "broken", ejects: true},
	}
}

// ofClients are the ways in which a client, or nobody, ends an exchange: they say nothing about the target.
func ofClients() []outcome {
	echoing := reading(func(c net.Conn, r *bufio.Reader) {
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"); err == nil {
			_, _ = io.Copy(c, r)
		}
	})
	const chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
	echoes := handlerTargets(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(w, r.Body); err != nil || r.Host == "" {
			panic(http.ErrAbortHandler)
		}
	}, nil)
	const upload = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc"
	const chunks = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
	return []outcome{
		{name: "answered", target: withStatus(200), client: request(plainGet), status: 200},
		{name: "404", target: withStatus(404), client: request(plainGet), status: 404},
		{name: "gone while it waits", target: mute, client: begins(plainGet, "", true), status: 460, cause: "client_gone"},
		{name: "gone in its body", target: mute, client: begins(upload, "", true), status: 460, cause: "client_gone"},
		{name: "gone in a chunk", target: mute, client: begins(chunks, "5\r\na", true), status: 460, cause: "client_gone"},
		{name: "malformed chunk", target: mute, client: begins(chunks, "nonsense\r\n", false), status: 400, cause: "malformed"},
		{name: "body too large", target: mute, change: func(_ *testing.T, cfg *config.Config) { cfg.Listeners[0].Limits.Body = 1000 },
			client: begins(chunks, "400\r\n"+strings.Repeat("x", 1024)+"\r\n", false), status: 413, cause: "body_too_large"},
		{name: "stalled body", target: mute, change: timeouts(func(f *config.FrontTimeouts, x *config.TargetTimeouts) { f.Body, x.Response = 2*short, short }),
			client: begins(upload, "", false), status: 408, cause: "slow"},
		{name: "slow, steady body", target: answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), change: timeouts(func(_ *config.FrontTimeouts, x *config.TargetTimeouts) { x.Response = 3 * short }),
			client: slowUpload("200"), status: 200},
		{name: "slow body, exchange over", target: mute, change: timeouts(func(_ *config.FrontTimeouts, x *config.TargetTimeouts) { x.Exchange = short }),
			client: begins(upload, "", false), status: 408, cause: "slow"},
		{name: "expects and never sends", target: reading(func(c net.Conn, r *bufio.Reader) {
			_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			mute(c, r)
		}), change: timeouts(func(f *config.FrontTimeouts, x *config.TargetTimeouts) { f.Body, x.Response = 2*short, short }), client: expects("", "408"), status: 408, cause: "slow"},
		{name: "expects and never sends, and the target waits in silence", target: mute, change: timeouts(func(f *config.FrontTimeouts, x *config.TargetTimeouts) { f.Body, x.Response = short, short }),
			client: expects("", "408"), status: 408, cause: "slow"},
		{name: "expects and never sends, exchange over", target: mute, change: timeouts(func(_ *config.FrontTimeouts, x *config.TargetTimeouts) { x.Exchange = 2 * short }),
			client: expects("", "408"), status: 408, cause: "slow"},
		{name: "HTTP/2: expects and never sends, and the target waits in silence", change: func(t *testing.T, cfg *config.Config) {
			silent := func(c net.Conn, r *bufio.Reader) { serveFrames(c, r, nil, func(*http2.Framer, http2.Frame) {}) }
			*cfg = raws(rawTarget(t, silent), rawTarget(t, silent))
			cfg.Groups[0].HTTP2, cfg.Groups[0].Timeouts.Response, cfg.Listeners[0].Timeouts.Body = true, short, short
		}, client: expects("", "408"), status: 408, cause: "slow"},
		{name: "gone while it waits, with another request behind", target: mute, client: begins(plainGet+plainGet, "", true), status: 460, cause: "client_gone"},
		{name: "gone while it waits, with an empty line behind", target: mute, client: func(t *testing.T, r *running) {
			c, _ := r.dial(t)
			_, _ = io.WriteString(c, plainGet+"\r\n")
			underWay(t, r)
			c.Close()
		}, status: 460, cause: "client_gone"},
		{name: "gone in the answer", target: reading(endless), client: half(reset), status: 460, cause: "client_gone"},
		{name: "gone in body and answer", target: echoing, client: func(t *testing.T, r *running) {
			c, rd := r.dial(t)
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\nabc")
			_, err := http.ReadResponse(rd, nil)
			if err != nil {
				t.Error(err)
			}
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}, status: 460, cause: "client_gone"},
		{name: "answer not taken", target: reading(endless), change: timeouts(func(f *config.FrontTimeouts, _ *config.TargetTimeouts) { f.Write = short }),
			client: half(func(c net.Conn, _ *bufio.Reader) { untilHungUp(c) }), status: 408, cause: "slow"},
		{name: "answer to a body not taken", target: echoing, change: timeouts(func(f *config.FrontTimeouts, x *config.TargetTimeouts) { f.Write, x.Response = 8*short, 4*short }),
			client: fill("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n", false), status: 408, cause: "slow"},
		{name: "slow reader, exchange over", target: reading(endless), change: timeouts(func(_ *config.FrontTimeouts, x *config.TargetTimeouts) { x.Exchange = 10 * short }),
			client: half(func(c net.Conn, rd *bufio.Reader) {
				for b := make([]byte, 4096); ; time.Sleep(10 * time.Millisecond) {
					if _, err := rd.Read(b); err != nil {
						return
					}
				}
			}), status: 408, cause: "slow"},
		{name: "URL comes back too large", target: func(c net.Conn, r *bufio.Reader) {
			if req, err := http.ReadRequest(r); err == nil {
				fmt.Fprintf(c, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", strings.ReplaceAll(req.URL.Path, "a", "%61"))
			}
		}, client: request("GET /" + strings.Repeat("a", 10<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n"), status: 502, cause: "broken"},
		{name: "HTTP/2: request's head beyond the target's limit", change: handlerTargets(func(http.ResponseWriter, *http.Request) {}, func(s *http.Server) { s.MaxHeaderBytes = 8 << 10 }),
			client: request("GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: "+strings.Repeat("a", 1000)+"\r\n", 20) + "\r\n"), status: 431, cause: "head_too_large|"},
		{name: "HTTP/2: request's head grows beyond our limit", change: func(t *testing.T, cfg *config.Config) {
			handlerTargets(func(http.ResponseWriter, *http.Request) {}, nil)(t, cfg)
			cfg.Listeners[0].Options.Via = strings.Repeat("v", 300)
		}, client: request("GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: "+strings.Repeat("a", 1019)+"\r\n", 63) + "B: " + strings.Repeat("b", http1.MaxHead-63*1024-100) + "\r\n\r\n"), status: 200},
		{name: "HTTP/2: URL comes back too large", change: handlerTargets(func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Location"] = []string{strings.ReplaceAll(r.URL.Path, "a", "%61%61%61")}
		}, nil), client: request("GET /" + strings.Repeat("a", 10<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n"), status: 502, cause: "broken"},
		{name: "HTTP/2: no Host", change: echoes, client: request("GET / HTTP/1.0\r\n\r\n"), status: 200},
		{name: "HTTP/2: an empty Host", change: echoes, client: request("GET / HTTP/1.1\r\nHost:\r\n\r\n"), status: 200},
		{name: "HTTP/2: a trailer that names itself", change: echoes, client: request(chunked + "Trailer: Trailer\r\n\r\n0\r\n\r\n"), status: 200},
		{name: "HTTP/2: a trailer of no names", change: echoes, client: request(chunked + "Trailer: a b, \xe9, \"\r\n\r\n0\r\n\r\n"), status: 200},
		{name: "HTTP/2: a request that can't be sent", change: func(t *testing.T, cfg *config.Config) {
			echoes(t, cfg)
			cfg.Groups[0].Host = "no host"
		}, client: request(plainGet), status: 400, cause: "malformed"},
		{name: "HTTP/2: refused with its body under way", change: func(t *testing.T, cfg *config.Config) {
			*cfg = raws(rawTarget(t, refusingStreams), rawTarget(t, refusingStreams))
			cfg.Groups[0].HTTP2 = true
		}, client: request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"), status: 502, cause: "broken"},
		{name: "asks for another protocol and announces a body", target: changing, change: timeouts(func(f *config.FrontTimeouts, _ *config.TargetTimeouts) { f.Body = short }),
			client: request("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 5\r\n\r\n"), status: 408, cause: "slow"},
		{name: "stream reset while it waits", target: mute, client: streams("GET", func(_ *testing.T, s *rawStreams) { _ = s.WriteRSTStream(1, http2.ErrCodeCancel) }, false), status: 460, cause: "client_gone"},
		{name: "stream reset in its body", target: mute, client: streams("POST", func(_ *testing.T, s *rawStreams) {
			_ = s.WriteData(1, false, []byte("abc"))
			_ = s.WriteRSTStream(1, http2.ErrCodeCancel)
		}, false), status: 460, cause: "client_gone"},
		{name: "stream reset in body and answer", target: echoing, client: streams("POST", func(t *testing.T, s *rawStreams) {
			_ = s.WriteData(1, false, []byte("abc"))
			s.await(t, http2.FrameData)
			_ = s.WriteRSTStream(1, http2.ErrCodeCancel)
		}, false), status: 460, cause: "client_gone"},
		{name: "stream without a window", target: reading(endless), change: timeouts(func(f *config.FrontTimeouts, _ *config.TargetTimeouts) { f.Write = short }),
			client: streams("GET", func(t *testing.T, s *rawStreams) { s.await(t, http2.FrameRSTStream) }, true), status: 408, cause: "slow"},
	}
}

// Which endings count against a target: each is brought about five times, with a target that three failures in a row take
// out. The failures of targets eject, and nothing that clients do.
func TestOutcomes(t *testing.T) {
	for _, o := range slices.Concat(ofTargets(), ofClients(), blameless()) {
		kind := "clients"
		if o.ejects {
			kind = "targets"
		}
		t.Run(kind+"/"+o.name, func(t *testing.T) {
			t.Parallel()
			cfg := settings()
			if o.target != nil {
				cfg = raws(rawTarget(t, o.target), rawTarget(t, o.target))
			}
			if o.change != nil {
				o.change(t, &cfg)
			}
			g := &cfg.Groups[0]
			g.Strategy = spec.Written{Kind: "first"}
			g.Outliers = &health.OutlierConfig{Consecutive: 3, EjectFor: time.Hour, MaxEjectFor: time.Hour, MaxEjected: .5}
			var mu sync.Mutex
			var log bytes.Buffer
			r := startWith(t, cfg, Options{Dial: o.dial, Access: &Log{To: slog.New(slog.NewJSONHandler(locked{&mu, &log}, nil)), Share: 1}})
			lines := func() []string {
				mu.Lock()
				defer mu.Unlock()
				return strings.Split(log.String(), "\n")
			}
			for i := range 5 {
				o.client(t, r)
				await(t, "the access log", func() bool { return len(lines()) > i+1 })
			}
			for _, line := range lines()[:5] {
				var got struct {
					Status        int
					Cause, Reason string
				}
				if err := json.Unmarshal([]byte(line), &got); err != nil || got.Status != o.status || !slices.Contains(strings.Split(o.cause, "|"), got.Cause) {
					t.Errorf("%v %s", err, line)
				}
			}
			t.Logf("%.300s", lines()[0])
			if got := r.has("raw-1 ejected"); got != o.ejects {
				t.Errorf("ejected: %v, %v", got, r.states)
			}
		})
	}
}
