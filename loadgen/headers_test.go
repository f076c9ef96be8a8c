package loadgen

import (
	"bufio"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// headLines accepts one connection and returns the header lines of the first request on it, answered with 204.
func headLines(t *testing.T, l net.Listener) <-chan []string {
	got := make(chan []string, 1)
	go func() {
		defer close(got)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		var lines []string
		for r := bufio.NewReader(c); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Errorf("reading the head: %v", err)
				return
			}
			if line = strings.TrimRight(line, "\r\n"); line == "" {
				break
			}
			lines = append(lines, line)
		}
		got <- lines[1:]
		c.Write([]byte("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"))
	}()
	return got
}

// Both engines send the headers that mix.Headers says, and no others: the simulator and the warnings go by it.
func TestHeadersAreThoseOfTheMix(t *testing.T) {
	own := func(h ...mix.Header) []mix.Header { return h }
	for name, tc := range map[string]struct {
		request  mix.Request
		identify bool
	}{
		"a get":                  {mix.Request{Method: "GET"}, false},
		"a get with a number":    {mix.Request{Method: "GET"}, true},
		"own headers":            {mix.Request{Method: "GET", Headers: own(mix.Header{Name: "X-A", Value: "1"}, mix.Header{Name: "x-a", Value: "{{seq}}"})}, true},
		"own user agent":         {mix.Request{Method: "GET", Headers: own(mix.Header{Name: "user-agent", Value: "me"})}, true},
		"own host":               {mix.Request{Method: "GET", Headers: own(mix.Header{Name: "host", Value: "example.test"})}, true},
		"two hosts: the last":    {mix.Request{Method: "GET", Headers: own(mix.Header{Name: "Host", Value: "a.test"}, mix.Header{Name: "host", Value: "b.test"})}, false},
		"a body":                 {mix.Request{Method: "POST", Body: "0123456789ab"}, true},
		"a body that is filled":  {mix.Request{Method: "PUT", Body: "{{int 1000 9999}}"}, true},
		"a post without body":    {mix.Request{Method: "POST"}, false},
		"a get with a body":      {mix.Request{Method: "GET", Body: "x"}, false},
		"a delete without body":  {mix.Request{Method: "DELETE"}, true},
		"a patch without a body": {mix.Request{Method: "PATCH"}, true},
	} {
		for _, engine := range Names() {
			t.Run(name+"/"+engine, func(t *testing.T) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				got := headLines(t, l)
				r := tc.request
				r.Name, r.Path, r.Weight = "x", "/", 1
				m := requests(t, mix.Set{Requests: []mix.Request{r}})
				play(t, t.Context(), engine, attempt.Config{Target: "http://" + l.Addr().String(), Mix: m, Timeout: 10 * time.Second, Connections: 1, Identify: tc.identify}, 100, .01)
				var want []string
				for _, h := range m.Headers(0, 0, mix.Sender{Host: l.Addr().String(), Identify: tc.identify}) {
					want = append(want, http.CanonicalHeaderKey(h.Name)+": "+h.Value)
				}
				var sent []string
				for _, line := range <-got {
					name, rest, _ := strings.Cut(line, ":")
					sent = append(sent, http.CanonicalHeaderKey(name)+":"+rest)
				}
				slices.Sort(want)
				slices.Sort(sent)
				if !slices.Equal(sent, want) {
					t.Errorf("sent %q, want %q", sent, want)
				}
			})
		}
	}
}
