package sim

import (
	"strings"

	"github.com/seed-8025779b/shakedown/balancer/pick"
)

// clientAddress is where simulated clients come from, as real ones of a run on one machine do.
const clientAddress = "127.0.0.1"

// key is the request's key for a strategy that wants one. It is what the balancer would see of the request that the
// mix says it is.
func (w *World) key(r *request, k pick.Key) uint64 {
	texts := w.mix.Texts(w.mix.Index(r.Seq))
	header := func(name string) []byte {
		for i := range texts.Headers {
			if strings.EqualFold(texts.Headers[i].Name, name) {
				return []byte(texts.Headers[i].Value.String(r.Seq))
			}
		}
		return nil
	}
	var text []byte
	switch k.From {
	case pick.Address:
		return pick.Hash(clientAddress)
	case pick.Path:
		text = pick.PathOf([]byte(w.mix.Path(r.Seq)))
	case pick.Query:
		text = pick.QueryValue([]byte(w.mix.Path(r.Seq)), k.Name)
	case pick.Header:
		text = header(k.Name)
	case pick.Cookie:
		text = pick.CookieValue(header("cookie"), k.Name)
	}
	if text == nil {
		return r.group.g.AnyKey(r.Seq)
	}
	return pick.Hash(text)
}
