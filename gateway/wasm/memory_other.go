//go:build !unix

package wasm

// reserve takes memory from Go's heap where there is no mmap.
func reserve(size uint64) (memory []byte, free func()) {
	return make([]byte, size), nil
}
