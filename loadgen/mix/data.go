package mix

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Data is a table that templates take values from, a row for each request.
type Data struct {
	Name    string
	Columns []string
	Rows    [][]string
	Random  draw.Stream // of the choice of a row
	InTurn  bool        // the rows one after the other, by sequence number, instead
}

// ParseData reads CSV (RFC 4180); its first line names the columns. The error names the line.
func ParseData(text string) (*Data, error) {
	r := csv.NewReader(strings.NewReader(text))
	columns, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("it is empty: the first line names the columns")
	}
	if err != nil {
		return nil, err
	}
	for i, c := range columns {
		columns[i] = strings.TrimSpace(strings.TrimPrefix(c, "\ufeff")) // spreadsheets write a byte order mark
	}
	for i, c := range columns {
		if c == "" || slices.Contains(columns[:i], c) {
			return nil, fmt.Errorf("line 1: column %d is called %q: each needs a name of its own", i+1, c)
		}
	}
	rows, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, errors.New("it has no row: the first line names the columns, each further one is a row")
	}
	return &Data{Columns: columns, Rows: rows}, nil
}

// row returns the row of a sequence number.
func (d *Data) row(seq uint64) []string {
	if d.InTurn {
		return d.Rows[seq%uint64(len(d.Rows))]
	}
	return d.Rows[d.Random.Intn(len(d.Rows), seq, 0)]
}

func compileColumn(set, column string, data []*Data, where where) (func([]byte, uint64) []byte, error) {
	var names []string
	for _, d := range data {
		names = append(names, d.Name)
		if d.Name != set {
			continue
		}
		i := slices.Index(d.Columns, column)
		if i < 0 {
			return nil, fmt.Errorf("data %s has no column %q%s: there are %s", set, column, spec.Suggest(column, d.Columns), strings.Join(d.Columns, ", "))
		}
		for n, row := range d.Rows {
			if where == inHeader && strings.ContainsAny(row[i], "\r\n\x00") {
				return nil, fmt.Errorf("row %d of data %s can't be sent in a header: it is more than one line", n+1, set)
			}
		}
		return func(dst []byte, seq uint64) []byte { return append(dst, d.row(seq)[i]...) }, nil
	}
	return nil, fmt.Errorf("there is no data called %q%s", set, spec.Suggest(set, names))
}
