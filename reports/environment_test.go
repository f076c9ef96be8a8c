package reports

import (
	"bytes"
	"regexp"
	"testing"
	"time"
)

// What differs between two equal runs is their environment: every output says it in one place, and is the same
// elsewhere. The log of HdrHistogram has a start time of its own, which is the environment's.
func TestOnlyTheEnvironmentDiffers(t *testing.T) {
	place := map[string]*regexp.Regexp{
		"html": regexp.MustCompile(`(?s)<footer>.*</footer>`),
		"json": regexp.MustCompile(`(?s)"environment": \{.*?\n \},`),
		"hlog": regexp.MustCompile(`(?m)^#\[StartTime: .*$`),
	}
	a, b := fixture(t), fixture(t)
	a.Environment = Environment{StartedAt: time.Unix(1, 0).UTC(), Host: "one", OS: "a", CPUs: 1, Version: "v1", GoVersion: "go1", Command: "shakedown run a"}
	b.Environment = Environment{StartedAt: time.Unix(2e9, 0).In(time.FixedZone("X", 3600)), Host: "two", OS: "b", CPUs: 64, Version: "v2", GoVersion: "go2", Command: "shakedown run b"}
	for _, f := range Formats() {
		if f.Write == nil {
			continue
		}
		var texts [2]string
		for i, r := range []*Result{a, b} {
			var out bytes.Buffer
			if err := f.Write(&out, r); err != nil {
				t.Fatal(err)
			}
			texts[i] = out.String()
		}
		if re := place[f.Name]; re != nil {
			if texts[0] == texts[1] || !re.MatchString(texts[0]) {
				t.Errorf("%s does not tell its environment where it should", f.File)
			}
			texts[0], texts[1] = re.ReplaceAllString(texts[0], ""), re.ReplaceAllString(texts[1], "")
		}
		if texts[0] != texts[1] {
			t.Errorf("%s differs outside its environment", f.File)
		}
	}
}
