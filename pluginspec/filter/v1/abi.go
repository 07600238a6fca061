package filterv1

// Names of the host modules that a filter may import from.
const (
	Module     = "gatehouse_v1"
	ModuleHTTP = "http_handler"
)

// Names of the imports of [Module].
const (
	ImportFail            = "fail"
	ImportLastError       = "last_error"
	ImportRequestSnapshot = "request_snapshot"
	ImportApply           = "apply"
	ImportLimitPolicy     = "limit_policy"
	ImportLimitTake       = "limit_take"
	ImportTokenPolicy     = "jwt_policy"
	ImportTokenVerify     = "jwt_verify"
	ImportKeyPolicy       = "key_policy"
	ImportKeyVerify       = "key_verify"
	ImportKVGet           = "kv_get"
	ImportKVPut           = "kv_put"
	ImportKVDelete        = "kv_delete"
	ImportKVIncr          = "kv_incr"
	ImportMetricAdd       = "metric_add"
	ImportHTTPCall        = "http_call"
	ImportHTTPResponse    = "http_response"
	ImportPrincipalGet    = "principal_get"
	ImportAttributeGet    = "attribute_get"
)

// Names of the exports of a filter. HandleRequest, HandleResponse and Memory
// are required by the http-wasm handler ABI.
const (
	ExportStart          = "gatehouse_start"
	ExportDescribe       = "gatehouse_describe"
	ExportHandleRequest  = "handle_request"
	ExportHandleResponse = "handle_response"
	ExportMemory         = "memory"
)

// Grants name the capabilities that an operator gives to a filter.
const (
	// GrantToken allows jwt_policy and jwt_verify, and thereby to set the
	// principal.
	GrantToken = "jwt"
	// GrantKey allows key_policy and key_verify, and thereby to set the
	// principal.
	GrantKey = "key"
	// GrantAuthorization lets the filter see and change Authorization,
	// Proxy-Authorization and X-API-Key.
	GrantAuthorization = "headers.authorization"
	// GrantCookie lets the filter see and change Cookie and Set-Cookie.
	GrantCookie = "headers.cookie"
	// GrantSensitiveHeaders is GrantAuthorization and GrantCookie.
	GrantSensitiveHeaders = "headers.sensitive"
	// GrantRequestBody lets the filter read and replace the request's body.
	GrantRequestBody = "body.request"
	// GrantResponseBody lets the filter read and replace the body of a response
	// that is not its own.
	GrantResponseBody = "body.response"
	// GrantBody is GrantRequestBody and GrantResponseBody.
	GrantBody = "body"
	// GrantKV allows kv_get, kv_put, kv_delete and kv_incr.
	GrantKV = "kv"
	// GrantMetrics allows metric_add.
	GrantMetrics = "metrics"
	// GrantHTTP allows http_call, to the addresses that the operator lists.
	GrantHTTP = "http"
)

// Grants lists all of them.
func Grants() []string {
	return []string{
		GrantToken, GrantKey, GrantAuthorization, GrantCookie, GrantSensitiveHeaders,
		GrantRequestBody, GrantResponseBody, GrantBody, GrantKV, GrantMetrics, GrantHTTP,
	}
}

// Status is what an import answers.
type Status int32

// The values of [Status].
const (
	// StatusOK: done, allowed, verified.
	StatusOK Status = 0
	// StatusAbsent: the request carries no such credential.
	StatusAbsent Status = 1
	// StatusInvalid: the credential is malformed, unknown, not signed by a
	// known key, or not meant for this gateway.
	StatusInvalid Status = 2
	// StatusExpired: the credential was good once.
	StatusExpired Status = 3
	// StatusRevoked: the credential, or what it stands on, was revoked.
	StatusRevoked Status = 4
	// StatusConflict: the request carries more than one credential.
	StatusConflict Status = 5
	// StatusLimited: the rate limit is used up.
	StatusLimited Status = 6
	// StatusUnavailable: the host cannot tell now (the authority is down).
	StatusUnavailable Status = 7
	// StatusNotGranted: the operator has not granted the capability.
	StatusNotGranted Status = 8
	// StatusBadArgument: the operand is malformed, the handle is unknown, or
	// the import is not allowed in this phase.
	StatusBadArgument Status = 9
	// StatusForbidden: the credential is good, but not for this.
	StatusForbidden Status = 10
	// StatusTooLarge: the value does not fit.
	StatusTooLarge Status = 11
)

// String returns the status in lower case words.
func (s Status) String() string {
	names := [...]string{"ok", "absent", "invalid", "expired", "revoked", "conflict", "limited", "unavailable", "not granted", "bad argument", "forbidden", "too large"}
	if s < 0 || int(s) >= len(names) {
		return "unknown status"
	}
	return names[s]
}

// Op is an operation of apply.
type Op uint8

// The operations of apply, with their operands.
const (
	OpSetHeader            Op = 1  // name, value: replace a request header field
	OpAddHeader            Op = 2  // name, value: append a request header field
	OpRemoveHeader         Op = 3  // name: remove a request header field
	OpSetMethod            Op = 4  // method
	OpSetURI               Op = 5  // URI in origin form
	OpSetAttribute         Op = 6  // name, value
	OpSetResponseHeader    Op = 7  // name, value: replace, deferred
	OpAddResponseHeader    Op = 8  // name, value: append, deferred
	OpRemoveResponseHeader Op = 9  // name: remove, deferred
	OpMergeResponseHeader  Op = 10 // name, element: add to the list unless it is there, deferred
	OpReply                Op = 11 // u32 status, string content type (empty: none), string body
)

// SnapshotVersion is the first byte of a request snapshot.
const SnapshotVersion = 1

// LimitResultSize is the number of bytes that limit_take writes for each window
// of the policy.
const LimitResultSize = 12

// MaxLimitWindows bounds the windows of one limit policy.
const MaxLimitWindows = 8

// Bounds of what a filter remembers.
const (
	// MaxKVKeyBytes is the length of a key.
	MaxKVKeyBytes = 1 << 10
	// MaxKVValueBytes is the length of a value.
	MaxKVValueBytes = 64 << 10
	// KVEntryBytes is what an entry counts besides its key and its value.
	KVEntryBytes = 128
	// KVNumberBytes is what the value of an entry that kv_incr has made counts.
	KVNumberBytes = 20
)

// Bounds of metric_add.
const (
	// MaxMetrics is the number of counters of a filter.
	MaxMetrics = 64
	// MaxMetricNameBytes is the length of a counter's name.
	MaxMetricNameBytes = 64
)

// AttributeLimitFields is the attribute that says that a filter has written
// RateLimit and RateLimit-Policy: others add to them.
const AttributeLimitFields = "ratelimit.fields"

// Absent is what principal_get and attribute_get return where there is no
// value.
const Absent int32 = -1
