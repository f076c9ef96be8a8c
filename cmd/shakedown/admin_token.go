package main

import (
	"fmt"
	"os"
	"strings"
	"unicode"
)

// adminTokenVariable holds the API's token when no flag does.
const adminTokenVariable = "SHAKEDOWN_ADMIN_TOKEN"

// readToken finds the API's token: in a flag, in the file that a flag names, or in the environment. Without --admin
// there is no API, and a flag for its token is a mistake.
func (f *balanceFlags) readToken() error {
	switch {
	case f.token != "" && f.tokenFile != "":
		return fmt.Errorf("--admin-token and --admin-token-file exclude each other")
	case f.admin == "" && f.tokenFile != "":
		return fmt.Errorf("--admin-token-file needs --admin HOST:PORT")
	case f.admin == "" && f.token != "":
		return fmt.Errorf("--admin-token needs --admin HOST:PORT")
	case f.token != "":
		f.bearer = f.token
		return nil
	case f.tokenFile == "":
		f.bearer = os.Getenv(adminTokenVariable)
		return nil
	}
	text, err := os.ReadFile(f.tokenFile)
	if err != nil {
		return fmt.Errorf("--admin-token-file: %w", err)
	}
	f.bearer = strings.TrimSpace(string(text))
	if f.bearer == "" || strings.ContainsFunc(f.bearer, unicode.IsControl) { // no request could bring such a token
		return fmt.Errorf("--admin-token-file: %s does not hold one line with a token", f.tokenFile)
	}
	return nil
}
