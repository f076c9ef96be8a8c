package monitor

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
	"time"
)

// cgroup is the control groups of this process that bound its CPU: its own and those above it. The nil cgroup
// bounds nothing.
type cgroup struct {
	root fs.FS // of the system
	v2   bool
	dirs []string // of the groups, below root
}

// findCgroup finds the groups from /proc/self/cgroup and /proc/self/mountinfo; nil when there are none.
func findCgroup(root fs.FS) *cgroup {
	own, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return nil
	}
	for _, v2 := range []bool{false, true} { // where both are mounted, the CPU controller belongs to version 1
		group, ok := groupPath(own, v2)
		if !ok {
			continue
		}
		mount, at, ok := cpuMount(mounts, v2)
		if !ok {
			continue
		}
		// In a container the mount shows only a part of the hierarchy: the groups above it can't be seen.
		below, seen := strings.CutPrefix(group, strings.TrimSuffix(mount, "/"))
		if !seen {
			below = "/"
		}
		g := &cgroup{root: root, v2: v2}
		for dir := path.Join("/", below); ; dir = path.Dir(dir) {
			g.dirs = append(g.dirs, strings.TrimPrefix(path.Join(at, dir), "/"))
			if dir == "/" {
				return g
			}
		}
	}
	return nil
}

// groupPath finds this process's group in /proc/self/cgroup, whose lines are ID:CONTROLLERS:PATH.
func groupPath(own []byte, v2 bool) (string, bool) {
	for lines := bufio.NewScanner(bytes.NewReader(own)); lines.Scan(); {
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) == 3 && ((v2 && parts[0] == "0" && parts[1] == "") || (!v2 && hasWord(parts[1], "cpu"))) {
			return parts[2], true
		}
	}
	return "", false
}

// cpuMount finds the mount of the CPU controller: what of the hierarchy is mounted, and where.
func cpuMount(mounts []byte, v2 bool) (root, at string, ok bool) {
	for lines := bufio.NewScanner(bytes.NewReader(mounts)); lines.Scan(); {
		before, after, found := strings.Cut(lines.Text(), " - ")
		fields, tail := strings.Fields(before), strings.Fields(after)
		if !found || len(fields) < 5 || len(tail) < 3 {
			continue
		}
		if (v2 && tail[0] == "cgroup2") || (!v2 && tail[0] == "cgroup" && hasWord(tail[2], "cpu")) {
			return fields[3], fields[4], true
		}
	}
	return "", "", false
}

func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// throttled is for how long the groups have been throttled in all; ok is false when they do not tell.
func (g *cgroup) throttled() (total time.Duration, ok bool) {
	if g == nil {
		return 0, false
	}
	name, unit := "throttled_time", time.Nanosecond
	if g.v2 {
		name, unit = "throttled_usec", time.Microsecond
	}
	for _, dir := range g.dirs {
		text, err := fs.ReadFile(g.root, path.Join(dir, "cpu.stat"))
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
			if n, err := strconv.ParseInt(strings.TrimPrefix(lines.Text(), name+" "), 10, 64); err == nil {
				total, ok = total+time.Duration(n)*unit, true
			}
		}
	}
	return total, ok
}

// cpus is how many processors' worth of time the groups may use; infinite without a quota.
func (g *cgroup) cpus() float64 {
	least := math.Inf(1)
	if g == nil {
		return least
	}
	for _, dir := range g.dirs {
		quota, period := g.quota(dir)
		if quota > 0 && period > 0 {
			least = min(least, quota/period)
		}
	}
	return least
}

func (g *cgroup) quota(dir string) (quota, period float64) {
	number := func(text string) float64 {
		v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil {
			return 0 // "max", or -1 in version 1: no quota
		}
		return v
	}
	if g.v2 {
		text, _ := fs.ReadFile(g.root, path.Join(dir, "cpu.max")) // the topmost group has none
		q, p, _ := strings.Cut(string(text), " ")
		return number(q), number(p)
	}
	q, _ := fs.ReadFile(g.root, path.Join(dir, "cpu.cfs_quota_us"))
	p, _ := fs.ReadFile(g.root, path.Join(dir, "cpu.cfs_period_us"))
	return number(string(q)), number(string(p))
}
