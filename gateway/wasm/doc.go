// Package wasm owns the running of WebAssembly filters: it compiles modules
// once, keeps bounded pools of instances with bounded memory, calls them for
// requests and responses, and replaces what has trapped. [Host] implements
// filter.Builder.
//
// The core knows no ABI: httpwasm and extension add the host modules that
// guests import, on what guest says of an instance; capability does the work
// that guests only ask for. The order of filters and the meaning of a failure
// are gateway/filter's; who may pass is the route's require.
//
// A guest's CPU time is not bounded yet: fuel instrumentation comes with its
// own package (fuel), and Limits.Fuel is kept for it. Until then a guest that
// does not return holds one goroutine and one instance; filters are therefore
// only as trusted as their author.
package wasm
