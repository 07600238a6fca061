package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// chromium starts a headless browser that talks to nobody but this machine.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatal("no Chromium: run make test, which installs it")
	}
	profile, err := os.MkdirTemp("", "gh-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(profile) })
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Env("TMPDIR="+profile), chromedp.Flag("disable-quic", true), chromedp.WindowSize(360, 740), chromedp.WSURLReadTimeout(60*time.Second))
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	browser, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	limited, cancel := context.WithTimeout(browser, 90*time.Second)
	t.Cleanup(cancel)
	return limited
}

// walkPages registers, verifies and signs in as a person does, in a browser,
// and comes back to the client with a code.
func walkPages(t *testing.T, in *installation) {
	const email = "heidi@example.com"
	redirectURI := listenAsClient(t)
	clientID := in.publicClient(t, redirectURI)
	ctx := chromium(t)
	err := chromedp.Do(ctx,
		chromedp.Navigate(in.issuer+"/register"),
		chromedp.SendKeys(chromedp.CSS("#email"), email),
		chromedp.SendKeys(chromedp.CSS("#password"), password),
		chromedp.Click(chromedp.CSS(`button[type="submit"]`)),
		chromedp.WaitNotPresent(chromedp.CSS("#password")),
	)
	if err != nil {
		t.Fatalf("register: %v", err)
	}
	heading, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("h1")))
	if err != nil || heading == "" {
		t.Errorf("the page after registration has no heading: %v", err)
	}
	link := in.awaitMail(t, email, 1).Links[0]
	verifier, challenge := pkce()
	authorize := in.issuer + "/oauth2/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {redirectURI}, "scope": {personScope},
		"state": {"page"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}.Encode()
	err = chromedp.Do(ctx,
		chromedp.Navigate(link), // enough in this browser
		chromedp.WaitVisible(chromedp.CSS(`a[href^="/login"]`)),
		chromedp.Navigate(authorize),
		chromedp.SendKeys(chromedp.CSS("#login"), email),
		chromedp.SendKeys(chromedp.CSS("#password"), password),
		chromedp.Click(chromedp.CSS(`button[type="submit"]`)),
		chromedp.WaitVisible(chromedp.CSS("#arrived")),
	)
	landed, where := chromedp.Run(ctx, chromedp.Location())
	if err != nil || where != nil {
		t.Fatalf("verify and sign in: %v %v (at %s)", err, where, landed)
	}
	u, err := url.Parse(landed)
	if err != nil {
		t.Fatal(err)
	}
	status, _, body := call(t, http.DefaultClient, http.MethodPost, in.issuer+"/oauth2/token", "", url.Values{
		"grant_type": {"authorization_code"}, "code": {u.Query().Get("code")}, "redirect_uri": {redirectURI},
		"client_id": {clientID}, "code_verifier": {verifier},
	})
	want[tokens](t, status, http.StatusOK, body)
}

// listenAsClient serves a client's redirect URI, which it returns.
func listenAsClient(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`<!doctype html><title>client</title><p id="arrived">arrived</p>`))
	}))
	t.Cleanup(server.Close)
	return server.URL + "/callback"
}
