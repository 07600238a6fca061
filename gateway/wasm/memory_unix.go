//go:build unix

package wasm

import "syscall"

// reserve maps anonymous memory; untouched pages cost nothing.
func reserve(size uint64) (memory []byte, free func()) {
	if size == 0 {
		return []byte{}, nil
	}
	p, err := syscall.Mmap(-1, 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, nil
	}
	return p, func() { _ = syscall.Munmap(p) }
}
