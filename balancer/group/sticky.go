package group

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Sticky sends a client to the target again that answered it before, by a cookie that only the balancer can make. The
// cookie holds the target and an end, both signed with the secret: it outlives the balancer, and works with any balancer
// of the same secret.
type Sticky struct {
	Cookie string
	For    time.Duration // the cookie is good so long; it is renewed in its second half
	// Application is a cookie of the targets: stickiness begins when a target sets it. Without one it begins with the first
	// answer.
	Application string
	Secret      string
}

// StickyParams describes it as a scenario writes it. The bounds are an application load balancer's.
func StickyParams() []spec.Param {
	return []spec.Param{
		{Name: "cookie", Type: spec.Text, Default: "SHAKEDOWNLB", Doc: "the cookie's name"},
		{Name: "for", Type: spec.Duration, Default: "24h", Min: 1, Max: 604800, Doc: "how long a client sticks to its target; renewed by use"},
		{Name: "application", Type: spec.Text, Doc: "a cookie of the targets: a client sticks from the answer on that sets it"},
		{Name: "secret", Type: spec.Text, Secret: true, Doc: "signs the cookie; without it a key made of the seed does, which is good enough for a rehearsal only, and is another one at each start of a balancer that draws its seed"},
	}
}

// NewSticky returns what the values describe.
func NewSticky(v spec.Values) (*Sticky, error) {
	s := &Sticky{v.Text("cookie"), v.Duration("for"), v.Text("application"), v.Text("secret")}
	for _, name := range []string{s.Cookie, s.Application} {
		if strings.ContainsAny(name, " \t\r\n=;,\"") {
			return nil, fmt.Errorf("%q is no name for a cookie", name)
		}
	}
	if s.Cookie == "" {
		return nil, fmt.Errorf("the cookie has no name")
	}
	return s, nil
}

// sign signs for a group, with a key of its own.
func (s *Sticky) sign(g *Group, parts ...[]byte) (out pick.Tag) {
	secret := s.Secret
	if secret == "" {
		secret = fmt.Sprintf("seed %d", g.Config().Seed)
	}
	m := hmac.New(sha256.New, []byte(secret+"\x00"+g.name))
	for _, p := range parts {
		m.Write(p)
	}
	copy(out[:], m.Sum(nil))
	return out
}

// Tag is what stands for a target in the cookies of a group: nobody learns its id from it.
func (s *Sticky) Tag(g *Group, id string) pick.Tag { return s.sign(g, []byte("target "), []byte(id)) }

const tokenSize = 12 + 8 + 12 // tag, end, signature

// Token is the value of a cookie for a target. now is the wall clock, in seconds since 1970: a cookie outlives the
// process and its clock.
func (s *Sticky) Token(g *Group, id string, now int64) string {
	tag := s.Tag(g, id)
	b := append(make([]byte, 0, tokenSize), tag[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(now)+uint64(s.For/time.Second))
	signature := s.sign(g, []byte("cookie "), b)
	return base64.RawURLEncoding.EncodeToString(append(b, signature[:]...))
}

// Read reads a cookie's value: the tag of the target, zero when it is not good, and whether it should be renewed.
func (s *Sticky) Read(g *Group, value []byte, now int64) (tag pick.Tag, renew bool) {
	var b [tokenSize]byte
	if base64.RawURLEncoding.DecodedLen(len(value)) != tokenSize {
		return tag, true
	}
	if _, err := base64.RawURLEncoding.Strict().Decode(b[:], value); err != nil {
		return tag, true
	}
	want := s.sign(g, []byte("cookie "), b[:20])
	ends := int64(binary.BigEndian.Uint64(b[12:20]))
	if !hmac.Equal(want[:], b[20:]) || now >= ends {
		return tag, true
	}
	copy(tag[:], b[:12])
	return tag, time.Duration(ends-now)*time.Second < s.For/2
}
