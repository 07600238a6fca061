;; Multiple results, SIMD, bulk memory, sign extension, saturating conversion:
;; what compilers emit today. Answers "HTTP-WASM".
(module
  (import "http_handler" "write_body" (func $write_body (param i32 i32 i32)))
  (memory (export "memory") 1)
  (data $text "http-wasm")
  (func $pair (param i32) (result i32 i32)
    (i32.extend8_s (i32.const 0x100)) (local.get 0))
  (func (export "handle_request") (result i64)
    (local $mask v128)
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 64))
    (memory.init $text (i32.const 0) (i32.const 0) (i32.const 9))
    (memory.copy (i32.const 16) (i32.const 0) (i32.const 16))
    ;; take 32 from letters: bytes of 'a' and above
    (local.set $mask (i8x16.ge_u (v128.load (i32.const 16)) (i8x16.splat (i32.const 97))))
    (v128.store (i32.const 16) (i8x16.sub (v128.load (i32.const 16))
      (v128.and (local.get $mask) (i8x16.splat (i32.const 32)))))
    (call $write_body (i32.const 1)
      (i32.add (i32.const 16) (i32.trunc_sat_f64_s (f64.const 0.5)))
      (block (result i32) (call $pair (i32.const 9)) (i32.add)))
    (i64.const 0))
  (func (export "handle_response") (param i32 i32)))
