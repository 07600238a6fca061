package filter

import (
	"unsafe"

	"gatehouse.example/sdk/filter/internal/host"
)

// The module's state: WebAssembly exports are functions without a receiver.
var (
	running     *Instance
	description []byte
)

//go:wasmexport gatehouse_describe
func describe() uint64 {
	if registered == nil {
		panic("filter: the module does not call filter.Register from a package variable")
	}
	if description == nil {
		description = registered.Describe()
	}
	return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(description))))<<32 | uint64(len(description))
}

//go:wasmexport gatehouse_start
func start() uint32 {
	if registered == nil {
		host.Gateway{}.Fail("the module does not call filter.Register from a package variable")
		return 1
	}
	instance, err := Start(host.Gateway{}, registered)
	if err != nil {
		host.Gateway{}.Fail(err.Error())
		return 1
	}
	running = instance
	return 0
}

//go:wasmexport handle_request
func handleRequest() uint64 {
	if running.HandleRequest() == Next {
		return 1
	}
	return 0
}

//go:wasmexport handle_response
func handleResponse(_, failed uint32) {
	running.HandleResponse(failed != 0)
}
