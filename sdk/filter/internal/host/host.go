// Package host owns the calls from a filter to its gateway: in a WebAssembly
// guest the imports of http_handler and gatehouse_v1, in a native test
// whatever implements [Host].
//
// It leaves every meaning to sdk/filter; filtertest implements it in memory.
package host

import filterv1 "gatehouse.example/pluginspec/filter/v1"

// Kinds of header and body, as the http-wasm handler ABI numbers them.
const (
	KindRequest  = 0
	KindResponse = 1
)

// Features of the http-wasm handler ABI.
const (
	FeatureBufferRequest  = 1
	FeatureBufferResponse = 2
)

// Host is everything that a filter may ask of its gateway. The documentation
// of each method is pluginspec/filter/v1 and the http-wasm handler ABI.
type Host interface {
	Lifecycle
	Exchange
	Capabilities
	Services
	Messages
}

// Lifecycle is what a filter needs to start.
type Lifecycle interface {
	Config(buf []byte) int
	Fail(msg string)
	LastError(buf []byte) int
	EnableFeatures(features uint32) uint32
	LogEnabled(level int32) bool
	Log(level int32, msg string)
}

// Exchange is the request, in few crossings.
type Exchange interface {
	Snapshot(buf []byte) int
	Apply(ops []byte) filterv1.Status
	Principal(field string, buf []byte) int
	Attribute(name string, buf []byte) int
}

// Capabilities are limits and credentials.
type Capabilities interface {
	LimitPolicy(json []byte) int32
	LimitTake(policy int32, key []byte, cost uint32, result []byte) filterv1.Status
	TokenPolicy(json []byte) int32
	VerifyToken(policy int32, token string) filterv1.Status
	KeyPolicy(json []byte) int32
	VerifyKey(policy int32, key string) filterv1.Status
}

// Services are what a filter may remember, count and ask.
type Services interface {
	KVGet(key string, buf []byte) int
	KVPut(key string, value []byte, ttlMilliseconds int64) filterv1.Status
	KVDelete(key string) filterv1.Status
	KVIncr(key string, delta, ttlMilliseconds int64) (int64, filterv1.Status)
	MetricAdd(name string, delta float64) filterv1.Status
	HTTPCall(request []byte, timeoutMilliseconds uint32) int
	HTTPResponse(buf []byte) int
}

// Messages are bodies and the response, by the http-wasm handler ABI.
type Messages interface {
	ReadBody(kind uint32, buf []byte) (n int, eof bool)
	WriteBody(kind uint32, p []byte)
	StatusCode() uint32
	SetStatusCode(code uint32)
	HeaderValues(kind uint32, name string, buf []byte) (count, length int)
	SetHeader(kind uint32, name, value string)
	AddHeader(kind uint32, name, value string)
	RemoveHeader(kind uint32, name string)
}
