package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// Read reads a result.json, or vegeta's results in any of its encodings. It reports what is wrong with a
// file: truncated, not a result, or of another schema.
func Read(path string) (*Result, error) {
	if isVegeta(path) {
		return readVegeta(path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var head struct {
		Schema *string `json:"schema"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("%s: %w", path, describe(b, err))
	}
	switch {
	case head.Schema == nil:
		return nil, fmt.Errorf("%s: not a shakedown result: it names no schema", path)
	case *head.Schema != Schema:
		return nil, fmt.Errorf("%s: schema %q is not %q: it was written by another version of shakedown", path, *head.Schema, Schema)
	}
	var r Result
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, describe(b, err))
	}
	if err := fillJudged(&r, b); err != nil {
		return nil, fmt.Errorf("%s: %w", path, describe(b, err))
	}
	return &r, nil
}

// fillJudged completes results of versions that judged every gate unless the run was interrupted, and did not say so.
func fillJudged(r *Result, b []byte) error {
	var said struct {
		Gates []struct {
			Judged *bool `json:"judged"`
		} `json:"gates"`
	}
	if err := json.Unmarshal(b, &said); err != nil {
		return err
	}
	for i := range said.Gates {
		if said.Gates[i].Judged == nil {
			r.Gates[i].Judged = r.Verdict != Interrupted
		}
	}
	return nil
}

// describe adds the place to an error of encoding/json.
func describe(b []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	offset := int64(0)
	switch {
	case len(bytes.TrimSpace(b)) == 0:
		return errors.New("the file is empty")
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
	default:
		return err
	}
	if offset >= int64(len(b)) {
		return fmt.Errorf("the file is truncated after %d bytes: %w", len(b), err)
	}
	return fmt.Errorf("line %d: not a shakedown result: %w", 1+bytes.Count(b[:offset], []byte("\n")), err)
}
