package mix

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSharesFollowWeights(t *testing.T) {
	m, err := New(42, Set{Requests: []Request{{Name: "a", Weight: 8}, {Name: "b", Weight: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	const n = 100_000
	a := 0
	for seq := range uint64(n) {
		if m.At(seq).Name == "a" {
			a++
		}
	}
	if got := float64(a) / n; math.Abs(got-.8) > .01 { // eight standard errors
		t.Fatalf("share of a = %v", got)
	}
}

func TestRefusesBadWeights(t *testing.T) {
	for _, rs := range [][]Request{nil, {{Name: "a"}}, {{Name: "a", Weight: -1}}, {{Name: "a", Weight: math.NaN()}}} {
		if _, err := New(1, Set{Requests: rs}); err == nil {
			t.Errorf("%v was accepted", rs)
		}
	}
}

func TestExpectations(t *testing.T) {
	e := &Expect{Status: 200, Headers: []Header{{"Content-Type", "text/plain"}}, Body: "needle"}
	for _, tc := range []struct {
		name     string
		e        *Expect
		status   int
		header   string
		body     []string
		failure  string
		expected bool
	}{
		{"as expected", e, 200, "text/plain", []string{"a needle here"}, "", true},
		{"across pieces", e, 200, "text/plain", []string{"a nee", "d", "le"}, "", true},
		{"wrong status", e, 201, "text/plain", []string{"needle"}, "status 201, expected 200", true},
		{"wrong header", e, 200, "text/html", []string{"needle"}, "no header Content-Type", true},
		{"no text", e, 200, "text/plain", []string{"need", "les"[:0], "l"}, "does not hold", true},
		{"nothing expected", nil, 500, "", nil, "", false},
		{"a 404 that is expected", &Expect{Status: 404}, 404, "", nil, "", true},
		{"an error page", &Expect{Body: "x"}, 503, "", []string{"y"}, "", false},
		{"any status", &Expect{Body: "x"}, 204, "", []string{"y"}, "does not hold", false},
	} {
		var c Check
		for range 2 { // it can be used again
			c.Reset(tc.e)
			c.Header([]byte("content-type"), []byte(tc.header))
			for _, p := range tc.body {
				c.Data([]byte(p))
			}
			failure, expected := c.Failure(tc.status)
			if (tc.failure == "") != (failure == "") || !strings.Contains(failure, tc.failure) || expected != tc.expected {
				t.Errorf("%s: %q %v", tc.name, failure, expected)
			}
		}
	}
}

// However the body is cut, its text is found exactly when it is there.
func TestTextIsFoundHoweverTheBodyIsCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.StringMatching(`[ab]{0,40}`).Draw(t, "body")
		e := &Expect{Body: rapid.StringMatching(`[ab]{1,6}`).Draw(t, "text")}
		var c Check
		c.Reset(e)
		for rest := body; rest != ""; {
			k := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			c.Data([]byte(rest[:k]))
			rest = rest[k:]
		}
		if failure, _ := c.Failure(200); (failure == "") != strings.Contains(body, e.Body) {
			t.Fatalf("%q in %q: %q", e.Body, body, failure)
		}
	})
}
