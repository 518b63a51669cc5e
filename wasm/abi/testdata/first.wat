;; The smallest policy: nothing new on a node that is draining. Written against the ABI alone.
(module
  (import "host" "error" (func $error (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "needs column node_flags")
  (global $top (mut i32) (i32.const 1024)) ;; where free memory begins
  (global $nodes (mut i32) (i32.const 0))
  (global $flags (mut i32) (i32.const 0)) ;; where the values of node_flags are

  (func (export "pol_abi_1"))

  (func (export "pol_alloc") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $top))
    (global.set $top (i32.add (local.get $at) (local.get $size)))
    (block $enough
      (br_if $enough (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
      (br_if $enough (i32.ne (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get $size) (i32.const 65536)))) (i32.const -1)))
      (return (i32.const 0)))
    (local.get $at))

  (func (export "pol_state") (param $image i32) (param $length i32) (result i32)
    (local $entry i32) (local $left i32)
    (global.set $nodes (i32.load offset=16 (local.get $image)))
    (local.set $entry (i32.add (local.get $image) (i32.load16_u offset=6 (local.get $image)))) ;; header size
    (local.set $left (i32.load offset=32 (local.get $image)))                                  ;; columns
    (block $none
      (loop $next
        (br_if $none (i32.eqz (local.get $left)))
        (if (i32.eq (i32.load16_u (local.get $entry)) (i32.const 40)) ;; node_flags
          (then
            (global.set $flags (i32.add (local.get $image) (i32.load offset=4 (local.get $entry))))
            (return (i32.const 0))))
        (local.set $entry (i32.add (local.get $entry) (i32.const 12)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next)))
    (call $error (i32.const 16) (i32.const 23))
    (i32.const 1))

  (func (export "can_allocate") (param $shard i32) (param $copy i32) (param $question i32) (param $row i32)
    (local $node i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $node) (global.get $nodes)))
        (if (i32.and (i32.load8_u (i32.add (global.get $flags) (local.get $node))) (i32.const 2)) ;; draining
          (then
            (if (i32.lt_u (i32.load8_u (i32.add (local.get $row) (local.get $node))) (i32.const 0xc1)) ;; only stricter
              (then (i32.store8 (i32.add (local.get $row) (local.get $node)) (i32.const 0xc1)))))) ;; NO, reason 1
        (local.set $node (i32.add (local.get $node) (i32.const 1)))
        (br $next)))))
