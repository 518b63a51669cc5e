;; pointer gives memory that it does not have.
(module
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 1024))
  (global $nodes (mut i32) (i32.const 0))
  (func (export "pol_abi_1"))
  (func (export "pol_alloc") (param $size i32) (result i32) (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 8)))
  (func (export "pol_state") (param $image i32) (param $length i32) (result i32)
    (global.set $nodes (i32.load offset=16 (local.get $image)))
    (i32.const 0))
  (func (export "can_allocate") (param $shard i32) (param $copy i32) (param $flags i32) (param $row i32)))
