package reports

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
)

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string     `xml:"classname,attr"`
	Name    string     `xml:"name,attr"`
	Time    string     `xml:"time,attr"`
	Failure *junitText `xml:"failure,omitempty"`
	Error   *junitText `xml:"error,omitempty"`
	Skipped *junitText `xml:"skipped,omitempty"`
	Output  string     `xml:"system-out,omitempty"` // what was observed, of a gate that passed; of the run, that there were no gates
}

type junitText struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"` // some readers show only the element's text
}

// WriteJUnit writes one test case a gate, and one for the verdict: a run that can't be trusted is an
// error, not a failure; one that failed by more than its gates, or without a gate that says so, is a failure. A gate
// that was not judged is skipped.
func WriteJUnit(w io.Writer, r *Result) error {
	s := junitSuite{Name: "shakedown." + r.Name, Time: seconds(r.DurationMS)}
	s.add(r.verdictCase())
	for i := range r.Gates {
		s.add(r.gateCase(&r.Gates[i]))
	}
	s.uniqueNames()
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (r *Result) verdictCase() junitCase {
	c := junitCase{Name: "run"}
	text := &junitText{}
	text.set(string(r.Verdict) + ": " + strings.Join(r.reasons(), "; "))
	switch r.Verdict {
	case Passed:
		c.Output = strings.Join(r.reasons(), "; ") // that nothing was asked
	case Invalid, Interrupted:
		c.Error = text
	case Aborted:
		c.Failure = text
	case Failed:
		if r.failedBesideGates() {
			c.Failure = text
		}
	}
	return c
}

// failedBesideGates reports whether a failed run has a reason that belongs to no gate, or no gate that failed.
func (r *Result) failedBesideGates() bool {
	return slices.ContainsFunc(r.Reasons, func(reason string) bool { return r.gateOf(reason) == nil }) ||
		!slices.ContainsFunc(r.Gates, func(g Gate) bool { return !g.Passed && !g.unjudged() })
}

func (r *Result) gateCase(g *Gate) junitCase {
	c := junitCase{Name: g.Expr}
	text := &junitText{}
	switch {
	case g.unjudged():
		text.set(r.observed(g))
		c.Skipped = text
	case g.Passed:
		c.Output = r.observation(g)
	default:
		text.set(g.Expr + ": " + r.observation(g))
		c.Failure = text
	}
	return c
}

func (t *junitText) set(s string) { t.Message, t.Text = s, s }

func (s *junitSuite) add(c junitCase) {
	c.Class, c.Time = s.Name, s.Time
	s.Cases = append(s.Cases, c)
	s.Tests++
	for _, x := range []struct {
		text  *junitText
		count *int
	}{{c.Failure, &s.Failures}, {c.Error, &s.Errors}, {c.Skipped, &s.Skipped}} {
		if x.text != nil {
			*x.count++
		}
	}
}

// uniqueNames numbers cases of equal names: readers drop all but one of them.
func (s *junitSuite) uniqueNames() {
	names := map[string]int{}
	for i := range s.Cases {
		c := &s.Cases[i]
		names[c.Name]++
		if n := names[c.Name]; n > 1 {
			c.Name = fmt.Sprintf("%s (%d)", c.Name, n)
		}
	}
}

func seconds(ms float64) string { return fmt.Sprintf("%.3f", ms/1000) }
