package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	gateway "gatehouse.example/gateway/app"
	"gatehouse.example/gateway/wasm"
	"gatehouse.example/gateway/wasm/wasmtest"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares what a command has printed with testdata/gateway/NAME. The
// folder that it ran in is written as /folder.
func golden(t *testing.T, folder, name, have string) {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	have = strings.ReplaceAll(have, dir, "/folder")
	file := filepath.Join(folder, name)
	if *update {
		if err := os.WriteFile(file, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), have); diff != "" {
		t.Errorf("%s: -want +have\n%s", name, diff)
	}
}

// gatewayFolder goes into a folder with the files of testdata/gateway and
// modules, and returns where testdata is.
func gatewayFolder(t *testing.T) (testdata string) {
	t.Helper()
	testdata, err := filepath.Abs(filepath.Join("testdata", "gateway"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(testdata)); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	good := wasmtest.Handler{Status: 204}.Binary()
	for name, data := range map[string][]byte{
		"good.wasm":  good,
		"good.sig":   make([]byte, 64),
		"half.wasm":  good[:len(good)/2],
		"picky.wasm": wasmtest.Handler{Fail: "config/limits/1/rate: want at least 1\nconfig/key: \"moon\" is unknown"}.Binary(),
		"needy.wasm": wasmtest.Handler{Describe: `{"name":"needy","grants":["kv","jwt"]}`}.Binary(),
		"strict.wasm": wasmtest.Handler{Describe: `{"name":"strict","config_schema":{"type":"object","additionalProperties":false,
			"properties":{"limits":{"type":"array","items":{"type":"object","properties":{"rate":{"type":"integer","minimum":1}}}}}}}`}.Binary(),
		"gatehouse.yaml": []byte("data: var\ngateway: {file: sound.yaml, filter_cache: cache}\n" +
			"log: {level: warn}\n"),
	} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GATEHOUSE_CONFIG", "gatehouse.yaml")
	return testdata
}

// run runs a command and returns its exit code and what it has printed.
func run(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = Run(args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestGatewayCheck(t *testing.T) {
	testdata := gatewayFolder(t)
	for _, name := range []string{"broken", "mistyped", "dangling"} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := run("gateway", "check", name+".yaml")
			if code != ExitFailed || stdout != "" {
				t.Errorf("exit code %d, output %q", code, stdout)
			}
			golden(t, testdata, name+".golden", stderr)
		})
	}
	for _, args := range [][]string{{"sound.yaml"}, nil} {
		code, stdout, stderr := run(append([]string{"gateway", "check"}, args...)...)
		if code != ExitDone || stdout != "ok: 3 routes, 1 filter, 2 upstreams\n" || stderr != "" {
			t.Errorf("%v: exit code %d, output %q, errors %q", args, code, stdout, stderr)
		}
	}
}

// TestGatewayCheckSchema: what a filter's schema refuses is found at its place.
func TestGatewayCheckSchema(t *testing.T) {
	gatewayFolder(t)
	code, _, stderr := run("gateway", "check", "strict.yaml")
	for _, want := range []string{
		"gatehouse: strict.yaml:5:35: filter \"strict\": config/limits/1/rate: ",
		"gatehouse: strict.yaml:6:5: filter \"strict\": config/limit: ",
	} {
		if code != ExitFailed || !strings.Contains(stderr, want) {
			t.Errorf("exit code %d, errors\n%swant %s", code, stderr, want)
		}
	}
}

func TestGatewayCheckJSON(t *testing.T) {
	testdata := gatewayFolder(t)
	for name, want := range map[string]int{"broken": ExitFailed, "dangling": ExitFailed, "sound": ExitDone} {
		code, stdout, _ := run("gateway", "check", name+".yaml", "--output", "json")
		if code != want {
			t.Errorf("%s: exit code %d", name, code)
		}
		golden(t, testdata, name+".json.golden", stdout)
	}
}

func TestGatewayCheckUsage(t *testing.T) {
	gatewayFolder(t)
	for _, row := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"check", "none.yaml"}, ExitFailed, "none.yaml: no such file"},
		{[]string{"check", "a", "b"}, ExitUsage, `unexpected argument "b"`},
		{[]string{"check", "--output", "xml"}, ExitUsage, "want text or json"},
		{[]string{"routes", "--running", "a"}, ExitUsage, `leave out "a"`},
		{[]string{"reload", "now"}, ExitUsage, `unexpected argument "now"`},
		{[]string{"chec"}, ExitUsage, `did you mean "check"?`},
	} {
		code, _, stderr := run(append([]string{"gateway"}, row.args...)...)
		if code != row.code || !strings.Contains(stderr, row.want) {
			t.Errorf("%v: exit code %d, errors %q, want %d and %q", row.args, code, stderr, row.code, row.want)
		}
	}
}

func TestGatewayRoutes(t *testing.T) {
	testdata := gatewayFolder(t)
	code, stdout, stderr := run("gateway", "routes")
	if code != ExitDone || stderr != "" {
		t.Errorf("exit code %d, errors %q", code, stderr)
	}
	golden(t, testdata, "routes.golden", stdout)
	code, asJSON, _ := run("gateway", "routes", "sound.yaml", "--output", "json")
	if code != ExitDone {
		t.Errorf("exit code %d", code)
	}
	golden(t, testdata, "routes.json.golden", asJSON)
	if code, _, stderr := run("gateway", "routes", "dangling.yaml"); code != ExitFailed || !strings.Contains(stderr, "dangling.yaml:3:") {
		t.Errorf("broken file: exit code %d, errors %q", code, stderr)
	}
}

// TestRunningGateway asks a gateway on its socket.
func TestRunningGateway(t *testing.T) {
	gatewayFolder(t)
	for _, args := range [][]string{{"gateway", "reload"}, {"gateway", "routes", "--running"}} {
		code, _, stderr := run(args...)
		if code != ExitFailed || !strings.Contains(stderr, "no gateway runs at var/admin.sock") {
			t.Errorf("%v without a gateway: exit code %d, errors %q", args, code, stderr)
		}
	}
	startGateway(t, "sound.yaml", filepath.Join("var", "admin.sock"))
	if code, stdout, stderr := run("gateway", "reload"); code != ExitDone || stdout != "reloaded\n" {
		t.Errorf("reload: exit code %d, output %q, errors %q", code, stdout, stderr)
	}
	if code, stdout, _ := run("gateway", "reload", "--output", "json"); code != ExitDone || stdout != "{\n  \"status\": \"reloaded\"\n}\n" {
		t.Errorf("reload: exit code %d, output %q", code, stdout)
	}
	_, ofFile, _ := run("gateway", "routes")
	for _, output := range []string{"text", "json"} {
		_, want, _ := run("gateway", "routes", "--output", output)
		code, have, stderr := run("gateway", "routes", "--running", "--data", "var", "--output", output)
		if code != ExitDone || have != want {
			t.Errorf("routes: exit code %d, errors %q\n%s", code, stderr, cmp.Diff(want, have))
		}
	}
	text, err := os.ReadFile("sound.yaml")
	if err != nil {
		t.Fatal(err)
	}
	bad := strings.NewReplacer("file:good.wasm", "file:half.wasm", "name: shop,", "name: shops,").Replace(string(text))
	if err := os.WriteFile("sound.yaml", []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := run("gateway", "reload")
	if code != ExitFailed || stdout != "" || !strings.HasPrefix(stderr, `gatehouse: sound.yaml:3:3: filter "good": `) {
		t.Errorf("refused: exit code %d, output %q, errors %q", code, stdout, stderr)
	}
	if _, have, _ := run("gateway", "routes", "--running"); have != ofFile {
		t.Errorf("after a refusal: %s", cmp.Diff(ofFile, have))
	}
}

// startGateway runs a gateway without services, whose upstreams nobody asks.
func startGateway(t *testing.T, file, socket string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// A service needs the certificates of an installation.
	text = bytes.Replace(text, []byte(`"service:user"`), []byte(`"http://127.0.0.1:1"`), 1)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	host, err := wasm.New(t.Context(), wasm.Options{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	app, err := gateway.New(t.Context(), gateway.Options{ConfigFile: file, AdminSocket: socket, Filters: host, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err = errors.Join(err, host.Close(context.Background())); err != nil {
				t.Error(err)
			}
		case <-time.After(20 * time.Second):
			t.Error("the gateway did not stop")
		}
	})
}

func TestFilterInspect(t *testing.T) {
	testdata := gatewayFolder(t)
	for _, name := range []string{"good", "needy"} {
		code, stdout, stderr := run("filter", "inspect", name+".wasm")
		if code != ExitDone || stderr != "" {
			t.Errorf("%s: exit code %d, errors %q", name, code, stderr)
		}
		golden(t, testdata, name+".inspect.golden", stdout)
	}
	code, stdout, stderr := run("filter", "inspect", "strict.wasm", "--output", "json")
	if code != ExitDone {
		t.Errorf("exit code %d, errors %q", code, stderr)
	}
	golden(t, testdata, "strict.json.golden", stdout)
	module, binary, err := readModule("builtin:jwt")
	if module != "builtin:jwt" || !bytes.HasPrefix(binary, []byte("\x00asm")) {
		t.Errorf("built-in filter: %q, %d bytes, error %v", module, len(binary), err)
	}
	for _, row := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"half.wasm"}, ExitFailed, "is no WebAssembly module that the gateway can run"},
		{[]string{"none.wasm"}, ExitFailed, "there is no such file"},
		{[]string{"builtin:moon"}, ExitFailed, `no built-in filter "moon"`},
		{nil, ExitUsage, "name one module"},
	} {
		code, _, stderr := run(append([]string{"filter", "inspect"}, row.args...)...)
		if code != row.code || !strings.Contains(stderr, row.want) {
			t.Errorf("%v: exit code %d, errors %q", row.args, code, stderr)
		}
	}
}
