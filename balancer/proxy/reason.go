package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"syscall"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
)

// toldOf is what a client is told of an attempt at a target, which failed with an error. Clients need not know how the
// network behind the balancer is laid out: unless the listener says otherwise, addresses and names of hosts are left out.
// A target whose id is its address is not named at all.
func (x *driver) toldOf(err error, t *group.Target) string {
	if x.f.options.Reasons == config.ReasonAddresses {
		return err.Error()
	}
	host, _, _ := net.SplitHostPort(t.Address)
	who, what := t.ID, plainReason(err)
	if strings.Contains(who, t.Address) {
		who = "a target of " + x.pool.Group.Name()
	}
	if host != "" && strings.Contains(what, host) {
		what = "the exchange failed"
	}
	return who + ": " + what
}

// plainReason says what failed, without where.
func plainReason(err error) string {
	var (
		send      sendError
		receive   receivedError
		handshake handshakeError
		phase     string
	)
	switch { // the innermost first: a handshake is part of connecting only
	case errors.As(err, &handshake):
		phase, err = "TLS handshake: ", handshake.error
	case errors.As(err, &send):
		phase, err = "send: ", send.error
	case errors.As(err, &receive):
		phase, err = "receive: ", receive.error
	}
	var (
		number      syscall.Errno
		lookup      *net.DNSError
		certificate *tls.CertificateVerificationError
		network     *net.OpError
	)
	switch {
	case errors.As(err, &number):
		return phase + number.Error()
	case errors.As(err, &lookup):
		return phase + "its name could not be looked up"
	case errors.As(err, &certificate):
		return phase + plainCertificate(certificate)
	case errors.As(err, &network) && network.Timeout():
		return phase + "no answer in time"
	case errors.As(err, &network):
		return phase + "the connection failed"
	}
	return phase + err.Error()
}

// plainCertificate says why a certificate was not accepted, without the names in it.
func plainCertificate(err error) string {
	var (
		name      x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &name):
		return "its certificate is for another name"
	case errors.As(err, &authority):
		return "its certificate comes from an unknown authority"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired, or is not valid yet"
	}
	return "its certificate was not accepted"
}
