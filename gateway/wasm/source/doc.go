// Package source owns where the modules of filters come from: it turns an
// entry of the gateway's configuration into bytes that have passed the entry's
// pin and signature, keeps copies of what it fetched, and bounds the folders
// in which derived files grow.
//
// It does not look into a module: what the bytes mean is gateway/wasm's, and
// the shape of the entry gateway/config's.
package source
