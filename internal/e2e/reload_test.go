package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// gatewayFolder is a copy of configs/ that a test may change.
func gatewayFolder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "configs")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(repository, "configs"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// editFile replaces old by new in file, as an editor that saves does.
func editFile(t *testing.T, file, old, changed string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s does not contain %q", file, old)
	}
	tmp := file + "~"
	if err := os.WriteFile(tmp, []byte(strings.ReplaceAll(string(text), old, changed)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, file); err != nil {
		t.Fatal(err)
	}
}

// TestReload changes the gateway's file while requests flow: the change is
// live, a wrong file changes nothing, and no request is lost.
func TestReload(t *testing.T) {
	folder := gatewayFolder(t)
	data := dataFolder(t)
	in := ready(t, launch(t, environment(), "dev", "--data", data, "--http", "127.0.0.1:0", "--https", "127.0.0.1:0",
		"--config", filepath.Join(folder, "gatehouse.yaml")), data)
	file := filepath.Join(folder, "gateway.yaml")

	ctx, cancel := context.WithCancel(t.Context())
	var served, lost atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			c := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}
			for ctx.Err() == nil {
				res, err := c.Get(in.issuer + "/.well-known/openid-configuration")
				if err != nil {
					lost.Add(1)
					continue
				}
				_, err = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if err != nil || res.StatusCode != http.StatusOK && res.StatusCode != http.StatusTooManyRequests {
					lost.Add(1)
				}
				served.Add(1)
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	reloads := func(result string, n int) {
		t.Helper()
		await(t, 20*time.Second, "the change is seen", func() error {
			_, _, body := call(t, http.DefaultClient, http.MethodGet, "http://"+in.admin+"/metrics", "", nil)
			line := fmt.Sprintf("gatehouse_gateway_reloads_total{result=%q} %d", result, n)
			if !strings.Contains(string(body), line) {
				return fmt.Errorf("no %s", line)
			}
			return nil
		})
	}
	const before, after = "rate: 100, per: 1s, burst: 200", "rate: 300, per: 1s, burst: 600"
	policy := func() string {
		_, header, _ := call(t, http.DefaultClient, http.MethodGet, in.issuer+"/v1/me", "", nil)
		return header.Get("RateLimit-Policy")
	}
	if got := policy(); !strings.Contains(got, "q=200") {
		t.Errorf("policy before: %q", got)
	}
	editFile(t, file, before, after)
	reloads("success", 1)
	if got := policy(); !strings.Contains(got, "q=600") {
		t.Errorf("policy after: %q", got)
	}
	editFile(t, file, after, "rate: many, per: 1s, burst: 600")
	reloads("failure", 1)
	if got := policy(); !strings.Contains(got, "q=600") {
		t.Errorf("policy after a wrong file: %q", got)
	}
	editFile(t, file, "rate: many, per: 1s, burst: 600", before)
	reloads("success", 2)
	cancel()
	clients.Wait()
	if lost.Load() > 0 || served.Load() < 20 {
		t.Errorf("%d requests served, %d lost", served.Load(), lost.Load())
	}
	if log, err := os.ReadFile(filepath.Join(data, "logs", "gatehouse.log")); err != nil || !strings.Contains(string(log), "rate") {
		t.Errorf("the log does not say why the file was refused: %v", err)
	}
}
