package host

import (
	"unsafe"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

// Gateway is the gateway that runs this guest.
type Gateway struct{}

var _ Host = Gateway{}

func bytesAt(p []byte) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.SliceData(p)), uint32(len(p))
}

func textAt(s string) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.StringData(s)), uint32(len(s))
}

// Config implements [Lifecycle].
func (Gateway) Config(buf []byte) int {
	p, n := bytesAt(buf)
	return int(getConfig(p, n))
}

// Fail implements [Lifecycle].
func (Gateway) Fail(msg string) {
	p, n := textAt(msg)
	fail(p, n)
}

// LastError implements [Lifecycle].
func (Gateway) LastError(buf []byte) int {
	p, n := bytesAt(buf)
	return int(lastError(p, n))
}

// EnableFeatures implements [Lifecycle].
func (Gateway) EnableFeatures(features uint32) uint32 { return enableFeatures(features) }

// LogEnabled implements [Lifecycle].
func (Gateway) LogEnabled(level int32) bool { return logEnabled(level) != 0 }

// Log implements [Lifecycle].
func (Gateway) Log(level int32, msg string) {
	p, n := textAt(msg)
	logMessage(level, p, n)
}

// Snapshot implements [Exchange].
func (Gateway) Snapshot(buf []byte) int {
	p, n := bytesAt(buf)
	return int(requestSnapshot(p, n))
}

// Apply implements [Exchange].
func (Gateway) Apply(ops []byte) filterv1.Status {
	p, n := bytesAt(ops)
	return filterv1.Status(apply(p, n))
}

// Principal implements [Exchange].
func (Gateway) Principal(field string, buf []byte) int {
	f, fn := textAt(field)
	p, n := bytesAt(buf)
	return int(principalGet(f, fn, p, n))
}

// Attribute implements [Exchange].
func (Gateway) Attribute(name string, buf []byte) int {
	f, fn := textAt(name)
	p, n := bytesAt(buf)
	return int(attributeGet(f, fn, p, n))
}

// LimitPolicy implements [Capabilities].
func (Gateway) LimitPolicy(json []byte) int32 {
	p, n := bytesAt(json)
	return limitPolicy(p, n)
}

// LimitTake implements [Capabilities].
func (Gateway) LimitTake(policy int32, key []byte, cost uint32, result []byte) filterv1.Status {
	p, n := bytesAt(key)
	return filterv1.Status(limitTake(policy, p, n, cost, unsafe.Pointer(unsafe.SliceData(result))))
}

// TokenPolicy implements [Capabilities].
func (Gateway) TokenPolicy(json []byte) int32 {
	p, n := bytesAt(json)
	return tokenPolicy(p, n)
}

// VerifyToken implements [Capabilities].
func (Gateway) VerifyToken(policy int32, token string) filterv1.Status {
	p, n := textAt(token)
	return filterv1.Status(tokenVerify(policy, p, n))
}

// KeyPolicy implements [Capabilities].
func (Gateway) KeyPolicy(json []byte) int32 {
	p, n := bytesAt(json)
	return keyPolicy(p, n)
}

// VerifyKey implements [Capabilities].
func (Gateway) VerifyKey(policy int32, key string) filterv1.Status {
	p, n := textAt(key)
	return filterv1.Status(keyVerify(policy, p, n))
}

// KVGet implements [Services].
func (Gateway) KVGet(key string, buf []byte) int {
	k, kn := textAt(key)
	p, n := bytesAt(buf)
	return int(kvGet(k, kn, p, n))
}

// KVPut implements [Services].
func (Gateway) KVPut(key string, value []byte, ttlMilliseconds int64) filterv1.Status {
	k, kn := textAt(key)
	p, n := bytesAt(value)
	return filterv1.Status(kvPut(k, kn, p, n, ttlMilliseconds))
}

// KVDelete implements [Services].
func (Gateway) KVDelete(key string) filterv1.Status {
	k, kn := textAt(key)
	return filterv1.Status(kvDelete(k, kn))
}

// KVIncr implements [Services].
func (Gateway) KVIncr(key string, delta, ttlMilliseconds int64) (int64, filterv1.Status) {
	var sum int64
	k, kn := textAt(key)
	status := kvIncr(k, kn, delta, ttlMilliseconds, unsafe.Pointer(&sum))
	return sum, filterv1.Status(status)
}

// MetricAdd implements [Services].
func (Gateway) MetricAdd(name string, delta float64) filterv1.Status {
	p, n := textAt(name)
	return filterv1.Status(metricAdd(p, n, delta))
}

// HTTPCall implements [Services].
func (Gateway) HTTPCall(request []byte, timeoutMilliseconds uint32) int {
	p, n := bytesAt(request)
	return int(httpCall(p, n, timeoutMilliseconds))
}

// HTTPResponse implements [Services].
func (Gateway) HTTPResponse(buf []byte) int {
	p, n := bytesAt(buf)
	return int(httpResponse(p, n))
}

// ReadBody implements [Messages].
func (Gateway) ReadBody(kind uint32, buf []byte) (int, bool) {
	p, n := bytesAt(buf)
	r := readBody(kind, p, n)
	return int(uint32(r)), r>>32 != 0
}

// WriteBody implements [Messages].
func (Gateway) WriteBody(kind uint32, body []byte) {
	p, n := bytesAt(body)
	writeBody(kind, p, n)
}

// StatusCode implements [Messages].
func (Gateway) StatusCode() uint32 { return getStatusCode() }

// SetStatusCode implements [Messages].
func (Gateway) SetStatusCode(code uint32) { setStatusCode(code) }

// HeaderValues implements [Messages].
func (Gateway) HeaderValues(kind uint32, name string, buf []byte) (count, length int) {
	f, fn := textAt(name)
	p, n := bytesAt(buf)
	r := getHeaderValues(kind, f, fn, p, n)
	return int(r >> 32), int(uint32(r))
}

// SetHeader implements [Messages].
func (Gateway) SetHeader(kind uint32, name, value string) {
	f, fn := textAt(name)
	p, n := textAt(value)
	setHeaderValue(kind, f, fn, p, n)
}

// AddHeader implements [Messages].
func (Gateway) AddHeader(kind uint32, name, value string) {
	f, fn := textAt(name)
	p, n := textAt(value)
	addHeaderValue(kind, f, fn, p, n)
}

// RemoveHeader implements [Messages].
func (Gateway) RemoveHeader(kind uint32, name string) {
	f, fn := textAt(name)
	removeHeader(kind, f, fn)
}
