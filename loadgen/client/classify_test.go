package client

import (
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

// What the generator's own machine lacks is no failure of the system.
func TestClasses(t *testing.T) {
	dial := func(call string, number syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}, Err: os.NewSyscallError(call, number)}
	}
	for _, tc := range []struct {
		err  error
		want measure.Class
	}{
		{dial("socket", syscall.EMFILE), measure.Resources},
		{dial("connect", syscall.EADDRNOTAVAIL), measure.Resources}, // no port: an address of this machine leads there
		{dial("connect", syscall.EAGAIN), measure.Resources},
		{&net.OpError{Op: "dial", Net: "unix", Addr: &net.UnixAddr{Name: "s", Net: "unix"}, Err: os.NewSyscallError("connect", syscall.EAGAIN)}, measure.Refused},
		{&net.DNSError{Name: "web", Err: "dial udp 127.0.0.53:53: socket: too many open files"}, measure.Resources},
		{&net.DNSError{Name: "web", Err: "no such host", IsNotFound: true}, measure.DNS},
		{dial("connect", syscall.ECONNREFUSED), measure.Refused},
		{dial("connect", syscall.ENETUNREACH), measure.Unreachable},
		{os.ErrDeadlineExceeded, measure.ConnectTimeout},
		{syscall.ECONNRESET, measure.Reset},
		{io.ErrUnexpectedEOF, measure.ClosedEarly},
	} {
		if got, _ := Classify(tc.err, Connecting, &measure.Sample{}, &attempt.Config{}); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.err, got, tc.want)
		}
	}
}
