package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed-8025779b/shakedown/loadgen"
	"github.com/seed-8025779b/shakedown/loadgen/vegeta"
	"github.com/seed-8025779b/shakedown/scenarios"
	"github.com/seed-8025779b/shakedown/scenarios/mask"
)

func attackCommand() *cobra.Command {
	var f playFlags
	a := attack{}
	cmd := &cobra.Command{
		Use:   "attack [URL]",
		Short: "load on one URL, without a scenario file",
		Long: `Offers requests to one URL at a rate, on schedule whatever the answers, and reports response times from
when each request was due. With --targets the requests come from a file, in turn, and so does the URL.

Paths of targets are sent as they stand. Body, header values and the URL's path and query may hold {{seq}},
{{uuid}}, {{int 1 100}}, {{pick a b}} and, with --data, {{NAME.COLUMN}}.`,
		Example: `  shakedown attack http://127.0.0.1:8080 --rate 200/s --for 30s
  shakedown attack http://127.0.0.1:8080/api --rate 500/s --ramp-from 10/s --for 1m --gate 'p99 < 250ms'
  shakedown attack http://127.0.0.1:8080/orders --method POST --header 'content-type: application/json' --body @order.json
  shakedown attack --targets targets.txt --rate 100/s --format html,json,vegeta`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || (len(args) == 0 && a.targets == "") {
				return fmt.Errorf("attack needs one URL, such as http://127.0.0.1:8080, or --targets FILE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.world = "live"
			if len(args) > 0 {
				a.url = args[0]
			}
			a.given = cmd.Flags().Changed
			d, err := a.decode(f.set)
			if err != nil {
				return err
			}
			return play(cmd.Context(), cmd.OutOrStdout(), d, &f)
		},
	}
	f.register(cmd)
	cmd.Flags().Lookup("set").Usage = "PATH=VALUE: change a value of the scenario that the flags stand for, such as objective.p99=200ms, validity.lag=20ms or, of the first --gate, gates.1='p99 < 1s'; may be repeated"
	a.register(cmd.Flags())
	complete(cmd, "engine", completeWords(loadgen.Names()...))
	complete(cmd, "arrivals", completeWords("even", "poisson"))
	return cmd
}

func (a *attack) register(flags *pflag.FlagSet) {
	flags.StringVar(&a.rate, "rate", "50/s", "requests a second (/s), minute (/m) or hour (/h); "+maxRate+": as many as --connections can carry")
	flags.IntVar(&a.users, "users", 0, "instead of a rate, so many users who each wait for their answer")
	flags.DurationVar(&a.think, "think-time", 0, "with --users: between an answer and the next request")
	flags.StringVar(&a.rampFrom, "ramp-from", "", "begin at this rate and ramp to --rate")
	flags.DurationVar(&a.length, "for", 10*time.Second, "how long")
	flags.StringVar(&a.arrivals, "arrivals", "even", "even or poisson")
	flags.StringVar(&a.targets, "targets", "", "file of requests, in vegeta's HTTP or JSON format, sent in turn")
	flags.StringVar(&a.method, "method", "GET", "HTTP method")
	flags.StringArrayVar(&a.headers, "header", nil, "NAME: VALUE, may be repeated")
	flags.StringVar(&a.body, "body", "", "request body; @FILE reads it from a file")
	flags.StringArrayVar(&a.data, "data", nil, "NAME=FILE: CSV whose columns {{NAME.COLUMN}} stands for, may be repeated")
	flags.StringArrayVar(&a.gates, "gate", nil, "a condition such as 'p99 < 250ms', may be repeated")
	flags.Int64Var(&a.seed, "seed", 1, "seed of every random draw")

	// Each of these is a key of the scenario's client, which has its default and its checks.
	flags.Duration("timeout", 5*time.Second, "from when a request is due to the end of its exchange")
	flags.Duration("connect-timeout", 0, "until a connection is there (default: the timeout)")
	flags.Duration("tls-timeout", 0, "of a TLS handshake (default: the timeout)")
	flags.Duration("first-byte-timeout", 0, "from sending to the first byte of the answer (default: the timeout)")
	flags.Int("connections", 512, "exchanges at once; more wait")
	flags.Int("addresses", 1, "client addresses, from 127.1.0.0 on, that connections to a loopback address come from in turn")
	flags.Int("requests-per-connection", 0, "then it is replaced (default: unlimited)")
	flags.String("engine", "", "what plays the load: "+strings.Join(loadgen.Names(), " or ")+" (default: the first that has what is asked for)")
	flags.Bool("cookies", false, "each user, or connection, keeps the cookies it was given")
	flags.Bool("http2", false, "HTTP/2: by ALPN with https, by prior knowledge with http")
	flags.Int("redirects", 0, "how many are followed")
	flags.Bool("insecure", false, "do not verify certificates")
	flags.String("ca", "", "file of PEM certificates to trust instead of the system's")
	flags.String("cert", "", "file of the client's own certificate, PEM")
	flags.String("key", "", "file of its key, PEM")
	flags.StringArray("resolve", nil, "HOST:PORT=ADDRESS:PORT: connect there instead, may be repeated")
	flags.String("unix-socket", "", "path of a Unix domain socket to connect to")
	a.flags = flags
}

// maxRate is the --rate of a closed loop of as many users as there are connections.
const maxRate = "max"

// clientFlags are the flags that are keys of the scenario's client; a dash stands for its underscore.
var clientFlags = []string{
	"timeout", "connect-timeout", "tls-timeout", "first-byte-timeout", "connections", "addresses", "requests-per-connection", "engine", "cookies", "http2",
	"redirects", "insecure", "ca", "cert", "key", "resolve", "unix-socket",
}

// attack is a scenario of one phase, written by flags.
type attack struct {
	url, rate, rampFrom, arrivals, method, body, targets string
	length, think                                        time.Duration
	users                                                int
	headers, gates, data                                 []string
	text                                                 string // path and body, as they are sent
	seed                                                 int64
	flags                                                *pflag.FlagSet
	given                                                func(flag string) bool
}

// decode writes the scenario's file and reads it as any other: the same checks, defaults and resolved form.
func (a *attack) decode(set []string) (*scenarios.Decoded, error) {
	overrides, err := parseOverrides(set)
	if err != nil {
		return nil, err
	}
	load, err := a.load()
	if err != nil {
		return nil, err
	}
	if err := scenarios.CheckURL(a.url); err != nil {
		return nil, err
	}
	if err := a.checkFlags(); err != nil {
		return nil, err
	}
	scenario := map[string]any{
		"version": 1, "name": "attack", "target": a.url, "seed": a.seed,
		"objective": map[string]any{"error_rate": "1%"}, // about errors alone: nobody has said what is slow
		"client":    a.client(), "load": load, "gates": a.gates,
	}
	text, err := json.MarshalIndent(scenario, "", "  ") // JSON is YAML too
	if err != nil {
		return nil, err
	}
	d, err := scenarios.Decode(scenarios.Source{Name: "attack", Text: text}, overrides...)
	if err != nil {
		return nil, inWordsOfFlags(err)
	}
	return d, nil
}

func (a *attack) client() map[string]any {
	client := map[string]any{}
	for _, name := range clientFlags {
		if !a.given(name) {
			continue
		}
		f := a.flags.Lookup(name)
		var value any = f.Value.String()
		if list, ok := f.Value.(pflag.SliceValue); ok {
			value = list.GetSlice()
		}
		client[strings.ReplaceAll(name, "-", "_")] = value
	}
	return client
}

func (a *attack) load() (map[string]any, error) {
	load := map[string]any{"arrivals": a.arrivals, "phases": []any{a.phase()}}
	if len(a.data) > 0 {
		data := map[string]string{}
		for _, x := range a.data {
			name, file, ok := strings.Cut(x, "=")
			if !ok || name == "" || file == "" {
				return nil, fmt.Errorf("--data %q is not NAME=FILE", x)
			}
			data[name] = file
		}
		load["data"] = data
	}
	if a.targets != "" {
		for _, name := range []string{"method", "header", "body", "data"} {
			if a.given(name) {
				return nil, fmt.Errorf("--%s and --targets exclude each other: the file says what is sent", name)
			}
		}
		load["targets"] = a.targets
		return load, a.fromTargets()
	}
	request, err := a.request()
	if err != nil {
		return nil, err
	}
	load["requests"] = []any{request}
	return load, nil
}

// fromTargets takes the URL from the targets file when none was given.
func (a *attack) fromTargets() error {
	text, err := os.ReadFile(a.targets)
	if err != nil {
		return fmt.Errorf("--targets: %w", err)
	}
	t, err := vegeta.ReadTargets(string(text), os.ReadFile)
	switch {
	case err != nil:
		return fmt.Errorf("--targets %s: %w; nothing was started", a.targets, err)
	case t.Base == "" && a.url == "":
		return fmt.Errorf("--targets %s holds paths only: name the URL that they are below", a.targets)
	case a.url == "":
		a.url = t.Base
	}
	return nil
}

func (a *attack) phase() map[string]any {
	var rate any = a.rate
	if a.rampFrom != "" {
		rate = map[string]any{"kind": "ramp", "from": a.rampFrom, "to": a.rate}
	}
	phase := map[string]any{"name": "attack", "rate": rate, "for": a.length.String()}
	if a.given("users") {
		delete(phase, "rate")
		phase["users"], phase["think_time"] = a.users, a.think.String()
	}
	return phase
}

// request is the one request that the flags say. Its path is the URL's: what stands there may be filled in.
func (a *attack) request() (map[string]any, error) {
	if known := scenarios.Methods(); !slices.Contains(known, strings.ToLower(a.method)) {
		return nil, fmt.Errorf("--method %q is none of %s", a.method, strings.ToUpper(strings.Join(known, ", ")))
	}
	body := a.body
	if name, ok := strings.CutPrefix(body, "@"); ok {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("--body: %w", err)
		}
		body = string(b)
	}
	headers := map[string][]string{}
	for _, h := range a.headers {
		name, value, ok := strings.Cut(h, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, fmt.Errorf("--header %q is not NAME: VALUE", mask.Names{}.Header(h))
		}
		headers[name] = append(headers[name], strings.TrimSpace(value))
	}
	path, full := "/", a.url
	if i := strings.Index(a.url, "{{"); i >= 0 { // only a request's path is filled in, not the target's
		host := strings.Index(a.url, "://") + len("://")
		slash := strings.IndexByte(a.url[host:], '/')
		if slash < 0 || host+slash > i {
			return nil, fmt.Errorf("%s: only the path and the query of the URL can be filled in", a.url)
		}
		a.url, path = a.url[:host+slash], a.url[host+slash:]
	}
	a.text = path + "\n" + body
	request := map[string]any{strings.ToLower(a.method): path, "headers": headers, "name": strings.ToUpper(a.method) + " " + mask.URLs(full)}
	if body != "" {
		request["body"] = body
	}
	return request, nil
}

// inWordsOfFlags strips the places of a file that the user never saw.
func inWordsOfFlags(err error) error {
	problems, ok := err.(*scenarios.Problems)
	if !ok {
		return err
	}
	var lines []string
	for _, p := range problems.List {
		message := p.Message
		if p.Origin == "" && inGates(string(problems.Source.Text), p.Line) {
			message = "--gate: " + message
		}
		lines = append(lines, message)
	}
	return fmt.Errorf("wrong flags; nothing was started\n  %s", strings.Join(lines, "\n  "))
}

// inGates reports whether a line of a scenario that decode wrote stands among its gates: keys of the scenario itself are
// indented once.
func inGates(scenario string, line int) bool {
	lines := strings.Split(scenario, "\n")
	for i := min(line, len(lines)) - 1; i >= 0; i-- {
		if strings.HasPrefix(lines[i], `  "`) {
			return strings.HasPrefix(lines[i], `  "gates":`)
		}
	}
	return false
}
