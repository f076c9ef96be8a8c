package proxy

import (
	"errors"
	"io"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// spool reads on in the body of a request that may be sent twice, up to the bound of the group's retries, so that it is
// at hand for another attempt. A larger body is passed on as it comes, and its request is not repeated.
func (x *driver) spool() error {
	retry := x.pool.Group.Config().Retry
	r := &x.c.Request
	if retry == nil || !retry.Repeats() || x.c.Whole() || !http1.Idempotent(r.Method) || r.Expect || r.Upgrade != nil || r.Length > int64(retry.Spool) {
		return nil
	}
	var content []byte
	for began := len(x.request); len(x.request)-began < retry.Spool; {
		piece, err := x.readBody(x.c)
		if errors.Is(err, io.EOF) {
			if r.Chunked {
				x.request = appendEnd(x.request, x.c.Trailer(), x.unwanted)
			}
			return nil
		}
		if err != nil {
			return err
		}
		if piece, content, err = gatherBody(x.c, piece, content); err != nil {
			return err
		}
		x.request = appendPiece(x.request, piece, r.Chunked)
	}
	if r.Chunked && x.c.Whole() { // the bound was reached with the last piece
		x.request = appendEnd(x.request, x.c.Trailer(), x.unwanted)
	}
	return nil
}

// spoolFailed answers a request whose body broke off before any target was asked.
func (x *driver) spoolFailed(err error) {
	if unusable(err) == nil {
		x.gone(exchange.GoneFirst, errClient)
		return
	}
	x.refuse(err)
}
