package sim

import (
	"strings"

	"github.com/seed-8025779b/shakedown/balancer/route"
)

// clientAddress is where simulated clients come from, as real ones of a run on one machine do.
const clientAddress = "127.0.0.1"

// header is what the request that the mix says it is has as a header; nil when it has none of that name.
func (w *World) header(r *request, name string) []byte {
	texts := w.mix.Texts(w.mix.Index(r.Seq))
	for i := range texts.Headers {
		if strings.EqualFold(texts.Headers[i].Name, name) {
			return []byte(texts.Headers[i].Value.String(r.Seq))
		}
	}
	return nil
}

// balancerHost is the host of requests that name none: the balancer's address, which a simulated one does not have.
const balancerHost = "127.0.0.1"

// ask is the request as rules look at it.
func (w *World) ask(r *request) *route.Request {
	host := w.header(r, "host")
	if host == nil {
		host = []byte(balancerHost)
	}
	return &route.Request{
		Method: []byte(w.mix.At(r.Seq).Method), Host: host, Target: []byte(w.mix.Path(r.Seq)), Source: clientAddress,
		Header: func(lower string) []byte { return w.header(r, lower) },
	}
}
