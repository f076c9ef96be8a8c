package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// What went wrong is told in plain words, with the way on which it did, and without any address or name.
func TestPlainReasons(t *testing.T) {
	address := &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 9001}
	network := func(op string, err error) error {
		return &net.OpError{Op: op, Net: "tcp", Source: address, Addr: address, Err: err}
	}
	certificate := func(err error) error { return &tls.CertificateVerificationError{Err: err} }
	for want, err := range map[string]error{
		"connection refused":                                              network("dial", os.NewSyscallError("connect", syscall.ECONNREFUSED)),
		"no answer in time":                                               network("dial", os.ErrDeadlineExceeded),
		"its name could not be looked up":                                 network("dial", &net.DNSError{Err: "no such host", Name: "10.1.2.3.internal", Server: "10.1.2.3:53"}),
		"the connection failed":                                           network("dial", &net.AddrError{Err: "missing port", Addr: "10.1.2.3"}),
		"receive: connection reset by peer":                               receiveError(network("read", os.NewSyscallError("read", syscall.ECONNRESET))),
		"receive: unexpected EOF":                                         receiveError(io.EOF),
		"receive: nothing within 1s: i/o timeout":                         receiveError(fmt.Errorf("nothing within 1s: %w", os.ErrDeadlineExceeded)),
		"send: broken pipe":                                               sendError{network("write", os.NewSyscallError("write", syscall.EPIPE))},
		"TLS handshake: EOF":                                              handshakeError{io.EOF},
		"TLS handshake: its certificate is for another name":              handshakeError{certificate(x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"10.1.2.3"}}, Host: "10.1.2.3"})},
		"TLS handshake: its certificate comes from an unknown authority":  handshakeError{certificate(x509.UnknownAuthorityError{})},
		"TLS handshake: its certificate was not accepted":                 handshakeError{certificate(errors.New("10.1.2.3"))},
		"TLS handshake: its certificate has expired, or is not valid yet": handshakeError{certificate(x509.CertificateInvalidError{Reason: x509.Expired})},
	} {
		if got := plainReason(err); got != want || strings.Contains(got, "10.1.2.3") {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
