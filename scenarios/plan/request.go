package plan

import (
	"strings"

	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// Sender is what the generator adds to the requests of a scenario with a topology.
func (s *Scenario) Sender() mix.Sender {
	return mix.Sender{Host: hostOf(s.Topology.Listeners[0].Address), Identify: s.Client.Identify}
}

// Loopback is where clients of a run on one machine come from, and the host of a listener that names none.
const Loopback = "127.0.0.1"

// hostOf is the Host of a request to a listener: its address, as far as it is known before it listens.
func hostOf(address string) string {
	end := strings.LastIndexByte(address, ':') // it was checked: an address of IPv6 is in brackets
	if end < 0 {
		return Loopback
	}
	if host := address[:end]; host == "" || host == "localhost" {
		return Loopback + address[end:]
	}
	return address
}

// RoutedRequest returns the request of the i-th kind with a sequence number as the rules of the first listener, to which
// the load goes, look at it. It comes from the given client address.
func (s *Scenario) RoutedRequest(m *mix.Mix, i int, seq uint64, by mix.Sender, source string) *route.Request {
	texts := m.Texts(i)
	target := []byte(texts.Path.String(seq))
	if normal, err := http1.Normal(target); err == nil {
		target = normal
	}
	header := headersOf(m, i, seq, by)
	return &route.Request{
		Method: []byte(m.Requests()[i].Method), Host: []byte(m.Host(i, seq, by)), Target: target, Header: header,
		Source: s.Topology.Listeners[0].Options.TrustedProxies.Client(source, header),
	}
}

// headersOf is route.Request.Header. The headers are only made when one is looked for.
func headersOf(m *mix.Mix, i int, seq uint64, by mix.Sender) func(lower string, from int) ([]byte, int) {
	var list []mix.Header
	return func(lower string, from int) ([]byte, int) {
		if list == nil {
			list = m.Headers(i, seq, by)
		}
		for k := from; k < len(list); k++ {
			if strings.EqualFold(list[k].Name, lower) {
				return []byte(list[k].Value), k + 1
			}
		}
		return nil, len(list)
	}
}
