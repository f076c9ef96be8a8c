package reports

import "io"

// WriteHTML is filled in next.
func WriteHTML(w io.Writer, r *Result) error { _, err := io.WriteString(w, "<html>"); return err }
