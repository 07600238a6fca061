package wasm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/wasm/httpwasm"
)

type digest = [sha256.Size]byte

// module is a compiled module. Filters of the same bytes share it.
type module struct {
	digest   digest
	compiled wazero.CompiledModule
	users    int // guarded by Host.mu

	once sync.Once
	err  error
}

// acquireModule compiles binary, unless a filter uses it already. Each call
// must be met by one of releaseModule.
func (h *Host) acquireModule(ctx context.Context, binary []byte) (*module, error) {
	if int64(len(binary)) > h.options.MaxModuleBytes {
		return nil, fmt.Errorf("module: %d bytes are more than the allowed %d", len(binary), h.options.MaxModuleBytes)
	}
	d := sha256.Sum256(binary)
	h.mu.Lock()
	m := h.modules[d]
	if m == nil {
		m = &module{digest: d}
		h.modules[d] = m
	}
	m.users++
	h.mu.Unlock()

	// Others that want the same module wait here; others do not.
	m.once.Do(func() {
		workers := experimental.WithCompilationWorkers(ctx, runtime.GOMAXPROCS(0))
		if m.compiled, m.err = h.runtime.CompileModule(workers, binary); m.err != nil {
			m.err = fmt.Errorf("compile: %w", m.err)
		} else {
			m.err = checkModule(m.compiled)
		}
		if h.compiled.Add(1)%pruneEvery == 0 {
			h.pruneCache(ctx)
		}
	})
	if m.err != nil {
		return nil, errors.Join(m.err, h.releaseModule(ctx, m))
	}
	return m, nil
}

func (h *Host) releaseModule(ctx context.Context, m *module) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.users--; m.users > 0 {
		return nil
	}
	delete(h.modules, m.digest)
	if m.compiled == nil {
		return nil
	}
	return m.compiled.Close(ctx)
}

// checkModule checks imports and exports before anything runs.
func checkModule(c wazero.CompiledModule) error {
	known := []string{httpwasm.Module, filterv1.Module, "wasi_snapshot_preview1"}
	for _, f := range c.ImportedFunctions() {
		if from, name, _ := f.Import(); !slices.Contains(known, from) {
			return fmt.Errorf("the module imports %s.%s; filters may import from %s", from, name, strings.Join(known, ", "))
		}
	}
	if len(c.ImportedMemories()) > 0 {
		return errors.New("the module imports its memory; a filter brings its own")
	}
	if c.ExportedMemories()[filterv1.ExportMemory] == nil {
		return errors.New(`the module exports no memory named "memory"`)
	}
	i32, i64 := api.ValueTypeI32, api.ValueTypeI64
	for _, e := range []struct {
		name            string
		params, results []api.ValueType
		optional        bool
	}{
		{filterv1.ExportHandleRequest, nil, []api.ValueType{i64}, false},
		{filterv1.ExportHandleResponse, []api.ValueType{i32, i32}, nil, false},
		{filterv1.ExportDescribe, nil, []api.ValueType{i64}, true},
		{filterv1.ExportStart, nil, []api.ValueType{i32}, true},
	} {
		f := c.ExportedFunctions()[e.name]
		if f == nil {
			if e.optional {
				continue
			}
			return fmt.Errorf("the module exports no function %s: it is no http-wasm handler", e.name)
		}
		if !bytes.Equal(f.ParamTypes(), e.params) || !bytes.Equal(f.ResultTypes(), e.results) {
			return fmt.Errorf("the module's export %s has another signature than the ABI", e.name)
		}
	}
	return nil
}

// checkMemory refuses a module that starts with more than it may have. The
// runtime would panic.
func (m *module) checkMemory(limit int64) error {
	pages := m.compiled.ExportedMemories()[filterv1.ExportMemory].Min()
	if need := int64(pages) * pageBytes; need > limit {
		return fmt.Errorf("limits.memory: the module starts with %d bytes, the limit is %d", need, limit)
	}
	return nil
}
