package http1

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNormalPaths(t *testing.T) {
	for target, want := range map[string]string{
		"/": "/", "/a/b.c": "/a/b.c", "/a/": "/a/", "/.well-known/x": "/.well-known/x", "/..a/b../.c.": "/..a/b../.c.", "/...": "/...",
		"/a?b": "/a?b", "/?": "/?", "/a//b": "/a/b", "//": "/", "//a": "/a", "///a///": "/a/",
		"/.": "/", "/./": "/", "/a/.": "/a/", "/a/./b": "/a/b", "/a/..": "/", "/a/../": "/", "/a/../b": "/b", "/a/b/..": "/a/", "/a/b/../../c": "/c", "/a//../b": "/b",
		"/%61": "/a", "/%7Euser/%2D%5f%2e": "/~user/-_.", "/%2E%2e": "", "/a/%2e%2E/b": "/b", "/a/%2e/b": "/a/b", "/%c3%a9": "/%C3%A9", "/%20a%3fb": "/%20a%3Fb", "/%252e%252e/": "/%252e%252e/",
		"/group%2Fname": "/group%2Fname", "/group%2fname%2F": "/group%2Fname%2F", "/a%5cb": "/a%5Cb", "/a\\b": "/a\\b", "/a;b=c/d;e": "/a;b=c/d;e", "/a;..": "/a;..", "/..a;b": "/..a;b",
		"/é{}": "/é{}", "/a%2F.b": "/a%2F.b", "/a?//b/../%61%zz%": "/a?//b/../%61%zz%", "/a/..?/..": "/?/..",
		"/..": "", "/../a": "", "/a/../..": "", "//..": "", "/./..": "", "/%": "", "/%4": "", "/%4g": "", "/a%00b": "",
		"/a/..%2f": "", "/a%2f..": "", "/%2e%2e%2f": "", "/a/..%5Cb": "", "/a/..\\b": "", "/a\\..": "", "/a/..;b": "", "/a/.;b/c": "", "/a%2F.%2Fb": "",
		"*": "*",
	} {
		in := target
		got, err := Normal([]byte(target))
		if want == "" && !errors.Is(err, ErrTarget) || want != "" && (err != nil || string(got) != want) || in != target {
			t.Errorf("%s becomes %s, %v; want %q", target, got, err, want)
		}
		if strings.ContainsAny(target, "*") {
			continue
		}
		var r Request
		err = ParseRequest([]byte("GET "+target+" HTTP/1.1\r\nHost: a\r\n\r\n"), &r, nil)
		if want == "" && !errors.Is(err, ErrTarget) || want != "" && (err != nil || string(r.Normal) != want || string(r.Target) != target) {
			t.Errorf("%s is read as %s and %s, %v; want %q", target, r.Target, r.Normal, err, want)
		}
	}
}

// A path in normal form has no other, whatever was escaped in it, and a server that decodes it finds no dot segment.
func TestNormalFormIsFinal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOf(rapid.SampledFrom([]string{"/", "/", ".", "..", "a", "b", ";", "\\", "%2e", "%2E", "%2f", "%5c", "%61", "%25", "%3B", "2e", "é", "?"})).Draw(t, "pieces")
		target := "/" + strings.Join(pieces, "")
		got, err := Normal([]byte(target))
		if err != nil {
			return
		}
		again, err := Normal(got)
		if err != nil || !bytes.Equal(got, again) {
			t.Fatalf("%s becomes %s, and that %s, %v", target, got, again, err)
		}
		path := string(PathOf(got))
		if len(got) > len(target) || strings.Contains(path, "//") {
			t.Fatalf("%s becomes %s", target, got)
		}
		decoded := strings.NewReplacer("%2F", "/", "%5C", "/", "\\", "/").Replace(path)
		for _, s := range strings.Split(decoded, "/") {
			if s, _, _ = strings.Cut(s, ";"); s == "." || s == ".." {
				t.Fatalf("%s becomes %s: some servers see a dot segment", target, got)
			}
		}
	})
}

func TestNormalPathsDoNotAllocate(t *testing.T) {
	var r Request
	for _, target := range []string{"/a/b.c?d=//e", "/a//b/%7e/../c"} {
		in := []byte("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n")
		if n := testing.AllocsPerRun(100, func() {
			if err := ParseRequest(in, &r, nil); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", target, n)
		}
	}
}

// What costs a comparison each is bounded: header lines, and the headers that Connection names.
func TestBoundsOfAHead(t *testing.T) {
	const begin = "GET / HTTP/1.1\r\nHost: a\r\n"
	tokens := func(n int) string {
		s := "Connection: close"
		for i := range n {
			s += ",a" + strconv.Itoa(i)
		}
		return s + "\r\n"
	}
	for _, tc := range []struct {
		name, in string
		fields   int
		want     error
	}{
		{"as many headers as may be", begin + strings.Repeat("A: b\r\n", MaxFields-1) + "\r\n", MaxFields, nil},
		{"one more", begin + strings.Repeat("A: b\r\n", MaxFields) + "\r\n", MaxFields, ErrHeadTooLarge},
		{"one more, and no end", begin + strings.Repeat("A: b\r\n", MaxFields), MaxFields, ErrHeadTooLarge},
		{"no bound", begin + strings.Repeat("A: b\r\n", 1000) + "\r\n", 0, nil},
		{"as many names as may be", begin + tokens(MaxOptions) + "\r\n", MaxFields, nil},
		{"one name more", begin + tokens(MaxOptions+1) + "\r\n", MaxFields, ErrHeadTooLarge},
		{"one more in two headers", begin + tokens(MaxOptions) + tokens(1) + "\r\n", MaxFields, ErrHeadTooLarge},
		{"what names none", begin + "Connection: " + strings.Repeat("close,,", 1000) + "\r\n\r\n", MaxFields, nil},
	} {
		h := Head{Fields: tc.fields}
		n, err := h.Feed([]byte(tc.in))
		if err == nil && n > 0 {
			var r Request
			err = ParseRequest([]byte(tc.in)[:n], &r, nil)
		}
		if !errors.Is(err, tc.want) || (err == nil && n == 0) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
	var r Response
	if _, err := ParseResponse([]byte("HTTP/1.1 200 OK\r\n"+tokens(MaxOptions+1)+"\r\n"), false, &r, nil); !errors.Is(err, ErrHeadTooLarge) {
		t.Errorf("a response whose Connection names too many: %v", err)
	}
}

func TestHeadHasBegun(t *testing.T) {
	for in, want := range map[string]bool{"": false, "\r\n": false, "\r\n\r\n": false, "G": true, "\r\nG": true, "GET / HTTP/1.1\r\n": true} {
		var h Head
		if n, err := h.Feed([]byte(in)); n != 0 || err != nil || h.Begun() != want {
			t.Errorf("%q: %v, %d, %v", in, h.Begun(), n, err)
		}
	}
}

func TestFoldedNames(t *testing.T) {
	for name, want := range map[string]string{
		"Host": "host", "Content-Length": "content-length", "Content_Length": "content-length", "Transfer--Encoding": "transfer-encoding", "X_Forwarded-For": "x-forwarded-for",
		"_Content-_Length-": "content-length", "Content.Length": "content-length", "contentlength": "contentlength", "__": "", "~A'1": "a-1",
	} {
		if got := string(AppendFolded([]byte("x")[:0], []byte(name))); got != want {
			t.Errorf("%s becomes %q", name, got)
		}
		var r Request
		if err := ParseRequest([]byte("GET / HTTP/1.0\r\nX-Y: b\r\n"+name+": 1\r\n\r\n"), &r, nil); err == nil && r.OddNames == strings.EqualFold(name, want) {
			t.Errorf("%s is odd: %v", name, r.OddNames)
		}
	}
}
