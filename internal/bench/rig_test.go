package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// work holds the built rig and guests.
var work string

// full asks for the figures of the whole measurement.
var full = os.Getenv("GATEHOUSE_FULL") == "1"

// either returns what the whole measurement takes, or a fraction of it.
func either(whole, fraction int) int {
	if full {
		return whole
	}
	return fraction
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "gatehouse-bench-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	work = dir
	err = errors.Join(
		goBuild("rig", nil, "./rig"),
		goBuild("stamp-a.wasm", wasm, "-ldflags=-s -w -X main.stamp=a", "-buildmode=c-shared", "./testdata/stamp"),
		goBuild("stamp-b.wasm", wasm, "-ldflags=-s -w -X main.stamp=b", "-buildmode=c-shared", "./testdata/stamp"),
		goBuild("hostile.wasm", wasm, "-ldflags=-s -w", "-buildmode=c-shared", "./testdata/hostile"),
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

var wasm = []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"}

func goBuild(name string, environment []string, args ...string) error {
	cmd := exec.Command("go", append([]string{"build", "-trimpath", "-o", filepath.Join(work, name)}, args...)...)
	cmd.Env = append(os.Environ(), environment...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return nil
}

// part is a running part of the rig.
type part struct {
	t     testing.TB
	name  string
	cmd   *exec.Cmd
	stdin io.Closer
	lines *json.Decoder
	log   *logText
	once  sync.Once
}

type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start starts a part; it ends with the test at the latest.
func start(t testing.TB, name string, args ...string) *part {
	t.Helper()
	p := &part{t: t, name: name, cmd: exec.Command(filepath.Join(work, "rig"), append([]string{name}, args...)...), log: &logText{}}
	p.cmd.Stderr = p.log
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.stdin, p.lines = stdin, json.NewDecoder(bufio.NewReader(stdout))
	t.Cleanup(p.stop)
	return p
}

// read reads the part's next line.
func (p *part) read(v any) {
	p.t.Helper()
	if err := p.lines.Decode(v); err != nil {
		p.t.Fatalf("%s: %v\n%s", p.name, err, p.log)
	}
}

// stop lets the part end and waits for it.
func (p *part) stop() {
	p.once.Do(func() {
		_ = p.stdin.Close()
		ended := time.AfterFunc(30*time.Second, func() { _ = p.cmd.Process.Kill() })
		defer ended.Stop()
		if err := p.cmd.Wait(); err != nil {
			p.t.Errorf("%s: %v\n%s", p.name, err, p.log)
		}
	})
}

// gateway is a running gateway of the rig.
type gateway struct {
	*part
	HTTP   string `json:"http"`
	Admin  string `json:"admin"`
	folder string
	config string
	client *http.Client
}

// startGateway runs a gateway on a configuration below a listeners line.
func startGateway(t testing.TB, yaml string) *gateway {
	t.Helper()
	g := &gateway{folder: t.TempDir(), client: &http.Client{Timeout: 30 * time.Second}}
	g.config = filepath.Join(g.folder, "gateway.yaml")
	g.write(t, yaml)
	g.part = start(t, "gateway", "-config", g.config, "-folder", g.folder, "-cache", filepath.Join(work, "cache"))
	g.read(g)
	return g
}

func (g *gateway) write(t testing.TB, yaml string) {
	t.Helper()
	text := "listeners: [{address: \"127.0.0.1:0\"}]\n" + yaml
	next := g.config + ".next"
	if err := errors.Join(os.WriteFile(next, []byte(text), 0o600), os.Rename(next, g.config)); err != nil {
		t.Fatal(err)
	}
}

func (g *gateway) tokens() string { return filepath.Join(g.folder, "tokens") }

// get asks the gateway and returns status and body.
func (g *gateway) get(path string) (int, string) {
	g.t.Helper()
	resp, err := g.client.Get("http://" + g.HTTP + path)
	if err != nil {
		g.t.Fatalf("%s: %v\n%s", path, err, g.log)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// residentBytes is what the process holds of the machine's memory.
func (p *part) residentBytes() int64 {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return kib << 10
		}
	}
	p.t.Fatal("no VmRSS")
	return 0
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// metric returns the sum of a metric's samples whose labels hold filter=name,
// or of all where name is empty.
func (g *gateway) metric(metric, name string) float64 {
	g.t.Helper()
	resp, err := g.client.Get("http://" + g.Admin + "/metrics")
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	sum := 0.0
	for _, m := range families[metric].GetMetric() {
		match := name == ""
		for _, l := range m.GetLabel() {
			match = match || l.GetName() == "filter" && l.GetValue() == name
		}
		if match {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// loadResult is what a client says at its end.
type loadResult struct {
	Requests int            `json:"requests"`
	Failures int            `json:"failures"`
	First    string         `json:"first_failure"`
	Statuses map[int]int    `json:"statuses"`
	Stamps   map[string]int `json:"stamps"`
	P50      float64        `json:"p50_ms"`
	P99      float64        `json:"p99_ms"`
	Max      float64        `json:"max_ms"`
}

// startLoad sends requests until end is called.
func startLoad(t testing.TB, address, path string, connections int, more ...string) (end func() loadResult) {
	t.Helper()
	p := start(t, "load", append([]string{"-address", address, "-path", path, "-connections", strconv.Itoa(connections)}, more...)...)
	var running map[string]string
	p.read(&running)
	return func() loadResult {
		t.Helper()
		_ = p.stdin.Close()
		var r loadResult
		p.read(&r)
		p.stop()
		return r
	}
}

// startUpstream returns the address of an upstream.
func startUpstream(t testing.TB) string {
	t.Helper()
	var said struct {
		HTTP string `json:"http"`
	}
	p := start(t, "upstream")
	p.read(&said)
	return said.HTTP
}

func ask(t testing.TB, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, within time.Duration, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, within)
		}
	}
}
