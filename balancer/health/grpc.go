package health

import (
	"encoding/binary"
	"strconv"
)

// grpcPath is the standard check's method, by gRPC's "Health Checking Protocol".
const grpcPath = "/grpc.health.v1.Health/Check"

// Call is the message that a check by gRPC sends: a HealthCheckRequest with its service, framed.
func (c *Config) Call() []byte {
	var m []byte
	if c.Service != "" {
		m = append(m, 1<<3|2) // field 1, of a length
		m = binary.AppendUvarint(m, uint64(len(c.Service)))
		m = append(m, c.Service...)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(m))), m...)
}

// JudgeCall says what is wrong with the end of a call, "" when it passes: its status must match, and when the standard
// check was called and went well, the answer must be SERVING.
func (c *Config) JudgeCall(status string, body []byte) string {
	n, err := strconv.Atoi(status)
	switch {
	case err != nil:
		return "the answer has no grpc-status"
	case !c.Matcher.Matches(n):
		return "grpc-status " + status
	case n != 0 || c.Path != grpcPath:
		return ""
	}
	const unknown, serving = 0, 1
	health := uint64(unknown)
	if len(body) >= 7 && body[5] == 1<<3 { // field 1, a varint
		health, _ = binary.Uvarint(body[6:])
	}
	if health != serving {
		return "the health is " + strconv.FormatUint(health, 10) + ", not SERVING"
	}
	return ""
}
