package mask

import (
	"regexp"
	"strings"
)

const secretWords = `(?:token|password|passwd|passphrase|pwd|secret|credential|api[-_]?key|access[-_]?key|private[-_]?key)s?`

var (
	// secretName is the name of a flag or variable of somebody else's program whose value is a secret as a rule.
	secretName = regexp.MustCompile(`(?i)(?:^|[-_.])` + secretWords + `$`)
	// secretWithin is such a flag or variable with its value in a longer text, such as a line for a shell.
	secretWithin = regexp.MustCompile(`(?i)((?:^|[\s"'])-{0,2}(?:[\w.-]*[-_.])?` + secretWords + `(?:=|\s+))("[^"]*"|'[^']*'|[^\s"']+)`)
)

// Arguments returns the command line of somebody else's program as it may be shown. Hidden are the values of flags and
// variables that are called by one of the names or end in a word for a secret (--auth-token x, DB_PASSWORD=x), header lines of
// secret headers, and URLs. A secret that stands beside no such name stays.
func (n Names) Arguments(args []string) []string {
	out := make([]string, len(args))
	follows := false // the argument is the value of the flag before it
	for i, arg := range args {
		name, _, joined := strings.Cut(arg, "=")
		switch {
		case follows && !strings.HasPrefix(arg, "--"):
			out[i] = Hidden
			follows = false
			continue
		case joined && n.isSecret(name):
			out[i] = name + "=" + Hidden
		default:
			out[i] = secretWithin.ReplaceAllString(n.Header(arg), "${1}"+Hidden)
		}
		follows = !joined && strings.HasPrefix(arg, "-") && n.isSecret(arg)
	}
	return out
}

// isSecret reports whether the value of a flag or variable of somebody else's program is a secret.
func (n Names) isSecret(name string) bool {
	name = strings.TrimLeft(name, "-")
	return !strings.ContainsAny(name, " \t") && (n.Has(name) || secretName.MatchString(name))
}

// Variable returns the value of a variable of somebody else's program as it may be shown.
func (n Names) Variable(name, value string) string {
	if n.isSecret(name) {
		return Hidden
	}
	return URLs(value)
}
