package spec

import (
	"fmt"
	"time"
)

// Values are a kind's parameters by name, read and checked.
type Values map[string]any

// The getters return the zero value for an absent parameter.

func (v Values) Duration(name string) time.Duration { return as[time.Duration](v, name) }
func (v Values) Float(name string) float64          { return as[float64](v, name) }
func (v Values) Int(name string) int                { return as[int](v, name) }
func (v Values) Text(name string) string            { return as[string](v, name) }
func (v Values) Bool(name string) bool              { return as[bool](v, name) }
func (v Values) List(name string) []string          { return as[[]string](v, name) }
func (v Values) File(name string) Content           { return as[Content](v, name) }

// as returns a value, and T's zero value for one that is not there. One of another type is a mistake in a table of parameters.
func as[T any](v Values, name string) T {
	x, there := v[name]
	t, ok := x.(T)
	if there && !ok {
		panic(fmt.Sprintf("parameter %s is a %T, and is read as a %T", name, x, t))
	}
	return t
}

// Content is a file that was read: policies never open one.
type Content struct{ Name, Text string }

// Has reports whether the parameter was given or has a default.
func (v Values) Has(name string) bool { _, ok := v[name]; return ok }

// Entry is one line of a table of kinds, without its constructor.
type Entry struct {
	Name   string
	Doc    string
	Plain  string // the parameter that a bare value sets: `rate: 100/s`; empty when there is none
	Params []Param
}

// Param returns the parameter of that name.
func (e Entry) Param(name string) (Param, bool) {
	for _, p := range e.Params {
		if p.Name == name {
			return p, true
		}
	}
	return Param{}, false
}

// Kind is one line of a table of kinds. New receives checked values and reports what no single
// parameter's range can express.
type Kind[T any] struct {
	Entry
	New func(Values) (T, error)
}

// Kinds is a package's table.
type Kinds[T any] []Kind[T]

// Table returns the kinds without their constructors.
func (k Kinds[T]) Table() Table {
	t := make(Table, len(k))
	for i := range k {
		t[i] = k[i].Entry
	}
	return t
}

// New builds what a choice names.
func (k Kinds[T]) New(c Choice) (T, error) {
	for i := range k {
		if k[i].Name == c.Kind {
			return k[i].New(c.Values)
		}
	}
	var zero T
	return zero, fmt.Errorf("unknown kind %q%s", c.Kind, Suggest(c.Kind, k.Table().Names()))
}

// Table is a table of kinds without constructors, for decoders and documentation.
type Table []Entry

// Names lists the kinds' names in the table's order.
func (t Table) Names() []string {
	names := make([]string, len(t))
	for i, e := range t {
		names[i] = e.Name
	}
	return names
}

// Find returns the kind of that name.
func (t Table) Find(name string) (Entry, bool) {
	for _, e := range t {
		if e.Name == name {
			return e, true
		}
	}
	return Entry{}, false
}

// Choice is a kind with its values, as a file names it.
type Choice struct {
	Kind   string
	Values Values
}

// Default returns a choice of the kind with every default filled in. It is for code that builds a
// scenario without a file; an unknown kind or a default that does not parse is a mistake in the table.
func (t Table) Default(kind string) Choice {
	e, ok := t.Find(kind)
	if !ok {
		panic("spec: no kind " + kind)
	}
	return Choice{Kind: kind, Values: Defaults(e.Params)}
}

// Defaults returns the values of the parameters that have a default.
func Defaults(params []Param) Values {
	v := Values{}
	for _, p := range params {
		if p.Default == "" {
			continue
		}
		x, err := p.Parse(p.Default)
		if err != nil {
			panic(fmt.Sprintf("spec: default of %s: %v", p.Name, err))
		}
		v[p.Name] = x
	}
	return v
}

// Written is a choice in text form, to travel between processes.
type Written struct {
	Kind   string            `json:"kind"`
	Values map[string]string `json:"values,omitempty"`
}

// Write puts a choice into text form. Lists are the one type that does not travel.
func (t Table) Write(c Choice) Written {
	e, _ := t.Find(c.Kind)
	w := Written{Kind: c.Kind, Values: map[string]string{}}
	for _, p := range e.Params {
		if v, ok := c.Values[p.Name]; ok {
			w.Values[p.Name] = fmt.Sprint(p.Format(v))
		}
	}
	return w
}

// Read is the reverse of Write; absent values take their defaults.
func (t Table) Read(w Written) (Choice, error) {
	e, ok := t.Find(w.Kind)
	if !ok {
		return Choice{}, fmt.Errorf("unknown kind %q%s", w.Kind, Suggest(w.Kind, t.Names()))
	}
	c := Choice{w.Kind, Defaults(e.Params)}
	for name, text := range w.Values {
		p, ok := e.Param(name)
		if !ok {
			return Choice{}, fmt.Errorf("%s has no parameter %q", w.Kind, name)
		}
		v, err := p.Parse(text)
		if err != nil {
			return Choice{}, fmt.Errorf("%s: %s: %w", w.Kind, name, err)
		}
		c.Values[name] = v
	}
	for _, p := range e.Params {
		if p.Required && !c.Values.Has(p.Name) {
			return Choice{}, fmt.Errorf("%s needs %s", w.Kind, p.Name)
		}
	}
	return c, nil
}
