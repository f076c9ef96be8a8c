package proxy

import (
	"bytes"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/serve"
)

// odd says what becomes of a header, by its name alone: one of http1.Request.OddNames, whose name is not its own folded form.
func (x *driver) odd(name []byte) config.Names {
	o := &x.f.options
	if o.Underscores != "" && o.Underscores != config.PassNames && bytes.IndexByte(name, '_') >= 0 {
		return o.Underscores
	}
	if o.Ambiguous == config.PassNames || !x.ambiguous(name) {
		return config.PassNames
	}
	if o.Ambiguous == config.RefuseNames {
		return config.RefuseNames
	}
	return config.RemoveNames
}

// foldedSize is more than the length of any name that matters; longer ones are compared by their beginning and differ.
const foldedSize = 256

// fold is a name's folded form (http1.AppendFolded) in the room given; nil for a name that is its own, or too long to matter.
func fold(room, name []byte) []byte {
	if len(name) > cap(room) {
		return nil
	}
	folded := http1.AppendFolded(room, name)
	if bytes.EqualFold(folded, name) {
		return nil
	}
	return folded
}

// mistakable reports whether a name may be read as that of a header about the connection or the body, or of one that the balancer writes.
func mistakable(name []byte) bool {
	var room [foldedSize]byte
	folded := fold(room[:0], name)
	return folded != nil && hop(folded) != passed
}

// ambiguous is mistakable for names, too, that the rule or the listener's options remove or write.
func (x *driver) ambiguous(name []byte) bool {
	var room [foldedSize]byte
	folded := fold(room[:0], name)
	if folded == nil {
		return false
	}
	o := &x.f.options
	return hop(folded) != passed || dropped(x.rule, folded) || (o.Forwarded && http1.Is(folded, "forwarded")) || (o.Via != "" && http1.Is(folded, "via")) ||
		(o.RequestID != "" && bytes.EqualFold(folded, []byte(o.RequestID)))
}

// connectionNames are the headers that a message's Connection names, which end at the balancer. The parser has bounded their number
// (http1.MaxOptions), so that what a head costs grows with its length alone.
type connectionNames struct {
	names    [][]byte
	compared int // names with headers, so far
}

// gather takes the names of a message's headers in.
func (n *connectionNames) gather(fields []serve.Field) {
	for i := range fields {
		f := &fields[i]
		if len(f.Name) != len("connection") || !http1.Is(f.Name, "connection") {
			continue
		}
		for name, rest := http1.NextOption(f.Value); name != nil; name, rest = http1.NextOption(rest) {
			n.names = append(n.names, name)
		}
	}
}

// has reports whether a header is among them.
func (n *connectionNames) has(name []byte) bool {
	n.compared += len(n.names)
	for _, x := range n.names {
		if len(x) == len(name) && bytes.EqualFold(x, name) {
			return true
		}
	}
	return false
}
