package reports

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string    `xml:"classname,attr"`
	Name    string    `xml:"name,attr"`
	Time    string    `xml:"time,attr"`
	Failure *junitBad `xml:"failure,omitempty"`
	Error   *junitBad `xml:"error,omitempty"`
}

type junitBad struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"` // some readers show only the element's text
}

// WriteJUnit writes one test case a gate, and one for the verdict: a run that can't be trusted is an
// error, not a failure.
func WriteJUnit(w io.Writer, r *Result) error {
	s := junitSuite{Name: "shakedown." + r.Name, Time: seconds(r.DurationMS)}
	names := map[string]int{}
	add := func(name string, failure, problem *junitBad) {
		names[name]++
		if n := names[name]; n > 1 { // readers drop cases of equal names
			name = fmt.Sprintf("%s (%d)", name, n)
		}
		s.Cases = append(s.Cases, junitCase{"shakedown." + r.Name, name, seconds(r.DurationMS), failure, problem})
		s.Tests++
		if failure != nil {
			s.Failures++
		}
		if problem != nil {
			s.Errors++
		}
	}
	bad := func(text string) *junitBad { return &junitBad{text, text} }
	switch r.Verdict {
	case Invalid, Interrupted:
		add("run", nil, bad(string(r.Verdict)+": "+strings.Join(r.Reasons, "; ")))
	case Aborted:
		add("run", bad("aborted: "+strings.Join(r.Reasons, "; ")), nil)
	default:
		add("run", nil, nil)
	}
	for _, g := range r.Gates {
		if g.Passed {
			add(g.Expr, nil, nil)
		} else {
			add(g.Expr, bad(g.Expr+": observed "+g.ObservedText()), nil)
		}
	}
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

func seconds(ms float64) string { return fmt.Sprintf("%.3f", ms/1000) }

// ObservedText is what was observed, for a person.
func (g *Gate) ObservedText() string {
	if g.Observed == nil {
		if g.Note != "" {
			return g.Note
		}
		return "did not happen"
	}
	return Quantity(*g.Observed, g.Unit)
}

// Quantity writes a gate's number with its unit, to three digits or so.
func Quantity(v float64, unit string) string {
	switch unit {
	case "ms":
		switch {
		case v >= 1000:
			return fmt.Sprintf("%.2f s", v/1000)
		case v >= 10:
			return fmt.Sprintf("%.0f ms", v)
		case v == 0:
			return "0 ms"
		case v < .1:
			return fmt.Sprintf("%.0f µs", v*1000)
		}
		return fmt.Sprintf("%.2f ms", v)
	case "%":
		return fmt.Sprintf("%.2f %%", v)
	case "/s":
		return fmt.Sprintf("%.1f/s", v)
	}
	return fmt.Sprintf("%.4g", v)
}
