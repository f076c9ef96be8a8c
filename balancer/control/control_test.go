package control

import (
	"errors"
	"io"
	"testing"
)

func TestBothWaysAndTheEnd(t *testing.T) {
	parent, theirs, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	child, err := newConn(theirs)
	if err != nil {
		t.Fatal(err)
	}
	type message struct{ N int }
	for i := range 3 {
		if err := parent.Send(message{i}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		var m message
		if err := child.Receive(&m); err != nil || m.N != i {
			t.Fatalf("message %d: %+v %v", i, m, err)
		}
	}
	if err := child.Send(message{7}); err != nil {
		t.Fatal(err)
	}
	child.Close()
	var m message
	if err := parent.Receive(&m); err != nil || m.N != 7 {
		t.Fatalf("the last words were lost: %+v %v", m, err)
	}
	if err := parent.Receive(&m); !errors.Is(err, io.EOF) {
		t.Fatalf("the end is %v", err)
	}
	parent.Close()
}
