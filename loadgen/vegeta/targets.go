package vegeta

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// target is one request of a targets file.
type target struct {
	line   int
	method string
	url    *url.URL
	header []mix.Header
	body   []byte
}

// Targets is a targets file, read: requests to be sent in turn to one host.
type Targets struct {
	Base string // such as http://127.0.0.1:8080; empty when the file holds paths only
	Set  mix.Set
}

// maxNames bounds the kinds of request that a targets file makes: each has figures of its own.
const maxNames = 50

// ReadTargets reads one of vegeta's two target formats: JSON, an object a line, when the first character is a
// brace, and HTTP otherwise. readFile brings the bodies that @ names. Every error names its line.
//
// Unlike vegeta it wants all targets on one host, and an empty line between a target with headers and the next.
func ReadTargets(text string, readFile func(name string) ([]byte, error)) (*Targets, error) {
	read := readHTTP
	if strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		read = readJSON
	}
	list, err := read(text, readFile)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("it holds no target: write a line such as GET http://127.0.0.1:8080/")
	}
	return collect(list)
}

// collect makes requests of targets.
func collect(list []target) (*Targets, error) {
	base := func(u *url.URL) string {
		if u.Host == "" {
			return ""
		}
		return u.Scheme + "://" + u.Host
	}
	out := &Targets{Base: base(list[0].url), Set: mix.Set{InTurn: true}}
	names := map[string]bool{}
	for i := range list {
		t := &list[i]
		if got := base(t.url); got != out.Base {
			return nil, fmt.Errorf("line %d: the host is %q, that of the first target is %q: one load goes to one host", t.line, got, out.Base)
		}
		names[t.method+" "+t.url.EscapedPath()] = true
		if u := t.url.User; u != nil {
			password, _ := u.Password()
			r := http.Request{Header: http.Header{}}
			r.SetBasicAuth(u.Username(), password)
			t.header = append(t.header, mix.Header{Name: "Authorization", Value: r.Header.Get("Authorization")})
		}
	}
	for i := range list {
		t := &list[i]
		name := t.method
		if len(names) <= maxNames {
			name += " " + t.url.EscapedPath()
		}
		path := t.url.EscapedPath()
		if path == "" {
			path = "/"
		}
		if t.url.RawQuery != "" || t.url.ForceQuery {
			path += "?" + t.url.RawQuery
		}
		for j := range t.header {
			t.header[j].Value = mix.Literal(t.header[j].Value)
		}
		out.Set.Requests = append(out.Set.Requests, mix.Request{
			Name: name, Method: t.method, Path: mix.Literal(path), Headers: t.header, Body: mix.Literal(string(t.body)), Weight: 1,
		})
	}
	return out, nil
}

// target checks what both formats share.
func newTarget(line int, method, address string) (target, error) {
	u, err := url.ParseRequestURI(address)
	if sent, _, found := strings.Cut(address, "#"); found && err == nil { // a fragment is not sent
		u, err = url.ParseRequestURI(sent)
	}
	switch {
	case !isMethod(method):
		return target{}, fmt.Errorf("line %d: %q is not a method: capital letters, such as GET", line, method)
	case err != nil:
		return target{}, fmt.Errorf("line %d: %q is not a URL, nor a path", line, address)
	case u.Host == "" && (u.Scheme != "" || !strings.HasPrefix(address, "/")), u.Host != "" && u.Scheme != "http" && u.Scheme != "https":
		return target{}, fmt.Errorf("line %d: %q is not an http or https URL, nor a path", line, address)
	}
	return target{line: line, method: method, url: u}, nil
}

func isMethod(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r < 'A' || r > 'Z' }) < 0
}

// add takes in a header. What delimits the message follows from the body; vegeta leaves it out too.
func (t *target) add(line int, name, value string) error {
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "Content-Length", "Transfer-Encoding", "Trailer":
		return nil
	}
	if !mix.ValidName(name) || strings.ContainsAny(value, "\r\n\x00") {
		return fmt.Errorf("line %d: header %q can't be sent", line, name)
	}
	t.header = append(t.header, mix.Header{Name: name, Value: value})
	return nil
}

// readHTTP reads the format that looks like HTTP:
//
//	POST https://example.org/orders
//	Content-Type: application/json
//	@order.json
//
//	GET https://example.org/
//
// Lines that begin with # are comments.
func readHTTP(text string, readFile func(name string) ([]byte, error)) (list []target, err error) {
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		l := strings.TrimSpace(lines[i])
		if l == "" || l[0] == '#' {
			continue
		}
		method, address, found := strings.Cut(l, " ")
		if !found {
			return nil, fmt.Errorf("line %d: %q is not a target: write a method and a URL, such as GET http://127.0.0.1:8080/", i+1, l)
		}
		t, err := newTarget(i+1, method, address)
		if err != nil {
			return nil, err
		}
		if i+1 < len(lines) && !startsTarget(lines[i+1]) {
			if i, err = t.details(lines, i+1, readFile); err != nil {
				return nil, err
			}
		}
		list = append(list, t)
	}
	return list, nil
}

// startsTarget reports whether a line begins with capital letters and white space: vegeta's own rule.
func startsTarget(line string) bool {
	line = strings.TrimSpace(line)
	i := strings.IndexFunc(line, func(r rune) bool { return r < 'A' || r > 'Z' })
	return i > 0 && strings.IndexByte(" \t\f\r", line[i]) >= 0
}

// details reads a target's headers and body from line i on, and returns the last line that is the target's.
func (t *target) details(lines []string, i int, readFile func(name string) ([]byte, error)) (int, error) {
	for ; i < len(lines); i++ {
		l := strings.TrimSpace(lines[i])
		switch {
		case l == "":
			return i, nil
		case l[0] == '#':
			continue
		case l[0] == '@':
			body, err := readFile(l[1:])
			if err != nil {
				return i, fmt.Errorf("line %d: body: %w", i+1, err)
			}
			t.body = body
			return i, nil
		}
		name, value, found := strings.Cut(l, ":")
		if name, value = strings.TrimSpace(name), strings.TrimSpace(value); !found || name == "" || value == "" {
			return i, fmt.Errorf("line %d: %q is not a header, such as Accept: text/html", i+1, l)
		}
		if startsTarget(l) {
			return i, fmt.Errorf("line %d: an empty line must stand between a target with headers and the next", i+1)
		}
		if err := t.add(i+1, name, value); err != nil {
			return i, err
		}
	}
	return i, nil
}

// readJSON reads an object a line: method, url, header (lists of values by name), and body in base64.
func readJSON(text string, _ func(name string) ([]byte, error)) (list []target, err error) {
	for i, l := range strings.Split(text, "\n") {
		if l = strings.TrimSpace(l); l == "" {
			continue
		}
		if !utf8.ValidString(l) || !json.Valid([]byte(l)) {
			return nil, fmt.Errorf("line %d: not one object in JSON: each target has a line of its own", i+1)
		}
		var x vegeta.Target
		if err := vegeta.NewJSONTargeter(strings.NewReader(l+"\n"), nil, nil)(&x); err != nil {
			return nil, fmt.Errorf("line %d: not a target: %w", i+1, err)
		}
		t, err := newTarget(i+1, x.Method, x.URL)
		if err != nil {
			return nil, err
		}
		var names []string
		for name := range x.Header {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			for _, value := range x.Header[name] {
				if err := t.add(i+1, name, value); err != nil {
					return nil, err
				}
			}
		}
		t.body = x.Body
		list = append(list, t)
	}
	return list, nil
}
