;; Copies the request's trailer "sum" to the header field "Seen", adds the
;; trailer "guest" to the request, and in handle_response the same to the
;; response, with its own trailer "sum" copied to the header.
(module
  (import "http_handler" "enable_features" (func $enable (param i32) (result i32)))
  (import "http_handler" "get_header_values" (func $get (param i32 i32 i32 i32 i32) (result i64)))
  (import "http_handler" "set_header_value" (func $set (param i32 i32 i32 i32 i32)))
  (import "http_handler" "add_header_value" (func $add (param i32 i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "Sum")
  (data (i32.const 16) "Seen")
  (data (i32.const 32) "guest")
  (data (i32.const 48) "was here")
  (func (export "_start")
    (if (i32.ne (call $enable (i32.const 7)) (i32.const 7)) (then unreachable)))
  (func $work (param $headers i32) (param $trailers i32)
    (local $r i64)
    (local.set $r (call $get (local.get $trailers) (i32.const 0) (i32.const 3) (i32.const 64) (i32.const 64)))
    (if (i64.eq (i64.shr_u (local.get $r) (i64.const 32)) (i64.const 1)) (then
      (call $set (local.get $headers) (i32.const 16) (i32.const 4)
        (i32.const 64) (i32.sub (i32.wrap_i64 (local.get $r)) (i32.const 1)))))
    (call $add (local.get $trailers) (i32.const 32) (i32.const 5) (i32.const 48) (i32.const 8)))
  (func (export "handle_request") (result i64)
    (call $work (i32.const 0) (i32.const 2))
    (i64.const 1))
  (func (export "handle_response") (param i32 i32)
    (call $work (i32.const 1) (i32.const 3))))
