//go:build unix

package monitor

import (
	"os"
	"syscall"
	"time"
)

// cpuTime is the CPU that this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ownCgroup finds this process's control groups.
func ownCgroup() *cgroup { return findCgroup(os.DirFS("/")) }
