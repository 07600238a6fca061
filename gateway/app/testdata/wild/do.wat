;; Does what its configuration says. That is a list of: operation, phase ('q' for
;; handle_request, 'p' for handle_response), kind ('0' to '3'), name, \01, value,
;; \02. The operations are set, Add and Remove of a header, Method, Uri, Code
;; (status), Body (write), and Next, which is left out: the guest answers.
(module
  (import "http_handler" "enable_features" (func $enable (param i32) (result i32)))
  (import "http_handler" "get_config" (func $config (param i32 i32) (result i32)))
  (import "http_handler" "set_header_value" (func $set (param i32 i32 i32 i32 i32)))
  (import "http_handler" "add_header_value" (func $add (param i32 i32 i32 i32 i32)))
  (import "http_handler" "remove_header" (func $remove (param i32 i32 i32)))
  (import "http_handler" "set_method" (func $method (param i32 i32)))
  (import "http_handler" "set_uri" (func $uri (param i32 i32)))
  (import "http_handler" "set_status_code" (func $status (param i32)))
  (import "http_handler" "write_body" (func $body (param i32 i32 i32)))
  (memory (export "memory") 1)
  (global $len (mut i32) (i32.const 0))
  (func (export "_start")
    (drop (call $enable (i32.const 7)))
    (global.set $len (call $config (i32.const 0) (i32.const 65536))))
  (func $find (param $i i32) (param $byte i32) (result i32)
    (loop $next
      (if (i32.ne (i32.load8_u (local.get $i)) (local.get $byte)) (then
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next))))
    (local.get $i))
  (func $number (param $i i32) (param $end i32) (result i32)
    (local $n i32)
    (loop $next
      (if (i32.lt_u (local.get $i) (local.get $end)) (then
        (local.set $n (i32.add (i32.mul (local.get $n) (i32.const 10))
          (i32.sub (i32.load8_u (local.get $i)) (i32.const 48))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next))))
    (local.get $n))
  (func $do (param $phase i32) (result i64)
    (local $next i64)
    (local $i i32) (local $op i32) (local $kind i32)
    (local $name i32) (local $name_end i32) (local $value i32) (local $end i32) (local $n i32)
    (local.set $next (i64.const 1))
    (block $done (loop $more
      (br_if $done (i32.ge_u (local.get $i) (global.get $len)))
      (local.set $op (i32.load8_u (local.get $i)))
      (local.set $kind (i32.sub (i32.load8_u offset=2 (local.get $i)) (i32.const 48)))
      (local.set $name (i32.add (local.get $i) (i32.const 3)))
      (local.set $name_end (call $find (local.get $name) (i32.const 1)))
      (local.set $value (i32.add (local.get $name_end) (i32.const 1)))
      (local.set $end (call $find (local.get $value) (i32.const 2)))
      (local.set $n (i32.sub (local.get $end) (local.get $value)))
      (if (i32.eq (i32.load8_u offset=1 (local.get $i)) (local.get $phase)) (then
        (if (i32.eq (local.get $op) (i32.const 83)) (then ;; S
          (call $set (local.get $kind) (local.get $name) (i32.sub (local.get $name_end) (local.get $name)) (local.get $value) (local.get $n))))
        (if (i32.eq (local.get $op) (i32.const 65)) (then ;; A
          (call $add (local.get $kind) (local.get $name) (i32.sub (local.get $name_end) (local.get $name)) (local.get $value) (local.get $n))))
        (if (i32.eq (local.get $op) (i32.const 82)) (then ;; R
          (call $remove (local.get $kind) (local.get $name) (i32.sub (local.get $name_end) (local.get $name)))))
        (if (i32.eq (local.get $op) (i32.const 77)) (then ;; M
          (call $method (local.get $value) (local.get $n))))
        (if (i32.eq (local.get $op) (i32.const 85)) (then ;; U
          (call $uri (local.get $value) (local.get $n))))
        (if (i32.eq (local.get $op) (i32.const 67)) (then ;; C
          (call $status (call $number (local.get $value) (local.get $end)))))
        (if (i32.eq (local.get $op) (i32.const 66)) (then ;; B
          (call $body (local.get $kind) (local.get $value) (local.get $n))))
        (if (i32.eq (local.get $op) (i32.const 78)) (then ;; N
          (local.set $next (i64.const 0))))))
      (local.set $i (i32.add (local.get $end) (i32.const 1)))
      (br $more)))
    (local.get $next))
  (func (export "handle_request") (result i64) (call $do (i32.const 113)))
  (func (export "handle_response") (param i32 i32) (drop (call $do (i32.const 112)))))
