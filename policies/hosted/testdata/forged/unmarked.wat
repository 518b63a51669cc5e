;; unmarked does not say which version it speaks.
(module
  (memory (export "memory") 1)
  (func (export "pol_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "pol_state") (param i32 i32) (result i32) (i32.const 0))
  (func (export "can_allocate") (param i32 i32 i32 i32)))
