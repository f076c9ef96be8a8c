package live

import (
	"fmt"
	"syscall"
)

// spareDescriptors is how many file descriptors a player needs beside its connections: channels, logs,
// pipes, the reports.
const spareDescriptors = 100

// checkDescriptors refuses more connections than this process may open, before anything starts. Go has
// raised the soft limit to the hard one already.
func checkDescriptors(connections int) error {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return nil // not knowable: the system will tell
	}
	if need := uint64(connections + spareDescriptors); need > limit.Cur {
		return fmt.Errorf("client.connections is %d, which needs %d file descriptors, but this process may open %d: lower it, or raise the limit (ulimit -n)", connections, need, limit.Cur)
	}
	return nil
}
