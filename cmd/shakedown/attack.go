package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-8025779b/shakedown/loadgen"
	"github.com/seed-8025779b/shakedown/scenarios"
)

func attackCommand() *cobra.Command {
	var f playFlags
	a := attack{}
	cmd := &cobra.Command{
		Use:   "attack URL",
		Short: "load on one URL, without a scenario file",
		Long: `Offers requests to one URL at a rate, on schedule whatever the answers, and reports response times from
when each request was due.`,
		Example: `  shakedown attack http://127.0.0.1:8080 --rate 200/s --for 30s
  shakedown attack http://127.0.0.1:8080/api --rate 500/s --ramp-from 10/s --for 1m --gate 'p99 < 250ms'
  shakedown attack http://127.0.0.1:8080/orders --method POST --header 'content-type: application/json' --body @order.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("attack needs one URL, such as http://127.0.0.1:8080")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.world = "live"
			a.url = args[0]
			d, err := a.decode()
			if err != nil {
				return err
			}
			return play(cmd.Context(), d, &f)
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&a.rate, "rate", "50/s", "requests a second (/s), minute (/m) or hour (/h); max: as many as --connections can carry")
	cmd.Flags().IntVar(&a.users, "users", 0, "instead of a rate, so many users who each wait for their answer")
	cmd.Flags().DurationVar(&a.think, "think-time", 0, "with --users: between an answer and the next request")
	cmd.Flags().StringVar(&a.rampFrom, "ramp-from", "", "begin at this rate and ramp to --rate")
	cmd.Flags().DurationVar(&a.length, "for", 10*time.Second, "how long")
	cmd.Flags().StringVar(&a.arrivals, "arrivals", "even", "even or poisson")
	cmd.Flags().DurationVar(&a.timeout, "timeout", 5*time.Second, "from when a request is due to the end of its exchange")
	cmd.Flags().IntVar(&a.connections, "connections", 512, "exchanges at once; more wait")
	cmd.Flags().StringVar(&a.engine, "engine", loadgen.Names()[0], "what plays the load: "+strings.Join(loadgen.Names(), " or "))
	cmd.Flags().BoolVar(&a.insecure, "insecure", false, "do not verify certificates")
	cmd.Flags().StringVar(&a.ca, "ca", "", "file of PEM certificates to trust instead of the system's")
	cmd.Flags().StringArrayVar(&a.resolve, "resolve", []string{}, "HOST:PORT=ADDRESS:PORT: connect there instead, may be repeated")
	cmd.Flags().StringVar(&a.method, "method", "GET", "HTTP method")
	cmd.Flags().StringArrayVar(&a.headers, "header", nil, "NAME: VALUE, may be repeated")
	cmd.Flags().StringVar(&a.body, "body", "", "request body; @FILE reads it from a file")
	cmd.Flags().StringArrayVar(&a.gates, "gate", nil, "a condition such as 'p99 < 250ms', may be repeated")
	cmd.Flags().Int64Var(&a.seed, "seed", 1, "seed of every random draw")
	return cmd
}

// attack is a scenario of one phase, written by flags.
type attack struct {
	url, rate, rampFrom, arrivals, method, body, engine, ca string
	length, timeout, think                                  time.Duration
	connections, users                                      int
	headers, gates, resolve                                 []string
	insecure                                                bool
	seed                                                    int64
}

// decode writes the scenario's file and reads it as any other: the same checks, defaults and resolved form.
func (a *attack) decode() (*scenarios.Decoded, error) {
	if err := scenarios.CheckURL(a.url); err != nil {
		return nil, err
	}
	if a.rampFrom != "" && (a.rate == "max" || a.users > 0) {
		return nil, fmt.Errorf("--ramp-from needs a rate to ramp to")
	}
	body := a.body
	if name, ok := strings.CutPrefix(body, "@"); ok {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("--body: %w", err)
		}
		body = string(b)
	}
	headers := map[string]string{}
	for _, h := range a.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("--header %q is not NAME: VALUE", h)
		}
		headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	request := map[string]any{strings.ToLower(a.method): "/", "headers": headers, "name": strings.ToUpper(a.method) + " " + a.url}
	if body != "" {
		request["body"] = body
	}
	var rate any = a.rate
	if a.rampFrom != "" {
		rate = map[string]any{"kind": "ramp", "from": a.rampFrom, "to": a.rate}
	}
	phase := map[string]any{"name": "attack", "rate": rate, "for": a.length.String()}
	if a.users > 0 {
		delete(phase, "rate")
		phase["users"], phase["think_time"] = a.users, a.think.String()
	}
	text, err := json.MarshalIndent(map[string]any{ // JSON is YAML too
		"version": 1, "name": "attack", "target": a.url, "seed": a.seed,
		"client": map[string]any{"engine": a.engine, "insecure": a.insecure, "ca": a.ca, "resolve": a.resolve, "timeout": a.timeout.String(), "connections": a.connections},
		"load": map[string]any{
			"arrivals": a.arrivals, "requests": []any{request},
			"phases": []any{phase},
		},
		"gates": a.gates,
	}, "", "  ")
	if err != nil {
		return nil, err
	}
	d, err := scenarios.Decode(scenarios.Source{Name: "attack", Text: text})
	if err != nil {
		return nil, inWordsOfFlags(err)
	}
	return d, nil
}

// inWordsOfFlags strips the places of a file that the user never saw.
func inWordsOfFlags(err error) error {
	problems, ok := err.(*scenarios.Problems)
	if !ok {
		return err
	}
	var lines []string
	for _, p := range problems.List {
		lines = append(lines, p.Message)
	}
	return fmt.Errorf("wrong flags; nothing was started\n  %s", strings.Join(lines, "\n  "))
}
