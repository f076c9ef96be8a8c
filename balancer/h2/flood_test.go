package h2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

// A client whose frames move nothing is told to be calm and let go, after a number of frames that depends on nothing else.
func TestFloods(t *testing.T) {
	const get = "\x82\x86\x84\x41\x01a"  // GET http / a in HPACK's static table
	const post = "\x83\x86\x84\x41\x01a" // POST
	open := func(block string, ends, whole bool) func(f *http2.Framer, id uint32) {
		return func(f *http2.Framer, id uint32) {
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: []byte(block), EndStream: ends, EndHeaders: whole})
		}
	}
	nothing := func(*http2.Framer, uint32) {}
	const resets = "resets"
	for name, x := range map[string]struct {
		first func(f *http2.Framer, id uint32) // stream 1
		flood func(f *http2.Framer, id uint32) // the id is another one each time
	}{
		"pings":               {nothing, func(f *http2.Framer, _ uint32) { _ = f.WritePing(false, [8]byte{}) }},
		"answers to no pings": {nothing, func(f *http2.Framer, _ uint32) { _ = f.WritePing(true, [8]byte{}) }},
		"settings":            {nothing, func(f *http2.Framer, _ uint32) { _ = f.WriteSettings() }},
		"windows":             {nothing, func(f *http2.Framer, _ uint32) { _ = f.WriteWindowUpdate(0, 1) }},
		"windows of a stream": {open(post, false, true), func(f *http2.Framer, _ uint32) { _ = f.WriteWindowUpdate(1, 1) }},
		"priorities":          {nothing, func(f *http2.Framer, id uint32) { _ = f.WritePriority(id, http2.PriorityParam{}) }},
		"an unknown type":     {nothing, func(f *http2.Framer, _ uint32) { _ = f.WriteRawFrame(77, 0, 0, nil) }},
		"empty data":          {open(post, false, true), func(f *http2.Framer, _ uint32) { _ = f.WriteData(1, false, nil) }},
		"a head that goes on": {open(post, false, false), func(f *http2.Framer, _ uint32) { _ = f.WriteContinuation(1, false, nil) }},
		resets: {nothing, func(f *http2.Framer, id uint32) {
			open(get, true, true)(f, id)
			_ = f.WriteRSTStream(id, http2.ErrCodeCancel)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewServer(0, 0)
				near, far := net.Pipe()
				served := make(chan struct{})
				go func() {
					defer close(served)
					s.Serve(far, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
				}()
				var told atomic.Pointer[http2.GoAwayFrame]
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					f := http2.NewFramer(io.Discard, near)
					for {
						frame, err := f.ReadFrame()
						if away, ok := frame.(*http2.GoAwayFrame); ok && told.Load() == nil {
							told.Store(&http2.GoAwayFrame{FrameHeader: away.FrameHeader, LastStreamID: away.LastStreamID, ErrCode: away.ErrCode})
						}
						if err != nil && !errors.As(err, new(http2.StreamError)) {
							return
						}
					}
				}()
				var out bytes.Buffer
				f := http2.NewFramer(&out, nil)
				f.AllowIllegalWrites = true
				out.WriteString(preface)
				_ = f.WriteSettings()
				x.first(f, 1)
				burst, size := idleBurst, frameHead
				if name == resets {
					burst, size = idleBurst/resetWeight, 2*frameHead
				}
				most := burst + lingerBytes/size + 4096 // which net/http may read at once
				n := 0
				for id := uint32(3); n <= most; id += 2 {
					if _, err := near.Write(out.Bytes()); err != nil {
						break
					}
					out.Reset()
					x.flood(f, id)
					n++
				}
				near.Close()
				<-ended
				<-served
				s.Shutdown(t.Context())
				if away := told.Load(); away == nil || away.ErrCode != http2.ErrCodeEnhanceYourCalm {
					t.Errorf("after %d frames the client was told %v", n, away)
				}
				if n <= burst/2 || n > most {
					t.Errorf("the connection ended after %d frames", n)
				}
			})
		})
	}
}

// What clients do that mean well is no flood, for however long.
func TestWhatIsNoFlood(t *testing.T) {
	data := make([]byte, 16<<10)
	const never = -1
	headers := func(f *http2.Framer, id uint32) {
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: []byte("\x82"), EndStream: true, EndHeaders: true})
	}
	giveUp := func(f *http2.Framer, id uint32) {
		headers(f, id)
		_ = f.WriteRSTStream(id, http2.ErrCodeCancel)
	}
	for name, x := range map[string]struct {
		wrote []int // payloads of the frames of data that the server has written, after a head
		reads func(f *http2.Framer, id uint32)
		every time.Duration
		flood int // at which turn
	}{
		"a body that is taken in pieces of 1 KiB": {[]int{16 << 10}, func(f *http2.Framer, id uint32) {
			for range 16 {
				_ = f.WriteWindowUpdate(0, 1<<10)
				_ = f.WriteWindowUpdate(id, 1<<10)
			}
		}, 0, never},
		"small answers": {[]int{10, 10, 10}, func(f *http2.Framer, id uint32) {
			headers(f, id)
			for range 4 {
				_ = f.WriteWindowUpdate(0, 10)
				_ = f.WriteWindowUpdate(id, 10)
			}
			_ = f.WriteRSTStream(id, http2.ErrCodeCancel)
		}, 0, never},
		"a body with pings to measure its way": {nil, func(f *http2.Framer, id uint32) {
			_ = f.WriteData(id, false, data)
			_ = f.WritePing(false, [8]byte{})
			_ = f.WritePing(true, [8]byte{})
		}, 0, never},
		"messages of a few bytes, each with a ping": {nil, func(f *http2.Framer, id uint32) {
			_ = f.WriteData(id, false, data[:5])
			_ = f.WritePing(false, [8]byte{})
		}, 0, never},
		"pings, all the time":                               {nil, func(f *http2.Framer, _ uint32) { _ = f.WritePing(false, [8]byte{}) }, time.Second / 300, never},
		"pings, too many":                                   {nil, func(f *http2.Framer, _ uint32) { _ = f.WritePing(false, [8]byte{}) }, time.Second / 1000, 14924}, // less 330 a second
		"padding":                                           {nil, func(f *http2.Framer, id uint32) { _ = f.WriteDataPadded(id, false, nil, data[:8]) }, 0, idleBurst},
		"requests without a body":                           {nil, headers, 0, never},
		"requests with an empty one":                        {nil, func(f *http2.Framer, id uint32) { _ = f.WriteData(id, true, nil) }, 0, never},
		"requests that are given up":                        {nil, giveUp, time.Second / 30, never},
		"requests that are given up, too many":              {nil, giveUp, time.Second / 100, 1492}, // less 33 a second
		"requests that are given up once they are answered": {[]int{0}, giveUp, 0, never},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := &conn{flood: newFlood()}
			var in, out bytes.Buffer
			r, w := http2.NewFramer(&in, nil), http2.NewFramer(&out, nil)
			r.AllowIllegalWrites = true
			in.WriteString(preface)
			at := -1
			for i := range 3 * idleBurst {
				if id := uint32(2*i + 1); len(x.wrote) > 0 {
					headers(w, id)
					for _, n := range x.wrote {
						_ = w.WriteData(id, false, data[:n])
					}
				}
				c.pass(out.Bytes())
				x.reads(r, uint32(2*i+1))
				if c.flood.read(in.Bytes()) && at < 0 {
					at = i
				}
				in.Reset()
				out.Reset()
				time.Sleep(x.every)
			}
			if at != x.flood {
				t.Errorf("%s: a flood at %d, want %d", name, at, x.flood)
			}
		})
	}
}
