// Command plain is a test filter on the bare http-wasm handler ABI, without
// the SDK: what somebody else's compiler would make.
package main

func main() {}
