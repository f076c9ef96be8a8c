package attempt

import (
	"net/netip"
)

// Connect says how connections to a target are made. The zero Connect resolves names by the system and
// verifies certificates by its roots.
type Connect struct {
	Insecure   bool     // certificates are not verified
	CA         string   // file of PEM certificates to trust instead of the system's
	Cert, Key  string   // files of the client's own certificate, with its chain, and of its key, both PEM
	Resolve    []string // HOST:PORT=ADDRESS:PORT: connect there instead
	UnixSocket string   // path of a Unix domain socket to connect to, whatever the target's host
	Addresses  int      // client addresses that connections to a loopback address come from, see Source; up to 1: the system's choice
}

// MaxAddresses is the largest Connect.Addresses: as many as there may be connections.
const MaxAddresses = 60000

// Source returns the address that the n-th connection of a load comes from, n from 0: the connections take the
// addresses from 127.1.0.0 on in turn. It is the zero Addr where the system chooses.
//
// A connection keeps its address as long as it lives, so that requests come from no more addresses than there are
// connections.
func (c *Connect) Source(n int) netip.Addr {
	if c.Addresses < 2 {
		return netip.Addr{}
	}
	n %= c.Addresses
	return netip.AddrFrom4([4]byte{127, 1, byte(n >> 8), byte(n)})
}
