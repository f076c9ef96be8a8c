// Package expose shows a run's live figures to Prometheus, on an HTTP endpoint of its own.
//
//	s, err := expose.Listen("127.0.0.1:9400")
//	s.Set(figures) // about once a second
//	s.Close()
//
// Labels are bounded: outcomes and classes of failure. The endpoint ends with the run.
package expose

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

// Figures are what a run has come to so far, discarded phases included.
type Figures struct {
	Elapsed, Length            time.Duration
	Planned                    uint64
	Succeeded, Failed, Dropped uint64
	InFlight                   int64
	Errors                     map[measure.Class]uint64
	Lag                        time.Duration // p99 of the last second
	Response                   []uint64      // succeeded requests by Bounds, cumulative
	ResponseSum                time.Duration
}

// Bounds returns the response time's buckets, ascending: Prometheus' own defaults, and finer below.
func Bounds() []time.Duration {
	return []time.Duration{
		500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
		100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
	}
}

// Server is the endpoint.
type Server struct {
	Address string // as it listens

	http    *http.Server
	serving sync.WaitGroup
	mu      sync.Mutex
	last    Figures
}

// Listen opens the endpoint at HOST:PORT; port 0 chooses one.
func Listen(address string) (*Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	s := &Server{Address: l.Addr().String()}
	registry := prometheus.NewRegistry()
	registry.MustRegister(s)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/metrics", http.StatusFound) })
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	s.serving.Go(func() { _ = s.http.Serve(l) }) // it ends when it is closed
	return s, nil
}

// Set takes the newest figures in.
func (s *Server) Set(f Figures) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = f
}

// Close ends the endpoint.
func (s *Server) Close() error {
	err := s.http.Close()
	s.serving.Wait()
	return err
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("shakedown_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector: the metrics are described as they are collected.
func (s *Server) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (s *Server) Collect(out chan<- prometheus.Metric) {
	s.mu.Lock()
	f := s.last
	s.mu.Unlock()
	value := func(kind prometheus.ValueType, v float64, d *prometheus.Desc, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	value(prometheus.GaugeValue, f.Elapsed.Seconds(), desc("elapsed_seconds", "Time since the load began."))
	value(prometheus.GaugeValue, f.Length.Seconds(), desc("duration_seconds", "How long the load is planned to last."))
	value(prometheus.GaugeValue, float64(f.Planned), desc("planned_requests", "Requests that the whole load asks for."))
	value(prometheus.GaugeValue, float64(f.InFlight), desc("in_flight_requests", "Requests offered and not yet answered, those that wait for a connection included."))
	value(prometheus.GaugeValue, f.Lag.Seconds(), desc("generator_lag_seconds", "How late the generator was, 99th percentile of the last second."))
	requests := desc("requests_total", "Requests with an outcome.", "outcome")
	for _, x := range []struct {
		outcome string
		n       uint64
	}{{"succeeded", f.Succeeded}, {"failed", f.Failed}, {"dropped", f.Dropped}} {
		value(prometheus.CounterValue, float64(x.n), requests, x.outcome)
	}
	errors := desc("errors_total", "Failed and dropped requests by class.", "class")
	for class, n := range f.Errors {
		value(prometheus.CounterValue, float64(n), errors, string(class))
	}
	buckets := map[float64]uint64{}
	bounds := Bounds()
	for i, n := range f.Response {
		buckets[bounds[i].Seconds()] = n
	}
	out <- prometheus.MustNewConstHistogram(
		desc("response_seconds", "Response time of succeeded requests, from when they were due."), f.Succeeded, f.ResponseSum.Seconds(), buckets)
}
