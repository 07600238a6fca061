;; A command, not a reactor, with more exports than needed and a memory without
;; maximum. It enables both buffers only for the request, copies the request's
;; body byte by byte and the response's too, and checks what it is given back.
(module
  (import "http_handler" "enable_features" (func $enable (param i32) (result i32)))
  (import "http_handler" "read_body" (func $read_body (param i32 i32 i32) (result i64)))
  (import "http_handler" "write_body" (func $write_body (param i32 i32 i32)))
  (import "http_handler" "get_status_code" (func $status (result i32)))
  (import "http_handler" "set_status_code" (func $set_status (param i32)))
  (memory (export "memory") 1)
  (table (export "table") 2 funcref)
  (global (export "started") (mut i32) (i32.const 0))
  (func (export "_start")
    (global.set 0 (i32.add (global.get 0) (i32.const 1))))
  (func (export "malloc") (param i32) (result i32) (i32.const 4096))
  (func $copy (param $kind i32)
    (local $r i64)
    (loop $next
      (local.set $r (call $read_body (local.get $kind) (i32.const 7) (i32.const 1)))
      (call $write_body (local.get $kind) (i32.const 7) (i32.wrap_i64 (local.get $r)))
      (br_if $next (i64.eqz (i64.shr_u (local.get $r) (i64.const 32))))))
  (func (export "handle_request") (result i64)
    (if (i32.ne (global.get 0) (i32.const 1)) (then unreachable))
    (if (i32.ne (call $enable (i32.const 3)) (i32.const 3)) (then unreachable))
    (call $copy (i32.const 0))
    (i64.const 0x8000000700000001))
  (func (export "handle_response") (param $context i32) (param $failed i32)
    (if (i32.ne (local.get $context) (i32.const 0x80000007)) (then unreachable))
    (if (i32.eqz (local.get $failed)) (then
      (call $copy (i32.const 1))
      (call $set_status (i32.add (call $status) (i32.const 2)))))))
