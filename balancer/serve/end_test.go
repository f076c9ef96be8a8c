package serve

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/seed-8025779b/shakedown/balancer/memnet"
)

// A client that says no more counts as gone, unless something came behind its request that may be another: wherever that
// is when the look comes.
func TestClientsThatSayNoMore(t *testing.T) {
	const get, post = "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
	certificates := httptest.NewTLSServer(nil)
	defer certificates.Close()
	for name, x := range map[string]struct {
		first, then string
		reads       bool // the handler reads the body before it looks
		gone        bool
	}{
		"nothing":                                {get, "", false, true},
		"another in a packet of its own":         {get, get, false, false},
		"another in the same packet":             {get + get, "", false, false},
		"the beginning of another":               {get, "G", false, false},
		"empty lines":                            {get, "\r\n\r\n", false, true},
		"empty lines in both":                    {get + "\r\n", "\r\n", false, true},
		"another behind empty lines":             {get + "\r\n", "\r\n" + get, false, false},
		"another behind a body":                  {post, "hello" + get, true, false},
		"another behind a body, later":           {post + "hel", "lo" + get, true, false},
		"another behind a body, unread":          {post, "hello" + get, false, true}, // what is missing of a body does not come any more
		"nothing behind a body":                  {post, "hello", true, true},
		"more than is read at once":              {get, strings.Repeat("x", 3*BufferSize), false, false},
		"more empty lines than are read at once": {get, strings.Repeat("\r\n", BufferSize), false, true},
	} {
		for _, secure := range []*tls.Config{nil, {Certificates: certificates.TLS.Certificates}} {
			t.Run(fmt.Sprintf("%s, TLS %v", name, secure != nil), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					network := memnet.New()
					l, err := network.Listen("10.0.0.1:80")
					if err != nil {
						t.Fatal(err)
					}
					asked, said := make(chan struct{}, 10), make(chan struct{})
					first := true
					s := New(Config{TLS: secure, Handler: handler(func(c *Conn) {
						asked <- struct{}{}
						if !first {
							_ = c.Respond(200, "", nil) // a client that has gone reads it no more
							return
						}
						first = false
						<-said
						body := []byte{}
						for x.reads && !c.Whole() {
							p, err := c.ReadBody()
							if err != nil && err != io.EOF {
								t.Error(err)
								break
							}
							body = p
						}
						kept := string(body)
						if gone := c.Gone(); gone != x.gone {
							t.Errorf("gone: %v", gone)
						}
						if string(body) != kept {
							t.Errorf("the body has become %q", body)
						}
						_ = c.Respond(200, "", nil)
					})})
					ended := make(chan struct{})
					go func() { defer close(ended); _ = s.Serve(l) }() // it ends when it is closed
					nc, err := network.Dial(context.Background(), "10.0.0.2:5000", "10.0.0.1:80")
					if err != nil {
						t.Fatal(err)
					}
					var c net.Conn = nc
					if secure != nil {
						c = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
					}
					_, _ = io.WriteString(c, x.first) // the answers tell
					<-asked
					_, _ = io.WriteString(c, x.then)
					_ = c.(interface{ CloseWrite() error }).CloseWrite() // the look tells
					_ = nc.CloseWrite()
					close(said)
					_, _ = io.Copy(io.Discard, c) // it ends with the connection
					if again := strings.HasSuffix(x.first+x.then, get+get) && len(asked) == 0; again {
						t.Error("the other was not served")
					}
					c.Close()
					_ = s.Shutdown(context.Background(), 0) // nothing is open
					<-ended
				})
			})
		}
	}
}
