package loadgen

import (
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/client"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
)

// clients is a server that counts requests by the address that they come from.
type clients struct {
	url  string
	mu   sync.Mutex
	seen map[netip.Addr]int
}

func newClients(t *testing.T, closing bool) *clients {
	t.Helper()
	c := &clients{seen: map[netip.Addr]int{}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := netip.MustParseAddrPort(r.RemoteAddr).Addr()
		c.mu.Lock()
		c.seen[from]++
		c.mu.Unlock()
		if closing {
			w.Header().Set("Connection", "close")
		}
	}))
	t.Cleanup(srv.Close)
	c.url = srv.URL
	return c
}

// With several client addresses every one of them is seen, as far as there are connections, or users; with one it is the
// system's choice. A connection that is made anew keeps its address.
func TestClientAddresses(t *testing.T) {
	open := profile.Schedule{Profile: profile.New(profile.Hold{PerSecond: 400, Seconds: .5}), Arrivals: profile.Even}
	closed := profile.Schedule{Profile: profile.New(profile.Pause{Seconds: .3}), Closed: []profile.Closed{{To: 300 * time.Millisecond, Users: 4, Think: 5 * time.Millisecond}}}
	for _, tc := range []struct {
		name                   string
		schedule               profile.Schedule
		addresses, connections int
		closing                bool
		want                   int // addresses from 127.1.0.0 on; 0: the system's choice
	}{
		{"one address", open, 1, 20, false, 0},
		{"as many as connections", open, 20, 20, false, 20},
		{"fewer than connections", open, 7, 20, false, 7},
		{"more than connections", open, 100, 10, false, 10},
		{"connections are closed", open, 10, 10, true, 10},
		{"users", closed, 10, 1, false, 4},
		{"more users than addresses", closed, 3, 1, false, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			each(t, func(t *testing.T, engine string) {
				server := newClients(t, tc.closing)
				c := attempt.Config{Target: server.url, Timeout: 20 * time.Second, Connections: tc.connections, Connect: attempt.Connect{Addresses: tc.addresses}}
				samples := playSchedule(t, t.Context(), engine, c, tc.schedule, pace.NewClock(pace.Monotonic()))
				want := map[netip.Addr]bool{netip.MustParseAddr("127.0.0.1"): true}
				if tc.want > 0 {
					clear(want)
					for i := range tc.want {
						want[netip.AddrFrom4([4]byte{127, 1, 0, byte(i)})] = true
					}
				}
				got, total := map[netip.Addr]bool{}, 0
				for a, n := range server.seen {
					got[a] = true
					total += n
				}
				if !maps.Equal(got, want) || total < len(samples) {
					t.Errorf("%d of %d requests came, from %v", total, len(samples), server.seen)
				}
				for a, n := range server.seen {
					if even := len(samples) / len(got); n > 4*even {
						t.Errorf("%d of %d requests came from %v", n, len(samples), a)
					}
				}
			})
		})
	}
}

// Where the target is not at a loopback address, there is one client address: nothing could answer the others.
func TestClientAddressesAreOfLoopback(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := attempt.Connect{Addresses: 10}
	dial, err := client.NewDialer(&c)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{"0.0.0.0": "127.0.0.1", "127.0.0.1": "127.1.0.3", "localhost": "127.1.0.3"} {
		nc, err := dial(t.Context(), net.JoinHostPort(host, port), 3)
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
		if got := nc.LocalAddr().(*net.TCPAddr).IP.String(); got != want {
			t.Errorf("to %s from %s, want %s", host, got, want)
		}
	}
}
