package balancer

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// targetPatience is after how long the targets of these tests give a client up.
const targetPatience = time.Second

// unfinished is a request whose body never comes to its end.
const unfinished = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc"

// impatient is a target that ends the connection when nothing more of a request's body comes.
func impatient(c net.Conn, r *bufio.Reader) {
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	_ = c.SetReadDeadline(time.Now().Add(targetPatience))
	_, _ = io.Copy(io.Discard, req.Body)
}

// givesUpSending answers without end, and ends the connection when nothing more of the answer is taken; gaveUp is told.
func givesUpSending(gaveUp chan<- struct{}) func(net.Conn, *bufio.Reader) {
	return reading(func(c net.Conn, _ *bufio.Reader) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
		for piece := make([]byte, 64<<10); ; {
			_ = c.SetWriteDeadline(time.Now().Add(targetPatience))
			if _, err := c.Write(piece); err != nil {
				c.Close()
				gaveUp <- struct{}{}
				return
			}
		}
	})
}

// takesNothingUntil is a client that takes an answer only once the target has given up.
func takesNothingUntil(gaveUp <-chan struct{}) func(*testing.T, *running) {
	return half(func(_ net.Conn, rd *bufio.Reader) {
		<-gaveUp
		_, _ = io.Copy(io.Discard, rd)
	})
}

// eventsResponse is the response timeout for targets that answer as events do, who take twice as long.
const eventsResponse = 4 * short

// events answers bit by bit without a look at the request's body, as a stream of events does.
func events(w http.ResponseWriter, r *http.Request) {
	for began := time.Now(); time.Since(began) < 2*eventsResponse && r.Context().Err() == nil; time.Sleep(short / 3) {
		_, _ = io.WriteString(w, "data: x\n\n")
		_ = http.NewResponseController(w).Flush()
	}
}

// sendsAndReads is a client that sends more of a body than fits the buffers on its way, and reads its answer to the end meanwhile.
func sendsAndReads(t *testing.T, r *running) {
	const size = 12 << 20
	c, rd := r.dial(t)
	var sending sync.WaitGroup
	sending.Go(func() {
		_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", size)
		_, _ = c.Write(make([]byte, size))
	})
	if res, err := http.ReadResponse(rd, nil); err != nil {
		t.Error(err)
	} else if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Errorf("in the answer: %v", err)
	}
	c.Close()
	sending.Wait()
}

// framing is a target of HTTP/2 that writes frames: it is called for each request.
func framing(serve func(c net.Conn, f *http2.Framer, id uint32)) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, r *bufio.Reader) {
		if _, err := r.Discard(len(http2.ClientPreface)); err != nil {
			return
		}
		f := http2.NewFramer(c, r)
		_ = f.WriteSettings()
		for {
			frame, err := f.ReadFrame()
			if err != nil {
				return
			}
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				if !frame.IsAck() {
					_ = f.WriteSettingsAck()
				}
			case *http2.HeadersFrame:
				serve(c, f, frame.StreamID)
			}
		}
	}
}

// answerFrame answers a stream with headers alone.
func answerFrame(f *http2.Framer, id uint32, headers ...string) {
	var block strings.Builder
	enc := hpack.NewEncoder(&block)
	for i := 0; i < len(headers); i += 2 {
		_ = enc.WriteField(hpack.HeaderField{Name: headers[i], Value: headers[i+1]})
	}
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: []byte(block.String()), EndHeaders: true, EndStream: true})
}

// calming ends its connection because it is asked too much.
func calming(c net.Conn, f *http2.Framer, id uint32) {
	_ = f.WriteGoAway(id, http2.ErrCodeEnhanceYourCalm, nil)
	c.Close()
}

// leaving ends its connection in good order, without having acted on anything.
func leaving(c net.Conn, f *http2.Framer, _ uint32) {
	_ = f.WriteGoAway(0, http2.ErrCodeNo, nil)
	c.Close()
}

// without is how connections to targets are made when the balancer's own machine has nothing left for one.
func without(number syscall.Errno) func(context.Context, string) (net.Conn, error) {
	return func(_ context.Context, address string) (net.Conn, error) {
		to, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			return nil, err
		}
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: to, Err: os.NewSyscallError("connect", number)}
	}
}

// reflecting is a target that puts a request's body into a header of its answer.
func reflecting(_ net.Conn, r *bufio.Reader, say func(body string)) {
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	if body, err := io.ReadAll(req.Body); err == nil {
		say(string(body))
	}
}

// blameless are further ways in which clients, or the balancer's own machine, bring about what looks like a target's failure.
func blameless() []outcome {
	gaveUp := make(chan struct{})
	inHeader := func(c net.Conn, r *bufio.Reader) {
		reflecting(c, r, func(body string) {
			fmt.Fprintf(c, "HTTP/1.1 302 Found\r\nLocation: /%s\r\nContent-Length: 0\r\n\r\n", body)
		})
	}
	large := strings.Repeat("r", 20<<10)
	const tail = "r\r\n0\r\n\r\n"
	rows := []outcome{
		{name: "stalls in its body until the target gives up", target: impatient, client: begins(unfinished, "", false), status: 502, cause: "broken"},
		{name: "HTTP/2: stalls in its body until the target gives up", change: handlerTargets(func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(targetPatience))
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				panic(http.ErrAbortHandler)
			}
		}, nil), client: begins(unfinished, "", false), status: 502, cause: "broken"},
		{name: "sends a body that the target does not read while it answers", change: func(t *testing.T, cfg *config.Config) {
			handlerTargets(events, func(s *http.Server) { s.Protocols.SetHTTP1(true) })(t, cfg)
			cfg.Groups[0].HTTP2, cfg.Groups[0].Timeouts.Response = false, eventsResponse
		}, client: sendsAndReads, status: 200},
		{name: "HTTP/2: sends a body that the target does not read while it answers", change: func(t *testing.T, cfg *config.Config) {
			handlerTargets(events, nil)(t, cfg)
			cfg.Groups[0].Timeouts.Response = eventsResponse
		}, client: sendsAndReads, status: 200},
		{name: "takes nothing until the target gives up", target: givesUpSending(gaveUp), client: takesNothingUntil(gaveUp), status: 200, cause: "broken"},
		{name: "control bytes come back", target: reading(func(c net.Conn, _ *bufio.Reader) {
			_, _ = io.WriteString(c, "HTTP/1.1 302 Found\x7f\r\nLocation: /\x01\x7f\x1b\r\nContent-Length: 0\r\n\r\n")
		}), client: request(plainGet), status: 302},
		{name: "an escaped line break of the URL comes back", target: saying("HTTP/1.1 302 Found\r\nLocation: /r\r\nX/\r\nContent-Length: 0\r\n\r\n"),
			client: request("GET /r%0d%0aX HTTP/1.1\r\nHost: a\r\n\r\n"), status: 502, cause: "broken"},
		{name: "an escaped end of a head in the URL comes back", target: reading(func(c net.Conn, r *bufio.Reader) {
			_, _ = io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: /r\r\n\r\n/\r\nContent-Length: 0\r\n\r\n")
			mute(c, r)
		}), change: timeouts(func(_ *config.FrontTimeouts, x *config.TargetTimeouts) { x.Response = short }),
			client: request("GET /r%0D%0A%0D%0A HTTP/1.1\r\nHost: a\r\n\r\n"), status: 302, cause: "broken"},
		{name: "HTTP/2: control bytes come back", change: func(t *testing.T, cfg *config.Config) {
			x := framing(func(_ net.Conn, f *http2.Framer, id uint32) {
				answerFrame(f, id, ":status", "302", "location", "/\x01")
			})
			*cfg = raws(rawTarget(t, x), rawTarget(t, x))
			cfg.Groups[0].HTTP2 = true
		}, client: request(plainGet), status: 502, cause: "broken"},
		{name: "body comes back too large", target: inHeader, client: request(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(large), large)), status: 502, cause: "broken"},
		{name: "body that comes later comes back too large", target: inHeader, client: begins(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", len(large)+1), large+tail, false), status: 502, cause: "broken"},
		{name: "HTTP/2: body comes back far too large", change: handlerTargets(func(w http.ResponseWriter, r *http.Request) {
			if body, err := io.ReadAll(r.Body); err == nil {
				w.Header()["Location"] = []string{string(body) + string(body) + string(body)}
			}
		}, nil), client: request(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", 400<<10, strings.Repeat("r", 400<<10))), status: 502, cause: "broken"},
		{name: "HTTP/2: asks too much", change: func(t *testing.T, cfg *config.Config) {
			*cfg = raws(rawTarget(t, framing(calming)), rawTarget(t, framing(calming)))
			cfg.Groups[0].HTTP2 = true
		}, client: request(plainGet), status: 502, cause: "broken"},
		{name: "HTTP/2: the target leaves before it acts", change: func(t *testing.T, cfg *config.Config) {
			*cfg = raws(rawTarget(t, framing(leaving)), rawTarget(t, framing(leaving)))
			cfg.Groups[0].HTTP2 = true
		}, client: request(plainGet), status: 502, cause: "broken"},
	}
	for _, number := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EAGAIN, syscall.EADDRNOTAVAIL} {
		for _, two := range []bool{false, true} {
			rows = append(rows, outcome{name: fmt.Sprintf("nothing left for a connection: %v, HTTP/2 %v", number, two), target: mute, dial: without(number),
				change: func(_ *testing.T, cfg *config.Config) { cfg.Groups[0].HTTP2 = two }, client: request(plainGet), status: 503, cause: "resources"})
		}
	}
	return rows
}

// A target whose connection of HTTP/2 breaks has failed once, however many streams were on it.
func TestBrokenConnectionCountsOnce(t *testing.T) {
	const streams = 6
	breaking := framing(func(c net.Conn, _ *http2.Framer, id uint32) {
		if id == 2*streams-1 {
			c.Close()
		}
	})
	cfg := raws(rawTarget(t, breaking), rawTarget(t, breaking))
	g := &cfg.Groups[0]
	g.HTTP2, g.Strategy = true, spec.Written{Kind: "first"}
	g.Outliers = &health.OutlierConfig{Consecutive: 3, EjectFor: time.Hour, MaxEjectFor: time.Hour, MaxEjected: .5}
	r := start(t, cfg, nil)
	for round := range 3 {
		if r.has("raw-1 ejected") {
			t.Fatalf("ejected after %d broken connections", round)
		}
		var clients sync.WaitGroup
		for range streams {
			clients.Go(func() { request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")(t, r) })
		}
		clients.Wait()
	}
	await(t, "the ejection", func() bool { return r.has("raw-1 ejected") })
}
