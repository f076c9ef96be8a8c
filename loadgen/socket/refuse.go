package socket

import (
	"net"
	"strconv"

	"golang.org/x/sys/unix"
)

// Refuse returns an address on loopback that refuses connections until it is released: its port is bound, so that
// nobody else is given it, and nobody listens there. A port that was only let go may be somebody's at once.
//
// It is for tests alone. It stands here, and not in a test's file, because the tests of loadgen, balancer and
// cmd/shakedown need it, and none of these can import another's.
func Refuse() (address string, release func(), err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return "", nil, err
	}
	unix.CloseOnExec(fd)
	release = func() { _ = unix.Close(fd) } // it can't fail for a socket that was never used
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		release()
		return "", nil, err
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		release()
		return "", nil, err
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*unix.SockaddrInet4).Port)), release, nil
}
