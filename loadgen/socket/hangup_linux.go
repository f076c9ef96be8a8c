package socket

import "golang.org/x/sys/unix"

// hangup is the event of a peer that has closed the connection, or sends no more.
const hangup = unix.POLLRDHUP
