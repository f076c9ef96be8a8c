package pick

import (
	"fmt"
	"strings"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Key is what a request's key is taken from.
type Key struct {
	From Source
	Name string // of a header, a cookie or a parameter of the query
}

// Source is a part of a request.
type Source string

// The sources of keys.
const (
	Address Source = "address" // the client's, without its port
	Path    Source = "path"    // without the query
	Header  Source = "header"
	Cookie  Source = "cookie"
	Query   Source = "query"
)

// keyParam is the parameter of strategies that send requests of one key to one target.
func keyParam() spec.Param {
	return spec.Param{Name: "key", Type: spec.Text, Default: "address", Doc: "address, path, header:NAME, cookie:NAME or query:NAME; a request without it is sent anywhere"}
}

// ParseKey reads what a key is taken from: address, path, header:NAME, cookie:NAME or query:NAME.
func ParseKey(s string) (Key, error) {
	from, name, named := strings.Cut(s, ":")
	switch k := (Key{Source(from), name}); k.From {
	case Address, Path:
		if !named {
			return k, nil
		}
	case Header, Cookie, Query:
		if name != "" {
			return k, nil
		}
	}
	return Key{}, fmt.Errorf("key %q is none of address, path, header:NAME, cookie:NAME and query:NAME", s)
}

// Hash is what a key's text is folded into, so that every bit of it counts.
func Hash[T ~string | ~[]byte](text T) uint64 { return draw.Mix(draw.Fold(text)) }

// keyed is the part that keyed strategies have in common.
type keyed struct{ key Key }

// Key implements Keyed.
func (k keyed) Key() Key { return k.key }
