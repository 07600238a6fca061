;; Reads the request's body in steps of 4096 bytes, without buffer_request, and
;; adds the number of its bytes to the request: X-Read, eight hexadecimal digits.
(module
  (import "http_handler" "read_body" (func $read_body (param i32 i32 i32) (result i64)))
  (import "http_handler" "set_header_value" (func $set (param i32 i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "X-Read")
  (data (i32.const 32) "0123456789abcdef")
  (func (export "handle_request") (result i64)
    (local $r i64) (local $n i32) (local $i i32)
    (loop $next
      (local.set $r (call $read_body (i32.const 0) (i32.const 1024) (i32.const 4096)))
      (local.set $n (i32.add (local.get $n) (i32.wrap_i64 (local.get $r))))
      (br_if $next (i64.eqz (i64.shr_u (local.get $r) (i64.const 32)))))
    (local.set $i (i32.const 8))
    (loop $digit
      (local.set $i (i32.sub (local.get $i) (i32.const 1)))
      (i32.store8 offset=16 (local.get $i)
        (i32.load8_u offset=32 (i32.and (local.get $n) (i32.const 15))))
      (local.set $n (i32.shr_u (local.get $n) (i32.const 4)))
      (br_if $digit (local.get $i)))
    (call $set (i32.const 0) (i32.const 0) (i32.const 6) (i32.const 16) (i32.const 8))
    (i64.const 1))
  (func (export "handle_response") (param i32 i32)))
