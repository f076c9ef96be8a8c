package proxy

import (
	"io"
	"net"
	"net/http"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/serve"
)

// tunnel passes on that the protocol changes, and then whatever either side says, until both have ended.
func (x *exchange) tunnel() (group.Outcome, failure, error) {
	out := serve.AppendStatus(x.c.Out(), http.StatusSwitchingProtocols)
	out = x.appendFields(out, false)
	out = append(out, "Connection: upgrade\r\nUpgrade: "...)
	out = append(out, x.c.Request.Upgrade...)
	out = append(x.appendTrace(append(out, "\r\n"...)), "\r\n"...)
	out = append(out, x.u.unread()...) // what the target said at once
	x.u.at = x.u.have
	x.answered, x.u.reusable = true, false
	x.access.Status = http.StatusSwitchingProtocols
	if x.c.Write(out) != nil {
		return 0, failure{}, errClient
	}
	client, rest := x.c.Take()
	defer client.Close()
	target := x.u.nc
	_ = target.SetDeadline(time.Time{}) // a connection that is closed already tells at the next use
	if len(rest) > 0 {
		if _, err := target.Write(rest); err != nil {
			return group.Broken, failure{cause: Broken, reason: err.Error()}, nil
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		oneWay(target, client)
	}()
	oneWay(client, target)
	<-done
	return group.OK, failure{}, nil
}

// oneWay copies until one side ends, and tells the other that nothing more will come.
func oneWay(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		if half.CloseWrite() == nil {
			return
		}
	}
	to.Close()
	from.Close()
}
