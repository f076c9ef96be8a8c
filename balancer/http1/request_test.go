package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// parse reads a whole request in pieces of the given size, as from a socket. more is true when the input ends
// before the message does.
func parse(in []byte, piece int) (r Request, fields []string, body []byte, more bool, err error) {
	var h Head
	n := 0
	for end := 0; n == 0; {
		if end == len(in) {
			return r, nil, nil, true, nil
		}
		end = min(end+piece, len(in))
		if n, err = h.Feed(in[:end]); err != nil {
			return r, nil, nil, false, err
		}
	}
	if err = ParseRequest(in[:n], &r, func(name, value []byte) { fields = append(fields, string(name)+"="+string(value)) }); err != nil {
		return r, nil, nil, false, err
	}
	b := Body{KeepTrailer: true}
	b.Reset(r.Length, r.Chunked)
	for rest := in[n:]; !b.Ended(); {
		if len(rest) == 0 {
			return r, fields, body, true, nil
		}
		p := rest[:min(piece, len(rest))]
		k, content, err := b.Next(p)
		if err != nil {
			return r, fields, body, false, err
		}
		body = append(body, content...)
		rest = rest[k:]
	}
	for _, l := range strings.Split(string(b.Trailer), "\r\n") {
		if l != "" {
			fields = append(fields, "trailer "+l)
		}
	}
	return r, fields, body, false, nil
}

func TestRequests(t *testing.T) {
	for _, tc := range []struct{ name, in, want, body string }{
		{"plain", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / a 1 0 false false false \"\"", ""},
		{"with query", "GET /a/b?c=%20d HTTP/1.1\r\nHost: a:80\r\n\r\n", "GET /a/b?c=%20d a:80 1 0 false false false \"\"", ""},
		{"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "GET /  0 0 false true false \"\"", ""},
		{"HTTP/1.0 kept", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET /  0 0 false false false \"\"", ""},
		{"closed", "GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, close\r\n\r\n", "GET / a 1 0 false true false \"\"", ""},
		{"length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "POST / a 1 5 false false false \"\"", "hello"},
		{"the same length twice", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", "POST / a 1 2 false false false \"\"", "hi"},
		{"chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nT: v\r\n\r\n", "POST / a 1 -1 true false false \"\"", "hello"},
		{"continue", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi", "POST / a 1 2 false false true \"\"", "hi"},
		{"continue with no body", "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", "GET / a 1 0 false false false \"\"", ""},
		{"upgrade", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "GET / a 1 0 false false false \"websocket\"", ""},
		{"upgrade to what must not be tunnelled", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: websocket, H2C\r\nHTTP2-Settings: x\r\n\r\n", "GET / a 1 0 false false false \"\"", ""},
		{"upgrade without the option", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", "GET / a 1 0 false false false \"\"", ""},
		{"absolute form", "GET http://b:8080/x?y HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x?y b:8080 1 0 false false false \"\"", ""},
		{"absolute form without a path", "GET HTTP://b HTTP/1.1\r\nHost: a\r\n\r\n", "GET / b 1 0 false false false \"\"", ""},
		{"absolute form with a query alone", "GET http://b?x=/.. HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?x=/.. b 1 0 false false false \"\"", ""},
		{"absolute form of the asterisk", "OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * b 1 0 false false false \"\"", ""},
		{"an empty line before it", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / a 1 0 false false false \"\"", ""},
		{"as many as may be", strings.Repeat("\r\n", MaxEmptyLines) + "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / a 1 0 false false false \"\"", ""},
		{"a host without a name", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET /  1 0 false false false \"\"", ""},
		{"a port without digits", "GET / HTTP/1.1\r\nHost: a_b.:\r\n\r\n", "GET / a_b.: 1 0 false false false \"\"", ""},
		{"what RFC 3986 leaves out", "GET /{a}|\"<b>^`\\é?\xff{ HTTP/1.1\r\nHost: a\r\n\r\n", "GET /{a}|\"<b>^`\\é?\xff{ a 1 0 false false false \"\"", ""},
		{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * a 1 0 false false false \"\"", ""},
		{"an IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "GET / [::1]:80 1 0 false false false \"\"", ""},
	} {
		for _, piece := range []int{1, 7, 1 << 20} {
			r, _, body, more, err := parse([]byte(tc.in), piece)
			got := strings.Join([]string{string(r.Method), string(r.Target), string(r.Host)}, " ")
			got += " " + strings.TrimSpace(strings.Join([]string{digit(r.Minor), number(r.Length), truth(r.Chunked), truth(r.Close), truth(r.Expect), "\"" + string(r.Upgrade) + "\""}, " "))
			if err != nil || more || got != tc.want || string(body) != tc.body {
				t.Errorf("%s in pieces of %d: %s, body %q, more %v, %v; want %s", tc.name, piece, got, body, more, err, tc.want)
			}
		}
	}
}

func digit(n int) string { return string(rune('0' + n)) }
func number(n int64) string {
	if n < 0 {
		return "-1"
	}
	return digit(int(n))
}
func truth(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	if n := len(Malformed()); n < 100 {
		t.Fatalf("only %d", n)
	}
	for in, want := range Malformed() {
		for _, piece := range []int{1, 13, 1 << 20} {
			if piece == 1 && len(in) > 1<<15 {
				continue
			}
			if _, _, _, more, err := parse([]byte(in), piece); !errors.Is(err, want) {
				t.Errorf("%.80q in pieces of %d: %v (more %v), want %v", in, piece, err, more, want)
			}
		}
	}
}

// Fields and trailer come out the same however the message is cut.
func TestTrailersAndFields(t *testing.T) {
	in := "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX:  y \r\nX:\r\n\r\n0\r\nA: b\r\nC:d\r\n\r\n"
	rapid.Check(t, func(t *rapid.T) {
		_, fields, _, more, err := parse([]byte(in), rapid.IntRange(1, len(in)).Draw(t, "piece"))
		if got := strings.Join(fields, ","); err != nil || more || got != "Host=a,Transfer-Encoding=chunked,X=y,X=,trailer A: b,trailer C:d" {
			t.Fatalf("%s, %v, %v", got, more, err)
		}
	})
}

func TestRequestsDoNotAllocate(t *testing.T) {
	in := []byte("POST /a?b HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi")
	var r Request
	n := 0
	each := func(name, value []byte) { n += len(name) + len(value) }
	if a := testing.AllocsPerRun(100, func() {
		var h Head
		end, err := h.Feed(in)
		if err == nil {
			err = ParseRequest(in[:end], &r, each)
		}
		if err != nil {
			t.Fatal(err)
		}
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

// What we accept net/http accepts too, and frames the same: same method, target, host, body, trailer's end.
func FuzzRequest(f *testing.F) {
	for in := range Malformed() {
		if len(in) < 500 {
			f.Add([]byte(in))
		}
	}
	f.Add([]byte("POST /a?b=c HTTP/1.1\r\nHost: a:1\r\nContent-Length: 3\r\n\r\nabcGET"))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n0\r\nT: v\r\n\r\nrest"))
	f.Add([]byte("\r\nGET /a//b/%2e/c%2fd?e HTTP/1.1\r\nHost: a\r\nA_b: c\r\n\r\n"))
	f.Add([]byte("GET http://b/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, _, body, more, err := parse(in, 1<<20)
		if r2, _, body2, more2, err2 := parse(in, 3); len(in) < 4000 && ((err == nil) != (err2 == nil) || more != more2 || !bytes.Equal(body, body2) || !bytes.Equal(r.Target, r2.Target)) {
			t.Fatalf("at once: %v %v %q; in pieces: %v %v %q", err, more, body, err2, more2, body2)
		}
		if err != nil || more {
			return
		}
		for bytes.HasPrefix(in, []byte("\r\n")) { // net/http skips no empty line before a request
			in = in[2:]
		}
		src := bufio.NewReaderSize(bytes.NewReader(in), 2*MaxHead) // it takes no trailer that its buffer does not hold
		req, err := http.ReadRequest(src)
		var u *url.Error
		if errors.As(err, &u) { // it wants to understand URLs; what it can't is no matter of framing
			return
		}
		if err != nil {
			t.Fatalf("we accept what net/http refuses: %v", err)
		}
		theirs, err := io.ReadAll(req.Body)
		if err != nil {
			t.Fatalf("we accept a body that net/http refuses: %v", err)
		}
		if req.Method != string(r.Method) || !bytes.Equal(theirs, body) || (req.URL.RequestURI() != string(r.Target) && req.URL.Path != "" && !r.Unusual && !strings.ContainsAny(string(r.Target), "%?*")) {
			t.Fatalf("we read %s %s %q, net/http %s %s %q", r.Method, r.Target, body, req.Method, req.URL.RequestURI(), theirs)
		}
		if again, err := Normal(r.Normal); err != nil || !bytes.Equal(again, r.Normal) || len(r.Normal) > len(r.Target) {
			t.Fatalf("%q in normal form is %q, and that %q, %v", r.Target, r.Normal, again, err)
		}
		if req.Host != string(r.Host) {
			t.Fatalf("host %q, net/http's %q", r.Host, req.Host)
		}
	})
}

func TestPartsOfATarget(t *testing.T) {
	for name, want := range map[string]string{"a": "1", "bb": "2", "b": "3", "e": "", "none": "-", "é c": "d", "r": "5,6,,", "%": "7,"} {
		got := "-"
		for v, rest := NextQueryValue(QueryOf([]byte("/p?a=1&bb=2&b=3&e&f=&%c3%A9%20c=d&r=5&%72=6&%zz=0&r&%=7&%25x=1")), name); v != nil; v, rest = NextQueryValue(rest, name) {
			if got = strings.TrimPrefix(got, "-") + string(v); name == "r" || name == "%" {
				got += ","
			}
		}
		if got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if v := CookieValue([]byte("a=1; bb=2;c=3"), "bb"); string(v) != "2" {
		t.Errorf("%q", v)
	}
	if v, _ := NextQueryValue(QueryOf([]byte("/p")), "b"); v != nil || CookieValue([]byte("a=1"), "b") != nil || string(PathOf([]byte("/p?q"))) != "/p" {
		t.Error("something is found where nothing is")
	}
}
