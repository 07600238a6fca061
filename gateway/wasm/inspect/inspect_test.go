package inspect_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/gateway/wasm"
	"gatehouse.example/gateway/wasm/inspect"
	"gatehouse.example/gateway/wasm/wasmtest"
)

var update = flag.Bool("update", false, "write the golden files")

func newHost(t *testing.T) *wasm.Host {
	t.Helper()
	host, err := wasm.New(t.Context(), wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Close(t.Context()) })
	return host
}

var (
	two   = []byte{wasmtest.I32, wasmtest.I32}
	three = []byte{wasmtest.I32, wasmtest.I32, wasmtest.I32}
	five  = []byte{wasmtest.I32, wasmtest.I32, wasmtest.I32, wasmtest.I32, wasmtest.I32}

	logLine      = wasmtest.Function{Module: "http_handler", Name: "log", Params: three}
	headerValues = wasmtest.Function{Module: "http_handler", Name: "get_header_values", Params: five, Results: []byte{wasmtest.I64}}
	readBody     = wasmtest.Function{Module: "http_handler", Name: "read_body", Params: three, Results: []byte{wasmtest.I64}}
	writeBody    = wasmtest.Function{Module: "http_handler", Name: "write_body", Params: three}
	verify       = wasmtest.Function{Module: "gatehouse_v1", Name: "jwt_verify", Params: three, Results: []byte{wasmtest.I32}}
	httpCall     = wasmtest.Function{Module: "gatehouse_v1", Name: "http_call", Params: three, Results: []byte{wasmtest.I32}}
	kvDelete     = wasmtest.Function{Module: "gatehouse_v1", Name: "kv_delete", Params: two, Results: []byte{wasmtest.I32}}
	random       = wasmtest.Function{Module: "wasi_snapshot_preview1", Name: "random_get", Params: two, Results: []byte{wasmtest.I32}}
	proxyLog     = wasmtest.Function{Module: "env", Name: "proxy_log", Params: three, Results: []byte{wasmtest.I32}}
)

func imports(functions ...wasmtest.Function) []byte {
	return wasmtest.Handler{Imports: functions}.Binary()
}

// TestReports compares the whole of each report, and the entry for the
// configuration, with testdata/NAME.golden.
func TestReports(t *testing.T) {
	host := newHost(t)
	for name, binary := range map[string][]byte{
		"foreign":   imports(logLine, headerValues, readBody, random),
		"writes":    imports(writeBody),
		"extension": imports(verify, httpCall),
		"described": wasmtest.Handler{Imports: []wasmtest.Function{verify, kvDelete, headerValues}, Describe: `{"name":"Two Factors!","response_phase":false,"grants":["jwt","headers.cookie"],"config_schema":{"type":"object"}}`}.Binary(),
		"command":   wasmtest.Handler{Exports: []string{"_start"}}.Binary(),
		"proxy":     wasmtest.Handler{Imports: []wasmtest.Function{proxyLog}, Exports: []string{"proxy_abi_version_0_2_1"}}.Binary(),
	} {
		t.Run(name, func(t *testing.T) {
			report, err := inspect.Module(t.Context(), host, "file:filters/"+name+".wasm", binary)
			if err != nil {
				t.Fatal(err)
			}
			var have bytes.Buffer
			enc := json.NewEncoder(&have)
			enc.SetIndent("", "  ")
			enc.SetEscapeHTML(false)
			if err := enc.Encode(report); err != nil {
				t.Fatal(err)
			}
			have.WriteString(report.Snippet())
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, have.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), have.String()); diff != "" {
				t.Errorf("-want +have\n%s", diff)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	host := newHost(t)
	whole := imports(logLine)
	for _, row := range []struct {
		name   string
		binary []byte
		want   string
	}{
		{"text", []byte("#!/bin/sh\n"), "file:x is no WebAssembly module that the gateway can run"},
		{"empty", nil, "file:x is no WebAssembly module"},
		{"cut", whole[:len(whole)/2], "file:x is no WebAssembly module"},
		{"no handler", []byte("\x00asm\x01\x00\x00\x00"), "file:x: "},
		{"unknown module", imports(wasmtest.Function{Module: "env", Name: "print", Params: two}), "env.print"},
		{"unknown import", imports(wasmtest.Function{Module: "http_handler", Name: "set_moon", Params: two}), "set_moon"},
		{"wrong signature", imports(wasmtest.Function{Module: "http_handler", Name: "log", Params: two}), "log"},
		{"says nonsense", wasmtest.Handler{Describe: "{"}.Binary(), "gatehouse_describe: "},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := inspect.Module(t.Context(), host, "file:x", row.binary)
			if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v\nwant  %s", err, row.want)
			}
		})
	}
}
