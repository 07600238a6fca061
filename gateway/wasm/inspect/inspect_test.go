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
	two   = []byte{i32, i32}
	three = []byte{i32, i32, i32}
	five  = []byte{i32, i32, i32, i32, i32}

	logLine      = function{"http_handler", "log", three, nil}
	headerValues = function{"http_handler", "get_header_values", five, []byte{i64}}
	readBody     = function{"http_handler", "read_body", three, []byte{i64}}
	writeBody    = function{"http_handler", "write_body", three, nil}
	verify       = function{"gatehouse_v1", "jwt_verify", three, []byte{i32}}
	httpCall     = function{"gatehouse_v1", "http_call", three, []byte{i32}}
	kvDelete     = function{"gatehouse_v1", "kv_delete", two, []byte{i32}}
	random       = function{"wasi_snapshot_preview1", "random_get", two, []byte{i32}}
	proxyLog     = function{"env", "proxy_log", three, []byte{i32}}
)

// TestReports compares the whole of each report, and the entry for the
// configuration, with testdata/NAME.golden.
func TestReports(t *testing.T) {
	host := newHost(t)
	for name, binary := range map[string][]byte{
		"foreign":   handler([]function{logLine, headerValues, readBody, random}, ""),
		"writes":    handler([]function{writeBody}, ""),
		"extension": handler([]function{verify, httpCall}, ""),
		"described": handler([]function{verify, kvDelete, headerValues},
			`{"name":"Two Factors!","response_phase":false,"grants":["jwt","headers.cookie"],"config_schema":{"type":"object"}}`),
		"command": handler(nil, "", "_start"),
		"proxy":   handler([]function{proxyLog}, "", "proxy_abi_version_0_2_1"),
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
	whole := handler([]function{logLine}, "")
	for _, row := range []struct {
		name   string
		binary []byte
		want   string
	}{
		{"text", []byte("#!/bin/sh\n"), "file:x is no WebAssembly module that the gateway can run"},
		{"empty", nil, "file:x is no WebAssembly module"},
		{"cut", whole[:len(whole)/2], "file:x is no WebAssembly module"},
		{"no handler", []byte("\x00asm\x01\x00\x00\x00"), "file:x: "},
		{"unknown module", handler([]function{{"env", "print", two, nil}}, ""), "env.print"},
		{"unknown import", handler([]function{{"http_handler", "set_moon", two, nil}}, ""), "set_moon"},
		{"wrong signature", handler([]function{{"http_handler", "log", two, nil}}, ""), "log"},
		{"says nonsense", handler(nil, "{"), "gatehouse_describe: "},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := inspect.Module(t.Context(), host, "file:x", row.binary)
			if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v\nwant  %s", err, row.want)
			}
		})
	}
}
