package fuel_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"

	"gatehouse.example/gateway/wasm/fuel"
)

// dataModule has a page of memory and segments at offsets.
func dataModule(segments ...any) []byte {
	out := section([]byte("\x00asm\x01\x00\x00\x00"), 5, 1, []byte{0, 1})
	out = section(out, 7, 1, append(text(nil, "memory"), 2, 0))
	var entries []byte
	for i := 0; i < len(segments); i += 2 {
		entries = append(sleb(append(entries, 0, 0x41), int64(segments[i].(int))), 0x0b)
		entries = text(entries, segments[i+1].(string))
	}
	return section(out, 11, len(segments)/2, entries)
}

// TestDataIsJoined compares the memory that modules start with.
func TestDataIsJoined(t *testing.T) {
	for _, row := range []struct {
		name     string
		segments []any
	}{
		{"near", []any{8, "one", 16, "two", 30, "three"}},
		{"out of order", []any{300, "late", 8, "one", 16, "two"}},
		{"far apart", []any{8, "one", 5000, "two"}},
		{"overlapping", []any{8, "abcdef", 10, "ZZ", 9, "Y"}},
		{"empty ones", []any{8, "", 8, "one", 20, ""}},
		{"up to the end", []any{65530, "abc", 65533, "def"}},
		{"past the end", []any{65530, "abc", 65533, "defg"}},
		{"negative offset", []any{-1, "a", 4, "b"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRuntime(t)
			binary := dataModule(row.segments...)
			about, err := fuel.Instrument(binary, fuel.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(startMemory(t, r, binary), startMemory(t, r, about.Binary)); diff != "" {
				t.Error(diff)
			}
		})
	}
	many := make([]any, 0, 2000)
	for i := range 1000 {
		many = append(many, i*16, "12345678")
	}
	about, err := fuel.Instrument(dataModule(many...), fuel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r := newRuntime(t); startMemory(t, r, about.Binary) != startMemory(t, r, dataModule(many...)) {
		t.Error("the memories differ")
	}
	if n := len(about.Binary); n > 1000*16+200 {
		t.Errorf("1,000 segments are not joined: %d bytes", n)
	}
}

// startMemory is what a module's memory holds when it is made, or that it could
// not be made.
func startMemory(t *testing.T, r wazero.Runtime, binary []byte) string {
	t.Helper()
	ctx := context.Background()
	m, err := r.InstantiateWithConfig(ctx, binary, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		return "refused"
	}
	defer func() { _ = m.Close(ctx) }()
	content, _ := m.Memory().Read(0, m.Memory().Size())
	return string(content)
}
