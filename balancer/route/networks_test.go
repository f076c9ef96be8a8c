package route

import "testing"

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
