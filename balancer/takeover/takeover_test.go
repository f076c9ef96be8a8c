package takeover

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// A successor gets the listeners, the API's with what it was told, and the seed.
func TestHandover(t *testing.T) {
	for name, admin := range map[string]bool{"with an API": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "socket")
			h := Handover{Listeners: []net.Listener{listen(t, "tcp", "127.0.0.1:0"), listen(t, "tcp", "127.0.0.1:0")}, Seed: 1<<53 - 1}
			if admin {
				h.Admin, h.AdminAddress = listen(t, "tcp", "127.0.0.1:0"), "localhost:0"
			}
			taken := make(chan struct{})
			o, err := New(path, h, func() { close(taken) })
			if err != nil {
				t.Fatal(err)
			}
			defer o.Close()
			got, err := Take(path)
			if err != nil {
				t.Fatal(err)
			}
			defer got.Close()
			if len(got.Listeners) != 2 || got.Seed != h.Seed || got.AdminAddress != h.AdminAddress || (got.Admin != nil) != admin {
				t.Fatalf("%+v", got.Handover)
			}
			for i, l := range got.sockets() {
				if l.Addr().String() != h.sockets()[i].Addr().String() {
					t.Errorf("socket %d is %s", i, l.Addr())
				}
			}
			if err := got.Serving(); err != nil {
				t.Fatal(err)
			}
			<-taken
			if _, err := os.Lstat(path); !os.IsNotExist(err) {
				t.Errorf("the offer is still there: %v", err)
			}
		})
	}
}

// Only a socket that a process has left behind is removed: anything else that stands at the path stays, and is told.
func TestWhatStandsAtThePath(t *testing.T) {
	dir := t.TempDir()
	file, folder, link, used, left := filepath.Join(dir, "file"), filepath.Join(dir, "folder"), filepath.Join(dir, "link"), filepath.Join(dir, "used"), filepath.Join(dir, "left")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	listen(t, "unix", used)
	l := listen(t, "unix", left).(*net.UnixListener)
	l.SetUnlinkOnClose(false)
	l.Close()
	for path, want := range map[string]string{
		file: "is there already and is no socket", folder: "is there already and is no socket", link: "is there already and is no socket",
		used: "another process offers its sockets", left: "", filepath.Join(dir, "none"): "", filepath.Join(dir, "none", "none"): "no such file",
	} {
		o, err := New(path, Handover{}, func() {})
		if err == nil {
			if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", path, info, err)
			}
			o.Close()
		}
		if (err == nil) != (want == "") || (err != nil && (!strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "handover: "))) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Errorf("%q, %v", text, err)
	}
	if c, err := net.DialTimeout("unix", used, time.Second); err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
}
