package mix

import (
	"bytes"
	"fmt"
	"strconv"
)

// Expect is what an answer must be, beyond having come. The zero Expect asks nothing.
type Expect struct {
	Status  int      // 0: any below 400
	Headers []Header // each must be there, with that value
	Body    string   // must stand somewhere in the body
}

// Header is a header that an answer must have; the name's case does not matter.
type Header struct{ Name, Value string }

// Check follows one answer and says whether it is what was expected. It is reset and used again, and does
// not allocate once its buffers have their size.
type Check struct {
	e     *Expect
	seen  []bool // by header
	found bool   // the body's text
	tail  []byte // the end of what came, which may be the beginning of the text
}

// Reset begins an answer; e may be nil.
func (c *Check) Reset(e *Expect) {
	c.e, c.seen, c.found, c.tail = e, c.seen[:0], false, c.tail[:0]
	if e != nil {
		for range e.Headers {
			c.seen = append(c.seen, false)
		}
	}
}

// WantsHeaders and WantsBody report whether there is any use in telling of them.
func (c *Check) WantsHeaders() bool { return c.e != nil && len(c.e.Headers) > 0 }
func (c *Check) WantsBody() bool    { return c.e != nil && c.e.Body != "" && !c.found }

// Header takes a header in.
func (c *Check) Header(name, value []byte) {
	for i := range c.seen {
		h := &c.e.Headers[i]
		if bytes.EqualFold(name, []byte(h.Name)) && string(value) == h.Value {
			c.seen[i] = true
		}
	}
}

// Data takes a piece of the body in. A text that stands across pieces is found.
func (c *Check) Data(p []byte) {
	if !c.WantsBody() {
		return
	}
	n := len(c.e.Body)
	join := len(c.tail)
	c.tail = append(c.tail, p[:min(len(p), n-1)]...)
	c.found = bytes.Contains(c.tail, []byte(c.e.Body)) || bytes.Contains(p, []byte(c.e.Body))
	if len(p) >= n-1 {
		c.tail = append(c.tail[:0], p[len(p)-(n-1):]...)
	} else if keep := join + len(p) - (n - 1); keep > 0 {
		c.tail = c.tail[:copy(c.tail, c.tail[keep:])]
	}
}

// StatusFailure says what is wrong with a status, "" when nothing is, and whether a certain one is expected. A nil Expect expects none.
func (e *Expect) StatusFailure(status int) (text string, statusExpected bool) {
	switch {
	case e == nil || e.Status == 0:
		return "", false
	case status != e.Status:
		return "status " + strconv.Itoa(status) + ", expected " + strconv.Itoa(e.Status), true
	}
	return "", true
}

// Failure says what is wrong with the answer, or "" when it is as expected. statusExpected is false
// when nothing was expected of its status: then the usual rule for statuses holds too.
func (c *Check) Failure(status int) (text string, statusExpected bool) {
	if text, statusExpected = c.e.StatusFailure(status); text != "" || c.e == nil {
		return text, statusExpected
	}
	if !statusExpected && status >= 400 {
		return "", false // an error page is a failure of its status, not of what it says
	}
	for i, ok := range c.seen {
		if !ok {
			return fmt.Sprintf("no header %s: %s", c.e.Headers[i].Name, c.e.Headers[i].Value), statusExpected
		}
	}
	if c.e.Body != "" && !c.found {
		return fmt.Sprintf("the body does not hold %.40q", c.e.Body), statusExpected
	}
	return "", statusExpected
}
