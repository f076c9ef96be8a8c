package spec

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		p    Param
		text string
		want any
		err  string
	}{
		{Param{Type: Duration}, "1.5s", 1500 * time.Millisecond, ""},
		{Param{Type: Duration}, "5", nil, "not a duration"},
		{Param{Type: Duration, Above: true}, "0s", nil, "more than 0s"},
		{Param{Type: Duration, Max: 60}, "2m", nil, "the most is 1m0s"},
		{Param{Type: Share}, "60%", .6, ""},
		{Param{Type: Share}, "0.7%", .007, ""}, // the number nearest to it, which .7 / 100 is not
		{Param{Type: Share}, "1e1%", .1, ""},
		{Param{Type: Share}, "0.6", nil, "not a share"},
		{Param{Type: Share, Max: 1}, "130%", nil, "the most is 100%"},
		{Param{Type: Rate}, "90/m", 1.5, ""},
		{Param{Type: Rate}, "90", nil, "not a rate"},
		{Param{Type: Rate}, "NaN/s", nil, "not a rate"},
		{Param{Type: Rate, Above: true}, "-1/s", nil, "more than 0/s"},
		{Param{Type: Count, Words: []Word{{"unlimited", -1}}}, "unlimited", -1, ""},
		{Param{Type: Count}, "three", nil, "not a whole number"},
		{Param{Type: Text, Enum: []string{"even", "poisson"}}, "posson", nil, `did you mean "poisson"?`},
		{Param{Type: Bool}, "true", true, ""},
	} {
		got, err := tc.p.Parse(tc.text)
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%v %q: error %v, want %q", tc.p.Type, tc.text, err, tc.err)
			}
			continue
		}
		if err != nil || got != tc.want {
			t.Errorf("%v %q = %v, %v; want %v", tc.p.Type, tc.text, got, err, tc.want)
		}
	}
}

func TestFormatReadsBack(t *testing.T) {
	for _, tc := range []struct {
		p    Param
		text string
	}{
		{Param{Type: Duration}, "1.5s"}, {Param{Type: Share}, "12.5%"}, {Param{Type: Rate}, "100/s"},
		{Param{Type: Count, Words: []Word{{"unlimited", -1}}}, "unlimited"},
	} {
		v, err := tc.p.Parse(tc.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := tc.p.Format(v); got != tc.text {
			t.Errorf("Format(Parse(%q)) = %v", tc.text, got)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"round_robin", "least_requests", "p2c"}
	for got, want := range map[string]string{"least_request": "least_requests", "roundrobin": "round_robin", "pc2": "p2c", "maglev": "", "": ""} {
		if n := Nearest(got, known); n != want {
			t.Errorf("Nearest(%q) = %q, want %q", got, n, want)
		}
	}
}

// The range is what Parse holds to.
func TestRange(t *testing.T) {
	for _, tc := range []struct {
		p    Param
		want string
	}{
		{Param{Type: Duration, Above: true, Max: 60}, "more than 0s, up to 1m0s"},
		{Param{Type: Duration, Above: true}, "more than 0s"},
		{Param{Type: Share, Max: 1}, "0% to 100%"},
		{Param{Type: Rate}, "from 0/s"},
		{Param{Type: Count, Min: 1, Max: 9, Words: []Word{{"unlimited", -1}}}, "1 to 9, or unlimited"},
		{Param{Type: Text, Enum: []string{"even", "poisson"}}, "even, poisson"},
		{Param{Type: Text}, ""},
		{Param{Type: Bool}, ""},
	} {
		if got := tc.p.Range(); got != tc.want {
			t.Errorf("%v: %q, want %q", tc.p.Type, got, tc.want)
		}
	}
}

// A share in percent is what was written.
func TestPercent(t *testing.T) {
	for _, text := range []string{"55%", "7%", "14%", "0.7%", "99.9%", "100%", "0%", "0.001%", "150%"} {
		share, err := Param{Type: Share}.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
		if got := Percent(share.(float64)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
