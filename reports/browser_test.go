package reports

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser returns the path of a Chromium. Where there is none the test is skipped, unless skipping is
// forbidden, as it is in CI.
func browser(t *testing.T) string {
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if name == "" {
			continue
		}
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("SHAKEDOWN_NO_SKIP") != "" {
		t.Fatal("no Chromium was found")
	}
	t.Skip("no Chromium was found: install it, or name it in CHROMIUM")
	return ""
}

// The report is opened on a desk and on a phone, in light and dark: nothing is asked of the network, no
// error reaches the console, nothing is wider than the screen, and labels stay readable.
func TestReportInABrowser(t *testing.T) {
	exe := browser(t)
	dir := t.TempDir()
	formats, err := FindFormats([]string{"html"}, true)
	if err != nil {
		t.Fatal(err)
	}
	paths, err := WriteFiles(dir, fixture(t), formats)
	if err != nil {
		t.Fatal(err)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(exe), chromedp.NoSandbox, chromedp.UserDataDir(filepath.Join(dir, "profile")))
	alloc, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	defer cancel()
	for _, tc := range []struct {
		name   string
		width  int64
		scheme string
		paper  string // the page's background
	}{
		{"desk, light", 1280, "light", "rgb(246, 247, 249)"},
		{"desk, dark", 1280, "dark", "rgb(13, 17, 23)"},
		{"phone, light", 390, "light", "rgb(246, 247, 249)"},
		{"phone, dark", 390, "dark", "rgb(13, 17, 23)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := chromedp.NewContext(alloc)
			defer cancel()
			ctx, cancelTime := context.WithTimeout(ctx, time.Minute)
			defer cancelTime()
			var mu sync.Mutex
			var requests, complaints []string
			check := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			check(chromedp.Listen(ctx, func(ev any) {
				mu.Lock()
				defer mu.Unlock()
				switch ev := ev.(type) {
				case *network.EventRequestWillBeSent:
					requests = append(requests, ev.Request.URL)
				case *runtime.EventConsoleAPICalled:
					complaints = append(complaints, string(ev.Type))
				case *runtime.EventExceptionThrown:
					complaints = append(complaints, ev.ExceptionDetails.Text)
				case *cdplog.EventEntryAdded:
					complaints = append(complaints, ev.Entry.Text)
				}
			}))
			_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
			check(err)
			_, err = chromedp.Call(ctx, cdplog.Enable, cdp.Empty{})
			check(err)
			_, err = chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: tc.width, Height: 900, DeviceScaleFactor: 1, Mobile: tc.width < 500})
			check(err)
			_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: tc.scheme}}})
			check(err)
			check(chromedp.Do(ctx, chromedp.Navigate("file://"+paths[0])))
			page, err := chromedp.Run(ctx, chromedp.Evaluate[struct {
				Overflow, Figures, Unlabelled int
				Smallest                      float64
				Paper, Verdict                string
			}](`(() => {
				document.querySelectorAll('details').forEach(d => d.open = true);
				const seen = [...document.querySelectorAll('figure svg[role=img]')].filter(s => s.getBoundingClientRect().width > 0);
				const sizes = seen.flatMap(s => [...s.querySelectorAll('text')].map(t => parseFloat(t.getAttribute('font-size')) * s.getBoundingClientRect().width / s.viewBox.baseVal.width));
				return {
					Overflow: document.documentElement.scrollWidth - window.innerWidth,
					Figures: seen.length,
					Unlabelled: seen.filter(s => !s.querySelector('title') || !s.querySelector('desc').textContent).length,
					Smallest: Math.min(...sizes),
					Paper: getComputedStyle(document.body).backgroundColor,
					Verdict: document.querySelector('.verdict').textContent,
				};
			})()`))
			check(err)
			mu.Lock()
			defer mu.Unlock()
			if len(requests) != 1 || !strings.HasPrefix(requests[0], "file://") {
				t.Errorf("requests: %v", requests)
			}
			if len(complaints) > 0 {
				t.Errorf("the console says %v", complaints)
			}
			if page.Overflow > 0 || page.Figures < 7 || page.Unlabelled > 0 || page.Smallest < 8.5 || page.Paper != tc.paper || page.Verdict != "failed" {
				t.Errorf("%+v", page)
			}
		})
	}
}
