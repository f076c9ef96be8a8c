package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/certs"
	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/scenarios"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

func (f *balanceFlags) config() (config.Config, error) {
	var none config.Config
	if len(f.targets) == 0 {
		return none, fmt.Errorf("balance needs --targets HOST:PORT,…")
	}
	chosen, err := parseStrategy(f.strategy)
	if err != nil {
		return none, err
	}
	if err := checkAddress("listen", f.listen); err != nil {
		return none, err
	}
	g := config.Group{
		Name: "targets", Strategy: chosen, Drain: 30 * time.Second, Timeouts: f.target, Outliers: health.NewOutliers(spec.Defaults(health.OutlierParams())),
	}
	if g.Retry, err = parseRetry(f.retryOn); err != nil {
		return none, err
	}
	if f.failOpen {
		g.FailOpen = group.NewFailOpen(spec.Defaults(group.FailOpenParams()))
	}
	if g.Health, err = f.check(); err != nil {
		return none, err
	}
	seen := map[string]bool{}
	for _, t := range f.targets {
		x, err := parseTarget(t)
		if err != nil {
			return none, err
		}
		if seen[x.ID] {
			return none, fmt.Errorf("--targets: %s stands there twice", x.ID)
		}
		seen[x.ID] = true
		g.Targets = append(g.Targets, x)
	}
	if err := f.checkRest(); err != nil {
		return none, err
	}
	l := config.Listener{Address: f.listen, Rules: route.Table{{Forward: g.Name}}, Timeouts: f.front}
	if l.TLS, err = f.certificates(); err != nil {
		return none, err
	}
	return config.Config{Seed: draw.Seed(f.seed), Groups: []config.Group{g}, Listeners: []config.Listener{l}}, nil
}

// certificates are what --tls and --tls-key name; nil for none.
func (f *balanceFlags) certificates() (*config.TLS, error) {
	switch {
	case f.tls == "" && f.key != "":
		return nil, errors.New("--tls-key needs --tls FILE, the certificate")
	case f.tls == "":
		return nil, nil
	case f.tls == "auto":
		dir, err := certs.OwnFolder()
		if err != nil {
			return nil, fmt.Errorf("--tls auto: %w", err)
		}
		return &config.TLS{Auto: dir}, nil
	}
	c := &config.TLS{Files: []config.Pair{{Cert: f.tls, Key: cmp.Or(f.key, f.tls)}}}
	if _, err := certs.Open(*c, time.Now); err != nil {
		return nil, fmt.Errorf("--tls: %w", err)
	}
	return c, nil
}

// explainTo prints where each value of the configuration file came from.
func (f *balanceFlags) explainTo(w io.Writer) error {
	if f.resolved == nil {
		return errors.New("--explain needs a configuration file")
	}
	f.resolved.Print(w)
	return nil
}

// fromFile reads the configuration from its file; flags that say the same are refused.
func (f *balanceFlags) fromFile(given func(flag string) bool) (config.Config, error) {
	var none config.Config
	for _, name := range []string{
		"listen", "targets", "strategy", "health", "health-interval", "retry", "fail-open", "idle-timeout", "header-timeout", "body-timeout", "write-timeout",
		"connect-timeout", "response-timeout", "tunnel-timeout", "tls", "tls-key",
	} {
		if given(name) {
			return none, fmt.Errorf("--%s and a configuration file exclude each other", name)
		}
	}
	if err := f.checkRest(); err != nil {
		return none, err
	}
	return f.read()
}

func (f *balanceFlags) read() (config.Config, error) {
	src := scenarios.Source{Name: f.file, Dir: filepath.Dir(f.file)}
	var err error
	if f.file == fromStdin {
		src, err = readStdin(f.stdin)
	} else {
		src.Text, err = os.ReadFile(f.file)
	}
	if err != nil {
		return config.Config{}, fmt.Errorf("configuration: %w", err)
	}
	cfg, resolved, err := scenarios.DecodeBalancer(src, draw.Seed(f.seed))
	f.resolved = resolved
	if f.seeded {
		cfg.Seed = draw.Seed(f.seed)
	}
	return cfg, err
}

func (f *balanceFlags) check() (*health.Config, error) {
	switch {
	case f.health == "off":
		return nil, nil
	case !strings.HasPrefix(f.health, "/"):
		return nil, fmt.Errorf("--health %s is neither off nor a path", f.health)
	case f.interval < 10*time.Millisecond:
		return nil, fmt.Errorf("--health-interval %v is too small: the least is 10ms", f.interval)
	}
	c, err := health.New(spec.Defaults(health.Params(health.HTTP)))
	if err != nil {
		return nil, err
	}
	c.Path, c.Interval = f.health, f.interval
	return c, nil
}

// checkRest checks what a configuration file does not say.
func (f *balanceFlags) checkRest() error {
	if f.seed > math.MaxInt64 {
		return fmt.Errorf("--seed %d is too large: the largest is %d", f.seed, math.MaxInt64)
	}
	if f.takeover && f.handover == "" {
		return fmt.Errorf("--takeover needs --handover PATH, at which the predecessor offers its socket")
	}
	if err := f.readToken(); err != nil {
		return err
	}
	return f.checkAdmin()
}

// checkAdmin sees to it that nobody but this machine can change things without a token.
func (f *balanceFlags) checkAdmin() error {
	if f.admin == "" {
		return nil
	}
	if err := checkAddress("admin", f.admin); err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(f.admin)
	if err != nil {
		return fmt.Errorf("--admin: %w", err)
	}
	if ip := net.ParseIP(host); f.bearer == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("--admin %s can be reached from elsewhere: give it a token, with --admin-token-file or %s", f.admin, adminTokenVariable)
	}
	return nil
}

// parseTarget reads HOST:PORT, or HOST:PORT*WEIGHT.
func parseTarget(t string) (config.Target, error) {
	address, text, weighted := strings.Cut(t, "*")
	x := config.Target{ID: address, Address: address, Weight: 1}
	if weighted {
		w, err := spec.Param{Type: spec.Count, Min: 1, Max: 1000}.Parse(text)
		if err != nil {
			return x, fmt.Errorf("--targets: weight of %s: %w", address, err)
		}
		x.Weight = w.(int)
	}
	_, port, err := net.SplitHostPort(address)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 {
		return x, fmt.Errorf("--targets: %s is not HOST:PORT, nor HOST:PORT*WEIGHT", t)
	}
	return x, nil
}

func parseRetry(on string) (*group.Retry, error) {
	if on == "off" {
		return nil, nil
	}
	v := spec.Defaults(group.RetryParams())
	for _, p := range group.RetryParams() {
		if p.Name == "on" {
			x, err := p.Parse(on)
			if err != nil {
				return nil, fmt.Errorf("--retry: %w, or off", err)
			}
			v["on"] = x
		}
	}
	return group.NewRetry(v), nil
}

// parseStrategy reads NAME, or NAME:PARAMETER=VALUE,….
func parseStrategy(text string) (spec.Written, error) {
	table := pick.Kinds().Table()
	name, params, _ := strings.Cut(text, ":")
	if _, ok := table.Find(name); !ok {
		return spec.Written{}, fmt.Errorf("--strategy %s is unknown%s: there are %s", name, spec.Suggest(name, table.Names()), strings.Join(table.Names(), ", "))
	}
	w := spec.Written{Kind: name, Values: map[string]string{}}
	for _, p := range strings.FieldsFunc(params, func(r rune) bool { return r == ',' }) {
		key, value, ok := strings.Cut(p, "=")
		if !ok {
			return w, fmt.Errorf("--strategy %s: %q is not PARAMETER=VALUE", text, p)
		}
		w.Values[key] = value
	}
	choice, err := table.Read(w)
	if err == nil {
		_, err = pick.Kinds().New(choice)
	}
	if err != nil {
		return w, fmt.Errorf("--strategy %s: %w", text, err)
	}
	return table.Write(choice), nil
}
