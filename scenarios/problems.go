package scenarios

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/seed-8025779b/shakedown/scenarios/mask"
)

// Problem is one mistake in a file.
type Problem struct {
	Line, Column int    // from 1; 0 when the mistake has no place in the file
	Origin       string // the flag that brought the value, when it was not the file
	Message      string

	about []string // what it refers to: it is not told when one of these could not be read itself
}

// Problems is every mistake found in a file, in its order.
type Problems struct {
	Source Source
	List   []Problem

	mask mask.Names
}

// Error shows each mistake with its line and a caret. Secrets are not shown.
func (p *Problems) Error() string {
	var b strings.Builder
	lines := strings.Split(string(p.Source.Text), "\n")
	for i, x := range p.List {
		if i > 0 {
			b.WriteString("\n")
		}
		switch {
		case x.Origin != "":
			fmt.Fprintf(&b, "%s: %s", x.Origin, mask.URLs(x.Message))
		case x.Line == 0:
			fmt.Fprintf(&b, "%s: %s", p.Source.Name, mask.URLs(x.Message))
		default:
			fmt.Fprintf(&b, "%s:%d:%d: %s", p.Source.Name, x.Line, x.Column, mask.URLs(x.Message))
			if x.Line <= len(lines) {
				line, column := excerpt(p.mask.Line(strings.TrimRight(lines[x.Line-1], "\r"), x.Column))
				fmt.Fprintf(&b, "\n%5d | %s\n      | %s^", x.Line, line, blanks(line, column-1))
			}
		}
	}
	return b.String()
}

// excerpt cuts a long line down to what stands around the column.
func excerpt(line string, column int) (string, int) {
	const before, width = 60, 120
	runes := []rune(line)
	if len(runes) <= width {
		return line, column
	}
	from := max(0, min(column-before, len(runes)-width))
	return string(runes[from:min(from+width, len(runes))]), column - from
}

// blanks returns as much white space as the first n characters of a line take; tabs stay tabs.
func blanks(line string, n int) string {
	var b strings.Builder
	for i, r := range []rune(line) {
		if i >= n {
			break
		}
		if r == '\t' {
			b.WriteRune('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// fail notes a mistake at a node.
func (d *decoder) fail(n *yaml.Node, format string, args ...any) {
	p := Problem{Message: fmt.Sprintf(format, args...)}
	if n != nil {
		p.Origin = d.origins[n]
		p.Line, p.Column = n.Line, n.Column
	}
	d.problems = append(d.problems, p)
}

// failOf notes a mistake that may be the consequence of another one: it is only told when the subjects that it refers to
// could be read.
func (d *decoder) failOf(subjects []string, n *yaml.Node, format string, args ...any) {
	d.fail(n, format, args...)
	d.problems[len(d.problems)-1].about = subjects
}

// cannotRead notes that a mistake was told in a subject.
func (d *decoder) cannotRead(subject string) {
	if d.unread == nil {
		d.unread = map[string]bool{}
	}
	d.unread[subject] = true
}

// causes are the problems without those that only follow from others.
func (d *decoder) causes() (list []Problem) {
	for _, p := range d.problems {
		if !slices.ContainsFunc(p.about, func(subject string) bool { return d.unread[subject] }) {
			list = append(list, p)
		}
	}
	return list
}

// err returns every mistake, in the file's order.
func (d *decoder) err(src Source) error {
	list := d.causes()
	if len(list) == 0 {
		list = d.problems // nothing that is wrong may pass
	}
	if len(list) == 0 {
		return nil
	}
	slices.SortStableFunc(list, func(a, b Problem) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) })
	return &Problems{src, list, d.mask}
}
