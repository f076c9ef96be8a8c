package proxy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/balancer/serve"
)

// A head of twice the length costs twice the comparisons, however many of its bytes are names in Connection: the parser lets only so
// many through.
func TestConnectionCostsInProportion(t *testing.T) {
	// cost is how many comparisons a head takes with so many headers beside Connection, and whether it is accepted.
	cost := func(headers, names int) (int, error) {
		var head strings.Builder
		head.WriteString("GET / HTTP/1.1\r\nHost: a\r\nConnection: close")
		for i := range names {
			fmt.Fprintf(&head, ", n%d", i)
		}
		head.WriteString("\r\n")
		for i := range headers {
			fmt.Fprintf(&head, "X-%d: y\r\n", i)
		}
		head.WriteString("\r\n")
		var r http1.Request
		var fields []serve.Field
		if err := http1.ParseRequest([]byte(head.String()), &r, func(name, value []byte) { fields = append(fields, serve.Field{Name: name, Value: value}) }); err != nil {
			return 0, err
		}
		var n connectionNames
		n.gather(fields)
		for i := range fields {
			n.has(fields[i].Name)
		}
		return n.compared, nil
	}
	once, err := cost(1000, http1.MaxOptions)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := cost(2002, http1.MaxOptions) // with Host and Connection
	if err != nil || twice != 2*once || once > 1002*http1.MaxOptions {
		t.Errorf("%d comparisons of a head, %d of one twice as long, %v", once, twice, err)
	}
	if _, err := cost(1, 2*http1.MaxOptions); err == nil {
		t.Error("any number of names is accepted")
	}
}

func TestAmbiguousNames(t *testing.T) {
	x := &driver{f: &Front{options: config.Options{Forwarded: true, RequestID: "X-Request-Id"}}, rule: &route.Rule{Remove: []string{"X-Internal"}, Set: []route.Pair{{Name: "X-User"}}}}
	for name, want := range map[string]config.Names{
		"Content_Length": config.RemoveNames, "Transfer_Encoding": config.RemoveNames, "Transfer--Encoding": config.RemoveNames, "transfer-encoding_": config.RemoveNames, "X_Forwarded_For": config.RemoveNames,
		"X-Forwarded_Proto": config.RemoveNames, "Content.Length": config.RemoveNames, "_Host": config.RemoveNames, "X_Request_Id": config.RemoveNames, "Forwarded_": config.RemoveNames, "X_Internal": config.RemoveNames, "X--User": config.RemoveNames,
		"X_Forwarded_Client_Cert": config.RemoveNames, "Keep_Alive": config.RemoveNames,
		"My_Header": config.PassNames, "Content_Type": config.PassNames, "X_Forwarded": config.PassNames, "Via_": config.PassNames, "Content_Lengths": config.PassNames, strings.Repeat("_a", 1000): config.PassNames,
	} {
		if got := x.odd([]byte(name)); got != want {
			t.Errorf("%.60s: %s", name, got)
		}
	}
	for _, tc := range []struct {
		options config.Options
		name    string
		want    config.Names
	}{
		{config.Options{Ambiguous: config.RefuseNames}, "Content_Length", config.RefuseNames},
		{config.Options{Ambiguous: config.RefuseNames}, "My_Header", config.PassNames},
		{config.Options{Ambiguous: config.PassNames}, "Content_Length", config.PassNames},
		{config.Options{Underscores: config.RemoveNames}, "My_Header", config.RemoveNames},
		{config.Options{Underscores: config.RefuseNames}, "My_Header", config.RefuseNames},
		{config.Options{Underscores: config.RemoveNames, Ambiguous: config.RefuseNames}, "X--Forwarded-For", config.RefuseNames},
		{config.Options{Underscores: config.PassNames, Ambiguous: config.PassNames}, "X__Forwarded", config.PassNames},
	} {
		x := &driver{f: &Front{options: tc.options}, rule: &route.Rule{}}
		if got := x.odd([]byte(tc.name)); got != tc.want {
			t.Errorf("%s with %+v: %s", tc.name, tc.options, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { x.odd([]byte("X_Forwarded_For")) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What would be framing or a word of the balancer's in a head is no trailer, however it is spelled.
func TestTrailersWithoutFraming(t *testing.T) {
	in := "A: 1\r\nContent-Length: 2\r\nContent_Length: 3\r\nX_Forwarded-For: 4\r\nTransfer--Encoding: 5\r\nB_c: 6\r\n"
	if got := string(appendTrailer(nil, []byte(in), nil)); got != "A: 1\r\nB_c: 6\r\n" {
		t.Errorf("%q", got)
	}
}
