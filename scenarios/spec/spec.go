// Package spec describes parameters: name, unit, range, default and one line of documentation.
//
// Every table of kinds (strategies, faults, rate shapes, …) and every block of the scenario file is
// written in it, and the decoder, the JSON Schema, `explain` and `--set` are derived from those tables.
// A package with kinds exports one table:
//
//	func Kinds() spec.Kinds[Strategy] { return spec.Kinds[Strategy]{roundRobin, leastRequests} }
//
// Values are plain Go values: time.Duration, float64 (shares, rates, numbers), int, string, bool, []string,
// Content.
package spec

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Type is what a parameter's text is read as.
type Type uint8

// The types of parameters, with how each is written in a file.
const (
	Duration Type = iota + 1 // Go's notation, "1.5s"
	Share                    // "60%": a float64, 0.6
	Rate                     // "100/s", "90/m", "5/h": a float64 per second
	Count                    // "3": an int
	Number                   // "1.25": a float64
	Text                     // any string
	Bool                     // true or false
	List                     // a list of strings
	File                     // a file's name, relative to the scenario's: a Content

	// What the decoder reads by a function of its own: a parameter of these types documents it and is never parsed.
	Block  // a mapping of names to values
	Blocks // a list of mappings
	Either // text, or a mapping or list in its place, as Doc says
)

// String returns what the type is called in messages.
func (t Type) String() string {
	return [...]string{"", "a duration such as 1.5s", "a share such as 60%", "a rate such as 100/s",
		"a whole number", "a number", "text", "true or false", "a list of texts", "a file", "a block", "a list of blocks", "text or more"}[t]
}

// Param is one parameter.
type Param struct {
	Name     string
	Type     Type
	Doc      string
	Default  string   // as written in a file; empty means absent
	From     string   // what the default comes from; empty stands for the product's own
	Required bool     // it must be given
	Secret   bool     // its value is shown nowhere
	Min, Max float64  // in seconds, shares as fractions, rates per second; Max 0 means unbounded
	Above    bool     // the value must be greater than Min, not only as large
	Enum     []string // the texts allowed
	Words    []Word   // special values such as `unlimited`
}

// Word is a special value and what it stands for.
type Word struct {
	Name  string
	Value any
}

// Parse reads a parameter's text. The error says what was expected, without naming the parameter.
func (p Param) Parse(text string) (any, error) {
	for _, w := range p.Words {
		if w.Name == text {
			return w.Value, nil
		}
	}
	switch p.Type {
	case Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not %s", text, p.Type)
		}
		return d, p.check(d.Seconds(), text)
	case Share:
		f, ok := parseShare(text)
		if !ok {
			return nil, fmt.Errorf("%q is not %s", text, p.Type)
		}
		return f, p.check(f, text)
	case Rate:
		r, err := parseRate(text)
		if err != nil {
			return nil, err
		}
		return r, p.check(r, text)
	case Count:
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not %s", text, p.Type)
		}
		return n, p.check(float64(n), text)
	case Number:
		f, ok := parseFloat(text)
		if !ok {
			return nil, fmt.Errorf("%q is not %s", text, p.Type)
		}
		return f, p.check(f, text)
	case Text:
		if len(p.Enum) > 0 && !slices.Contains(p.Enum, text) {
			return nil, fmt.Errorf("%q is not one of %s%s", text, strings.Join(p.Enum, ", "), Suggest(text, p.Enum))
		}
		return text, nil
	case Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not %s", text, p.Type)
		}
		return b, nil
	case List:
		if text == "" {
			return []string{}, nil
		}
		return strings.Split(text, ","), nil
	case File:
		return Content{Name: text}, nil // whoever knows the folder reads it
	}
	panic("spec: parameter " + p.Name + " has no type")
}

func parseFloat(s string) (float64, bool) {
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}

// parseShare reads a percentage as the number that is nearest to the share: 0.7 divided by 100 is not the number nearest to
// 0.007.
func parseShare(text string) (float64, bool) {
	percent, ok := strings.CutSuffix(text, "%")
	f, isNumber := parseFloat(percent)
	if !ok || !isNumber {
		return 0, false
	}
	if share, ok := parseFloat(percent + "e-2"); ok {
		return share, true
	}
	return f / 100, true // it has an exponent of its own
}

// Percent returns a share in percent, as it was written: .55 times 100 is not 55.
func Percent(share float64) float64 {
	percent, ok := parseFloat(strconv.FormatFloat(share, 'f', -1, 64) + "e2")
	if !ok {
		return share * 100
	}
	return percent
}

func parseRate(text string) (float64, error) {
	num, unit, ok := strings.Cut(text, "/")
	f, isNum := parseFloat(num)
	per, known := map[string]float64{"s": 1, "m": 60, "h": 3600}[unit]
	if !ok || !isNum || !known {
		return 0, fmt.Errorf("%q is not %s (units: /s, /m, /h)", text, Rate)
	}
	return f / per, nil
}

func (p Param) check(v float64, text string) error {
	switch {
	case p.Above && v <= p.Min:
		return fmt.Errorf("%s is too small: it must be more than %s", text, p.bound(p.Min))
	case v < p.Min:
		return fmt.Errorf("%s is too small: the least is %s", text, p.bound(p.Min))
	case p.Max != 0 && v > p.Max:
		return fmt.Errorf("%s is too large: the most is %s", text, p.bound(p.Max))
	}
	return nil
}

func (p Param) bound(f float64) string {
	switch p.Type {
	case Duration:
		return time.Duration(f * float64(time.Second)).String()
	case Share:
		return formatFloat(Percent(f)) + "%"
	case Rate:
		return formatFloat(f) + "/s"
	}
	return formatFloat(f)
}

// Range says which values are allowed, beyond what the type says; empty when every one is.
func (p Param) Range() string {
	var parts []string
	switch {
	case len(p.Enum) > 0:
		parts = append(parts, strings.Join(p.Enum, ", "))
	case p.Type < Duration || p.Type > Number:
	case p.Above && p.Max != 0:
		parts = append(parts, "more than "+p.bound(p.Min)+", up to "+p.bound(p.Max))
	case p.Above:
		parts = append(parts, "more than "+p.bound(p.Min))
	case p.Max != 0:
		parts = append(parts, p.bound(p.Min)+" to "+p.bound(p.Max))
	default:
		parts = append(parts, "from "+p.bound(p.Min))
	}
	for _, w := range p.Words {
		parts = append(parts, w.Name)
	}
	return strings.Join(parts, ", or ")
}

func formatFloat(f float64) string { return strconv.FormatFloat(f, 'g', 12, 64) }

// Format writes a value as it would stand in a file; numbers and booleans stay what they are.
func (p Param) Format(v any) any {
	for _, w := range p.Words {
		if w.Value == v {
			return w.Name
		}
	}
	switch p.Type {
	case Duration:
		return v.(time.Duration).String()
	case Share, Rate:
		return p.bound(v.(float64))
	case File:
		return v.(Content).Name
	}
	return v
}
