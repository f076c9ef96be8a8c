package model

import (
	"strings"
	"testing"
	"time"
)

// The largest ratio of p99 and mean is the same in the parameter's text, in the message, and in what is accepted.
func TestTheLargestSpreadIsToldOnce(t *testing.T) {
	if _, err := NewLognormal(time.Second, 14960*time.Millisecond); err != nil {
		t.Error(err)
	}
	_, err := NewLognormal(time.Second, 14970*time.Millisecond)
	if err == nil || !strings.HasSuffix(err.Error(), "the ratio must not exceed 14.96") {
		t.Errorf("a ratio of 14.97: %v", err)
	}
	e, _ := Times().Table().Find("lognormal")
	if p, _ := e.Param("p99"); !strings.Contains(p.Doc, "1 to 14.96 times the mean") {
		t.Errorf("the parameter says %q", p.Doc)
	}
}
