package mask

import (
	"slices"
	"testing"
)

func TestArguments(t *testing.T) {
	n := New([]string{"x-key", "PIN"})
	for _, tc := range []struct{ in, want []string }{
		{[]string{"./server", "--port", "{port}"}, []string{"./server", "--port", "{port}"}},
		{[]string{"./server", "--token", "s", "--auth-token=s", "-password", "s"}, []string{"./server", "--token", "***", "--auth-token=***", "-password", "***"}},
		{[]string{"./server", "--token", "--port", "1"}, []string{"./server", "--token", "--port", "1"}},
		{[]string{"./server", "--token-file", "f", "--tokenizer", "t", "token", "x"}, []string{"./server", "--token-file", "f", "--tokenizer", "t", "token", "x"}},
		{[]string{"env", "DB_PASSWORD=s", "API_KEY=s", "KEY=v", "./server"}, []string{"env", "DB_PASSWORD=***", "API_KEY=***", "KEY=v", "./server"}},
		{[]string{"./server", "--pin", "1234", "PIN=1"}, []string{"./server", "--pin", "***", "PIN=***"}},
		{[]string{"./server", "-H", "Authorization: Bearer s", "-H", "x-key: s"}, []string{"./server", "-H", "Authorization: ***", "-H", "x-key: ***"}},
		{[]string{"sh", "-c", "A=b TOKEN=s ./server --secret 'a b' --port 1"}, []string{"sh", "-c", "A=b TOKEN=*** ./server --secret *** --port 1"}},
		{[]string{"env", "TOKEN=a b"}, []string{"env", "TOKEN=***"}},
		{[]string{"./server", "--db=postgres://u:p@h/d"}, []string{"./server", "--db=postgres://***@h/d"}},
	} {
		if got := n.Arguments(tc.in); !slices.Equal(got, tc.want) {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestVariables(t *testing.T) {
	n := New([]string{"PIN"})
	for name, want := range map[string]string{"PIN": Hidden, "APP_TOKEN": Hidden, "MODE": "v", "TOKENIZER": "v"} {
		if got := n.Variable(name, "v"); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
