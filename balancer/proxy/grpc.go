package proxy

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/seed-8025779b/shakedown/balancer/serve"
)

// grpcType is how the content types of gRPC begin.
const grpcType = "application/grpc"

// failGRPC answers a call of gRPC, whose clients look for the status of the call and not for HTTP's.
func (x *driver) failGRPC(status int, reason, headers string) {
	headers += "Shakedown-Reason: " + serve.Printable(reason) + "\r\ngrpc-status: " + strconv.Itoa(grpcStatus(status)) + "\r\ngrpc-message: " + grpcMessage(reason) + "\r\n"
	x.wrote(x.c.RespondAs("application/grpc", http.StatusOK, headers, nil))
}

// grpcStatus is a status of gRPC for one of HTTP, by gRPC's "HTTP to gRPC Status Code Mapping".
func grpcStatus(status int) int {
	const internal, unauthenticated, denied, unimplemented, unavailable, unknown = 13, 16, 7, 12, 14, 2
	switch status {
	case http.StatusBadRequest:
		return internal
	case http.StatusUnauthorized:
		return unauthenticated
	case http.StatusForbidden:
		return denied
	case http.StatusNotFound:
		return unimplemented
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return unavailable
	}
	return unknown
}

// grpcMessage escapes a text as gRPC wants it: percent-encoded where it is not visible ASCII.
func grpcMessage(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '%' {
			b.WriteByte('%')
			b.WriteByte("0123456789ABCDEF"[c>>4])
			b.WriteByte("0123456789ABCDEF"[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
