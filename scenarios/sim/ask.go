package sim

import (
	"strings"

	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/route"
)

// clientAddress is where simulated clients come from, as real ones of a run on one machine do.
const clientAddress = "127.0.0.1"

// source is the address that a request comes from. A user has a connection of its own; other requests are spread over
// the connections, which are not simulated, by a draw.
func (w *World) source(r *request) string {
	c := &w.s.Client
	spread := c.Spread()
	if spread == 0 {
		return clientAddress
	}
	n := w.sources.Intn(spread, r.Seq, 0)
	if r.user != nil {
		n = r.user.number
	}
	return c.Connect.Source(n).String()
}

// header is what the request that the mix says it is has as a header: the first of that name from a number on, and the
// number after it; nil when there is none.
func (w *World) header(r *request, name string, from int) (value []byte, next int) {
	texts := w.mix.Texts(w.mix.Index(r.Seq))
	for i := from; i < len(texts.Headers); i++ {
		if strings.EqualFold(texts.Headers[i].Name, name) {
			return []byte(texts.Headers[i].Value.String(r.Seq)), i + 1
		}
	}
	return nil, len(texts.Headers)
}

// balancerHost is the host of requests that name none: the balancer's address, which a simulated one does not have.
const balancerHost = "127.0.0.1"

// ask is the request as rules look at it.
func (w *World) ask(r *request) *route.Request {
	host, _ := w.header(r, "host", 0)
	if host == nil {
		host = []byte(balancerHost)
	}
	target := []byte(w.mix.Path(r.Seq))
	if normal, err := http1.Normal(target); err == nil {
		target = normal
	}
	header := func(lower string, from int) ([]byte, int) { return w.header(r, lower, from) }
	return &route.Request{
		Method: []byte(w.mix.At(r.Seq).Method), Host: host, Target: target, Header: header,
		Source: w.s.Topology.Listeners[0].Options.TrustedProxies.Client(w.source(r), header),
	}
}
