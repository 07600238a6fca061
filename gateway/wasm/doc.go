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
// What a guest may use is metered: its CPU time by fuel (gateway/wasm/fuel),
// its memory by an allocator, its waiting by one deadline for each call. A
// guest that goes too far loses that one request; its instance is put back to
// its first state, or another takes its place, while the next request goes on.
package wasm
