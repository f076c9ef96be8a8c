package scenarios

import (
	"strings"
	"testing"
	"time"
)

// Where the client's settings say nothing, they follow from the timeout and from constants; both engines play
// closed loops.
func TestClientSettings(t *testing.T) {
	for text, want := range map[string]struct {
		engine          string
		attempt, paused time.Duration
	}{
		"timeout: 2s": {"wire", 100 * time.Millisecond, 100 * time.Millisecond},
		"timeout: 2s, min_attempt: 0s, pause_after_failure: 0s": {"wire", 0, 0},
		"min_attempt: 5s, pause_after_failure: 1s, http2: true": {"vegeta", 5 * time.Second, time.Second},
	} {
		src := Source{Name: "x", Text: []byte("version: 1\ntarget: http://127.0.0.1:1\nclient: {" + text + "}\nload: {phases: [{name: a, users: 3, for: 1s}]}\n")}
		c := decode(t, src).Client
		if c.Engine != want.engine || c.MinAttempt != want.attempt || c.FailPause != want.paused {
			t.Errorf("%s: engine %s, least attempt %v, pause %v", text, c.Engine, c.MinAttempt, c.FailPause)
		}
	}
}

// Several client addresses are refused where a connection could not come from them.
func TestClientAddressesNeedALoopbackTarget(t *testing.T) {
	const load = "load: {phases: [{name: a, rate: 1/s, for: 1s}]}\n"
	for _, tc := range []struct{ system, client, mistake string }{
		{"target: http://127.0.0.1:1", "addresses: 10", ""},
		{"target: http://localhost", "addresses: 60000", ""},
		{"target: https://api.test", "addresses: 10, resolve: ['api.test:443=127.0.0.1:8443']", ""},
		{"topology: {groups: {web: {targets: {count: 2}}}}", "addresses: 10", ""},
		{"target: https://api.test", "addresses: 1", ""},
		{"target: https://api.test", "addresses: 10", "api.test:443 is no loopback address of IPv4"},
		{"target: http://10.0.0.1:80", "addresses: 10", "10.0.0.1:80 is no loopback address of IPv4"},
		{"target: http://[::1]:80", "addresses: 10", "[::1]:80 is no loopback address of IPv4"},
		{"target: http://127.0.0.1:80", "addresses: 10, resolve: ['127.0.0.1:80=10.0.0.1:80']", "10.0.0.1:80 is no loopback address"},
		{"topology: {listeners: [{address: '0.0.0.0:0', rules: [{forward: web}]}], groups: {web: {targets: {count: 2}}}}", "addresses: 10", "0.0.0.0:0 is no loopback address"},
		{"target: http://127.0.0.1:1", "addresses: 10, http2: true", "addresses and http2 exclude each other"},
		{"target: http://127.0.0.1:1", "addresses: 10, unix_socket: /tmp/x", "addresses and unix_socket exclude each other"},
		{"target: http://127.0.0.1:1", "addresses: 0", "the least is 1"},
		{"target: http://127.0.0.1:1", "addresses: 60001", "the most is 60000"},
	} {
		_, err := Decode(Source{Name: "x", Text: []byte("version: 1\n" + tc.system + "\nclient: {" + tc.client + "}\n" + load)})
		switch {
		case tc.mistake == "" && err != nil:
			t.Errorf("%s, %s: %v", tc.system, tc.client, err)
		case tc.mistake != "" && (err == nil || !strings.Contains(err.Error(), tc.mistake)):
			t.Errorf("%s, %s: %v, want %q", tc.system, tc.client, err, tc.mistake)
		}
	}
}

// Retries of the client are off by default, whatever the profile of the balancer, and mistakes in them are told.
func TestClientRetries(t *testing.T) {
	system := map[string]string{
		"own":     "target: http://127.0.0.1:1",
		"haproxy": "topology: {balancer: {profile: haproxy}, groups: {web: {targets: {count: 2}}}}",
	}
	for _, tc := range []struct {
		system, client string
		on             bool
		mistake        string
	}{
		{"own", "timeout: 2s", false, ""},
		{"haproxy", "timeout: 2s", false, ""},
		{"own", "retry: off", false, ""},
		{"own", "retry: on", true, ""},
		{"haproxy", "retry: {attempts: 3, on: connect, jitter: none, budget: unlimited, backoff: 0s}", true, ""},
		{"own", "http2: true, retry: on", true, ""},
		{"own", "retry: {attempts: 0}", false, "the least is 1"},
		{"own", "retry: {attempts: 11}", false, "the most is 10"},
		{"own", "retry: {on: timeout}", false, "is not one of connect, error, 5xx"},
		{"own", "retry: {jitter: some}", false, "is not one of full, equal, none"},
		{"own", "retry: {budget: 120%}", false, "the most is 100%"},
		{"own", "retry: {backoff: -1s}", false, "backoff: -1s"},
		{"own", "retry: {timeout: 0s}", false, "the least is 1ms"},
		{"own", "timeout: 2s, retry: {timeout: 3s}", false, "timeout 3s of an attempt is more than that of the whole, 2s"},
		{"own", "retry: {back_off: 1s}", false, `did you mean "backoff"`},
		{"own", "retry: 3", false, "retry must be a mapping"},
	} {
		d, err := Decode(Source{Name: "x", Text: []byte("version: 1\n" + system[tc.system] + "\nclient: {" + tc.client + "}\nload: {phases: [{name: a, rate: 1/s, for: 1s}]}\n")})
		switch {
		case tc.mistake == "" && err != nil:
			t.Errorf("%s, %s: %v", tc.system, tc.client, err)
		case tc.mistake == "" && (d.Client.Retry != nil) != tc.on:
			t.Errorf("%s, %s: %+v", tc.system, tc.client, d.Client.Retry)
		case tc.mistake != "" && (err == nil || !strings.Contains(err.Error(), tc.mistake)):
			t.Errorf("%s, %s: %v, want %q", tc.system, tc.client, err, tc.mistake)
		}
	}
}
