package balancer

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-8025779b/shakedown/balancer/config"
)

// The end of an answer that was cut off does not look like its proper one: over TLS no alert says that nothing is missing.
func TestCutAnswersOverTLS(t *testing.T) {
	const upgraded = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc"
	for _, tc := range []struct {
		name, answer string
		cut          bool
	}{
		{"until the end of the connection", "HTTP/1.1 200 OK\r\n\r\nabc", true},
		{"counted", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", true},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true},
		{"a tunnel", upgraded, true},
		{"whole, until the end of the connection", "HTTP/1.1 200 OK\r\n\r\nabc", false},
		{"whole, counted", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", false},
		{"a whole tunnel", upgraded, false},
	} {
		passed := make(chan struct{})
		x := rawTarget(t, reading(func(c net.Conn, _ *bufio.Reader) {
			_, _ = io.WriteString(c, tc.answer)
			<-passed // a reset may overtake what was written
			if tc.cut {
				_ = c.(*net.TCPConn).SetLinger(0)
			}
		}))
		cfg := raws(x)
		cfg.Listeners[0].TLS = &config.TLS{Auto: t.TempDir()}
		r := start(t, cfg, nil)
		raw, _ := r.dial(t)
		c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
		fmt.Fprint(c, "GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
		if strings.Contains(tc.answer, "chunked") || strings.Contains(tc.answer, " 101 ") {
			c.Close()
			raw, _ = r.dial(t)
			c = tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
			fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
		}
		b, all := make([]byte, 1000), ""
		for !strings.Contains(all, "abc") {
			n, err := c.Read(b)
			if all += string(b[:n]); err != nil {
				t.Fatalf("%s: %q, %v", tc.name, all, err)
			}
		}
		close(passed)
		var err error
		for err == nil {
			_, err = c.Read(b)
		}
		var late net.Error
		if errors.As(err, &late) && late.Timeout() {
			t.Errorf("%s: it does not end", tc.name)
		}
		if cut := !errors.Is(err, io.EOF); cut != tc.cut {
			t.Errorf("%s: %v", tc.name, err)
		}
		c.Close()
		r.stop()
	}
}

// The protocol that a connection changes to is the one that the target has chosen.
func TestUpgradeIsTheTargets(t *testing.T) {
	x := rawTarget(t, saying("HTTP/1.1 101 Switching Protocols\r\nUpgrade: second/2\r\nConnection: upgrade\r\n\r\n"))
	r := start(t, raws(x), nil)
	c, rd := r.dial(t)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: first, second/2\r\n\r\n")
	res, err := http.ReadResponse(rd, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Header["Upgrade"]; len(got) != 1 || got[0] != "second/2" {
		t.Errorf("%q", got)
	}
}

// CONNECT is refused in every form, and no target hears of it.
func TestConnectIsRefused(t *testing.T) {
	x := rawTarget(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	r := start(t, raws(x), nil)
	for _, target := range []string{"/x", "a:80", "*", "http://a/"} {
		c, rd := r.dial(t)
		fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: a\r\n\r\n", target)
		if lines := head(t, rd); !strings.HasPrefix(lines[0], "HTTP/1.1 4") {
			t.Errorf("%s: %q", target, lines)
		}
		c.Close()
	}
	if x.text() != "" {
		t.Errorf("the target saw %q", x.text())
	}
}

// A client whose whole body went to a target that then failed keeps its connection, however close to its end the failure came.
func TestFailuresAfterWholeBodies(t *testing.T) {
	for name, after := range map[string]string{"counted": "Content-Length: 5\r\n\r\n|hello", "chunked": "Transfer-Encoding: chunked\r\n\r\n|5\r\nhello\r\n0\r\n\r\n"} {
		framing, body, _ := strings.Cut(after, "|")
		r := start(t, raws(rawTarget(t, func(c net.Conn, r *bufio.Reader) {
			if req, err := http.ReadRequest(r); err == nil {
				_, _ = io.Copy(io.Discard, req.Body)
				_, _ = io.WriteString(c, "garbage\r\n\r\n")
			}
		})), nil)
		for i := range 40 {
			c, rd := r.dial(t)
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\n"+framing)
			underWay(t, r)
			_, _ = io.WriteString(c, body)
			res, err := http.ReadResponse(rd, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, _ = io.Copy(io.Discard, res.Body); res.StatusCode != 502 || res.Close {
				t.Fatalf("%s, request %d: %d, the connection ends: %v", name, i, res.StatusCode, res.Close)
			}
			c.Close()
		}
		r.stop()
	}
}

// hearing counts what is read.
type hearing struct {
	net.Conn
	bytes int
}

func (c *hearing) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes += n
	return n, err
}

// Over TLS a target learns whether an exchange was broken off: the balancer takes leave only where it was not, and waits for nobody else.
func TestLeaveOfTargetsOverTLS(t *testing.T) {
	certificates := httptest.NewTLSServer(nil)
	defer certificates.Close()
	for answer, orderly := range map[string]bool{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n": true, "garbage\r\n\r\n": false} {
		ended := make(chan bool, 1)
		cfg := raws(rawTarget(t, func(c net.Conn, _ *bufio.Reader) {
			read := &hearing{Conn: c}
			s := tls.Server(read, &tls.Config{Certificates: certificates.TLS.Certificates})
			rd := bufio.NewReader(s)
			if _, err := http.ReadRequest(rd); err == nil {
				_, _ = io.WriteString(s, answer)
			}
			before := read.bytes
			_, _ = rd.ReadByte() // crypto/tls takes an end without a word for an orderly one
			ended <- read.bytes > before
		}))
		cfg.Groups[0].TLS = &config.TargetTLS{Insecure: true}
		r := start(t, cfg, nil)
		request(plainGet)(t, r)
		if told := <-ended; told != orderly {
			t.Errorf("%q: the balancer took leave: %v", answer, told)
		}
		r.stop()
	}
}
