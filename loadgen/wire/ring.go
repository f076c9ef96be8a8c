package wire

// ring is a queue of jobs that keeps its memory: first in, first out.
type ring struct {
	jobs        []job
	first, size int
}

func (r *ring) push(j job) {
	if r.size == len(r.jobs) {
		grown := make([]job, max(64, 2*len(r.jobs)))
		for i := range r.size {
			grown[i] = r.jobs[(r.first+i)%len(r.jobs)]
		}
		r.jobs, r.first = grown, 0
	}
	r.jobs[(r.first+r.size)%len(r.jobs)] = j
	r.size++
}

func (r *ring) pop() (job, bool) {
	if r.size == 0 {
		return job{}, false
	}
	j := r.jobs[r.first]
	r.first = (r.first + 1) % len(r.jobs)
	r.size--
	return j, true
}
