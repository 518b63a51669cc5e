// The same as row.c.
// With: rustc 1.63.0, wasm-ld-19 19.1.7
// Built: rustc --edition 2021 --target wasm32-unknown-unknown --crate-type lib -C opt-level=3 -C panic=abort --emit obj -o row.o row.rs
// Built: wasm-ld-19 --no-entry --gc-sections --strip-all -z stack-size=16384 --stack-first --export=fill --export=row_at --export=row --export=hash --export=fib --export=spin --export=__heap_base --export=__data_end -o row_rust.wasm row.o
#![no_std]
#![no_main]

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

const MOST: usize = 1024;

struct Nodes {
    count: usize,
    used: [f64; MOST],
    capacity: [f64; MOST],
    zone: [u32; MOST],
    copies: [u32; MOST],
    flags: [u8; MOST],
    row: [u8; MOST],
}

static mut NODES: Nodes = Nodes {
    count: 0,
    used: [0.0; MOST],
    capacity: [0.0; MOST],
    zone: [0; MOST],
    copies: [0; MOST],
    flags: [0; MOST],
    row: [0; MOST],
};

#[no_mangle]
pub extern "C" fn fill(n: u32) {
    let s = unsafe { &mut NODES };
    let mut x: u64 = 88172645463325252;
    s.count = (n as usize).min(MOST);
    for i in 0..s.count {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        s.capacity[i] = 1000.0;
        s.used[i] = (x % 1000) as f64;
        s.zone[i] = (x >> 20) as u32 % 3;
        s.copies[i] = (x >> 30) as u32 % 50;
        s.flags[i] = ((x >> 40) % 8 == 0) as u8;
    }
}

#[no_mangle]
pub extern "C" fn row_at() -> *const u8 {
    unsafe { NODES.row.as_ptr() }
}

#[no_mangle]
pub extern "C" fn row(shard: u32) {
    let s = unsafe { &mut NODES };
    let home = shard % 3;
    for i in 0..s.count.min(MOST) {
        let mut v = 0u8;
        if s.flags[i] != 0 {
            v = v.max(0xc1);
        }
        if s.used[i] > s.capacity[i] * 0.95 {
            v = v.max(0xc2);
        } else if s.used[i] > s.capacity[i] * 0.85 {
            v = v.max(0x82);
        }
        if s.zone[i] == home {
            v = v.max(0x43);
        }
        if s.copies[i] + shard % 7 > 45 {
            v = v.max(0xc4);
        }
        s.row[i] = v;
    }
}

#[no_mangle]
pub extern "C" fn hash() -> u32 {
    let s = unsafe { &NODES };
    let mut h = 2166136261u32;
    for v in &s.row[..s.count.min(MOST)] {
        h = (h ^ *v as u32).wrapping_mul(16777619);
    }
    h
}

#[no_mangle]
pub extern "C" fn fib(n: u32) -> u32 {
    if n < 2 {
        n
    } else {
        fib(n - 1).wrapping_add(fib(n - 2))
    }
}

#[no_mangle]
pub extern "C" fn spin(n: u32) -> u32 {
    let mut h = n;
    for _ in 0..n {
        h ^= h << 13;
        h ^= h >> 17;
        h ^= h << 5;
    }
    h
}
