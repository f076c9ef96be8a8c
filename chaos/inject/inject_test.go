package inject

import (
	"testing"

	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

func TestWireOnAndOff(t *testing.T) {
	w := NewWire(1)
	x := &chaos.Exchange{Target: "web-1"}
	if w.Touch(x) != (chaos.Effect{}) {
		t.Fatal("a fault before any was put in force")
	}
	if err := w.On("e", spec.Written{Kind: "error", Values: map[string]string{"status": "503"}}, []string{"web-1"}); err != nil {
		t.Fatal(err)
	}
	if w.Touch(x).Status != 503 || w.Touch(&chaos.Exchange{Target: "web-2"}).Status != 0 {
		t.Fatal("the fault is not where it should be")
	}
	if hits := w.Off("e"); hits != 1 {
		t.Fatalf("%d hits", hits)
	}
	if w.Touch(x) != (chaos.Effect{}) || w.Off("e") != 0 {
		t.Fatal("not reverted")
	}
}

func TestWireRefusesWhatItCannotDo(t *testing.T) {
	for _, k := range []spec.Written{{Kind: "kill"}, {Kind: "nonsense"}, {Kind: "latency"}, {Kind: "error", Values: map[string]string{"status": "200"}}} {
		if err := NewWire(1).On("f", k, nil); err == nil {
			t.Errorf("%+v was accepted", k)
		}
	}
}
