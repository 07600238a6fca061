;; Imports nothing and answers with the default: 200 without a body.
(module
  (memory (export "memory") 1 1)
  (func (export "handle_request") (result i64) (i64.const 0))
  (func (export "handle_response") (param i32 i32) unreachable))
