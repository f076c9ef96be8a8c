// Package route says what becomes of a request: a listener's rules, in order, the first match wins.
//
//	table, err := table.Compile(seed)
//	rule := table.Match(&request) // nil when none matches
//
// A rule's conditions must all hold. Its one action forwards to a group, or to one of several by weight, redirects,
// or answers by itself; before forwarding it may rewrite the path and change headers. Paths are compared in the normal form
// that http1 gives them, so that nobody gets past a rule by writing a path in another way.
package route

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/ratelimit"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// Table is the rules of a listener, in order.
type Table []Rule

// Rule is one rule. In patterns * stands for any text and ? for one character.
type Rule struct {
	Path    string   `json:"path,omitempty"`    // pattern; without wildcards that path alone; "" for every path
	Host    string   `json:"host,omitempty"`    // pattern, without regard to case, compared without the port and a dot at the end
	Methods []string `json:"methods,omitempty"` // any of them
	Headers []Pair   `json:"headers,omitempty"` // of each, one must be there that matches its pattern
	Query   []Pair   `json:"query,omitempty"`   // the same for parameters of the query
	Sources []string `json:"sources,omitempty"` // client addresses or CIDR blocks, any of them

	Forward  string    `json:"forward,omitempty"` // the group
	Split    []Share   `json:"split,omitempty"`   // the groups, by weight
	Redirect *Redirect `json:"redirect,omitempty"`
	Respond  *Respond  `json:"respond,omitempty"`

	Rewrite *Rewrite `json:"rewrite,omitempty"`
	Set     []Pair   `json:"set,omitempty"`    // headers of the request to the target
	Remove  []string `json:"remove,omitempty"` // headers that the target does not get

	Limit *ratelimit.Config `json:"limit,omitempty"` // nil: none

	path    string // what the normal form of paths is compared with
	host    string
	headers []Pair // with names in lower case
	query   []Pair // with values in normal form
	sources Networks
	limiter *ratelimit.Limiter
}

// Pair is a name with a value or a pattern.
type Pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Share is a group with its weight.
type Share struct {
	Group  string `json:"group"`
	Weight int    `json:"weight"`
}

// Redirect answers with another address. In To, {protocol}, {host}, {port}, {path} and {query} stand for the
// request's own.
type Redirect struct {
	To     string `json:"to"`
	Status int    `json:"status"` // 301, 302, 303, 307 or 308
}

// Respond answers with a text.
type Respond struct {
	Status int    `json:"status"`
	Body   string `json:"body,omitempty"`
}

// Rewrite replaces the beginning of a path, by whole segments.
type Rewrite struct {
	Prefix string `json:"prefix"`
	To     string `json:"to"`
}

// Request is what rules look at. Its slices stay the caller's.
type Request struct {
	Method, Host []byte
	Target       []byte // in normal form
	Source       string // the client's address, without the port
	// Header returns the value of the first header of a name, which is given in lower case, among those from a number on, and
	// the number from which to look for the next; nil when there is none.
	Header func(lower string, from int) (value []byte, next int)

	text []byte // the memory of a part of the query in normal form
}

// Compile checks the rules and prepares them for Match. The seed decides how keys of limits are hashed.
func (t Table) Compile(seed draw.Seed) (Table, error) {
	out := slices.Clone(t)
	for i := range out {
		if err := out[i].compile(seed); err != nil {
			return nil, fmt.Errorf("rule %d: %w", i+1, err)
		}
	}
	return out, nil
}

func (r *Rule) compile(seed draw.Seed) error {
	if r.Path != "" && r.Path[0] != '/' && r.Path[0] != '*' {
		return fmt.Errorf("path %q does not start with a slash", r.Path)
	}
	r.path = normalText(r.Path)
	if !isNormal(r.path) {
		return fmt.Errorf("path %q never matches: paths are compared without dot segments and repeated slashes", r.Path)
	}
	r.host = strings.TrimSuffix(r.Host, ".")
	actions := 0
	for _, there := range []bool{r.Forward != "", len(r.Split) > 0, r.Redirect != nil, r.Respond != nil} {
		if there {
			actions++
		}
	}
	if actions != 1 {
		return errors.New("it needs exactly one of forward, redirect and respond")
	}
	sum := 0
	for _, s := range r.Split {
		if s.Weight < 0 || s.Group == "" {
			return fmt.Errorf("a share of group %q with weight %d", s.Group, s.Weight)
		}
		sum += s.Weight
	}
	switch {
	case len(r.Split) > 0 && sum == 0:
		return errors.New("all weights are 0")
	case r.Redirect != nil && !slices.Contains([]int{301, 302, 303, 307, 308}, r.Redirect.Status):
		return fmt.Errorf("%d is not a status of redirects: 301, 302, 303, 307 or 308", r.Redirect.Status)
	case r.Redirect != nil && strings.ContainsAny(r.Redirect.To, " \r\n\t"):
		return fmt.Errorf("%q is not an address to redirect to", r.Redirect.To)
	case r.Respond != nil && (r.Respond.Status < 200 || r.Respond.Status > 599):
		return fmt.Errorf("%d is not a status to respond with", r.Respond.Status)
	case r.Respond != nil && r.Respond.Body != "" && slices.Contains([]int{204, 205, 304}, r.Respond.Status):
		return fmt.Errorf("an answer of status %d has no body", r.Respond.Status)
	case r.Rewrite != nil && (!strings.HasPrefix(r.Rewrite.Prefix, "/") || !strings.HasPrefix(r.Rewrite.To, "/")):
		return errors.New("rewrite: prefix and to must start with a slash")
	case r.Rewrite != nil && (normalText(r.Rewrite.Prefix) != r.Rewrite.Prefix || !isNormal(r.Rewrite.Prefix)):
		return fmt.Errorf("rewrite: no path begins with %q: they are compared without dot segments, repeated slashes and needless escapes", r.Rewrite.Prefix)
	case (r.Rewrite != nil || len(r.Set) > 0 || len(r.Remove) > 0) && r.Forward == "" && len(r.Split) == 0:
		return errors.New("rewrite, set and remove go with forward only")
	}
	for _, p := range r.Set {
		if p.Name == "" || strings.ContainsAny(p.Name, " \t\r\n:") || strings.ContainsAny(p.Value, "\r\n\x00") {
			return fmt.Errorf("header %q can't be set", p.Name)
		}
	}
	r.headers, r.query = slices.Clone(r.Headers), slices.Clone(r.Query)
	for i := range r.headers {
		r.headers[i].Name = strings.ToLower(r.headers[i].Name)
	}
	for i := range r.query {
		r.query[i].Value = normalText(r.query[i].Value)
	}
	var err error
	if r.sources, err = ParseNetworks(r.Sources); err != nil {
		return fmt.Errorf("source %w", err)
	}
	if r.Limit != nil {
		r.limiter = r.Limit.Limiter(seed)
	}
	return nil
}

// normalText is a pattern with its escapes as those of a normal form.
func normalText(pattern string) string {
	if !strings.Contains(pattern, "%") {
		return pattern
	}
	return string(http1.AppendNormalText(nil, []byte(pattern)))
}

// isNormal reports whether a path in normal form can match a pattern, as far as segments go.
func isNormal(pattern string) bool {
	rest, inside := strings.CutPrefix(pattern, "/")
	for inside {
		var segment string
		segment, rest, inside = strings.Cut(rest, "/")
		if segment == "." || segment == ".." || (segment == "" && inside) {
			return false
		}
	}
	return true
}

// Allow reports whether the rule's limit lets a request pass now, and counts it; if not, after how long it might. Requests
// that lack what keys are taken from share a bucket.
func (r *Rule) Allow(now time.Duration, x *Request) (ok bool, after time.Duration) {
	if r.limiter == nil {
		return true, 0
	}
	if r.Limit.By.From == pick.Address {
		return ratelimit.Allow(r.limiter, now, x.Source)
	}
	return ratelimit.Allow(r.limiter, now, x.keyText(r.Limit.By))
}

// Adopt lets the rules go on with the buckets of an earlier table: a limit keeps those of the rule that had the same limit and the same
// conditions. Both tables must be compiled. The earlier one may still be in use.
func (t Table) Adopt(earlier Table) {
	taken := make([]bool, len(earlier))
	for i := range t {
		for k := range earlier {
			if !taken[k] && t[i].sameLimit(&earlier[k]) {
				t[i].limiter, taken[k] = earlier[k].limiter, true
				break
			}
		}
	}
}

// sameLimit reports whether two rules limit the same requests in the same way.
func (r *Rule) sameLimit(o *Rule) bool {
	return r.Limit != nil && o.Limit != nil && *r.Limit == *o.Limit && r.path == o.path && r.host == o.host && slices.Equal(r.Methods, o.Methods) &&
		slices.Equal(r.headers, o.headers) && slices.Equal(r.query, o.query) && slices.Equal(r.sources, o.sources)
}

// Groups are the groups that a rule may forward to.
func (r *Rule) Groups() (names []string) {
	if r.Forward != "" {
		return []string{r.Forward}
	}
	for _, s := range r.Split {
		names = append(names, s.Group)
	}
	return names
}

// Unconditional reports whether every request matches.
func (r *Rule) Unconditional() bool {
	return (r.Path == "" || r.Path == "*" || r.Path == "/*") && (r.Host == "" || r.Host == "*") && len(r.Methods)+len(r.Headers)+len(r.Query)+len(r.Sources) == 0
}

// Match returns the first rule whose conditions hold, nil when there is none. The table must be compiled.
func (t Table) Match(r *Request) *Rule {
	for i := range t {
		if t[i].matches(r) {
			return &t[i]
		}
	}
	return nil
}

func (r *Rule) matches(x *Request) bool {
	if r.path != "" && !Glob(r.path, http1.PathOf(x.Target)) {
		return false
	}
	if r.host != "" && !globFold(r.host, hostOnly(x.Host)) {
		return false
	}
	if len(r.Methods) > 0 && !slices.ContainsFunc(r.Methods, func(m string) bool { return m == string(x.Method) }) {
		return false
	}
	for i := range r.headers {
		if !x.anyHeader(&r.headers[i]) {
			return false
		}
	}
	for i := range r.query {
		if !x.anyParameter(&r.query[i]) {
			return false
		}
	}
	return len(r.sources) == 0 || r.from(x.Source)
}

// anyHeader reports whether a header of that name has a value of that pattern: which of several a target goes by is not known.
func (x *Request) anyHeader(p *Pair) bool {
	for v, next := x.Header(p.Name, 0); v != nil; v, next = x.Header(p.Name, next) {
		if Glob(p.Value, v) {
			return true
		}
	}
	return false
}

// anyParameter is the same for parameters of the query.
func (x *Request) anyParameter(p *Pair) bool {
	for v, rest := http1.NextQueryValue(http1.QueryOf(x.Target), p.Name); v != nil; v, rest = http1.NextQueryValue(rest, p.Name) {
		if Glob(p.Value, x.normal(v)) {
			return true
		}
	}
	return false
}

// normal is a part of the query in normal form, valid until the next call.
func (x *Request) normal(text []byte) []byte {
	if bytes.IndexByte(text, '%') < 0 {
		return text
	}
	x.text = http1.AppendNormalText(x.text[:0], text)
	return x.text
}

func (r *Rule) from(source string) bool {
	a, err := netip.ParseAddr(source)
	return err == nil && r.sources.Contain(a)
}

// Group returns the group that a request with the draw u in [0, 1) goes to; "" when the rule forwards none.
func (r *Rule) Group(u float64) string {
	if len(r.Split) == 0 {
		return r.Forward
	}
	sum := 0
	for _, s := range r.Split {
		sum += s.Weight
	}
	x := u * float64(sum)
	for _, s := range r.Split {
		if x < float64(s.Weight) {
			return s.Group
		}
		x -= float64(s.Weight)
	}
	return r.Split[len(r.Split)-1].Group // rounding
}

// AppendTarget appends the request's target as the rule has it: with the beginning of its path replaced, when it is
// that of the rewrite.
func (r *Rule) AppendTarget(dst, target []byte) []byte {
	if r.Rewrite == nil || !bytes.HasPrefix(target, []byte(r.Rewrite.Prefix)) {
		return append(dst, target...)
	}
	rest := target[len(r.Rewrite.Prefix):]
	if !strings.HasSuffix(r.Rewrite.Prefix, "/") && len(rest) > 0 && rest[0] != '/' && rest[0] != '?' {
		return append(dst, target...) // /api is no prefix of /apiary
	}
	to := r.Rewrite.To
	if len(rest) > 0 && rest[0] == '/' {
		to = strings.TrimSuffix(to, "/")
	}
	dst = append(dst, to...)
	return append(dst, rest...)
}

// Location is where a redirect leads. port is the listener's; secure says that it speaks TLS.
func (r *Redirect) Location(x *Request, port string, secure bool) string {
	protocol := "http"
	if secure {
		protocol = "https"
	}
	query := http1.QueryOf(x.Target)
	return strings.NewReplacer("{protocol}", protocol, "{host}", string(hostOnly(x.Host)), "{port}", port, "{path}", string(http1.PathOf(x.Target)), "{query}", string(query)).Replace(r.To)
}

// hostOnly is a host without its port, and without the dot that ends a name in full.
func hostOnly(host []byte) []byte {
	if i := bytes.LastIndexByte(host, ':'); i >= 0 && bytes.IndexByte(host[i:], ']') < 0 {
		host = host[:i]
	}
	return bytes.TrimSuffix(host, []byte("."))
}

// Glob reports whether a text matches a pattern, in time proportional to their lengths' product at worst.
func Glob(pattern string, text []byte) bool { return glob(pattern, text, false) }

func globFold(pattern string, text []byte) bool { return glob(pattern, text, true) }

func glob(pattern string, text []byte, fold bool) bool {
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || same(pattern[p], text[t], fold)):
			p++
			t++
		case star >= 0: // let the last star take one more
			p = star + 1
			mark++
			t = mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

func same(a, b byte, fold bool) bool {
	if fold {
		a, b = lower(a), lower(b)
	}
	return a == b
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
