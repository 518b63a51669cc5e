// The row of a disk watermark, a filter and a spread: what a policy does all day. row.rs and row.ts are the same.
// With: clang-19 19.1.7
// Built: clang-19 --target=wasm32 -O2 -mbulk-memory -nostdlib -ffreestanding -fno-builtin -Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=16384 -o row_c.wasm row.c
#define EXPORT(name) __attribute__((export_name(name)))

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

static double used[1024], capacity[1024];
static u32 zone[1024], copies[1024];
static u8 flags[1024], row[1024];
static u32 count;

// fill invents nodes; the same in all languages.
EXPORT("fill") void fill(u32 n) {
  u64 x = 88172645463325252ull;
  count = n > 1024 ? 1024 : n;
  for (u32 i = 0; i < count; i++) {
    x ^= x << 13; x ^= x >> 7; x ^= x << 17;
    capacity[i] = 1000.0;
    used[i] = (double)(x % 1000);
    zone[i] = (u32)(x >> 20) % 3;
    copies[i] = (u32)(x >> 30) % 50;
    flags[i] = (u8)((x >> 40) % 8 == 0);
  }
}

EXPORT("row_at") u8 *row_at(void) { return row; }

static u8 stricter(u8 a, u8 b) { return a > b ? a : b; }

EXPORT("row") void decide(u32 shard) {
  u32 home = shard % 3;
  for (u32 i = 0; i < count; i++) {
    u8 v = 0;
    if (flags[i]) v = stricter(v, 0xc1);
    if (used[i] > capacity[i] * 0.95) v = stricter(v, 0xc2);
    else if (used[i] > capacity[i] * 0.85) v = stricter(v, 0x82);
    if (zone[i] == home) v = stricter(v, 0x43);
    if (copies[i] + shard % 7 > 45) v = stricter(v, 0xc4);
    row[i] = v;
  }
}

// hash sums a row up, so that languages can be compared with one number.
EXPORT("hash") u32 hash(void) {
  u32 h = 2166136261u;
  for (u32 i = 0; i < count; i++) h = (h ^ row[i]) * 16777619u;
  return h;
}

// fib calls a lot.
EXPORT("fib") u32 fib(u32 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

// spin loops a lot.
EXPORT("spin") u32 spin(u32 n) {
  u32 h = n;
  for (u32 i = 0; i < n; i++) { h ^= h << 13; h ^= h >> 17; h ^= h << 5; }
  return h;
}
