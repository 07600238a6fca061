package wasm

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm/fuel"
)

// moduleKey tells compiled modules apart: the bytes, and the limits that are
// compiled into them.
type moduleKey struct {
	digest [sha256.Size]byte
	tables uint32
	start  uint64
}

// module is a compiled module. Filters of the same key share it.
type module struct {
	key      moduleKey
	compiled wazero.CompiledModule
	// about says where the module keeps its fuel and its state; Binary is nil.
	about *fuel.Module
	// describes is whether it says of itself what it is.
	describes bool
	users     int // guarded by Host.mu

	once sync.Once
	err  error
}

// acquireModule compiles code, unless a filter uses it already. Each call
// must be met by one of releaseModule.
func (h *Host) acquireModule(ctx context.Context, code []byte, limits *filter.Limits) (*module, error) {
	if int64(len(code)) > limits.ModuleBytes {
		return nil, fmt.Errorf("limits.module: the module has %d bytes, the limit is %d", len(code), limits.ModuleBytes)
	}
	key := moduleKey{
		digest: sha256.Sum256(code),
		tables: uint32(min(limits.TableElements, math.MaxInt32)),
	}
	if hasStart(code) {
		key.start = fuel.Budget(limits.StartFuel, limits.CallDepth)
	}
	h.mu.Lock()
	m := h.modules[key]
	if m == nil {
		m = &module{key: key}
		h.modules[key] = m
	}
	m.users++
	h.mu.Unlock()

	// Others that want the same module wait here; others do not.
	m.once.Do(func() {
		m.err = h.compile(ctx, m, code)
		if h.compiled.Add(1)%pruneEvery == 0 {
			h.pruneCache(ctx)
		}
	})
	if m.err != nil {
		return nil, errors.Join(m.err, h.releaseModule(ctx, m))
	}
	return m, nil
}

// hasStart reports whether a module may have a start function. It is the one
// that runs before the host can set the counter, so that its budget is compiled
// in.
func hasStart(module []byte) bool {
	const header, sectionStart = 8, 8
	for rest := module[min(header, len(module)):]; len(rest) > 0; {
		size, n := binary.Uvarint(rest[1:])
		if rest[0] == sectionStart || n <= 0 || size > uint64(len(rest)-1-n) {
			return true // or it is none at all, which others will say
		}
		rest = rest[1+n+int(size):]
	}
	return false
}

// compile instruments and compiles a module, and checks what it asks for
// before anything of it runs.
func (h *Host) compile(ctx context.Context, m *module, code []byte) (err error) {
	defer func() {
		// A compiler that panics is the end of this module, not of the gateway.
		if r := recover(); r != nil {
			err = fmt.Errorf("compile: %v", r)
		}
	}()
	about, err := fuel.Instrument(code, fuel.Options{MaxTableElements: m.key.tables, Start: m.key.start, Refill: true})
	if err != nil {
		return fmt.Errorf("compile: %w", err)
	}
	if err := h.checkImports(about.Imports); err != nil {
		return err
	}
	if err := checkExports(about.Exports); err != nil {
		return err
	}
	workers := experimental.WithCompilationWorkers(ctx, runtime.GOMAXPROCS(0))
	if m.compiled, err = h.runtime.CompileModule(workers, about.Binary); err != nil {
		return fmt.Errorf("compile: %w", oneLine(err))
	}
	about.Binary = nil
	m.about = about
	m.describes = exports(about.Exports, filterv1.ExportDescribe)
	return nil
}

func (h *Host) releaseModule(ctx context.Context, m *module) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.users--; m.users > 0 {
		return nil
	}
	delete(h.modules, m.key)
	if m.compiled == nil {
		return nil
	}
	return m.compiled.Close(ctx)
}

// checkImports refuses what the host does not have, by name. All of WASI may
// be imported: without folders and sockets it reaches nothing.
func (h *Host) checkImports(imports []fuel.Import) error {
	for _, in := range imports {
		functions, known := h.imports[in.Module]
		switch {
		case !known:
			return fmt.Errorf("the module imports %s.%s; filters may import from %s", in.Module, in.Name, strings.Join(h.importModules(), ", "))
		case in.Kind == "memory":
			return errors.New("the module imports its memory; a filter brings its own")
		case in.Kind != "function":
			return fmt.Errorf("the module imports the %s %s.%s; there are only functions", in.Kind, in.Module, in.Name)
		case functions[in.Name] == "":
			return fmt.Errorf("the module imports %s.%s, which does not exist in this version", in.Module, in.Name)
		case functions[in.Name] != in.Type:
			return fmt.Errorf("the module imports %s.%s as %s, but it is %s", in.Module, in.Name, in.Type, functions[in.Name])
		}
	}
	return nil
}

func (h *Host) importModules() []string {
	names := make([]string, 0, len(h.imports))
	for name := range h.imports {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// signatures returns the functions of a host module as fuel writes them.
func signatures(m api.Module) map[string]string {
	found := map[string]string{}
	list := func(types []api.ValueType) string {
		names := make([]string, len(types))
		for i, t := range types {
			names[i] = api.ValueTypeName(t)
		}
		return "(" + strings.Join(names, ", ") + ")"
	}
	for name, f := range m.ExportedFunctionDefinitions() {
		found[name] = list(f.ParamTypes()) + " -> " + list(f.ResultTypes())
	}
	return found
}

func exports(all []fuel.Export, name string) bool {
	return slices.ContainsFunc(all, func(e fuel.Export) bool { return e.Name == name && e.Kind == "function" })
}

// checkExports refuses what is no handler.
func checkExports(all []fuel.Export) error {
	if !slices.ContainsFunc(all, func(e fuel.Export) bool { return e.Name == filterv1.ExportMemory && e.Kind == "memory" }) {
		return errors.New(`the module exports no memory named "memory"`)
	}
	for _, want := range []struct {
		name, signature string
		optional        bool
	}{
		{filterv1.ExportHandleRequest, "() -> (i64)", false},
		{filterv1.ExportHandleResponse, "(i32, i32) -> ()", false},
		{filterv1.ExportDescribe, "() -> (i64)", true},
		{filterv1.ExportStart, "() -> (i32)", true},
	} {
		i := slices.IndexFunc(all, func(e fuel.Export) bool { return e.Name == want.name && e.Kind == "function" })
		switch {
		case i < 0 && want.optional:
		case i < 0:
			return fmt.Errorf("the module exports no function %s: it is no http-wasm handler", want.name)
		case all[i].Type != want.signature:
			return fmt.Errorf("the module's export %s is %s, but the ABI wants %s", want.name, all[i].Type, want.signature)
		}
	}
	return nil
}

// checkMemory refuses a module that starts with more than it may have. The
// runtime would panic.
func (m *module) checkMemory(limit int64) error {
	if need := int64(m.about.MemoryMin) * pageBytes; need > limit {
		return fmt.Errorf("limits.memory: the module starts with %d bytes, the limit is %d", need, limit)
	}
	return nil
}
