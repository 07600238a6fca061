;; Rewrites both bodies as a stream: reads 4096 bytes, inverts their bits, writes
;; them, reads the next.
(module
  (import "http_handler" "enable_features" (func $enable (param i32) (result i32)))
  (import "http_handler" "read_body" (func $read_body (param i32 i32 i32) (result i64)))
  (import "http_handler" "write_body" (func $write_body (param i32 i32 i32)))
  (memory (export "memory") 1)
  (func (export "_start") (drop (call $enable (i32.const 3))))
  (func $invert (param $kind i32)
    (local $r i64) (local $i i32) (local $n i32)
    (loop $next
      (local.set $r (call $read_body (local.get $kind) (i32.const 1024) (i32.const 4096)))
      (local.set $n (i32.wrap_i64 (local.get $r)))
      (local.set $i (i32.const 0))
      (loop $word ;; what lies behind n is not written
        (i64.store offset=1024 (local.get $i)
          (i64.xor (i64.const -1) (i64.load offset=1024 (local.get $i))))
        (local.set $i (i32.add (local.get $i) (i32.const 8)))
        (br_if $word (i32.lt_u (local.get $i) (local.get $n))))
      (call $write_body (local.get $kind) (i32.const 1024) (local.get $n))
      (br_if $next (i64.eqz (i64.shr_u (local.get $r) (i64.const 32))))))
  (func (export "handle_request") (result i64)
    (call $invert (i32.const 0))
    (i64.const 1))
  (func (export "handle_response") (param i32 i32)
    (call $invert (i32.const 1))))
