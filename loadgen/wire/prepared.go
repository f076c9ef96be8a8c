package wire

import (
	"errors"
	"net/http"
	"net/textproto"
	"strconv"

	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/loadgen/client"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// prepared is a kind of request, as far as it is the same each time.
type prepared struct {
	name       string
	isHead     bool
	idempotent bool
	expect     *mix.Expect
	onSwitch   error // what an answer of 101 is

	plain bool   // nothing is filled in: head and body are what is sent
	head  []byte // whole header lines, without the empty one that ends them
	body  []byte

	start  []byte // method and what stands before the path; the path and the rest follow
	path   *mix.Text
	fixed  []byte // the rest of the first line, and the headers that never change
	text   *mix.Texts
	length bool // say the body's length, be it 0
}

// prepare writes what is the same for each of the requests of a kind.
func (e *Engine) prepare(i int) (prepared, error) {
	r, t := e.cfg.Mix.Requests()[i], e.cfg.Mix.Texts(i)
	p := prepared{
		name: r.Name, isHead: r.Method == http.MethodHead, idempotent: http1.Idempotent(r.Method), expect: r.Expect, onSwitch: client.CheckSwitch(&r), text: t, path: &t.Path,
		start:  []byte(r.Method + " " + client.Prefix(e.base)),
		length: r.SaysLength(),
	}
	if path, ok := t.Path.Plain(); ok && (path == "" || path == "/") {
		p.start, p.path = []byte(r.Method+" "+e.base.RequestURI()), &mix.Text{}
	}
	host, agent := e.base.Host, "User-Agent: "+mix.UserAgent+"\r\n"
	_, plain := t.Path.Plain()
	_, plainBody := t.Body.Plain()
	p.plain = plain && plainBody
	for _, h := range t.Headers {
		value, ok := h.Value.Plain()
		p.plain = p.plain && ok
		switch textproto.CanonicalMIMEHeaderKey(h.Name) {
		case "Host":
			if !ok {
				return p, errors.New("header Host can't be a template")
			}
			host = value
		case "User-Agent":
			agent = ""
		case "Cookie":
			if e.cfg.Cookies {
				return p, errors.New("header Cookie and cookies that are kept exclude each other")
			}
		}
	}
	p.fixed = []byte(" HTTP/1.1\r\nHost: " + host + "\r\n" + agent)
	if p.plain {
		p.body = t.Body.Append(nil, 0)
		p.head = p.appendHead(nil, 0, len(p.body))
	}
	return p, nil
}

// appendHead appends the head of a request, without the empty line that ends it.
func (p *prepared) appendHead(dst []byte, seq uint64, body int) []byte {
	dst = append(dst, p.start...)
	dst = p.path.Append(dst, seq)
	dst = append(dst, p.fixed...)
	for i := range p.text.Headers {
		h := &p.text.Headers[i]
		if len(h.Name) == len("Host") && textproto.CanonicalMIMEHeaderKey(h.Name) == "Host" {
			continue
		}
		dst = append(dst, h.Name...)
		dst = append(dst, ": "...)
		dst = h.Value.Append(dst, seq)
		dst = append(dst, "\r\n"...)
	}
	if p.length {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(body), 10)
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// write makes a request's bytes in the connection's buffers: out is what is to be sent.
func (c *conn) write(p *prepared) {
	body, seq := p.body, c.call.Seq
	if p.plain {
		c.out = append(c.out[:0], p.head...)
	} else {
		c.filled = p.text.Body.Append(c.filled[:0], seq)
		body = c.filled
		c.out = p.appendHead(c.out[:0], seq, len(body))
	}
	if c.jar != nil {
		c.out = c.jar.append(c.out, p.path.String(seq))
	}
	if c.p.e.cfg.Identify {
		c.out = append(c.out, mix.SeqHeader+": "...)
		c.out = mix.AppendSeq(c.out, seq, c.call.ClientAttempts-1)
		c.out = append(c.out, "\r\n"...)
	}
	c.out = append(c.out, "\r\n"...)
	c.call.BytesOut = int64(len(body))
	c.out = append(c.out, body...)
}
