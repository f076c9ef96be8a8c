// Package proxyheader reads and writes the header of HAProxy's PROXY protocol, versions 1 and 2: the first bytes of a
// connection, by which a proxy tells who is behind it. It follows proxy-protocol.txt of HAProxy 2.x.
package proxyheader

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// Header is what is told: who connected, and whereto. Both are invalid for a connection of the proxy's own, such as
// its health checks.
type Header struct{ Source, Destination netip.AddrPort }

// Local reports whether the proxy speaks for itself.
func (h Header) Local() bool { return !h.Source.IsValid() }

// ErrMalformed is of bytes that are no such header.
var ErrMalformed = errors.New("malformed PROXY header")

// First is how many bytes tell the versions apart; no header is shorter.
const First = 12

// maxText is the longest header of version 1, its CRLF included.
const maxText = 107

var signature = []byte("\r\n\r\n\x00\r\nQUIT\n")

// More says how many bytes of a header are still to come after those in b, at least First: 0 when it is whole. It never
// asks for a byte beyond the header.
func More(b []byte) (int, error) {
	switch {
	case bytes.HasPrefix(b, signature):
		const fixed = 16
		if len(b) < fixed {
			return fixed - len(b), nil
		}
		return max(fixed+int(binary.BigEndian.Uint16(b[14:]))-len(b), 0), nil
	case !bytes.HasPrefix(b, []byte("PROXY ")):
		return 0, ErrMalformed
	case b[len(b)-1] == '\n':
		return 0, nil
	case len(b) >= maxText:
		return 0, ErrMalformed
	}
	return 1, nil
}

// Parse reads a whole header, as More found it.
func Parse(b []byte) (Header, error) {
	if bytes.HasPrefix(b, signature) {
		return parseBinary(b)
	}
	return parseText(string(b))
}

func parseText(s string) (h Header, err error) {
	line, ok := strings.CutSuffix(s, "\r\n")
	words := strings.Split(line, " ")
	if !ok || len(words) < 2 || words[0] != "PROXY" {
		return h, ErrMalformed
	}
	if words[1] == "UNKNOWN" {
		return h, nil
	}
	if len(words) != 6 || (words[1] != "TCP4" && words[1] != "TCP6") {
		return h, ErrMalformed
	}
	four := words[1] == "TCP4"
	if h.Source, ok = endpoint(words[2], words[4], four); !ok {
		return Header{}, ErrMalformed
	}
	if h.Destination, ok = endpoint(words[3], words[5], four); !ok {
		return Header{}, ErrMalformed
	}
	return h, nil
}

func endpoint(ip, port string, four bool) (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(ip)
	n, bad := strconv.ParseUint(port, 10, 16)
	if err != nil || bad != nil || a.Is4() != four || a.Zone() != "" || strconv.FormatUint(n, 10) != port {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a, uint16(n)), true
}

// The bytes of version 2: version and command, family and transport.
const (
	local, proxied = 0x20, 0x21
	tcp4, tcp6     = 0x11, 0x21
)

func parseBinary(b []byte) (h Header, err error) {
	if len(b) < 16 || len(b) != 16+int(binary.BigEndian.Uint16(b[14:])) {
		return h, ErrMalformed
	}
	rest := b[16:]
	switch b[12] {
	case local:
		return h, nil
	case proxied:
	default:
		return h, ErrMalformed
	}
	size := 0
	switch b[13] {
	case tcp4:
		size = 4
	case tcp6:
		size = 16
	default:
		return h, nil // another family: whoever it is can't be said
	}
	if len(rest) < 2*size+4 { // what follows are optional fields
		return h, ErrMalformed
	}
	source, _ := netip.AddrFromSlice(rest[:size])
	destination, _ := netip.AddrFromSlice(rest[size : 2*size])
	ports := rest[2*size:]
	h.Source = netip.AddrPortFrom(source, binary.BigEndian.Uint16(ports))
	h.Destination = netip.AddrPortFrom(destination, binary.BigEndian.Uint16(ports[2:]))
	return h, nil
}

// Append appends a header of a version, 1 or 2.
func Append(out []byte, version int, h Header) []byte {
	source := netip.AddrPortFrom(h.Source.Addr().Unmap(), h.Source.Port())
	destination := netip.AddrPortFrom(h.Destination.Addr().Unmap(), h.Destination.Port())
	known := source.IsValid() && destination.IsValid()
	if known && source.Addr().Is4() != destination.Addr().Is4() { // a header has addresses of one family
		source = netip.AddrPortFrom(netip.AddrFrom16(source.Addr().As16()), source.Port())
		destination = netip.AddrPortFrom(netip.AddrFrom16(destination.Addr().As16()), destination.Port())
	}
	if version == 2 {
		return appendBinary(out, known, source, destination)
	}
	if !known {
		return append(out, "PROXY UNKNOWN\r\n"...)
	}
	family := "TCP6 "
	if source.Addr().Is4() {
		family = "TCP4 "
	}
	out = append(append(out, "PROXY "...), family...)
	out = append(source.Addr().AppendTo(out), ' ')
	out = append(destination.Addr().AppendTo(out), ' ')
	out = strconv.AppendUint(out, uint64(source.Port()), 10)
	out = append(out, ' ')
	out = strconv.AppendUint(out, uint64(destination.Port()), 10)
	return append(out, "\r\n"...)
}

func appendBinary(out []byte, known bool, source, destination netip.AddrPort) []byte {
	out = append(out, signature...)
	if !known {
		return append(out, local, 0, 0, 0)
	}
	family := byte(tcp6)
	if source.Addr().Is4() {
		family = tcp4
	}
	a, b := source.Addr().AsSlice(), destination.Addr().AsSlice()
	out = append(out, proxied, family)
	out = binary.BigEndian.AppendUint16(out, uint16(2*len(a)+4))
	out = append(append(out, a...), b...)
	out = binary.BigEndian.AppendUint16(out, source.Port())
	return binary.BigEndian.AppendUint16(out, destination.Port())
}
