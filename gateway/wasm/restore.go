package wasm

import (
	"bytes"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/wasm/guest"
)

// snapshotPage is the unit in which memory is kept and compared: what the
// system gives at once, so that a page that a guest has not touched stays so.
const snapshotPage = 4 << 10

// snapshot is the state of a filter's first instance after gatehouse_start:
// what another instance is put back to after a trap, which costs a fraction of
// a new one.
type snapshot struct {
	size uint32
	// pages are the memory's pages that hold anything, index says for each page
	// which of them it is, or noPage.
	pages   []byte
	index   []int32
	globals []uint64
	host    guest.State
}

// noPage marks a page of zeros.
const noPage = -1

// restorable reports whether memory and globals are all of an instance's
// state, and may be repeated. A module that changes tables or segments has
// more; so has one that has files. A stranger's module that has asked for
// random numbers while it started must not repeat them; the SDK says that its
// guests do.
func (f *wasmFilter) restorable() bool {
	return f.module.about.Restorable && len(f.folders) == 0 &&
		(f.module.describes || !f.module.about.ImportsRandom)
}

// takeSnapshot returns the state of an instance that has just started.
func (i *instance) takeSnapshot() *snapshot {
	memory, _ := i.memory.Read(0, i.memory.Size())
	s := &snapshot{size: i.memory.Size(), index: make([]int32, len(memory)/snapshotPage), host: i.Save()}
	var zeros [snapshotPage]byte
	for n := range s.index {
		s.index[n] = noPage
		if page := memory[n*snapshotPage:][:snapshotPage]; !bytes.Equal(page, zeros[:]) {
			s.index[n] = int32(len(s.pages) / snapshotPage)
			s.pages = append(s.pages, page...)
		}
	}
	s.globals = make([]uint64, len(i.globals))
	for n, g := range i.globals {
		s.globals[n] = g.Get()
	}
	return s
}

// restore puts i into the state of s and reports whether it could: a guest
// whose memory has grown cannot shrink, and one that has ended itself is gone.
func (s *snapshot) restore(i *instance) bool {
	if i.module.IsClosed() || i.memory.Size() != s.size {
		return false
	}
	memory, ok := i.memory.Read(0, s.size)
	if !ok {
		return false
	}
	var zeros [snapshotPage]byte
	for n, at := range s.index {
		want := zeros[:]
		if at != noPage {
			want = s.pages[int(at)*snapshotPage:][:snapshotPage]
		}
		// Looking first keeps pages unshared that nobody has written.
		if page := memory[n*snapshotPage:][:snapshotPage]; !bytes.Equal(page, want) {
			copy(page, want)
		}
	}
	for n, g := range i.globals {
		g.Set(s.globals[n])
	}
	i.Restore(s.host)
	i.guestContext, i.early, i.memoryRefused = 0, nil, false
	// New functions: the old ones keep the stack that a deep recursion has made.
	i.handleRequest = i.module.ExportedFunction(filterv1.ExportHandleRequest)
	i.handleResponse = i.module.ExportedFunction(filterv1.ExportHandleResponse)
	return true
}
