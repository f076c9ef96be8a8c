// Package client makes a load's requests: it connects to where they go, tells what class a failure of the network has, and lets the users
// of a closed loop send one request after the other. Both engines are built on it; what is decided about a request is in package
// attempt.
package client

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
)

// Base reads the target. The error names what is wrong with it.
func Base(c *attempt.Config) (*url.URL, error) {
	u, err := ParseURL(c.Target)
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	return u, nil
}

// ParseURL reads the URL of a system under load.
func ParseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q is not a URL", s)
	case (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "":
		return nil, fmt.Errorf("%q is not an http or https URL, such as http://127.0.0.1:8080", s)
	case u.Port() != "" && !isPort(u.Port()):
		return nil, fmt.Errorf("the URL's port %s is not one from 1 to 65535", u.Port())
	}
	return u, nil
}

// isPort reports whether a connection can be made to what a text names.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
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
