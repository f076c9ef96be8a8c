package scenarios

import (
	"bytes"
	"strings"
	"testing"

	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/chaos"
)

// Every kind stands in the reference with each of its parameters, and whatever is there has a line that says what it is.
func TestReferenceIsWhole(t *testing.T) {
	var out bytes.Buffer
	if err := WriteReference(&out, Reference()); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, s := range Reference() {
		if s.Where == "" || len(s.Entries) == 0 {
			t.Errorf("section %s is empty or stands nowhere", s.Name)
		}
		for _, e := range s.Entries {
			if e.Name == "" || e.Doc == "" {
				t.Errorf("%s: %q has no line that says what it is", s.Name, e.Name)
			}
			for _, p := range e.Params {
				if p.Doc == "" {
					t.Errorf("%s %s: parameter %s has no line that says what it is", s.Name, e.Name, p.Name)
				}
			}
		}
	}
	for _, want := range []string{"p2c: ", "lognormal: ", "ramp: ", "kill: ", "latency: ", "target_tracking: ", "grpc: ", "pN: ", "recover(FAULT) < ", "custom: ", "zone "} {
		if !strings.Contains(text, "  "+want) && !strings.Contains(text, " "+want) {
			t.Errorf("the reference does not tell of %q", want)
		}
	}
	for _, table := range [][]string{pick.Kinds().Table().Names(), chaos.Kinds().Table().Names()} {
		for _, name := range table {
			if _, err := FindReference(name); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestFindReference(t *testing.T) {
	if s, err := FindReference("timeouts"); err != nil || len(s) != 2 {
		t.Errorf("timeouts stands in %d sections: %v", len(s), err)
	}
	if s, err := FindReference("strategies"); err != nil || len(s) != 1 || len(s[0].Entries) < 10 {
		t.Errorf("strategies: %v", err)
	}
	if _, err := FindReference("leest_requests"); err == nil || !strings.Contains(err.Error(), `did you mean "least_requests"`) {
		t.Error(err)
	}
	var out bytes.Buffer
	s, err := FindReference("latency")
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteReference(&out, s); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"faults (faults.ID)", "delay ", "a duration such as 1.5s: more than 0s, up to 10m0s", "required", "default 100%"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("latency: no %q in\n%s", want, &out)
		}
	}
}
