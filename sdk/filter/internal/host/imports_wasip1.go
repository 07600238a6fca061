package host

import "unsafe"

// The imports take addresses as unsafe.Pointer: they stay valid for the call
// only, which is all that the ABI asks for.

//go:wasmimport http_handler get_config
//go:noescape
func getConfig(buf unsafe.Pointer, limit uint32) uint32

//go:wasmimport http_handler enable_features
//go:noescape
func enableFeatures(features uint32) uint32

//go:wasmimport http_handler log
//go:noescape
func logMessage(level int32, p unsafe.Pointer, n uint32)

//go:wasmimport http_handler log_enabled
//go:noescape
func logEnabled(level int32) uint32

//go:wasmimport http_handler read_body
//go:noescape
func readBody(kind uint32, buf unsafe.Pointer, limit uint32) uint64

//go:wasmimport http_handler write_body
//go:noescape
func writeBody(kind uint32, p unsafe.Pointer, n uint32)

//go:wasmimport http_handler get_status_code
//go:noescape
func getStatusCode() uint32

//go:wasmimport http_handler set_status_code
//go:noescape
func setStatusCode(code uint32)

//go:wasmimport http_handler get_header_values
//go:noescape
func getHeaderValues(kind uint32, name unsafe.Pointer, nameLen uint32, buf unsafe.Pointer, limit uint32) uint64

//go:wasmimport http_handler set_header_value
//go:noescape
func setHeaderValue(kind uint32, name unsafe.Pointer, nameLen uint32, value unsafe.Pointer, valueLen uint32)

//go:wasmimport http_handler add_header_value
//go:noescape
func addHeaderValue(kind uint32, name unsafe.Pointer, nameLen uint32, value unsafe.Pointer, valueLen uint32)

//go:wasmimport http_handler remove_header
//go:noescape
func removeHeader(kind uint32, name unsafe.Pointer, nameLen uint32)

//go:wasmimport gatehouse_v1 fail
//go:noescape
func fail(p unsafe.Pointer, n uint32)

//go:wasmimport gatehouse_v1 last_error
//go:noescape
func lastError(buf unsafe.Pointer, limit uint32) uint32

//go:wasmimport gatehouse_v1 request_snapshot
//go:noescape
func requestSnapshot(buf unsafe.Pointer, limit uint32) uint32

//go:wasmimport gatehouse_v1 apply
//go:noescape
func apply(p unsafe.Pointer, n uint32) int32

//go:wasmimport gatehouse_v1 limit_policy
//go:noescape
func limitPolicy(p unsafe.Pointer, n uint32) int32

//go:wasmimport gatehouse_v1 limit_take
//go:noescape
func limitTake(policy int32, key unsafe.Pointer, keyLen, cost uint32, result unsafe.Pointer) int32

//go:wasmimport gatehouse_v1 jwt_policy
//go:noescape
func tokenPolicy(p unsafe.Pointer, n uint32) int32

//go:wasmimport gatehouse_v1 jwt_verify
//go:noescape
func tokenVerify(policy int32, token unsafe.Pointer, n uint32) int32

//go:wasmimport gatehouse_v1 key_policy
//go:noescape
func keyPolicy(p unsafe.Pointer, n uint32) int32

//go:wasmimport gatehouse_v1 key_verify
//go:noescape
func keyVerify(policy int32, key unsafe.Pointer, n uint32) int32

//go:wasmimport gatehouse_v1 kv_get
//go:noescape
func kvGet(key unsafe.Pointer, keyLen uint32, buf unsafe.Pointer, limit uint32) int32

//go:wasmimport gatehouse_v1 kv_put
//go:noescape
func kvPut(key unsafe.Pointer, keyLen uint32, value unsafe.Pointer, valueLen uint32, ttl int64) int32

//go:wasmimport gatehouse_v1 kv_delete
//go:noescape
func kvDelete(key unsafe.Pointer, keyLen uint32) int32

//go:wasmimport gatehouse_v1 kv_incr
//go:noescape
func kvIncr(key unsafe.Pointer, keyLen uint32, delta, ttl int64, result unsafe.Pointer) int32

//go:wasmimport gatehouse_v1 metric_add
//go:noescape
func metricAdd(name unsafe.Pointer, nameLen uint32, delta float64) int32

//go:wasmimport gatehouse_v1 http_call
//go:noescape
func httpCall(request unsafe.Pointer, n, timeout uint32) int32

//go:wasmimport gatehouse_v1 http_response
//go:noescape
func httpResponse(buf unsafe.Pointer, limit uint32) int32

//go:wasmimport gatehouse_v1 principal_get
//go:noescape
func principalGet(field unsafe.Pointer, fieldLen uint32, buf unsafe.Pointer, limit uint32) int32

//go:wasmimport gatehouse_v1 attribute_get
//go:noescape
func attributeGet(name unsafe.Pointer, nameLen uint32, buf unsafe.Pointer, limit uint32) int32
