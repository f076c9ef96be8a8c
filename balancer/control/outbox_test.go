package control

import (
	"strings"
	"testing"
)

// A peer that does not read makes nobody wait, and gets everything in order when it reads again.
func TestOutbox(t *testing.T) {
	parent, theirs, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer parent.Close()
	child, err := newConn(theirs)
	if err != nil {
		t.Fatal(err)
	}
	type message struct {
		N    int
		Text string
	}
	const n = 2000
	text := strings.Repeat("x", 1000) // more in all than a socket holds
	o := NewOutbox(child)
	for i := range n {
		o.Put(message{i, text})
	}
	if !o.Waiting() {
		t.Error("2 MB were sent to nobody")
	}
	closed := make(chan struct{})
	go func() { o.Close(); close(closed) }()
	for i := range n {
		var m message
		if err := parent.Receive(&m); err != nil || m.N != i {
			t.Fatalf("message %d: %d %v", i, m.N, err)
		}
	}
	<-closed
	if o.Put(message{}); o.Waiting() {
		t.Error("something waits after the end")
	}
}

func TestOutboxOfAPeerThatIsGone(t *testing.T) {
	parent, theirs, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	child, err := newConn(theirs)
	if err != nil {
		t.Fatal(err)
	}
	o := NewOutbox(child)
	parent.Close()
	o.Put(1)
	o.Put(2)
	o.Close()
	if o.Waiting() {
		t.Error("something waits for a peer that is gone")
	}
}
