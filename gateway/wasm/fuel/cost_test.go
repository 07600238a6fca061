package fuel_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse.example/gateway/wasm/fuel"
)

const v128 = 0x7b

// times is code so many times.
func times(n int, x ...ins) []ins {
	var all []ins
	for range n {
		all = append(all, x...)
	}
	return all
}

// each is code for each of n.
func each(n int, of func(i int) []ins) []ins {
	var all []ins
	for i := range n {
		all = append(all, of(i)...)
	}
	return all
}

// with gives the first function of a module n locals.
func with(n int, w *wasm) *wasm {
	w.functions[0].locals = bytes.Repeat([]byte{i32}, n)
	return w
}

// wide has a function that gives n vectors, and one that takes them; code is
// that of the first function. Block type 8 passes them on.
func wide(n int, code []ins) *wasm {
	w := hand(code, nil, nil)
	many := bytes.Repeat([]byte{v128}, n)
	w.types = append(w.types, signature{many, many}, signature{nil, many}, signature{many, nil})
	w.functions[1] = function{typ: 9, code: times(n, op(append([]byte{0xfd, 12}, make([]byte, 16)...)...))}
	w.functions[2] = function{typ: 10}
	return w
}

func drop() ins { return op(0x1a) }

// TestDearToCompile refuses what would take the compiler long, and lets pass
// what is half as much.
func TestDearToCompile(t *testing.T) {
	set := func(i, locals int) []ins { return ops(index(0x20, 0), index(0x21, i%locals)) }
	get := func(i int) []ins { return ops(index(0x20, i), drop()) }
	end := free(0x0b)
	for _, c := range []struct {
		name string
		of   func(size int) *wasm // 1 or 2
		want string
	}{
		{"calls of many values", func(n int) *wasm { return wide(60, times(n*300, index(0x10, 1), index(0x10, 2))) }, "72000 values in calls"},
		{"blocks of many values", func(n int) *wasm {
			return wide(60, code(ops(index(0x10, 1)), times(n*250, block(2, 8)), times(n*250, end), ops(index(0x10, 2))))
		}, "values in calls"},
		{"branches of many values", func(n int) *wasm {
			return wide(60, code(ops(index(0x10, 1), block(2, 8)), times(n*500, i32c(0), index(0x0d, 0)), ops(end, index(0x10, 2))))
		}, "60240 values"},
		{"table of many labels", func(n int) *wasm {
			return hand(ops(block(2, voidBlock), i32c(0), op(append(uleb([]byte{0x0e}, uint64(n*9000)), make([]byte, n*9000+1)...)...), end))
		}, "18002 basic blocks"},
		{"calls over the table", func(n int) *wasm { return hand(times(n*3000, i32c(0), op(0x11, 0, 0))) }, "24000 basic blocks"},
		{"nested loops", func(n int) *wasm { return hand(code(times(n*80, block(3, voidBlock)), times(n*80, end))) }, "38640 basic blocks"},
		{"locals in loops", func(n int) *wasm {
			return with(1000, hand(code(times(n*14, block(3, voidBlock)), each(1000, get), times(n*14, end))))
		}, "values to carry"},
		{"locals behind branches", func(n int) *wasm {
			return with(500, hand(code(ops(block(2, voidBlock)), each(n*800, func(i int) []ins {
				return append(set(i, 500), index(0x20, 0), index(0x0d, 0))
			}), ops(end))))
		}, "800500 values to carry"},
		{"a high stack", func(n int) *wasm {
			return hand(code(times(300, i32c(0)), times(n*400, i32c(0), block(4, voidBlock), end), times(300, drop())))
		}, "values to carry"},
		{"large functions", func(n int) *wasm {
			return hand(times(n*100_000, i32c(0), drop())) // of 3 bytes
		}, "600001 bytes of code"},
		{"many large functions", func(n int) *wasm {
			large := times(n*8000, index(0x20, 0), index(0x0d, 0))
			return hand(large, large, large)
		}, "more large functions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := fuel.Instrument(c.of(2).encode(false), fuel.Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			about, err := fuel.Instrument(c.of(1).encode(false), fuel.Options{})
			if err != nil {
				t.Fatalf("half as much: %v", err)
			}
			if raceDetector {
				return // compiling is slow then
			}
			compiled, err := newRuntime(t).CompileModule(context.Background(), about.Binary)
			if err != nil {
				t.Fatalf("the module of this test is not valid: %v", err)
			}
			_ = compiled.Close(context.Background())
		})
	}
}

// TestRealModules instruments modules of other tools, and a large one of Go.
func TestRealModules(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/http-wasm/http-wasm-host-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := strings.TrimSpace(string(out))
	modules := map[string][]byte{"large": buildGuest(t, "gatehouse.example/gateway/wasm/fuel/testdata/large")}
	for _, pattern := range []string{"../../app/testdata/wild/*.wasm", filepath.Join(dir, "examples", "*.wasm"), filepath.Join(dir, "tck", "*.wasm")} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, f := range files {
			if modules[f], err = os.ReadFile(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, binary := range modules {
		if _, err := fuel.Instrument(binary, fuel.Options{Refill: true}); err != nil {
			t.Errorf("%s of %d bytes: %v", name, len(binary), err)
		}
	}
}
