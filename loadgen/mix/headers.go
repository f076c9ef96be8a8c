package mix

import (
	"net/textproto"
	"strconv"
)

// UserAgent is the User-Agent of requests that name none.
const UserAgent = "shakedown"

// Sender says what the generator adds to the headers that a scenario gives its requests.
type Sender struct {
	Host     string // of requests that name none
	Identify bool   // each request's sequence number is sent along
}

// SaysLength reports whether the request is sent with its body's length, be it 0.
func (r *Request) SaysLength() bool {
	return r.Body != "" || r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH"
}

// Host returns the host that the i-th kind of request is sent to: the last one that it names, else the sender's.
func (m *Mix) Host(i int, seq uint64, by Sender) string {
	host := by.Host
	own := m.texts[i].Headers
	for k := range own {
		if textproto.CanonicalMIMEHeaderKey(own[k].Name) == "Host" {
			host = own[k].Value.String(seq)
		}
	}
	return host
}

// Headers returns every header that the request of the i-th kind with a sequence number is sent with, but for cookies
// that the client was given: what it will be given is not known beforehand.
func (m *Mix) Headers(i int, seq uint64, by Sender) []Header {
	own := m.texts[i].Headers
	list := make([]Header, 0, len(own)+4)
	list = append(list, Header{"Host", m.Host(i, seq, by)})
	agent := true
	for k := range own {
		switch textproto.CanonicalMIMEHeaderKey(own[k].Name) {
		case "Host":
			continue
		case "User-Agent":
			agent = false
		}
		list = append(list, Header{own[k].Name, own[k].Value.String(seq)})
	}
	if agent {
		list = append(list, Header{"User-Agent", UserAgent})
	}
	if m.set.Requests[i].SaysLength() {
		list = append(list, Header{"Content-Length", strconv.Itoa(len(m.texts[i].Body.String(seq)))})
	}
	if by.Identify {
		list = append(list, Header{SeqHeader, strconv.FormatUint(seq, 10)})
	}
	return list
}
