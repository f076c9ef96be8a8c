package wire

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"

	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// jar keeps the cookies of one user: of a user of a closed loop, or of a connection in an open one, over
// reconnects. Which cookie goes where is net/http's.
type jar struct {
	cookies *cookiejar.Jar
	url     url.URL // of the request under way
	base    string  // the target's own path
}

func newJar(base *url.URL) *jar {
	cookies, _ := cookiejar.New(nil) // without options nothing can be wrong
	return &jar{cookies, *base, base.Path}
}

// append writes the header of a request to a path.
func (j *jar) append(dst []byte, path string) []byte {
	if j.url.Path = j.base; path != "" {
		ref, err := url.Parse(path)
		if err != nil {
			return dst // a server may read it all the same, but no cookie's path can be matched with it
		}
		j.url.Path += ref.Path
	}
	for i, c := range j.cookies.Cookies(&j.url) {
		if i == 0 {
			dst = append(dst, "Cookie: "...)
		} else {
			dst = append(dst, "; "...)
		}
		dst = append(dst, c.Name+"="+c.Value...)
	}
	if n := len(dst); n > 0 && dst[n-1] != '\n' {
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// header takes in a header of the answer.
func (j *jar) header(name, value []byte) {
	if !http1.Is(name, "set-cookie") {
		return
	}
	if c, err := http.ParseSetCookie(string(value)); err == nil { // others a browser would not keep either
		j.cookies.SetCookies(&j.url, []*http.Cookie{c})
	}
}
