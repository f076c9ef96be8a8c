//go:build !linux

package socket

import "golang.org/x/sys/unix"

// hangup is the event of a peer that has closed the connection. One that only sends no more is not seen here.
const hangup = unix.POLLHUP
