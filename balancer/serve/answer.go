package serve

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// ErrSlow is the reason for 408.
var ErrSlow = errors.New("the head did not come in time")

// ErrBodyTooLarge is of a body with more bytes than it may have: the reason for 413.
var ErrBodyTooLarge = errors.New("the body is too large")

// ErrIntroduction is of connections that did not get as far as a request.
var ErrIntroduction = errors.New("the connection could not be begun")

// ErrFull is the reason for 503.
var ErrFull = errors.New("the listener has as many connections as it may")

// StatusOf is the answer to a request that was refused for a reason.
func StatusOf(reason error) int {
	switch {
	case errors.Is(reason, ErrBodyTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(reason, ErrFull):
		return http.StatusServiceUnavailable
	case errors.Is(reason, ErrSlow):
		return http.StatusRequestTimeout
	case errors.Is(reason, http1.ErrVersion):
		return http.StatusHTTPVersionNotSupported
	case errors.Is(reason, http1.ErrCoding):
		return http.StatusNotImplemented
	case errors.Is(reason, http1.ErrMethod):
		return http.StatusMethodNotAllowed
	case errors.Is(reason, http1.ErrTargetTooLong):
		return http.StatusRequestURITooLong
	case errors.Is(reason, http1.ErrHeadTooLarge):
		return http.StatusRequestHeaderFieldsTooLarge
	}
	return http.StatusBadRequest
}

// refuse answers a request that could not be read, and ends the connection.
func (c *Conn) refuse(reason error) bool {
	status := c.s.cfg.Status(reason)
	c.s.cfg.Refused(status, reason)
	c.Request, c.Close = http1.Request{Minor: 1}, true
	c.body.Reset(0, false)
	if c.Fail(status, reason.Error(), "") == nil {
		c.at, c.have = 0, 0
		c.linger()
	}
	return false
}

// Fail answers with an error page, and the reason in a header too. headers are whole lines beside it.
func (c *Conn) Fail(status int, reason, headers string) error {
	return c.Respond(status, headers+"Shakedown-Reason: "+Printable(reason)+"\r\n", []byte(http.StatusText(status)+": "+reason+"\n"))
}

// Printable is a text as a header's value: what is not visible ASCII is blank.
func Printable(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c >= 0x7f {
			b[i] = ' '
		}
	}
	return string(b)
}

// Respond sends a whole answer of text. headers are whole lines.
func (c *Conn) Respond(status int, headers string, body []byte) error {
	return c.RespondAs("text/plain; charset=utf-8", status, headers, body)
}

// RespondAs is Respond for another type of content.
func (c *Conn) RespondAs(kind string, status int, headers string, body []byte) error {
	if c.holdsBack() {
		c.Close = true
	}
	out := AppendStatus(c.Out(), status)
	bodiless := status == http.StatusNoContent || status == http.StatusNotModified
	if !bodiless {
		out = append(out, "Content-Type: "...)
		out = append(out, kind...)
		out = append(out, "\r\nContent-Length: "...)
		out = strconv.AppendInt(out, int64(len(body)), 10)
		out = append(out, "\r\n"...)
	}
	out = append(out, "Date: "...)
	out = time.Now().UTC().AppendFormat(out, http.TimeFormat)
	out = append(out, "\r\n"...)
	out = append(out, headers...)
	out = c.AppendConnection(out)
	out = append(out, "\r\n"...)
	if string(c.Request.Method) != http.MethodHead && !bodiless {
		out = append(out, body...)
	}
	return c.Write(out)
}

// AppendConnection appends what is to be said about the connection: nothing when it stays as the version has it.
func (c *Conn) AppendConnection(out []byte) []byte {
	switch {
	case c.Close, c.bad.Load():
		return append(out, "Connection: close\r\n"...)
	case c.Request.Minor == 0:
		return append(out, "Connection: keep-alive\r\n"...)
	}
	return out
}

// AppendStatus appends an answer's first line.
func AppendStatus(out []byte, status int) []byte {
	if status == http.StatusOK {
		return append(out, "HTTP/1.1 200 OK\r\n"...)
	}
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(out, ' ')
	out = append(out, http.StatusText(status)...)
	return append(out, "\r\n"...)
}
