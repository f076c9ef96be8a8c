package client

import (
	"testing"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
)

// Connections take the addresses in turn, over the bounds of a byte; the last one is of 127.0.0.0/8 too.
func TestSource(t *testing.T) {
	for _, tc := range []struct {
		addresses, n int
		want         string
	}{
		{0, 0, "invalid IP"},
		{1, 5, "invalid IP"},
		{2, 0, "127.1.0.0"},
		{2, 1, "127.1.0.1"},
		{2, 2, "127.1.0.0"},
		{1000, 255, "127.1.0.255"},
		{1000, 256, "127.1.1.0"},
		{1000, 999, "127.1.3.231"},
		{1000, 1000, "127.1.0.0"},
		{attempt.MaxAddresses, attempt.MaxAddresses - 1, "127.1.234.95"},
	} {
		c := attempt.Connect{Addresses: tc.addresses}
		if got := c.Source(tc.n).String(); got != tc.want {
			t.Errorf("connection %d of %d addresses: %s, want %s", tc.n, tc.addresses, got, tc.want)
		}
	}
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:80": true, "127.9.8.7:80": true, "localhost:80": true, "LocalHost:80": true,
		"[::1]:80": false, "0.0.0.0:80": false, ":80": false, "10.0.0.1:80": false, "example.org:80": false, "127.0.0.1": false, "": false,
	} {
		if got := Loopback(address); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

// A connection is made before one is used again as often as there are addresses for it.
func TestSpread(t *testing.T) {
	for _, tc := range []struct{ addresses, connections, want int }{{0, 10, 0}, {1, 10, 0}, {2, 10, 2}, {10, 10, 10}, {100, 10, 10}} {
		c := attempt.Config{Connections: tc.connections, Connect: attempt.Connect{Addresses: tc.addresses}}
		if got := c.Spread(); got != tc.want {
			t.Errorf("%d addresses, %d connections: %d, want %d", tc.addresses, tc.connections, got, tc.want)
		}
	}
}
