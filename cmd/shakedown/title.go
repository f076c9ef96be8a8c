package main

import (
	"os"
	"strings"

	"github.com/seed-8025779b/shakedown/scenarios/mask"
)

// maskTitle hides the secrets of the command line from whoever lists the machine's processes. The arguments stay what
// they are for this process. Until this runs, a few milliseconds after the start, they can be seen.
func maskTitle() {
	for i, shown := range mask.New(mask.Asked(os.Args)).Command(os.Args) {
		if arg := os.Args[i]; shown != arg {
			os.Args[i] = strings.Clone(arg)
			overwrite(arg, shown)
		}
	}
}
