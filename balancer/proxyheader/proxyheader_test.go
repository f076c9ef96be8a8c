package proxyheader

import (
	"net/netip"
	"testing"
)

// read goes through a header as a reader of a connection does, and returns what it would leave unread.
func read(b []byte) (Header, int, error) {
	n := min(First, len(b))
	for {
		more, err := More(b[:n])
		if err != nil {
			return Header{}, n, err
		}
		if more == 0 {
			h, err := Parse(b[:n])
			return h, len(b) - n, err
		}
		if n+more > len(b) {
			return Header{}, 0, ErrMalformed
		}
		n += more
	}
}

func TestThereAndBack(t *testing.T) {
	for _, pair := range [][2]string{
		{"192.0.2.1:1234", "198.51.100.7:443"}, {"[2001:db8::1]:65535", "[2001:db8::2]:1"}, {"[::ffff:192.0.2.9]:7", "198.51.100.7:80"},
	} {
		for version := 1; version <= 2; version++ {
			want := Header{netip.MustParseAddrPort(pair[0]), netip.MustParseAddrPort(pair[1])}
			b := append(Append(nil, version, want), "GET / HTTP/1.1\r\n"...)
			got, left, err := read(b)
			if err != nil || left != len("GET / HTTP/1.1\r\n") {
				t.Fatalf("%v, version %d: %v, %d bytes left", pair, version, err, left)
			}
			if got.Source.Addr() != want.Source.Addr().Unmap() || got.Source.Port() != want.Source.Port() || got.Destination != want.Destination {
				t.Errorf("%v, version %d: %v", pair, version, got)
			}
		}
	}
	for version := 1; version <= 2; version++ {
		if h, left, err := read(Append(nil, version, Header{})); err != nil || left != 0 || !h.Local() {
			t.Errorf("version %d, of its own: %v, %d, %v", version, h, left, err)
		}
	}
}

// The examples of the specification, and what comes close to one.
func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n": "255.255.255.255:65535",
		"PROXY TCP6 ffff:f::f ffff::f 65535 65535\r\n":               "[ffff:f::f]:65535",
		"PROXY UNKNOWN\r\n":                   "invalid AddrPort",
		"PROXY UNKNOWN what ever it says\r\n": "invalid AddrPort",
		sig + "\x21\x11\x00\x0f\x7f\x00\x00\x01\x7f\x00\x00\x02\x00\x50\x01\xbb\x04\x00\x00": "127.0.0.1:80",
		sig + "\x21\x31\x00\x02ab": "invalid AddrPort", // a Unix socket
		sig + "\x20\x11\x00\x00":   "invalid AddrPort",
	} {
		if h, left, err := read([]byte(text)); err != nil || left != 0 || h.Source.String() != want {
			t.Errorf("%q: %v, %d left, %v", text, h.Source, left, err)
		}
	}
	for _, text := range []string{
		"GET / HTTP/1.1\r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
		"PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n", "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", "PROXY " + long + "\r\n", sig + "\x11\x11\x00\x0c", sig + "\x31\x11\x00\x00", sig + "\x21\x11\x00\x04abcd",
	} {
		if _, _, err := read([]byte(text)); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

const (
	sig  = "\r\n\r\n\x00\r\nQUIT\n"
	long = "UNKNOWN aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"))
	f.Add(Append(nil, 2, Header{netip.MustParseAddrPort("[::1]:1"), netip.MustParseAddrPort("[::2]:2")}))
	f.Add(append([]byte(signature), "!!\x00\x24\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x01\x02\x03\x0400000000000000\x00\x07\x00\x09"...)) // a mapped source, and a destination that is none
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < First {
			return
		}
		h, _, err := read(b)
		if err != nil || h.Local() {
			return
		}
		for version := 1; version <= 2; version++ {
			again, left, err := read(Append(nil, version, h))
			if err != nil || left != 0 || again.Source.Port() != h.Source.Port() {
				t.Fatalf("%v came back as %v: %d, %v", h, again, left, err)
			}
		}
	})
}
