package spec

// Suggest returns ` (did you mean "x"?)` for the nearest of the known names, or "" when none is near.
func Suggest(got string, known []string) string {
	if best := Nearest(got, known); best != "" {
		return ` (did you mean "` + best + `"?)`
	}
	return ""
}

// Nearest returns the known name with the smallest edit distance to got, or "" when that distance is
// more than a third of the longer name: further away, a suggestion misleads.
func Nearest(got string, known []string) string {
	best, bestDist := "", 1<<30
	for _, k := range known {
		if d := distance(got, k); d < bestDist && 3*d <= max(len(got), len(k)) {
			best, bestDist = k, d
		}
	}
	return best
}

// distance is the optimal string alignment distance: insertions, deletions, substitutions and swaps of
// neighbours cost one each.
func distance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
