package filtertest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// built is the module of the package under test, which is one for a test
// binary: go test runs it in the package's folder.
var built = sync.OnceValues(build)

// build compiles the package in the current folder for the gateway.
func build() ([]byte, error) {
	dir, err := os.MkdirTemp("", "filtertest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "filter.wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-buildmode=c-shared", "-o", out, ".")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS="+plainFlags(os.Getenv("GOFLAGS")))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go build as WebAssembly: %w\n%s", err, said.Bytes())
	}
	module, err := os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("the package is no filter: it has to be package main: %w", err)
	}
	if !bytes.HasPrefix(module, []byte("\x00asm")) {
		return nil, errors.New("the package is no filter: it has to be package main with filter.Register in a package variable")
	}
	return module, nil
}

// plainFlags leaves out what the race detector and coverage need: there is no
// such thing for WebAssembly.
func plainFlags(flags string) string {
	var kept []string
	for _, f := range strings.Fields(flags) {
		name := strings.TrimLeft(f, "-")
		if strings.HasPrefix(name, "race") || strings.HasPrefix(name, "cover") || strings.HasPrefix(name, "msan") || strings.HasPrefix(name, "asan") {
			continue
		}
		kept = append(kept, f)
	}
	return strings.Join(kept, " ")
}

// program finds the gatehouse command: where $GATEHOUSE_BIN says, in $PATH, or
// beside the SDK that the module is built with.
func program() (string, error) {
	if name := os.Getenv("GATEHOUSE_BIN"); name != "" {
		return exec.LookPath(name)
	}
	if name, err := exec.LookPath("gatehouse"); err == nil {
		return name, nil
	}
	if sdk, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "gatehouse.example/sdk").Output(); err == nil {
		name := filepath.Join(strings.TrimSpace(string(sdk)), "..", "bin", "gatehouse")
		if _, err := os.Stat(name); err == nil {
			return name, nil
		}
	}
	return "", errors.New("filtertest.Compiled runs the gatehouse command, which is not in $PATH: put it there, or its path into $GATEHOUSE_BIN (make build in the checkout makes bin/gatehouse)")
}

// moduleFile writes the module to a file of the test.
func moduleFile(t testing.TB) string {
	t.Helper()
	module, err := built()
	if err != nil {
		t.Fatalf("filtertest.Compiled: %v", err)
	}
	name := filepath.Join(t.TempDir(), "filter.wasm")
	if err := os.WriteFile(name, module, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
