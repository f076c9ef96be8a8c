package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-8025779b/shakedown/loadgen/pace"
)

// maxStamps is how many arrivals the server keeps: enough for the paced comparison.
const maxStamps = 1 << 20

// server is the arrival-stamping server's process, pinned to the second core.
type server struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
	url string
}

func startServer() (*server, error) { return startServerOf(0, 1) }

// startServerOf starts a server on a core whose answers have bodies of a size; 0 stands for the usual 65 bytes.
func startServerOf(size, core int) (*server, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{cmd: exec.Command(exe, "server", fmt.Sprint(size))}
	s.cmd.Stderr = os.Stderr
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.out = json.NewDecoder(out)
	if err := pinned(s.cmd, core); err != nil {
		return nil, err
	}
	return s, s.out.Decode(&s.url)
}

// pinned starts a command on one core. The mask is inherited, so it is set on the starting thread.
func pinned(cmd *exec.Cmd, core int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	if before.Count() < 2 {
		return fmt.Errorf("two cores are needed, one for the generator and one for the server")
	}
	one.Set(core)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	err := cmd.Start()
	if back := unix.SchedSetaffinity(0, &before); err == nil {
		err = back
	}
	return err
}

func (s *server) stop() {
	s.in.Close()
	_ = s.cmd.Wait() // it ends with its input
}

// arrivals is what the server saw since it was last asked.
type arrivals struct {
	Requests int
	Stamps   []time.Duration
}

// exitInvalid is the exit code of a run whose figures can't be trusted.
const exitInvalid = 3

// measured is one tool's figures.
type measured struct {
	requests     int
	cpu, wall    time.Duration
	lag50, lag99 float64 // µs
}

// measure runs a tool on the first core.
func (s *server) measure(t tool) (m measured, err error) {
	cmd := t.command()
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	began := time.Now()
	if err := pinned(cmd, 0); err != nil {
		return m, fmt.Errorf("%s: %w", t.name, err)
	}
	// A run that can't be trusted, because the machine is busy, still tells what it cost.
	if err := cmd.Wait(); err != nil && t.name == "shakedown" && cmd.ProcessState.ExitCode() != exitInvalid {
		return m, fmt.Errorf("%s: %w\n%s", t.name, err, output.String())
	}
	m.wall = time.Since(began)
	m.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if _, err := io.WriteString(s.in, "\n"); err != nil {
		return m, err
	}
	var a arrivals
	if err := s.out.Decode(&a); err != nil {
		return m, err
	}
	m.requests = a.Requests
	m.lag50, m.lag99 = lag(a.Stamps)
	return m, nil
}

// lag is how far arrivals are behind an even schedule, median and p99 in µs. The schedule's start is not
// known: it is where the promptest arrival is exactly on time.
func lag(stamps []time.Duration) (p50, p99 float64) {
	if len(stamps) == 0 {
		return 0, 0
	}
	const gap = time.Second / pacedRate
	slices.Sort(stamps)
	least := stamps[0]
	for i, at := range stamps {
		least = min(least, at-time.Duration(i)*gap)
	}
	late := make([]float64, len(stamps))
	for i, at := range stamps {
		late[i] = float64((at - time.Duration(i)*gap - least).Nanoseconds()) / 1000
	}
	slices.Sort(late)
	return late[len(late)/2], late[len(late)*99/100]
}

// usualSize is how much the server answers when nothing else is asked for.
const usualSize = 65

// answerOf is what the server sends for every request. ab, which speaks HTTP/1.0, needs the keep-alive said.
func answerOf(size int) []byte {
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n", size)
	return append([]byte(head), bytes.Repeat([]byte("x"), size)...)
}

// serve is the server's process: it answers everything, and on each line of input tells what arrived.
func serve(size int) {
	if size == 0 {
		size = usualSize
	}
	answer := answerOf(size)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
	out := json.NewEncoder(os.Stdout)
	_ = out.Encode("http://" + l.Addr().String())
	clock := pace.NewClock(pace.Monotonic())
	var mu sync.Mutex
	var seen arrivals
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerAll(c, answer, func() {
				now := clock.Now()
				mu.Lock()
				seen.Requests++
				if len(seen.Stamps) < maxStamps {
					seen.Stamps = append(seen.Stamps, now)
				}
				mu.Unlock()
			})
		}
	}()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		mu.Lock()
		if seen.Requests > maxStamps {
			seen.Stamps = nil // the full-rate comparison needs none
		}
		_ = out.Encode(seen)
		seen = arrivals{Stamps: make([]time.Duration, 0, maxStamps)}
		mu.Unlock()
	}
}

// answerAll answers a connection's requests, which have no bodies.
func answerAll(c net.Conn, answer []byte, arrived func()) {
	defer c.Close()
	buf, end := make([]byte, 16<<10), []byte("\r\n\r\n")
	n := 0
	for {
		k, err := c.Read(buf[n:])
		if err != nil {
			return
		}
		n += k
		for {
			i := bytes.Index(buf[:n], end)
			if i < 0 {
				break
			}
			arrived()
			n = copy(buf, buf[i+len(end):n])
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	}
}
