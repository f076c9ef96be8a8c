package inject

import (
	"errors"
	"fmt"
	"syscall"
)

// Kill sends SIGKILL to a process group: the process and all it started that has not left the group.
// A group that is gone already is no error. Only groups of the run's own children may be named.
func Kill(pgid int) error {
	if pgid <= 1 { // 0 and 1 would mean our own group, or everyone
		return fmt.Errorf("kill process group %d: not a child's group", pgid)
	}
	if err := syscall.Kill(-pgid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill process group %d: %w", pgid, err)
	}
	return nil
}
