package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/vegeta"
	"github.com/seed-8025779b/shakedown/reports"
)

// streams are the files that hold every request, written while the run goes on.
type streams struct{ list []stream }

// stream is one of these files.
type stream struct {
	file  *streamFile
	began func(time.Time) // nil when it does not matter when the load began
	add   func(*reports.SampleRow)
	close func() error // of the writer; the file is closed after it
}

// streamFile keeps what an earlier run wrote under its name until this run has something to write.
type streamFile struct {
	*os.File
	existed, begun bool
	dropped        atomic.Bool // nothing is written any more
}

// Write empties the file before the first write.
func (f *streamFile) Write(b []byte) (int, error) {
	if f.dropped.Load() {
		return len(b), nil
	}
	if err := f.begin(); err != nil {
		return 0, err
	}
	return f.File.Write(b)
}

func (f *streamFile) begin() error {
	if f.begun {
		return nil
	}
	f.begun = true
	return f.Truncate(0)
}

// openStreams opens the files of the formats that hold every request. Stamps of a simulated run count from began;
// those of a live one from when its load began, which its first request tells.
func (o *output) openStreams(formats []reports.Format, describe func(seq uint64) (method, url string), world string, began time.Time) (*streams, error) {
	s := &streams{}
	for _, format := range formats {
		if format.Write != nil {
			continue
		}
		f, err := os.OpenFile(filepath.Join(o.dir, format.File), os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			s.discard()
			return nil, err
		}
		file := &streamFile{File: f, existed: o.before[format.File]}
		if format.Encoding == nil {
			w := reports.NewSamples(file)
			s.list = append(s.list, stream{file: file, add: w.Add, close: w.Close})
			continue
		}
		w := vegeta.NewResults(file, format.Encoding, describe)
		if world == "sim" {
			w.StartAt(began)
		}
		s.list = append(s.list, stream{file: file, began: w.StartAt, close: w.Close, add: func(x *reports.SampleRow) {
			if !x.Discarded {
				w.Add(x.Sample)
			}
		}})
	}
	return s, nil
}

// began tells the files that hold instants when a live load began.
func (s *streams) began(t time.Time) {
	for i := range s.list {
		if s.list[i].began != nil {
			s.list[i].began(t)
		}
	}
}

// sink takes requests in; nil when nobody wants them.
func (s *streams) sink() func(*reports.SampleRow) {
	if len(s.list) == 0 {
		return nil
	}
	return func(x *reports.SampleRow) {
		for i := range s.list {
			s.list[i].add(x)
		}
	}
}

// roomForResult is how much of a file of requests is given up when the disk is full, so that the result and the reports
// fit. They take some 1 MiB.
const roomForResult = 4 << 20

// makeRoom shortens a file.
func (f *streamFile) makeRoom() error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return f.Truncate(max(info.Size()-roomForResult, 0))
}

// close ends the files. It returns the paths of those that are whole, and the errors of the others, joined: what of
// them could be written stays, but for the end of a file that has filled the disk.
func (s *streams) close() (paths []string, err error) {
	for _, x := range s.list {
		wrong := errors.Join(x.close(), x.file.begin())
		if errors.Is(wrong, syscall.ENOSPC) || errors.Is(wrong, syscall.EDQUOT) {
			wrong = errors.Join(wrong, x.file.makeRoom())
		}
		if wrong = errors.Join(wrong, x.file.Close()); wrong != nil {
			err = errors.Join(err, fmt.Errorf("%s is not whole: %w", filepath.Base(x.file.Name()), wrong))
			continue
		}
		paths = append(paths, x.file.Name())
	}
	s.list = nil
	return paths, err
}

// discard ends the files of a run that did not take place: what it created is removed, what stood there before stays.
func (s *streams) discard() {
	for _, x := range s.list {
		x.file.dropped.Store(true)
		_ = errors.Join(x.close(), x.file.Close()) // nothing is lost with them
		if !x.file.existed {
			_ = os.Remove(x.file.Name()) // it is clutter, not harm
		}
	}
	s.list = nil
}
