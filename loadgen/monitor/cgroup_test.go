package monitor

import (
	"math"
	"testing"
	"testing/fstest"
	"time"
)

func files(x map[string]string) fstest.MapFS {
	f := fstest.MapFS{}
	for name, text := range x {
		f[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return f
}

func TestControlGroups(t *testing.T) {
	const v2mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
	for name, tc := range map[string]struct {
		files     map[string]string
		cpus      float64
		throttled time.Duration
		ok        bool
	}{
		"none": {nil, math.Inf(1), 0, false},
		"version 2, bounded by the group above": {map[string]string{
			"proc/self/cgroup": "0::/ci/job\n", "proc/self/mountinfo": v2mount,
			"sys/fs/cgroup/ci/job/cpu.max": "max 100000\n", "sys/fs/cgroup/ci/job/cpu.stat": "usage_usec 5\nnr_throttled 1\nthrottled_usec 1500\n",
			"sys/fs/cgroup/ci/cpu.max": "50000 100000\n", "sys/fs/cgroup/ci/cpu.stat": "throttled_usec 500\n", "sys/fs/cgroup/cpu.stat": "usage_usec 9\n",
		}, .5, 2 * time.Millisecond, true},
		"version 2 in a container": {map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2mount,
			"sys/fs/cgroup/cpu.max": "10000 100000\n", "sys/fs/cgroup/cpu.stat": "throttled_usec 0\n",
		}, .1, 0, true},
		"version 1": {map[string]string{
			"proc/self/cgroup":                            "3:cpuset:/\n2:cpu,cpuacct:/docker/abc\n0::/\n",
			"proc/self/mountinfo":                         "40 32 0:30 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro,nosuid - cgroup cgroup rw,cpu,cpuacct\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us":  "150000\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.stat":          "nr_periods 7\nnr_throttled 2\nthrottled_time 3000000\n",
		}, 1.5, 3 * time.Millisecond, true},
		"version 1 without a quota": {map[string]string{
			"proc/self/cgroup":                   "1:cpu:/\n0::/\n",
			"proc/self/mountinfo":                "40 32 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n", "sys/fs/cgroup/cpu/cpu.stat": "throttled_time 0\n",
		}, math.Inf(1), 0, true},
	} {
		g := findCgroup(files(tc.files))
		total, ok := g.throttled()
		if g.cpus() != tc.cpus || total != tc.throttled || ok != tc.ok {
			t.Errorf("%s: %v CPUs, %v throttled (%v)", name, g.cpus(), total, ok)
		}
	}
}
