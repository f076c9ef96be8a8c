// Package client says how a load's requests are made: where to, how many at once, over what kind of
// connection, and how long each stage may take. Both engines are built from it.
package client

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// Config is what a load is played with.
type Config struct {
	Target string // http or https URL; the requests' paths are resolved below it
	Mix    *mix.Mix

	Timeout     time.Duration // from the due time to the end of the exchange
	MinAttempt  time.Duration // least time left of Timeout for a request to be sent; with less it is dropped
	FailPause   time.Duration // how long a user of a closed loop pauses after a failure, besides its think time
	Stages      Timeouts
	Connections int  // exchanges at once; more wait in order of due time
	PerConn     int  // exchanges before a connection is replaced; 0: no limit
	Identify    bool // send each request's sequence number along
	Cookies     bool // each user, or in an open loop each connection, keeps the cookies it was given
	HTTP2       bool // by ALPN with https, by prior knowledge with http
	Redirects   int  // how many are followed; 0: an answer that redirects is the answer
	Connect     Connect
}

// Timeouts bound single stages of an exchange; 0 leaves a stage to the timeout of the whole.
type Timeouts struct {
	Connect   time.Duration // until the connection is there, name resolved
	TLS       time.Duration // the handshake
	FirstByte time.Duration // from the last byte of the request's head to the first of the answer
}

// Base reads the target. The error names what is wrong with it.
func (c *Config) Base() (*url.URL, error) {
	u, err := url.Parse(c.Target)
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return nil, fmt.Errorf("target %q is not an http or https URL", c.Target)
	}
	return u, nil
}

// Address returns a target's host and port.
func Address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// Prefix is what stands before every request's path: the target's own path without a closing slash. The path
// "/" of a target that has a path means the target itself.
func Prefix(u *url.URL) string { return strings.TrimSuffix(u.EscapedPath(), "/") }

// Itself returns the request target of the URL as it stands: for requests whose path is "/".
func Itself(u *url.URL) string { return u.RequestURI() }
