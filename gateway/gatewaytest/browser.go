package gatewaytest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	browserLimit = 5 * time.Minute  // the whole life of a browser
	actionLimit  = 20 * time.Second // one action in a tab
)

// Screenshots names the environment variable with a folder that pictures are kept in. Without it they
// are artifacts of their test, kept with `go test -artifacts`.
const Screenshots = "NEXUS_SCREENSHOTS"

// Browser is a headless Chromium that talks to nobody but the pages it is shown.
type Browser struct {
	ctx context.Context
}

// OpenBrowser starts a browser for the test; without Chromium the test skips or fails, as [Need] says.
func OpenBrowser(t testing.TB) *Browser {
	t.Helper()
	path := Need(t, "chromium")
	ctx, cancel := context.WithTimeout(context.Background(), browserLimit)
	t.Cleanup(cancel)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // tests run as root in containers, where Chromium has no sandbox
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)
	ctx, closeAllocator := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(closeAllocator)
	ctx, closeBrowser := chromedp.NewContext(ctx)
	t.Cleanup(closeBrowser)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return &Browser{ctx: ctx}
}

// View is what a page is looked at with.
type View struct {
	Width, Height int64
	Dark          bool
}

// Tab is one page with cookies of its own. It remembers what went wrong on it.
type Tab struct {
	ctx context.Context

	mu       sync.Mutex
	problems []string
}

// Tab opens a tab that ends with the test.
func (b *Browser) Tab(t testing.TB, view View) *Tab {
	t.Helper()
	tab := &Tab{}
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(tab.notice))
	t.Cleanup(cancel)
	tab.ctx = ctx
	scheme := "light"
	if view.Dark {
		scheme = "dark"
	}
	err := chromedp.Do(ctx,
		chromedp.EmulateViewport(view.Width, view.Height),
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
			return err
		}))
	if err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	return tab
}

// notice writes down what a page should not do. It runs between the browser's messages, so it only
// remembers; answering a dialog is left to another goroutine.
func (tab *Tab) notice(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		tab.remember("exception: " + exceptionText(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			tab.remember("console error: " + consoleText(e.Args))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			tab.remember("browser error: " + e.Entry.Text)
		}
	case *page.EventJavascriptDialogOpening:
		tab.remember("dialog: " + e.Message)
		// An open dialog stops the page for good.
		go func() {
			_, _ = chromedp.Call(tab.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
		}()
	}
}

// problemLimit is how many problems of a tab are remembered.
const problemLimit = 100

func (tab *Tab) remember(problem string) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	if len(tab.problems) < problemLimit {
		tab.problems = append(tab.problems, problem)
	}
}

// Problems are the errors on the console, the uncaught exceptions and the dialogs since the tab was opened.
func (tab *Tab) Problems() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return append([]string(nil), tab.problems...)
}

// Do runs actions in the tab; the test fails if one does or takes too long.
func (tab *Tab) Do(t testing.TB, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, actionLimit)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatalf("act in the tab: %v", err)
	}
}

// Open goes to url, waits until the page is loaded, and gives its status.
func (tab *Tab) Open(t testing.TB, url string) int {
	t.Helper()
	answer := see(t, tab, chromedp.NavigateResponse(url))
	return int(answer.Status)
}

// Follow does something that leads to another page, waits until that is loaded, and gives its status.
func (tab *Tab) Follow(t testing.TB, actions ...chromedp.Action[chromedp.Void]) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, actionLimit)
	defer cancel()
	answer, err := chromedp.RunResponse(ctx, actions...)
	if err != nil {
		t.Fatalf("follow to the next page: %v", err)
	}
	return int(answer.Status)
}

// Evaluate gives the value of a JavaScript expression in the tab's page.
func Evaluate[T any](t testing.TB, tab *Tab, expression string) T {
	t.Helper()
	return see(t, tab, chromedp.Evaluate[T](expression))
}

// Screenshot keeps a picture of the whole page under name, a word without a suffix.
func (tab *Tab) Screenshot(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv(Screenshots)
	if dir == "" {
		dir = t.ArtifactDir()
	} else if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	picture := see(t, tab, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Resolve gives what the promise that a JavaScript expression gives comes to.
func Resolve[T any](t testing.TB, tab *Tab, expression string) T {
	t.Helper()
	return see(t, tab, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

func see[T any](t testing.TB, tab *Tab, action chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, actionLimit)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatalf("look at the tab: %v", err)
	}
	return value
}

func exceptionText(details *runtime.ExceptionDetails) string {
	if details == nil {
		return "without details"
	}
	if details.Exception != nil && details.Exception.Description != "" {
		return details.Exception.Description
	}
	return details.Text
}

func consoleText(args []*runtime.RemoteObject) string {
	words := make([]string, len(args))
	for i, arg := range args {
		words[i] = string(arg.Value) + arg.Description
	}
	return strings.Join(words, " ")
}
