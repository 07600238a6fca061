// Package filterv1 owns the written contract between the gateway and a
// WebAssembly filter: the host module gatehouse_v1, the exports that it calls,
// and the binary encoding that both sides share. Its constants and codec are
// the only code; gateway/wasm implements the host's side, sdk/filter the
// guest's.
//
// It leaves the plain request lifecycle to the http-wasm handler ABI (module
// http_handler, https://http-wasm.io/http-handler-abi/), which every filter
// speaks; gatehouse_v1 adds to it and replaces nothing.
//
// # Life of an instance
//
//  1. The host instantiates the module. A reactor's _initialize runs, or a
//     command's _start. A Go filter built with -buildmode=c-shared is a
//     reactor; its main never runs.
//  2. gatehouse_start() → i32, where the guest exports it: the guest reads its
//     configuration with http_handler.get_config and prepares. Zero means that
//     it is ready; anything else that it is not, and it says why with fail
//     before it returns. The policies of limits and tokens are made here.
//  3. handle_request() → i64 for each request, and handle_response(i32, i32)
//     for each response where the guest has a response phase. One instance
//     serves one request at a time and, with a response phase, one exchange
//     at a time.
//  4. A trap ends the instance. The request fails with 503 (or goes on where
//     the operator configured on_error: skip) and the instance is never called
//     again.
//
// gatehouse_describe() → i64, where the guest exports it, returns the address
// (upper 32 bits) and the length (lower 32 bits) of a JSON text that stays
// valid as long as the instance:
//
//	{
//	  "name": "ratelimit",
//	  "response_phase": false,
//	  "grants": ["jwt"],
//	  "config_schema": { … JSON Schema 2020-12 … }
//	}
//
// It may be called before gatehouse_start. A filter with "response_phase":
// false gives its instance back before the upstream is called, and its
// handle_response is never called. A module without the export has one.
//
// # Memory
//
// All memory belongs to the guest. Addresses and lengths are i32, read as
// unsigned. The host copies what it reads before the import returns, and
// writes only into the range that the guest passed. A range outside the
// memory traps. Where an import takes (buf, buf_limit) it returns the length
// of the whole value; if that is larger than buf_limit nothing was written and
// the guest may try again with a larger buffer.
//
// # Encoding
//
// Integers are little endian. A string is its length in bytes as u32, then the
// bytes; it need not be UTF-8. There is no padding.
//
// # Imports of module gatehouse_v1
//
//	fail(msg, msg_len)
//
// Says why gatehouse_start fails. The operator sees the text, so it names the
// field and what it should be. Outside gatehouse_start it is ignored.
//
//	last_error(buf, buf_limit) → len
//
// The host's explanation of the last import that answered with a refusal, for
// log lines and fail; never meant for clients.
//
//	request_snapshot(buf, buf_limit) → len
//
// The whole request head in one crossing:
//
//	u8     version, 1
//	string method, string URI (origin form as received), string scheme,
//	string host, string path (decoded and cleaned: what routing sees),
//	string query, string protocol ("HTTP/1.1")
//	string source address (without port), u32 source port,
//	16 bytes source address (IPv4 mapped into IPv6)
//	string route, string request id
//	u32    number of header fields, then for each: string name (lower case),
//	       string value
//
// Authorization, Proxy-Authorization, Cookie and X-API-Key are left out unless
// "headers.sensitive" is granted.
//
//	apply(buf, len) → status
//
// All changes of the request phase in one crossing: a list of operations, each
// a u8 ([Op]) followed by its operands. Either all are made or, where one is
// malformed, none. See the constants for the operands. Host cannot be changed;
// fields that carry credentials only with "headers.sensitive"; attributes
// "claim.*" are the host's. Changes of the
// response's header are deferred: they are made when there is a response,
// whoever answers, in order. [OpReply] answers the request; handle_request
// then returns next = 0.
//
//	limit_policy(rate i64, per_ns i64, burst i64) → handle
//
// Makes a rate limit: rate requests per per_ns nanoseconds on average, burst
// at once. Only in gatehouse_start. Equal policies of one filter share their
// counts over instances and reloads. Negative: refused.
//
//	limit_take(policy, key, key_len, cost, result) → status
//
// Takes cost from the limit's bucket for key, atomically (GCRA).
// [StatusOK]: taken; [StatusLimited]: not taken. The host writes
// [LimitResultSize] bytes to result: u32 remaining, u32 milliseconds until the
// bucket is full again, u32 milliseconds until cost would be allowed (0 when
// taken).
//
//	jwt_policy(json, json_len) → handle
//
// Says which tokens count: {"issuers":[{"issuer":"self","audience":["a"]}],
// "claims":["tenant"]}. Only in gatehouse_start, needs the grant "jwt".
// Negative: refused, see last_error.
//
//	jwt_verify(policy, token, token_len) → status
//
// Verifies an access token on the host (signature, issuer, audience, type,
// expiry, revocation). token_len 0 means the request's own Authorization:
// Bearer, which the guest need not see. With [StatusOK] the host has set the
// request's principal, and the policy's claims as attributes "claim.NAME".
// [StatusAbsent]: there is none. [StatusConflict]: another credential has set
// the principal already. Needs the grant "jwt".
//
//	key_verify(key, key_len) → status
//
// The same for an API key; key_len 0 means the request's X-API-Key. Needs the
// grant "key".
//
//	principal_get(field, field_len, buf, buf_limit) → len
//
// A field of the principal: kind, sub, client_id, sid, jti, scope (scopes
// separated by spaces), roles (likewise), credential ("key" or "token"). -1
// where there is none.
//
//	attribute_get(name, name_len, buf, buf_limit) → len
//
// A value that an earlier filter left; -1 where there is none.
package filterv1
