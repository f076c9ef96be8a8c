package reports

import (
	"context"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// visit is a page that is open in the browser, and what it did.
type visit struct {
	mu                   sync.Mutex
	requests, complaints []string
}

func (v *visit) hear(ev any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		v.requests = append(v.requests, ev.Request.URL)
	case *runtime.EventConsoleAPICalled:
		v.complaints = append(v.complaints, string(ev.Type))
	case *runtime.EventExceptionThrown:
		v.complaints = append(v.complaints, ev.ExceptionDetails.Text)
	case *cdplog.EventEntryAdded:
		v.complaints = append(v.complaints, ev.Entry.Text)
	}
}

// open opens a page on a screen of a width and a colour scheme; it must ask nothing of the network and leave no
// message on the console.
func open(t *testing.T, alloc context.Context, path string, width int64, scheme string) context.Context {
	t.Helper()
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	ctx, cancelTime := context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancelTime)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	v := &visit{}
	check(chromedp.Listen(ctx, v.hear))
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	check(err)
	_, err = chromedp.Call(ctx, cdplog.Enable, cdp.Empty{})
	check(err)
	_, err = chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: width < 500})
	check(err)
	_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	check(err)
	check(chromedp.Do(ctx, chromedp.Navigate("file://"+path)))
	_, err = chromedp.Run(ctx, chromedp.Evaluate[bool](`document.querySelectorAll('details').forEach(d => d.open = true), true`))
	check(err)
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.requests) != 1 || !strings.HasPrefix(v.requests[0], "file://") {
		t.Errorf("requests: %v", v.requests)
	}
	if len(v.complaints) > 0 {
		t.Errorf("the console says %v", v.complaints)
	}
	return ctx
}

// written writes a result's page.
func written(t *testing.T, r *Result) string {
	t.Helper()
	formats, err := FindFormats([]string{"html"}, true)
	if err != nil {
		t.Fatal(err)
	}
	paths, err := WriteFiles(t.TempDir(), r, formats)
	if err != nil {
		t.Fatal(err)
	}
	return paths[0]
}

// chromium starts a browser for a test.
func chromium(t *testing.T) context.Context {
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser(t)), chromedp.NoSandbox, chromedp.UserDataDir(filepath.Join(t.TempDir(), "profile")))
	alloc, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	return alloc
}

// screens are what a report is looked at on.
var screens = []struct {
	name   string
	width  int64
	scheme string
	paper  string // the page's background
}{
	{"desk, light", 1280, "light", "rgb(246, 247, 249)"},
	{"desk, dark", 1280, "dark", "rgb(13, 17, 23)"},
	{"phone, light", 390, "light", "rgb(246, 247, 249)"},
	{"phone, dark", 390, "dark", "rgb(13, 17, 23)"},
}

// look measures a page: what is wider than the screen, figures without a description, the size of the smallest label,
// labels of bands that overlap or leave their figure, and where the percentile curve ends. Its value there is read
// off the grid, whose lines stand for the ticks 10 ms and 100 ms.
const look = `(() => {
	const seen = [...document.querySelectorAll('figure svg[role=img]')].filter(s => s.getBoundingClientRect().width > 0);
	const sizes = seen.flatMap(s => [...s.querySelectorAll('text')].map(t => parseFloat(t.getAttribute('font-size')) * s.getBoundingClientRect().width / s.viewBox.baseVal.width));
	let labels = 0, overlaps = 0, outside = 0;
	for (const s of seen) {
		const all = s.getBoundingClientRect();
		const boxes = [...s.querySelectorAll('text[class$="-strip"]')].map(t => t.getBoundingClientRect());
		labels += boxes.length;
		outside += boxes.filter(b => b.left < all.left - .5 || b.right > all.right + .5 || b.top < all.top - .5).length;
		boxes.forEach((a, i) => boxes.slice(i + 1).forEach(b => {
			if (a.left < b.right && b.left < a.right && a.top + 1 < b.bottom && b.top + 1 < a.bottom) overlaps++;
		}));
	}
	const curve = seen.find(s => s.querySelector('title').textContent.includes('percentile'));
	let end = -1, gap = 1e9;
	if (curve) {
		const numbers = p => p.getAttribute('d').match(/[\d.]+/g).map(Number);
		const grid = [...curve.querySelectorAll('path.l-grid')].map(numbers);
		const ticks = [...curve.querySelectorAll('text')].map(t => t.textContent).filter(t => / m?s$/.test(t));
		const y = label => grid.map(g => g[1]).sort((a, b) => b - a)[ticks.indexOf(label)];
		const points = numbers(curve.querySelector('path.l-tail'));
		end = 10 ** (1 + (y('10 ms') - points.at(-1)) / (y('10 ms') - y('100 ms')));
		gap = Math.abs(points.at(-2) - grid[0][2]);
	}
	return {
		Overflow: document.documentElement.scrollWidth - window.innerWidth,
		Figures: seen.length,
		Unlabelled: seen.filter(s => !s.querySelector('title') || !s.querySelector('desc').textContent).length,
		Smallest: Math.min(...sizes), Labels: labels, Overlaps: overlaps, Outside: outside, CurveEnd: end, CurveGap: gap,
		Paper: getComputedStyle(document.body).backgroundColor,
		Verdict: document.querySelector('.verdict').textContent,
		Text: document.querySelector('main').innerText,
	};
})()`

// looked is what look finds.
type looked struct {
	Overflow, Figures, Unlabelled, Labels, Overlaps, Outside int
	Smallest, CurveEnd, CurveGap                             float64
	Paper, Verdict, Text                                     string
}

// The report is opened on a desk and on a phone, in light and dark: nothing is asked of the network, no
// error reaches the console, nothing is wider than the screen, labels stay readable and do not overlap, and the
// percentile curve reaches the maximum.
func TestReportInABrowser(t *testing.T) {
	alloc, r := chromium(t), fixture(t)
	path := written(t, r)
	for _, screen := range screens {
		t.Run(screen.name, func(t *testing.T) {
			page, err := chromedp.Run(open(t, alloc, path, screen.width, screen.scheme), chromedp.Evaluate[looked](look))
			if err != nil {
				t.Fatal(err)
			}
			page.Text = ""
			if page.Overflow > 0 || page.Figures < 7 || page.Unlabelled > 0 || page.Smallest < 8.5 || page.Paper != screen.paper || page.Verdict != "failed" {
				t.Errorf("%+v", page)
			}
			if page.Labels < 5*6 || page.Overlaps > 0 || page.Outside > 0 {
				t.Errorf("%d labels of bands, %d overlap, %d leave their figure", page.Labels, page.Overlaps, page.Outside)
			}
			if worst := r.Latency.Response.Max; page.CurveGap > 1 || math.Abs(page.CurveEnd/worst-1) > .03 {
				t.Errorf("the percentile curve ends at %v ms, %v px before the end; the maximum is %v ms", page.CurveEnd, page.CurveGap, worst)
			}
		})
	}
}

// A run without a success has dashes where latencies would stand, and no figure of nothing.
func TestARunWithoutSuccessInABrowser(t *testing.T) {
	alloc := chromium(t)
	path := written(t, allFailed())
	for _, screen := range screens {
		t.Run(screen.name, func(t *testing.T) {
			page, err := chromedp.Run(open(t, alloc, path, screen.width, screen.scheme), chromedp.Evaluate[looked](look))
			if err != nil {
				t.Fatal(err)
			}
			if zero := regexp.MustCompile(`\b0(\.0+)? ms`).FindString(page.Text); zero != "" || strings.Count(page.Text, Dash) < 10 {
				t.Errorf("it says %q where nothing was measured:\n%s", zero, page.Text)
			}
			if page.Overflow > 0 || page.Unlabelled > 0 || page.CurveEnd >= 0 {
				t.Errorf("%+v", page)
			}
		})
	}
}
