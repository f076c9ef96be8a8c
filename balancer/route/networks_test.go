package route

import (
	"net/netip"
	"testing"
)

func TestClientBehindProxies(t *testing.T) {
	trusted, err := ParseNetworks([]string{"10.0.0.0/8", "127.0.0.1", "fd00::/8"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, peer string
		lines      []string
		want       string
	}{
		{"a peer that is no proxy says nothing", "192.0.2.1", []string{"198.51.100.7"}, "192.0.2.1"},
		{"no header", "10.1.1.1", nil, "10.1.1.1"},
		{"one proxy", "10.1.1.1", []string{"198.51.100.7"}, "198.51.100.7"},
		{"two proxies", "10.1.1.1", []string{"198.51.100.7, 10.2.2.2"}, "198.51.100.7"},
		{"what a client has written before it", "10.1.1.1", []string{"203.0.113.9, 198.51.100.7, 10.2.2.2"}, "198.51.100.7"},
		{"in lines of their own", "127.0.0.1", []string{"203.0.113.9", "198.51.100.7", "10.2.2.2,10.3.3.3"}, "198.51.100.7"},
		{"all are proxies", "10.1.1.1", []string{"10.5.5.5, 10.2.2.2"}, "10.5.5.5"},
		{"no address", "10.1.1.1", []string{"198.51.100.7, unknown"}, "10.1.1.1"},
		{"an empty member", "10.1.1.1", []string{"198.51.100.7,, 10.2.2.2"}, "10.2.2.2"},
		{"an empty line", "10.1.1.1", []string{"198.51.100.7", ""}, "10.1.1.1"},
		{"with a port", "10.1.1.1", []string{"198.51.100.7:4711"}, "198.51.100.7"},
		{"IPv6", "fd00::1", []string{"2001:db8::7, fd00::2"}, "2001:db8::7"},
		{"IPv6 with a port", "fd00::1", []string{"[2001:db8::7]:80"}, "2001:db8::7"},
		{"IPv6 in brackets", "fd00::1", []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"IPv4 within IPv6", "::ffff:10.1.1.1", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"a Unix domain socket", "", []string{"198.51.100.7"}, ""},
	} {
		header := func(lower string, from int) ([]byte, int) {
			if lower != "x-forwarded-for" || from >= len(tc.lines) {
				return nil, from
			}
			return []byte(tc.lines[from]), from + 1
		}
		if got := trusted.Client(tc.peer, header); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
		if got := Networks(nil).Client(tc.peer, header); got != tc.peer {
			t.Errorf("%s, with no trusted proxy: %q", tc.name, got)
		}
	}
}

// Blocks of IPv4 addresses that are written within IPv6 hold the same addresses; a client's zone does not matter.
func TestNetworks(t *testing.T) {
	for _, tc := range []struct{ block, inside, outside string }{
		{"10.0.0.0/8", "10.1.2.3", "11.0.0.1"},
		{"10.1.2.3/8", "10.9.9.9", "11.0.0.1"},
		{"10.0.0.1", "10.0.0.1", "10.0.0.2"},
		{"10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.0.0.1"},
		{"::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"},
		{"::ffff:10.0.0.1", "::ffff:10.0.0.1", "::ffff:10.0.0.2"},
		{"::ffff:a00:1", "10.0.0.1", "10.0.0.2"},
		{"::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.1"},
		{"::ffff:10.0.0.0/128", "10.0.0.0", "10.0.0.1"},
		{"::ffff:0:0/96", "192.0.2.1", "2001:db8::1"},
		{"0.0.0.0/0", "192.0.2.1", "2001:db8::1"},
		{"::/0", "2001:db8::1", "192.0.2.1"},
		{"fe80::/10", "fe80::1%eth0", "fd00::1"},
		{"fe80::1%eth0", "fe80::1", "fe80::2"},
	} {
		n, err := ParseNetworks([]string{tc.block})
		if err != nil {
			t.Errorf("%s: %v", tc.block, err)
			continue
		}
		if !n.Contain(netip.MustParseAddr(tc.inside)) {
			t.Errorf("%s does not contain %s", tc.block, tc.inside)
		}
		if n.Contain(netip.MustParseAddr(tc.outside)) {
			t.Errorf("%s contains %s", tc.block, tc.outside)
		}
	}
	for _, s := range []string{"", "10.0.0.0/33", "web", "10.0.0.1:80", "::ffff:10.0.0.0/8", "::ffff:10.0.0.0/95"} {
		if n, err := ParseNetworks([]string{s}); err == nil {
			t.Errorf("%q: %v", s, n)
		}
	}
}
