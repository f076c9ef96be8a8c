package live

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
)

const (
	// ephemeralLow is where Linux's range of ports for outgoing connections begins unless it was changed.
	ephemeralLow = 32768
	// portSpan is from how many ports below that range targets get theirs.
	portSpan = 12000
	// portTries bounds the search: so many taken ports in a row mean that something else is wrong.
	portTries = 200
)

// assignAddress gives the target its address for the whole run. The port lies outside the range of outgoing
// connections: while a killed target is down, one of those could otherwise take its port, and it could not
// come back.
func (t *target) assignAddress() error {
	if t.Address != "" {
		return nil
	}
	low := ephemeralLow
	if b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		// A file of another form leaves the default in place.
		_, _ = fmt.Sscan(string(b), &low)
	}
	from := max(low-portSpan, 1024)
	if from >= low { // a range that leaves nothing below it
		from, low = ephemeralLow-portSpan, ephemeralLow
	}
	for range portTries {
		// Not a seeded draw: two runs at the same time must not want the same port.
		address := fmt.Sprintf("127.0.0.1:%d", from+rand.IntN(low-from))
		if t.w.assigned(address) {
			continue // to a target that does not listen yet
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		t.Address = address
		return l.Close()
	}
	return errors.New("no free port was found")
}

func (w *World) assigned(address string) bool {
	for _, t := range w.targets {
		if t.Address == address {
			return true
		}
	}
	return false
}
