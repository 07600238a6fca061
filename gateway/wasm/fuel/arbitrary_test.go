package fuel_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"gatehouse.example/gateway/wasm/fuel"
)

// checkArbitrary instruments any bytes. Whether they are a module, the runtime
// must say the same before and after; what only our limits refuse is allowed.
func checkArbitrary(t *testing.T, r wazero.Runtime, binary []byte) (valid bool) {
	t.Helper()
	about, err := fuel.Instrument(binary, fuel.Options{})
	var problem *fuel.Error
	if err != nil {
		if !errors.As(err, &problem) || problem.Offset < 0 || problem.Offset > len(binary) {
			t.Fatalf("error %v, want one with an offset within %d bytes", err, len(binary))
		}
		if limited(err) || len(binary) > 1<<16 {
			// Nor is the runtime asked: it would allocate what we refuse.
			return false
		}
		if c, wrong := compile(r, binary); wrong == nil {
			_ = c.Close(context.Background())
			t.Fatalf("refused what the runtime accepts: %v\n%x", err, binary)
		}
		return false
	}
	before, wrong := compile(r, binary)
	after, still := compile(r, about.Binary)
	if (wrong == nil) != (still == nil) {
		t.Fatalf("before: %v\nafter: %v\n%x\n%x", wrong, still, binary, about.Binary)
	}
	if wrong != nil {
		return false
	}
	_ = before.Close(context.Background())
	_ = after.Close(context.Background())
	return true
}

func compile(r wazero.Runtime, binary []byte) (c wazero.CompiledModule, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("the runtime panics")
		}
	}()
	return r.CompileModule(context.Background(), binary)
}

// limited says that an error may refuse what the runtime would accept: our
// limits, sizes that do not fit, and what of later proposals its reader passes.
func limited(err error) bool {
	for _, s := range []string{"allowed", "do not fit", "does not fit", "is unknown", "constant expression", "of form"} {
		if strings.Contains(err.Error(), s) {
			return true
		}
	}
	return false
}

// mutate changes a few bytes of a generated module.
func mutate(random *rand.Rand, binary []byte) []byte {
	for range random.IntN(3) {
		i := random.IntN(len(binary))
		switch random.IntN(4) {
		case 0:
			binary[i] = byte(random.Uint32())
		case 1:
			binary[i] ^= 1 << random.IntN(8)
		case 2:
			binary = append(binary[:i], binary[i+1:]...)
		case 3:
			binary = binary[:i+1]
		}
		if len(binary) == 0 {
			return nil
		}
	}
	return binary
}

func TestArbitrary(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	r := newRuntime(t)
	modules := 3000
	if raceDetector {
		modules = 250
	}
	valid, data := 0, make([]byte, 80)
	for range modules {
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		if checkArbitrary(t, r, mutate(random, generate(data).encode(random.IntN(2) == 0))) {
			valid++
		}
	}
	if valid < modules/6 || valid > modules*5/6 {
		t.Errorf("%d of %d mutated modules are valid: want some of each", valid, modules)
	}
}

func FuzzArbitrary(f *testing.F) {
	random := rand.New(rand.NewPCG(8, 8))
	for range 20 {
		data := make([]byte, 100)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		f.Add(generate(data).encode(false))
	}
	r := newRuntime(f)
	f.Fuzz(func(t *testing.T, binary []byte) { checkArbitrary(t, r, binary) })
}
