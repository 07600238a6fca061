// Package kitv1 owns the protocol between a filter's test and the gateway's
// filter host: what sdk/filter/filtertest writes to `gatehouse filter test
// FILE.wasm --protocol`, and what it reads back.
//
// It leaves the contract between that host and the filter to filter/v1, and
// what a test makes of an answer to the kit.
//
// # Course
//
// Each line on standard input is one [Command], each on standard output one
// [Event], JSON in UTF-8 without line breaks. The first command starts the
// filter; each further one is answered by one event before the next is read.
// The end of the input ends the process. A process that cannot go on writes an
// event with an error and exits with a code other than 0.
//
//	→ {"protocol":1,"start":{"config":{"header":"X-Hi"},"grants":["kv"]}}
//	← {"started":{"name":"hello","response_phase":false,"needs":["kv"]}}
//	→ {"request":{"method":"GET","uri":"/"}}
//	← {"result":{"request":{"method":"GET","uri":"/","header":{"X-Hi":["hello"]}},"response":{"status":200},"fuel":912}}
//	→ {"advance_ns":60000000000}
//	← {}
//
// Unknown members are ignored by both sides; a change that would be
// misunderstood gets another [Version].
package kitv1
