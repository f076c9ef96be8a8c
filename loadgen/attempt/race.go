package attempt

import (
	"cmp"
	"time"
)

// DefaultCloseRace is Config.CloseRace when nobody sets it. A server that decides to close an idle connection does so
// at once; what it takes is until its process and the client's have run, which are some milliseconds on a busy
// machine. A server that has begun to work on a request, and breaks off, nearly always takes longer.
const DefaultCloseRace = 5 * time.Millisecond

// maxRoundTrip bounds what the time that a connection took to make says of the round trip: no way on earth is
// longer, a name that is resolved slowly or a SYN that is sent again after a second is.
const maxRoundTrip = 250 * time.Millisecond

// MetClose reports whether a request that was written at sent on a reused connection, and found it closed or reset at
// closed without a byte of an answer, may have crossed with the server's closing of an idle connection. Only then may
// it be sent again. The close was then on its way before the request arrived, so that it comes within a round
// trip, for which connect stands, how long the connection took to make, and Config.CloseRace. What comes later is
// the system's failure: it had the request, and broke off.
func (c *Config) MetClose(sent, closed, connect time.Duration) bool {
	return closed-sent <= cmp.Or(c.CloseRace, DefaultCloseRace)+min(connect, maxRoundTrip)
}
