// Package mask keeps secrets out of what people read: results, reports, logs and messages.
//
// Secrets are the values of certain headers, and the user information of URLs. They are replaced by three asterisks,
// whatever their length. Names are compared without regard to case. Nothing is found that does not stand beside its
// name: a secret in a path or a body stays.
package mask

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Hidden stands in the place of a secret.
const Hidden = "***"

// standard are the headers whose values are secrets in every scenario.
func standard() []string { return []string{"authorization", "cookie", "proxy-authorization"} }

// Names are the names of headers, and of variables of an environment, whose values are secrets. The zero value has the
// standard ones: Authorization, Cookie and Proxy-Authorization.
type Names struct{ more []string }

// New returns the standard names and more.
func New(more []string) Names {
	n := Names{}
	for _, name := range more {
		n.more = append(n.more, strings.ToLower(name))
	}
	return n
}

// Has reports whether the values under a name are secrets.
func (n Names) Has(name string) bool {
	name = strings.ToLower(strings.TrimSpace(name))
	return slices.Contains(standard(), name) || slices.Contains(n.more, name)
}

// Value returns the value under a name as it may be shown.
func (n Names) Value(name, value string) string {
	if n.Has(name) {
		return Hidden
	}
	return URLs(value)
}

// Header returns a header line, NAME: VALUE, as it may be shown; also one whose colon is missing.
func (n Names) Header(line string) string {
	name, _, ok := strings.Cut(line, ":")
	if ok && n.Has(name) {
		return name + ": " + Hidden
	}
	if name, _, ok := strings.Cut(strings.TrimSpace(line), " "); ok && n.Has(name) {
		return name + " " + Hidden
	}
	return URLs(line)
}

var userInfo = regexp.MustCompile(`(://)[^/?#\s"'<>]*@`)

// URLs returns a text with the user information of each URL in it hidden.
func URLs(text string) string {
	if !strings.Contains(text, "@") {
		return text
	}
	return userInfo.ReplaceAllString(text, "${1}"+Hidden+"@")
}

// Command returns a command line as it may be shown: --header and --set without secrets, tokens, and URLs.
func (n Names) Command(args []string) []string {
	out := make([]string, len(args))
	flag := "" // whose value the next argument is
	for i, arg := range args {
		name, value, joined := strings.Cut(arg, "=")
		switch {
		case flag != "":
			out[i] = n.flag(flag, arg)
			flag = ""
		case joined && isMasked(name):
			out[i] = name + "=" + n.flag(name, value)
		default:
			out[i] = URLs(arg)
			if isMasked(arg) {
				flag = arg
			}
		}
	}
	return out
}

// Asked returns the names that a command line adds by --set mask=[NAME, …].
func Asked(args []string) (names []string) {
	for i, arg := range args {
		value, joined := strings.CutPrefix(arg, "--set=")
		if arg == "--set" && i+1 < len(args) {
			value, joined = args[i+1], true
		}
		list, is := strings.CutPrefix(value, "mask=")
		if !joined || !is {
			continue
		}
		for name := range strings.SplitSeq(strings.Trim(list, "[] "), ",") {
			if name = strings.Trim(name, " \"'"); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// isMasked reports whether the values of a flag may be secrets.
func isMasked(flag string) bool {
	return flag == "--header" || flag == "--set" || flag == "--admin-token"
}

func (n Names) flag(flag, value string) string {
	switch flag {
	case "--header":
		return n.Header(value)
	case "--set":
		return n.Override(value)
	}
	return Hidden
}

// parts are what headers and variables stand below in a scenario.
var parts = regexp.MustCompile(`(?i)\b(headers?|set|env)\b`)

// secretKey is a key whose value is a secret wherever it stands.
var secretKey = regexp.MustCompile(`(?i)\bsecret\b`)

// Override returns an override, PATH=VALUE, as it may be shown. A value that holds a secret anywhere is hidden as a whole.
func (n Names) Override(text string) string {
	path, _, ok := strings.Cut(text, "=")
	if !ok {
		return URLs(text)
	}
	secret := secretKey.MatchString(text) || (parts.MatchString(text) && n.pattern().MatchString(text))
	if secret {
		return path + "=" + Hidden
	}
	return URLs(text)
}

// pattern finds any of the names as a word.
func (n Names) pattern() *regexp.Regexp {
	return regexp.MustCompile(`(?i)(^|[^\w-])(` + n.alternatives() + `)($|[^\w-])`)
}

func (n Names) alternatives() string {
	var quoted []string
	for _, name := range slices.Concat(standard(), n.more) {
		quoted = append(quoted, regexp.QuoteMeta(name))
	}
	return strings.Join(quoted, "|")
}

// Line returns a line of a scenario's file as it may be shown, and the column, counted in characters from 1, that then
// holds what the given one held. What follows a name whose value is a secret is hidden to the end of the line, or of its
// quotes.
func (n Names) Line(line string, column int) (string, int) {
	keyed := regexp.MustCompile(`(?i)(?:^|[^\w-])["']?(?:secret|` + n.alternatives() + `)["']?\s*:\s*("(?:[^"\\]|\\.)*"?|'[^']*'?|.+)`)
	var spans [][2]int
	for _, m := range keyed.FindAllStringSubmatchIndex(line, -1) {
		spans = append(spans, [2]int{m[2], m[3]})
	}
	for _, m := range userInfo.FindAllStringIndex(line, -1) {
		spans = append(spans, [2]int{m[0] + len("://"), m[1] - len("@")})
	}
	slices.SortFunc(spans, func(a, b [2]int) int { return a[0] - b[0] })
	at := len(line) // the byte that the column is
	for i := range line {
		if column--; column == 0 {
			at = i
			break
		}
	}
	var b strings.Builder
	shown, end := 0, 0
	pass := func(from, to int, text string) {
		if shown == 0 && at < to {
			shown = utf8.RuneCountInString(b.String()) + 1
			if text == "" {
				shown += utf8.RuneCountInString(line[from:max(from, at)])
			}
		}
		if text == "" {
			text = line[from:to]
		}
		b.WriteString(text)
	}
	for _, s := range spans {
		if s[0] < end {
			continue // it stands within what is hidden already
		}
		pass(end, s[0], "")
		pass(s[0], s[1], Hidden)
		end = s[1]
	}
	pass(end, len(line), "")
	if shown == 0 {
		shown = utf8.RuneCountInString(b.String()) + max(column, 1)
	}
	return b.String(), shown
}
