// Package admin is how people and scripts look at a running balancer and change it: an HTTP API for loopback, and
// metrics for Prometheus.
//
//	GET    /                               a page with all of it
//	GET    /targets                        every group's targets, as JSON
//	POST   /groups/GROUP/targets           {"id": …, "address": "HOST:PORT", "zone": …, "weight": 1}: one more
//	DELETE /groups/GROUP/targets/ID        drain it: no new requests, gone when what it runs has ended
//	PATCH  /groups/GROUP/targets/ID        {"weight": 3} and {"maintenance": true}, either or both
//	GET    /metrics                        for Prometheus
//
// With a token each request needs `Authorization: Bearer TOKEN`. Every answer but the page and the metrics is JSON; what is wrong
// is said in "error". Requests of other sites, by way of a browser, are refused.
package admin

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seed-8025779b/shakedown/balancer/group"
)

// Balancer is what the API acts on.
type Balancer interface {
	Groups() []Group
	AddTarget(group string, m group.Member) error
	Drain(group, id string) error
	SetMaintenance(group, id string, on bool) error
	SetWeight(group, id string, weight int) error
	Counts() Counts
}

// Group is a target group as it is now. Targets that are gone are listed too.
type Group struct {
	Name, Strategy string
	Open           bool  // too few targets are healthy: all of them take traffic
	Waiting        int64 // requests in its queue
	Targets        []group.Status
}

// Counts are what a balancer has counted since it began.
type Counts struct {
	Requests, Retries, Unrouted, Refused, Aborted, Limited, Waited, Overflow, Reconnects uint64
	Errors                                                                               map[string]uint64 // answers of its own, by cause
	Dropped                                                                              map[string]uint64 // lines that its logs have dropped, by log
}

// Handler returns the API. An empty token asks for none.
func Handler(b Balancer, token string) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{b})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { page(w, b) })
	mux.HandleFunc("GET /targets", func(w http.ResponseWriter, _ *http.Request) {
		targets := map[string][]group.Status{}
		for _, g := range b.Groups() {
			targets[g.Name] = g.Targets
		}
		answer(w, http.StatusOK, targets)
	})
	mux.HandleFunc("POST /groups/{group}/targets", func(w http.ResponseWriter, r *http.Request) { done(w, http.StatusCreated, add(b, r)) })
	mux.HandleFunc("DELETE /groups/{group}/targets/{id}", func(w http.ResponseWriter, r *http.Request) {
		done(w, http.StatusAccepted, b.Drain(r.PathValue("group"), r.PathValue("id")))
	})
	mux.HandleFunc("PATCH /groups/{group}/targets/{id}", func(w http.ResponseWriter, r *http.Request) { done(w, http.StatusOK, change(b, r)) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	local := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if token != "" && subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
			answer(w, http.StatusUnauthorized, map[string]string{"error": "the token is missing or wrong"})
			return
		}
		if token == "" && !here(r.Host) { // a name that somebody else's server has made point to this machine
			answer(w, http.StatusForbidden, map[string]string{"error": "ask by the address, or by localhost"})
			return
		}
		local.ServeHTTP(w, r)
	})
}

// here reports whether a host is this machine's own name or an address.
func here(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return host == "localhost" || net.ParseIP(strings.Trim(host, "[]")) != nil
}

// maxBody bounds what a change may take.
const maxBody = 64 << 10

func read(r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func add(b Balancer, r *http.Request) error {
	var x struct {
		ID, Address, Zone string
		Weight            int
	}
	if err := read(r, &x); err != nil {
		return err
	}
	if !isAddress(x.Address) {
		return errors.New("address is not HOST:PORT")
	}
	if x.ID == "" {
		x.ID = x.Address
	}
	if !printable(x.ID) {
		return fmt.Errorf("%q can't be an id: it holds bytes that can't be printed", x.ID)
	}
	if !printable(x.Zone) {
		return fmt.Errorf("%q can't be a zone: it holds bytes that can't be printed", x.Zone)
	}
	return b.AddTarget(r.PathValue("group"), group.Member{ID: x.ID, Address: x.Address, Zone: x.Zone, Weight: x.Weight})
}

// isAddress reports whether a text is a host with the number of a port.
func isAddress(text string) bool {
	host, port, err := net.SplitHostPort(text)
	n, notNumber := strconv.ParseUint(port, 10, 16)
	return err == nil && notNumber == nil && n > 0 && host != "" && printable(host) && !strings.Contains(host, " ")
}

// printable reports whether a text can stand in a line of a log.
func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

func change(b Balancer, r *http.Request) error {
	var x struct {
		Weight      *int
		Maintenance *bool
	}
	if err := read(r, &x); err != nil {
		return err
	}
	if x.Weight == nil && x.Maintenance == nil {
		return errors.New("nothing to change: give weight, maintenance, or both")
	}
	name, id := r.PathValue("group"), r.PathValue("id")
	if x.Weight != nil {
		if err := b.SetWeight(name, id, *x.Weight); err != nil {
			return err
		}
	}
	if x.Maintenance != nil {
		return b.SetMaintenance(name, id, *x.Maintenance)
	}
	return nil
}

func done(w http.ResponseWriter, status int, err error) {
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	answer(w, status, map[string]string{"result": "done"})
}

func answer(w http.ResponseWriter, status int, x any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(x) // whoever asked may have gone
}

// collector shows a balancer to Prometheus. Labels are bounded by the configuration: groups, targets, states.
type collector struct{ b Balancer }

// Describe implements prometheus.Collector: the metrics are described as they are collected.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	emit := func(kind prometheus.ValueType, v float64, name, help string, labels, values []string) {
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc("shakedown_balancer_"+name, help, labels, nil), kind, v, values...)
	}
	n := c.b.Counts()
	for _, x := range []struct {
		name, help string
		n          uint64
	}{
		{"requests_total", "Requests that reached the balancer.", n.Requests},
		{"retries_total", "Further attempts.", n.Retries},
		{"unrouted_total", "Requests answered 503 without an attempt.", n.Unrouted},
		{"refused_total", "Requests that were malformed, too large or too slow.", n.Refused},
		{"aborted_total", "Requests whose client went away first.", n.Aborted},
		{"limited_total", "Requests beyond a rate limit, answered 429.", n.Limited},
		{"waited_total", "Attempts that waited for a target with room.", n.Waited},
		{"overflow_total", "Attempts that found the queue full.", n.Overflow},
		{"reconnects_total", "Requests that met the closing of an idle connection and went to a new one, to the same target.", n.Reconnects},
	} {
		emit(prometheus.CounterValue, float64(x.n), x.name, x.help, nil, nil)
	}
	for cause, k := range n.Errors {
		emit(prometheus.CounterValue, float64(k), "errors_total", "Answers of the balancer's own, by cause.", []string{"cause"}, []string{cause})
	}
	for log, k := range n.Dropped {
		emit(prometheus.CounterValue, float64(k), "log_lines_dropped_total", "Lines that a log has dropped because they could not be written in time.", []string{"log"}, []string{log})
	}
	labels := []string{"group", "target"}
	for _, g := range c.b.Groups() {
		open := 0.0
		if g.Open {
			open = 1
		}
		emit(prometheus.GaugeValue, open, "group_open", "1 when too few targets are healthy and all of them take traffic.", labels[:1], []string{g.Name})
		emit(prometheus.GaugeValue, float64(g.Waiting), "group_waiting", "Requests that wait for a target with room.", labels[:1], []string{g.Name})
		for _, t := range g.Targets {
			if t.State == group.Gone { // there may have been any number of them
				continue
			}
			values := []string{g.Name, t.ID}
			emit(prometheus.CounterValue, float64(t.Requests+t.Discarded), "target_requests_total", "Attempts at a target.", labels, values)
			emit(prometheus.GaugeValue, float64(t.InFlight), "target_in_flight", "Attempts under way at a target.", labels, values)
			emit(prometheus.GaugeValue, float64(t.Weight), "target_weight", "A target's weight.", labels, values)
			emit(prometheus.GaugeValue, 1, "target_state", "1 for the state a target is in.", append(labels, "state"), append(values, string(t.State)))
		}
	}
}
