package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse.example/gateway/app"
)

func counted(g *gateway, result string) float64 {
	return g.metric("gatehouse_gateway_reloads_total", map[string]string{"result": result})
}

func text(body, target string) string {
	return `filters: {keep: {module: "builtin:phase"}, ` + body + `: {module: "builtin:phase"}}
upstreams: {u: {targets: ["` + target + `"]}}
routes:
  - {name: fixed, match: {path: /fixed}, respond: {status: 200, body: "` + body + `"}}
  - {name: up, match: {path: "/up/*"}, filters: [keep], upstream: u}
`
}

func TestReloadUnderLoad(t *testing.T) {
	target := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.Copy(w, r.Body)
	})
	g := start(t, text("one", target))
	var stop atomic.Bool
	var requests, one, two atomic.Int64
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			for !stop.Load() {
				path, body := "/fixed", ""
				if i%2 == 0 {
					path, body = "/up/x", strings.Repeat("x", 100<<(i*2))
				}
				resp, err := g.client.Post(g.url+path, "text/plain", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				data, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 || (i%2 == 0 && string(data) != body) {
					t.Errorf("%s: %d %v %d bytes", path, resp.StatusCode, err, len(data))
					return
				}
				requests.Add(1)
				switch string(data) {
				case "one":
					one.Add(1)
				case "two":
					two.Add(1)
				}
			}
		})
	}
	const reloads = 40
	for i := range reloads {
		g.write(text([]string{"two", "one"}[i%2], target))
		eventually(t, "reload", func() bool { return counted(g, "success") == float64(i+1) })
	}
	stop.Store(true)
	clients.Wait()
	if one.Load() == 0 || two.Load() == 0 {
		t.Errorf("seen: %d one, %d two", one.Load(), two.Load())
	}
	t.Logf("%d requests during %d reloads", requests.Load(), reloads)
	count := func() (keep, left int) {
		g.filters.mu.Lock()
		defer g.filters.mu.Unlock()
		return g.filters.built["keep"], g.filters.built["one"] + g.filters.built["two"] - g.filters.closed
	}
	if keep, _ := count(); keep != 1 {
		t.Errorf("an unchanged filter was built %d times", keep)
	}
	eventually(t, "end of all replaced filters", func() bool { _, left := count(); return left == 1 })
}

func TestBadFileChangesNothing(t *testing.T) {
	g := start(t, text("one", "http://127.0.0.1:1"))
	for i, bad := range []string{"routes: [{nam: x}]\n", "routes: [", text("one", "x"), `filters: {m: {module: "builtin:missing"}}` + "\n"} {
		g.write(bad)
		eventually(t, "refusal", func() bool { return counted(g, "failure") == float64(i+1) })
		if got := g.do("GET", "/fixed", ""); got.body != "one" {
			t.Errorf("%q: answers %d %q", bad, got.StatusCode, got.body)
		}
	}
	if log := g.log.String(); !strings.Contains(log, g.file+":2:11: ") || !strings.Contains(log, g.file+`:2:11: filter \"m\": module is not there`) {
		t.Errorf("log: %s", log)
	}
	time.Sleep(2500 * time.Millisecond) // the regular look does not say it again
	if n := counted(g, "failure"); n != 4 {
		t.Errorf("%v refusals counted", n)
	}
	g.write(text("two", "http://127.0.0.1:1"))
	eventually(t, "recovery", func() bool { return g.do("GET", "/fixed", "").body == "two" })
}

func TestReloadCountsEachChangeOfBytes(t *testing.T) {
	g := start(t, text("one", "http://127.0.0.1:1"))
	for i := range 5 {
		g.write(text("one", "http://127.0.0.1:1") + fmt.Sprintf("# %d\n", i))
		eventually(t, "reload", func() bool { return counted(g, "success") == float64(i+1) })
	}
	// In place, and with a pause in the middle of the write.
	f, err := os.OpenFile(g.file, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.WriteString("listeners: [{address: \"127.0.0.1:0\"}]\nroutes:\n  - {name: fixed, match: {pa")
	time.Sleep(30 * time.Millisecond)
	_, _ = f.WriteString("th: /fixed}, respond: {status: 200, body: \"three\"}}\n")
	f.Close()
	eventually(t, "reload", func() bool { return g.do("GET", "/fixed", "").body == "three" })
	if n := counted(g, "failure"); n != 0 {
		t.Errorf("a half-written file was counted as a failure")
	}
}

func TestAdminSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "gw") // short: a socket's path has room for 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "admin.sock")
	g := start(t, text("one", "http://127.0.0.1:1"), func(o *app.Options) { o.AdminSocket = socket })
	info, err := os.Stat(socket)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	post := func() (int, string) {
		resp, err := client.Post("http://admin/reload", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		data, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(data)
	}
	if status, body := post(); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	g.write("routes: [{nam: x}]\n")
	if status, body := post(); status != 422 || !strings.Contains(body, "gateway.yaml:2:") {
		t.Errorf("%d %s", status, body)
	}
	t.Cleanup(func() {
		if _, err := os.Stat(socket); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the socket is left: %v", err)
		}
	})
}

func TestDrain(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	target := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		close(inside)
		<-leave
		fmt.Fprint(w, "done")
	})
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	yaml := `listeners: [{address: "127.0.0.1:0"}]
upstreams: {u: {targets: ["` + target + `"]}}
routes: [{name: x, match: {path: "/*"}, upstream: u}]
`
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), app.Options{ConfigFile: file, Filters: &builder{built: map[string]int{}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	answered := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + a.Addresses().HTTP + "/x")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		data, _ := io.ReadAll(resp.Body)
		answered <- string(data)
	}()
	<-inside
	stop()
	time.Sleep(100 * time.Millisecond)
	if _, err := net.DialTimeout("tcp", a.Addresses().HTTP, time.Second); err == nil {
		t.Error("still accepts")
	}
	close(leave)
	if got := <-answered; got != "done" {
		t.Errorf("the request under way got %q", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
