package wasm

import (
	"github.com/tetratelabs/wazero/experimental"
)

const pageBytes = 64 << 10

// allocator gives one instance its linear memory, outside Go's heap and up to
// a limit. Address space is reserved once, so that memory never moves; the
// system provides pages when the guest touches them. Growing past the limit
// fails in the guest as memory.grow does.
type allocator struct {
	limit int64
	// refused is set when memory was asked for and not given.
	refused *bool
}

var _ experimental.MemoryAllocator = allocator{}

// Allocate implements experimental.MemoryAllocator.
func (a allocator) Allocate(_, most uint64) experimental.LinearMemory {
	m := &linearMemory{limit: min(uint64(a.limit), most), refused: a.refused}
	m.reserved, m.free = reserve(m.limit)
	return m
}

type linearMemory struct {
	limit    uint64
	refused  *bool
	reserved []byte
	free     func()
}

var _ experimental.LinearMemory = (*linearMemory)(nil)

// Reallocate implements experimental.LinearMemory.
func (m *linearMemory) Reallocate(size uint64) []byte {
	if size > m.limit || size > uint64(len(m.reserved)) {
		*m.refused = true
		return nil
	}
	return m.reserved[:size:len(m.reserved)]
}

// Free implements experimental.LinearMemory.
func (m *linearMemory) Free() {
	if m.free != nil {
		m.free()
		m.free, m.reserved = nil, nil
	}
}
