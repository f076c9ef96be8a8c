package inject

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// signalProcessGroup is PIDFD_SIGNAL_PROCESS_GROUP of pidfd_send_signal(2), since Linux 6.9.
const signalProcessGroup = 1 << 2

// Held is somebody else's child process and the process group that it leads, held by a file descriptor, so that they are
// never taken for others with the same number.
type Held struct {
	id ID
	fd int // -1 where the kernel has none for processes
}

// Hold finds a process. It returns ErrEnded when the process has ended.
func Hold(id ID) (*Held, error) {
	if id.PID <= 1 { // 0 and 1 would mean our own group, or everyone
		return nil, fmt.Errorf("process %d is no child of a run", id.PID)
	}
	fd, err := unix.PidfdOpen(id.PID, 0)
	switch {
	case err == unix.ESRCH:
		return nil, ErrEnded
	case err != nil:
		fd = -1
	}
	h := &Held{id, fd}
	if !h.is() {
		h.Close()
		return nil, ErrEnded
	}
	return h, nil
}

// is reports whether the number still belongs to the process.
func (h *Held) is() bool {
	start, err := startTime(h.id.PID)
	if err != nil { // without a /proc nobody has a start
		return h.id.Start == 0 && unix.Kill(h.id.PID, 0) != unix.ESRCH
	}
	return start == h.id.Start
}

// Kill sends SIGKILL to the process group. A group that is gone is no error.
//
// Where the kernel can't signal a group by a descriptor, the group is killed by its number as long as that is its
// leader's; what is left of a group without its leader stays then.
func (h *Held) Kill() error {
	err := unix.EINVAL
	if h.fd >= 0 {
		err = errno(unix.PidfdSendSignal(h.fd, unix.SIGKILL, nil, signalProcessGroup))
	}
	if err == unix.EINVAL && h.is() {
		err = errno(unix.Kill(-h.id.PID, unix.SIGKILL))
	}
	if err == 0 || err == unix.ESRCH || err == unix.EINVAL {
		return nil
	}
	return fmt.Errorf("kill process group %d: %w", h.id.PID, err)
}

// Close lets go of the process.
func (h *Held) Close() {
	if h.fd >= 0 {
		_ = unix.Close(h.fd) // it was only opened
	}
}

// KillIf sends SIGKILL to one process if it is one that is meant, which is asked once no other can take its number
// unnoticed. It reports whether the process is meant and was there.
func KillIf(pid int, meant func() bool) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH {
		return false
	}
	if err != nil { // the kernel has no descriptors of processes
		return meant() && unix.Kill(pid, unix.SIGKILL) == nil
	}
	defer unix.Close(fd)
	return meant() && unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil
}

// errno is the number of a system call's error; 0 for none.
func errno(err error) unix.Errno {
	n, _ := err.(unix.Errno)
	return n
}
