;; The smallest actor: each call of "next" gives the next number. Written against the ABI alone.
(module
  (import "act" "get"   (func $get   (param i32 i32 i32 i32) (result i32)))
  (import "act" "put"   (func $put   (param i32 i32 i32 i32)))
  (import "act" "reply" (func $reply (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "n") ;; the key; at 32 the count, before 96 its digits, from 4096 on the inbox

  (func (export "act_abi_1"))

  (func (export "act_inbox") (param $size i32) (result i32)
    (select (i32.const 4096) (i32.const 0) (i32.le_u (local.get $size) (i32.const 61440))))

  (func (export "act_handle") (param $event i32) (param $length i32) (result i32)
    (local $count i64) (local $at i32)
    (drop (call $get (i32.const 16) (i32.const 1) (i32.const 32) (i32.const 8))) ;; of a new actor nothing is written: memory is 0 there, since it is put back after each message
    (local.set $count (i64.add (i64.load (i32.const 32)) (i64.const 1)))
    (i64.store (i32.const 32) (local.get $count))
    (call $put (i32.const 16) (i32.const 1) (i32.const 32) (i32.const 8))
    (local.set $at (i32.const 96))
    (loop $digit
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.wrap_i64 (i64.add (i64.const 48) (i64.rem_u (local.get $count) (i64.const 10)))))
      (local.set $count (i64.div_u (local.get $count) (i64.const 10)))
      (br_if $digit (i64.ne (local.get $count) (i64.const 0))))
    (call $reply (local.get $at) (i32.sub (i32.const 96) (local.get $at)))
    (i32.const 0)))
