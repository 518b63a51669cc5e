;; remain traps when it is asked whether copies may remain, and has every node take new ones.
(module
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 1024))
  (func (export "pol_abi_1"))
  (func (export "pol_alloc") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $top))
    (global.set $top (i32.add (global.get $top) (local.get $size)))
    (drop (memory.grow (i32.add (i32.shr_u (local.get $size) (i32.const 16)) (i32.const 1))))
    (local.get $at))
  (func (export "pol_state") (param $image i32) (param $length i32) (result i32) (i32.const 0))
  (func (export "can_remain") (param $shard i32) (param $copy i32) (param $flags i32) (param $row i32) unreachable))
