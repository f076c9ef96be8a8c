package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/scenarios"
)

func reportCommand() *cobra.Command {
	var f playFlags
	cmd := &cobra.Command{
		Use:   "report RESULT…",
		Short: "render results again, in any format",
		Long: `Reads result.json files, the folders that hold them, or files of vegeta's results (gob, JSON, CSV), and
writes their reports: beside each result, or with --out into a folder.`,
		Example: `  shakedown report shakedown-out/first-run-20261121-101500
  shakedown report result.json --format markdown,junit --out ci
  vegeta attack -targets targets.txt > results.bin; shakedown report results.bin`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			formats, err := f.parseFormats(true)
			if err != nil {
				return err
			}
			if f.out != "" && len(args) > 1 {
				return fmt.Errorf("--out takes one result: the reports of %d would overwrite each other", len(args))
			}
			if err := checkClashes(args, f.out); err != nil {
				return err
			}
			for _, arg := range args { // one that can't be rendered costs no other
				err = errors.Join(err, render(cmd.OutOrStdout(), arg, f.out, formats))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&f.out, "out", "", "folder to write into (default: beside the result)")
	cmd.Flags().StringVar(&f.formats, "format", "html", "what to write: any of "+strings.Join(reports.FormatNames(true), ", "))
	complete(cmd, "format", completeList(reports.FormatNames(true)))
	return cmd
}

// checkClashes refuses results whose reports would overwrite each other's, or those of a run in the same folder.
func checkClashes(args []string, out string) error {
	if out != "" {
		return nil
	}
	of := map[string]string{} // by folder
	for _, arg := range args {
		dir := filepath.Dir(arg)
		if info, err := os.Stat(arg); err == nil && info.IsDir() {
			arg, dir = filepath.Join(arg, "result.json"), arg
		}
		dir = filepath.Clean(dir)
		switch other := of[dir]; {
		case other != "" && filepath.Clean(other) != filepath.Clean(arg):
			return fmt.Errorf("the reports of %s and %s would overwrite each other: render one at a time, with --out", other, arg)
		case filepath.Base(arg) != "result.json" && exists(filepath.Join(dir, "result.json")):
			return fmt.Errorf("beside %s stand the reports of another result: name a folder with --out", arg)
		}
		of[dir] = arg
	}
	return nil
}

func render(stdout io.Writer, arg, out string, formats []reports.Format) error {
	if info, err := os.Stat(arg); err == nil && info.IsDir() {
		arg = filepath.Join(arg, "result.json")
	}
	r, err := reports.Read(arg)
	if err != nil {
		return err
	}
	dir := filepath.Dir(arg)
	if out != "" {
		dir = out
		o, err := openOutput(out, r.Name)
		if err != nil {
			return fmt.Errorf("%w: %w", scenarios.ErrCannotRun, err)
		}
		dir = o.dir
	}
	paths, err := reports.WriteFiles(dir, r, formats)
	for _, p := range paths {
		fmt.Fprintln(stdout, p)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", scenarios.ErrCannotRun, err)
	}
	return nil
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), versionLine())
			return err
		},
	}
}

func versionLine() string {
	return fmt.Sprintf("shakedown %s %s %s/%s", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
