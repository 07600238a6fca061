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
//  4. A trap, a call of proc_exit among them, ends the request: it fails with
//     503 (or goes on where the operator configured on_error: skip). What the
//     instance has remembered is gone: it is put back to the state of an
//     instance that has just returned from gatehouse_start, or replaced by a new
//     one. Instances of a filter that are put back share that state, the state
//     of pseudo-random generators included (math/rand): what must be unique
//     comes from random_get (crypto/rand). The host never puts a module back
//     that imports random_get and has no gatehouse_describe.
//
// get_config gives the operator's configuration as JSON, but a JSON string as its
// text alone, without quotes and escapes, and nothing at all where there is none:
// config: /private is the eight bytes /private, config: [1] the three bytes [1].
// A guest whose configuration may be a string as well as something else tells
// them apart by the first byte, and so must not want a string that begins like
// JSON.
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
// Authorization, Proxy-Authorization and X-API-Key are left out unless
// "headers.authorization" is granted, Cookie unless "headers.cookie" is;
// "headers.sensitive" is both. A header field that a key_policy of any filter
// names counts as X-API-Key, where it stands in that filter's configuration.
// The query is never hidden: a key in it is seen by all filters that run before
// the one that takes it out, so it is for clients that can do no better.
//
//	apply(buf, len) → status
//
// All changes of the request phase in one crossing: a list of operations, each
// a u8 ([Op]) followed by its operands. Either all are made or, where one is
// malformed, none. See the constants for the operands. Host cannot be changed;
// fields that carry credentials only with the grant to see them; attributes
// "claim.*" are the host's. Changes of the
// response's header are deferred: they are made when there is a response,
// whoever answers, in order. [OpReply] answers the request; handle_request
// then returns next = 0.
//
// All filters of a request together may change header fields 512 times (256 KiB
// of names and values, what they make of method and URI included), and set
// attributes 256 times (64 KiB): of a list that goes beyond, nothing is made
// ([StatusTooLarge]). The functions of http_handler trap there.
//
//	limit_policy(json, json_len) → handle
//
// Makes a rate limit of one or several windows:
//
//	{"windows": [{"rate": 100, "per_ns": 1000000000, "burst": 200}],
//	 "store": "local", "on_unavailable": "local"}
//
// rate requests per per_ns nanoseconds on average, burst at once, in every
// window. store is "local" (counted in this gateway) or "redis" (shared by all
// that use the operator's Redis or Valkey); on_unavailable says what counts
// while that cannot be reached: "local", "allow" or "deny". Only in
// gatehouse_start, at most 64. Equal policies of one filter share their counts
// over instances and reloads. Negative: refused, see last_error, which begins
// with the path of the field in the policy ("windows/0/burst: ...").
//
// There are 1 to [MaxLimitWindows] windows. rate is at least 1 and at most one
// per nanosecond, per_ns at most 366 days, burst 1 to 1,000,000,000, and what
// takes centuries to refill is refused. A shared limit counts in microseconds:
// per_ns is whole ones, and rate at most one in each. testdata/limit.json says
// what is counted, step by step.
//
//	limit_take(policy, key, key_len, cost, result) → status
//
// Takes cost from every window's bucket for key, or from none, atomically
// (GCRA). [StatusOK]: taken; [StatusLimited]: not taken; [StatusUnavailable]:
// the store cannot be reached and on_unavailable is "deny"; nothing was
// written then. Otherwise the host writes [LimitResultSize] bytes for each
// window to result, in the policy's order: u32 remaining, u32 milliseconds
// until the bucket is full again, u32 milliseconds until cost would be allowed
// by this window (0 when it is, 2^32-1 when it never will be because cost is
// larger than burst). cost 0 only looks, and is always allowed.
//
// The response fields RateLimit and RateLimit-Policy are lists that belong to
// all filters of a route together. The first that writes them replaces what
// the upstream sends ([OpSetResponseHeader]) and sets the attribute
// [AttributeLimitFields]; who finds the attribute adds ([OpAddResponseHeader]).
//
//	jwt_policy(json, json_len) → handle
//
// Says which tokens count, and which of their claims become attributes:
//
//	{"issuers": [
//	   {"issuer": "self", "audience": ["gatehouse"]},
//	   {"issuer": "https://idp.example", "audience": ["shop"],
//	    "jwks_uri": "https://idp.example/keys", "jwks_file": "",
//	    "algorithms": ["ES256"], "types": ["at+jwt"], "leeway": "5s",
//	    "required_claims": {"tenant": ["acme"], "org.id": []},
//	    "roles_claim": "realm_access.roles",
//	    "introspection": {"endpoint": "https://idp.example/introspect",
//	      "client_id": "gateway", "client_secret_file": "/run/secret",
//	      "cache": "30s", "allow_no_audience": false}}],
//	 "claims": ["tenant"],
//	 "challenge": "Bearer realm=\"shop\""}
//
// An issuer needs issuer and audience; "self" is Gatehouse's own, which takes
// required_claims beside them and nothing else. A token's iss chooses the
// issuer. Its keys are at jwks_uri, in jwks_file, or where its metadata says
// (OpenID Connect Discovery, RFC 8414). algorithms are by default all of RS,
// PS and ES256 to 512, and EdDSA; symmetric ones and "none" are refused, and a
// key verifies the one algorithm that it is pinned to. types are the accepted
// typ ("": none), by default that of access tokens (RFC 9068 §2.1). A claim of
// required_claims must be there and have one of the values; an empty list
// means any. Roles come from roles_claim alone. The scopes of other issuers
// are their scope or scp, without those that stand for more than themselves.
//
// challenge begins the challenge (RFC 6750 §3) that the gateway sends where the
// route needs somebody and nobody is there, or lacks a scope.
//
// introspection (RFC 7662) is asked about tokens that are not three parts in
// base64url, and about all where neither jwks_uri nor jwks_file is given. One
// issuer of a policy may have it. An answer counts for cache, never past the
// token's end.
//
// A name of a claim is a member of the claims, or members with dots between
// them. Strings, numbers and booleans become text; a list of them its items
// with commas between, without those that hold a comma.
//
// URLs, issuers whose metadata is needed, and files must stand, word for word,
// in the operator's configuration of the filter. Only in gatehouse_start, needs
// the grant "jwt". Negative: refused, see last_error, which begins with the
// path of the field in the policy ("issuers/0/audience: ...").
//
//	jwt_verify(policy, token, token_len) → status
//
// Verifies an access token on the host (signature, issuer, audience, type,
// times, revocation). token_len 0 means the request's own Authorization:
// Bearer, which the guest need not see. With [StatusOK] the host has set the
// request's principal, and the policy's claims as attributes "claim.NAME". A
// principal of another issuer than "self" meets the route's requirements, but
// no internal token is made for it: to our own services it is nobody.
// [StatusAbsent]: there is none. [StatusConflict]: the request has two
// Authorization fields, or another credential has set the principal already.
// [StatusForbidden]: the token is bound to a key (cnf, or the scheme DPoP),
// and bearer tokens alone are taken. [StatusUnavailable]: the issuer's keys or
// its answer cannot be had. Needs the grant "jwt".
//
//	key_policy(json, json_len) → handle
//
// Says where a key is and what it needs:
//
//	{"header": "X-API-Key", "cookie": "", "query": "", "scopes": []}
//
// An empty place is not looked at; the key must have all of scopes. Fields with
// a meaning of their own, such as Origin or User-Agent, hold no keys. Only in
// gatehouse_start, needs the grant "key". Negative: refused, see last_error.
//
//	key_verify(policy, key, key_len) → status
//
// Verifies an API key on the host; key_len 0 means the one in the request's
// places, which the guest need not see and which goes no further: the host
// takes it out of the request. [StatusForbidden]: the key is good but lacks a
// scope. Otherwise as jwt_verify. Needs the grant "key".
//
//	principal_get(field, field_len, buf, buf_limit) → len
//
// A field of the principal: kind, sub, iss (of another issuer's alone),
// client_id, sid, jti, scope (scopes separated by spaces), roles (likewise),
// credential ("key" or "token"). -1 where there is none.
//
//	attribute_get(name, name_len, buf, buf_limit) → len
//
// A value that an earlier filter left; -1 where there is none.
//
//	kv_get(key, key_len, buf, buf_limit) → len
//	kv_put(key, key_len, value, value_len, ttl_ms i64) → status
//	kv_delete(key, key_len) → status
//	kv_incr(key, key_len, delta i64, ttl_ms i64, result) → status
//
// A small memory that all instances of the filter in this gateway share, and
// that outlives reloads. Keys are 1 byte to 1 KiB, values up to 64 KiB. It
// holds at most limits.kv bytes, where an entry counts its key, its value and
// 128 bytes; a number that kv_incr has made counts as 20. Where a new value
// does not fit beside the others, they make room: those that have ended, then
// those that end first, at last those without an end; of what ends together,
// what was written first. kv_get is no writing. ttl_ms 0 never ends by itself;
// a negative one is [StatusBadArgument], as is an empty key.
//
// kv_get answers the length, or the negative [Status] ([StatusAbsent] where
// there is no such key). kv_put replaces value and time to live. kv_delete
// succeeds also where there is no such key. kv_incr adds to a decimal number (0
// where there is none), atomically, writes the sum to result as i64, and sets
// the time to live only of a key that it makes; [StatusBadArgument] where the
// value is no number or the sum overflows. [StatusTooLarge]: does not fit. They
// may be used at any time, also in gatehouse_start. Need the grant "kv".
//
//	metric_add(name, name_len, delta f64) → status
//
// Adds to the counter gatehouse_filter_custom_total{filter, name}, at any time.
// A name is 1 to 64 of a-z, 0-9 and underscore; a filter has at most 64
// ([StatusTooLarge]). delta is finite and not negative; 0 makes the counter.
// Needs the grant "metrics".
//
//	http_call(request, request_len, timeout_ms) → len
//	http_response(buf, buf_limit) → len
//
// Sends an HTTP request and waits for its answer, within limits.host_time for
// all waiting of one call into the guest, and within timeout_ms, where that is
// not 0. It ends early when the client hangs up. request is: string method,
// string URL, u32 number of header fields, for each: string name, string value;
// string body.
//
// The URL must begin with one that the operator lists under http.allow: the
// same scheme, host and port, and whole segments of the path
// ([StatusNotGranted]). It has no user, no fragment, no dot segments, no encoded
// slashes. Host, Content-Length and fields that are for one connection
// (Connection, Transfer-Encoding and so on) are the host's, CONNECT and TRACE
// are refused ([StatusBadArgument]). Redirects are answers like any other; they
// are not followed.
//
// The answer's encoding, of which http_call returns the length, is: u32 status,
// u32 number of fields, for each: string name (lower case), string value;
// string body. The body is at most 1 MiB and limits.body ([StatusTooLarge]);
// gzip is decoded where the filter has not asked for an encoding itself.
// http_response copies the answer as long as the call into the guest lasts and
// no other http_call is made; -1 where there is none. Negative: the negative
// [Status]; [StatusUnavailable] where there is no answer in time, see
// last_error. Needs the grant "http".
package filterv1
