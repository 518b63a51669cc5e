// The same as row.c.
// With: asc 0.28.20
// Built: asc row.ts -O3 --runtime stub --noAssert --use abort= --exportStart _initialize -o row_as.wasm
const MOST: u32 = 1024;
const used = new StaticArray<f64>(MOST), capacity = new StaticArray<f64>(MOST);
const zone = new StaticArray<u32>(MOST), copies = new StaticArray<u32>(MOST);
const flags = new StaticArray<u8>(MOST), verdicts = new StaticArray<u8>(MOST);
let count: u32 = 0;

export function fill(n: u32): void {
  let x: u64 = 88172645463325252;
  count = n > MOST ? MOST : n;
  for (let i: u32 = 0; i < count; i++) {
    x ^= x << 13; x ^= x >> 7; x ^= x << 17;
    capacity[i] = 1000.0;
    used[i] = <f64>(x % 1000);
    zone[i] = <u32>(x >> 20) % 3;
    copies[i] = <u32>(x >> 30) % 50;
    flags[i] = <u8>((x >> 40) % 8 == 0);
  }
}

export function row_at(): usize { return changetype<usize>(verdicts); }

export function row(shard: u32): void {
  const home = shard % 3;
  for (let i: u32 = 0; i < count; i++) {
    let v: u8 = 0;
    if (flags[i]) v = max<u8>(v, 0xc1);
    if (used[i] > capacity[i] * 0.95) v = max<u8>(v, 0xc2);
    else if (used[i] > capacity[i] * 0.85) v = max<u8>(v, 0x82);
    if (zone[i] == home) v = max<u8>(v, 0x43);
    if (copies[i] + shard % 7 > 45) v = max<u8>(v, 0xc4);
    verdicts[i] = v;
  }
}

export function hash(): u32 {
  let h: u32 = 2166136261;
  for (let i: u32 = 0; i < count; i++) h = (h ^ verdicts[i]) * 16777619;
  return h;
}

export function fib(n: u32): u32 { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

export function spin(n: u32): u32 {
  let h = n;
  for (let i: u32 = 0; i < n; i++) { h ^= h << 13; h ^= h >> 17; h ^= h << 5; }
  return h;
}
