package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// checkFlags refuses flags that contradict each other, and flags that would do nothing.
func (a *attack) checkFlags() error {
	closed := a.given("users") || a.rate == maxRate
	plainHTTP := strings.HasPrefix(a.url, "http://") && !a.given("redirects") // a redirect may lead to https
	for _, refused := range []struct {
		is   bool
		what string
	}{
		{a.given("users") && a.given("rate"), "--users and --rate exclude each other: users wait for their answers, a rate waits for nobody"},
		{a.given("think-time") && !a.given("users"), "--think-time needs --users N: only users pause between their requests"},
		{a.given("ramp-from") && a.given("users"), "--ramp-from and --users exclude each other: a closed loop has no rate"},
		{a.given("ramp-from") && a.rate == maxRate, "--ramp-from needs a rate to ramp to: --rate max has none"},
		{a.given("ramp-from") && !a.given("rate"), "--ramp-from needs --rate, the rate to ramp to"},
		{a.given("arrivals") && closed, "--arrivals needs a rate: in a closed loop the answers say when the next request leaves"},
		{a.given("insecure") && a.given("ca"), "--insecure and --ca exclude each other: nothing is verified, or by these certificates"},
		{a.given("resolve") && a.given("unix-socket"), "--resolve and --unix-socket exclude each other: a socket's path needs no address"},
		{a.given("cert") != a.given("key"), "a client certificate needs both files: --cert and --key"},
	} {
		if refused.is {
			return errors.New(refused.what)
		}
	}
	for _, name := range []string{"tls-timeout", "insecure", "ca", "cert"} {
		if plainHTTP && a.given(name) {
			return fmt.Errorf("--%s does nothing for %s: it needs an https URL", name, a.url)
		}
	}
	return a.checkData()
}

// checkData refuses data that nothing takes a value from.
func (a *attack) checkData() error {
	texts := a.text + "\n" + strings.Join(a.headers, "\n")
	for _, x := range a.data {
		name, _, _ := strings.Cut(x, "=")
		if used := regexp.MustCompile(`\{\{\s*` + regexp.QuoteMeta(name) + `\.`); !used.MatchString(texts) {
			return fmt.Errorf("--data %s is used by nothing: write {{%s.COLUMN}} into the URL, a header or the body", x, name)
		}
	}
	return nil
}
