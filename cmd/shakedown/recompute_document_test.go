package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"time"
)

// document is result.json as its leaves: numbers, texts, truths and nulls by path, such as
// "phases[1].latency.response.p99_ms". It is read as plain JSON, so that reports' own reader decides nothing. Histograms
// are decoded.
type document map[string]any

// readDocument reads result.json. The scenario as resolved is left out but for its faults: it is the plan, not a figure.
func readDocument(path string) (document, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var whole map[string]any
	if err := json.Unmarshal(b, &whole); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if plan, ok := whole["scenario"].(map[string]any); ok {
		whole["scenario"] = map[string]any{"faults": plan["faults"]}
	}
	d := document{}
	d.add("", whole)
	return d, nil
}

func (d document) add(path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			d.add(strings.TrimPrefix(path+"."+k, "."), x)
		}
	case []any:
		d[path+".length"] = float64(len(v))
		for i, x := range v {
			d.add(fmt.Sprintf("%s[%d]", path, i), x)
		}
	case string:
		if d[path] = v; strings.Contains(path, "histogram") && v != "" {
			if h, err := decodeHistogram(v); err == nil {
				d[path] = h
			}
		}
	default:
		d[path] = v
	}
}

func (d document) number(path string) float64 {
	v, _ := d[path].(float64)
	return v
}

// text returns a text; "" for what is absent.
func (d document) text(path string) string {
	v, _ := d[path].(string)
	return v
}

func (d document) truth(path string) bool {
	v, _ := d[path].(bool)
	return v
}

// has reports whether there is a value that is not null.
func (d document) has(path string) bool { return d[path] != nil }

// under reports whether anything but null stands at a path or below it.
func (d document) under(path string) bool {
	for k, v := range d {
		if v != nil && (k == path || strings.HasPrefix(k, path+".")) {
			return true
		}
	}
	return false
}

// instant returns a time in milliseconds as a duration.
func (d document) instant(path string) time.Duration {
	return time.Duration(math.Round(d.number(path) * float64(time.Millisecond)))
}

// each returns the paths of a list's members.
func (d document) each(path string) []string {
	var out []string
	for i := range int(d.number(path + ".length")) {
		out = append(out, fmt.Sprintf("%s[%d]", path, i))
	}
	return out
}

// texts returns a list of texts.
func (d document) texts(path string) []string {
	var out []string
	for _, p := range d.each(path) {
		out = append(out, d.text(p))
	}
	return out
}
