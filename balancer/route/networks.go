package route

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Networks are blocks of addresses.
type Networks []netip.Prefix

// ParseNetworks reads addresses and CIDR blocks. What is written as IPv4 within IPv6 (::ffff:10.0.0.0/104) is IPv4.
func ParseNetworks(list []string) (Networks, error) {
	var out Networks
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, err := netip.ParseAddr(s)
			if err != nil {
				return nil, fmt.Errorf("%q is neither an address nor a CIDR block, such as 10.0.0.0/8", s)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if p.Addr().Is4In6() {
			if p.Bits() < mappedBits {
				return nil, fmt.Errorf("%q is a block of IPv4 and of IPv6 addresses: write it as IPv4, such as 10.0.0.0/8, or with %d bits or more", s, mappedBits)
			}
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedBits)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// mappedBits is how long the prefix is of IPv4 addresses within IPv6 (RFC 4291, 2.5.5.2).
const mappedBits = 96

// Contain reports whether an address is in one of the blocks. Blocks have no zones: that of an address does not matter.
func (n Networks) Contain(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(n, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Client returns the address of the client behind proxies, which are those of the blocks: X-Forwarded-For is read from its end
// on, where the nearest proxy has written, as long as it was a proxy that wrote. The first address that is no proxy's is
// the client's; where all are, the one that the farthest told of. What comes before that anybody may have written.
//
// peer is the address that the connection comes from, header as in Request.
func (n Networks) Client(peer string, header func(lower string, from int) (value []byte, next int)) string {
	client, err := netip.ParseAddr(peer)
	if err != nil || !n.Contain(client) {
		return peer
	}
	var lines [][]byte
	for value, next := header("x-forwarded-for", 0); value != nil; value, next = header("x-forwarded-for", next) {
		lines = append(lines, value)
	}
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; {
			last := rest
			at := bytes.LastIndexByte(rest, ',')
			if more = at >= 0; more {
				rest, last = rest[:at], rest[at+1:]
			}
			before, ok := parseNode(strings.TrimSpace(string(last)))
			if !ok {
				return client.String()
			}
			if client = before; !n.Contain(client) {
				return client.String()
			}
		}
	}
	return client.String()
}

// parseNode reads an address as proxies write it: also with a port, and of IPv6 in brackets.
func parseNode(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return a.Unmap().WithZone(""), err == nil
}
