// Package bench owns what the gateway shows as a process among others: client,
// gateway and upstream are processes of their own, without the race detector,
// so that memory and time are the gateway's alone.
//
// Its tests assert what must hold on any machine (no request lost, memory
// bounded); figures are reported, by tests as log lines and by benchmarks.
// Benchmarks of single parts live beside those parts. By default the tests run
// a fraction of what GATEHOUSE_FULL=1 does.
package bench
