//! troupe.rs: a placement policy in Rust, ABI version 1. The whole SDK is this file: put it beside your own as a module.
//!
//! ```text
//! #![cfg_attr(target_arch = "wasm32", no_std)]
//! #[macro_use]
//! mod troupe;
//! use troupe::*;
//!
//! policy!("manifest.json");
//!
//! rule!(can_allocate, |q, row| {
//!     for n in 0..nodes() {
//!         if attribute(n, "class") == "spot" {
//!             row.say(n, NO, 1);
//!         }
//!     }
//! });
//!
//! explain!(|capability, q, node, answer, out| { why!(out, "node {} is a spot node", node_name(node)) });
//! ```
//!
//! What happens:
//!
//! ```text
//! host                                 this file                               your file
//! pol_configure(JSON) ───────────────► reads the settings ───────────────────► prepare, if policy! names one
//! pol_state(image) ──────────────────► finds the columns that the manifest needs ─► prepare
//! can_allocate(shard, copy, flags, row) ─────────────────────────────────────► rule!(can_allocate, …)
//! ```
//!
//! Columns of the state are functions of their names. Those that the manifest does not need have no rows: reading them
//! panics, in a native test as in the cluster, and a panic is a trap.
//!
//! Built for Wasm by rustc alone or by cargo; see the scaffold. Natively it is std, with World for tests.
#![allow(unknown_lints, dead_code, unused_macros, static_mut_refs, clippy::all)]

use core::ptr::addr_of_mut;

// ---- words of the ABI ----

/// Verdicts, from mild to strict.
pub const YES: u8 = 0;
pub const NOT_PREFERRED: u8 = 1;
pub const THROTTLE: u8 = 2;
pub const NO: u8 = 3;

/// Capabilities, as explain! gets them.
pub const ALLOCATE: i32 = 0;
pub const REMAIN: i32 = 1;
pub const REBALANCE: i32 = 2;
pub const PROMOTE: i32 = 3;
pub const START: i32 = 4;
pub const SCORE: i32 = 5;

/// Bits of node_flags, node_roles and copy_flags.
pub const NODE_DOWN: u8 = 1;
pub const NODE_DRAINING: u8 = 2;
pub const NODE_MAINTAINED: u8 = 4;
pub const NODE_EXCLUDED: u8 = 8;
pub const ROLE_META: u8 = 1;
pub const ROLE_DATA: u8 = 2;
pub const ROLE_GATEWAY: u8 = 4;
pub const COPY_IN_SYNC: u8 = 1;
pub const COPY_STARTED: u8 = 2;
pub const COPY_FRESH: u8 = 4;
pub const COPY_FAILED: u8 = 8;

/// Values of node_evidence and keyspace_durability.
pub const EVIDENCE_NONE: u8 = 0;
pub const EVIDENCE_ALIVE: u8 = 1;
pub const EVIDENCE_GREY: u8 = 2;
pub const EVIDENCE_SUSPECT: u8 = 3;
pub const EVIDENCE_DEAD: u8 = 4;
pub const DURABILITY_FSYNC: u8 = 0;
pub const DURABILITY_INTERVAL: u8 = 1;
pub const DURABILITY_MEMORY: u8 = 2;

/// Levels of log, in slog's numbers.
pub const LEVEL_DEBUG: i32 = -4;
pub const LEVEL_INFO: i32 = 0;
pub const LEVEL_WARN: i32 = 4;
pub const LEVEL_ERROR: i32 = 8;

/// A question about one copy of one shard.
#[derive(Clone, Copy)]
pub struct Question {
    pub shard: usize,
    pub copy: Option<usize>, // None for a copy that does not exist yet
    pub primary: bool,       // the copy leads, or will
    pub new: bool,           // it is the shard's first
}

impl Question {
    pub fn new(shard: i32, copy: i32, flags: i32) -> Question {
        Question { shard: shard as usize, copy: row_of(copy as u32), primary: flags & 1 != 0, new: flags & 2 != 0 }
    }
}

/// A byte for each node, which begins as YES or as others left it. It is borrowed as a &mut Row, which tells the compiler that no column
/// lies in it, so that loops need not look up again where the columns are after each byte.
#[repr(transparent)]
pub struct Row(pub [u8]);

impl Row {
    pub fn of(bytes: &mut [u8]) -> &mut Row {
        unsafe { &mut *(bytes as *mut [u8] as *mut Row) }
    }
    /// Makes the answer about a node as strict as this one, if it is not yet. The reason, 1 to 62, is the policy's own code.
    #[inline(always)]
    pub fn say(&mut self, node: usize, verdict: u8, reason: u8) {
        let answer = answer_of(verdict, reason);
        if answer > self.0[node] {
            self.0[node] = answer;
        }
    }
    /// Says so about every node.
    pub fn say_all(&mut self, verdict: u8, reason: u8) {
        for node in 0..self.0.len() {
            self.say(node, verdict, reason);
        }
    }
}

#[inline(always)]
pub fn answer_of(verdict: u8, reason: u8) -> u8 {
    verdict << 6 | reason & 63
}
pub fn verdict_of(answer: u8) -> u8 {
    answer >> 6
}
pub fn reason_of(answer: u8) -> u8 {
    answer & 63
}

// ---- what a policy is written with ----

/// Names the manifest, which becomes the module's section policy.manifest, and a function that is called when the state or the
/// settings are new: fn prepare() -> Result<(), &'static str>; an error refuses them.
macro_rules! policy {
    ($manifest:literal) => {
        fn tr_nothing() -> Result<(), &'static str> {
            Ok(())
        }
        policy!($manifest, tr_nothing);
    };
    ($manifest:literal, $prepare:path) => {
        #[cfg(target_arch = "wasm32")]
        #[link_section = "policy.manifest"]
        #[used]
        pub static TR_SECTION: [u8; include_bytes!($manifest).len()] = *include_bytes!($manifest);
        pub(crate) const TR_MANIFEST: &[u8] = include_bytes!($manifest);
        pub(crate) fn tr_prepare() -> Result<(), &'static str> {
            $prepare()
        }
    };
}

/// Exports a rule: can_allocate, can_remain, can_rebalance, can_promote or can_start.
macro_rules! rule {
    ($name:ident, |$q:ident, $row:ident| $body:block) => {
        #[no_mangle]
        pub extern "C" fn $name(shard: i32, copy: i32, flags: i32, row: *mut u8) {
            #[inline(always)]
            #[allow(unused_variables)]
            fn rule($q: Question, $row: &mut Row) $body
            rule(Question::new(shard, copy, flags), Row::of(unsafe { core::slice::from_raw_parts_mut(row, nodes()) }))
        }
    };
}

/// Exports a scorer: points[n] for each node, lower is better.
macro_rules! scorer {
    (|$q:ident, $points:ident| $body:block) => {
        #[no_mangle]
        pub extern "C" fn score(shard: i32, copy: i32, flags: i32, points: *mut f64) {
            #[inline(always)]
            #[allow(unused_variables)]
            fn rule($q: Question, $points: &mut [f64]) $body
            rule(Question::new(shard, copy, flags), unsafe { core::slice::from_raw_parts_mut(points, nodes()) })
        }
    };
}

/// Exports the answer about one node, equal to the row's: for a policy whose answers depend on the sums of that node alone.
macro_rules! meter {
    (|$capability:ident, $q:ident, $node:ident| $body:block) => {
        #[no_mangle]
        pub extern "C" fn meter(capability: i32, shard: i32, copy: i32, flags: i32, node: i32) -> i32 {
            #[allow(unused_variables)]
            fn rule($capability: i32, $q: Question, $node: usize) -> u8 $body
            rule(capability, Question::new(shard, copy, flags), node as usize) as i32
        }
    };
}

/// Called for each value that the host has changed in the image: for a policy that keeps figures of its own, derived in prepare from
/// columns that move. The others read the columns anew at each question. column("node_copies") is a column's number.
macro_rules! changed {
    (|$column:ident, $row:ident| $body:block) => {
        #[no_mangle]
        pub extern "C" fn pol_delta(list: *const u8, length: i32) {
            #[allow(unused_variables)]
            fn rule($column: usize, $row: usize) $body
            each_change(unsafe { core::slice::from_raw_parts(list, length as usize) }, rule);
        }
    };
}

/// Exports the sentence behind an answer.
macro_rules! explain {
    (|$capability:ident, $q:ident, $node:ident, $answer:ident, $out:ident| $body:block) => {
        #[no_mangle]
        pub extern "C" fn explain(capability: i32, shard: i32, copy: i32, flags: i32, node: i32, answer: i32, out: *mut u8, room: i32) -> i32 {
            #[allow(unused_variables)]
            fn rule($capability: i32, $q: Question, $node: usize, $answer: u8, $out: &mut Sentence) $body
            let mut sentence = Sentence::new(unsafe { core::slice::from_raw_parts_mut(out, room as usize) });
            rule(capability, Question::new(shard, copy, flags), node as usize, answer as u8, &mut sentence);
            sentence.length as i32
        }
    };
}

/// Writes to a Sentence: each {} takes the next word, which may be text, an integer, or Number, Percent, Bytes, Milliseconds.
macro_rules! why {
    ($out:expr, $format:literal $(, $word:expr)* $(,)?) => { $out.write($format, &[$(&$word as &dyn Word),*]) };
}

// ---- the host ----

#[cfg(target_arch = "wasm32")]
mod host {
    #[link(wasm_import_module = "host")]
    extern "C" {
        pub fn log(level: i32, at: *const u8, length: i32);
        pub fn log_enabled(level: i32) -> i32;
        pub fn error(at: *const u8, length: i32);
    }
    #[panic_handler]
    fn panic(info: &core::panic::PanicInfo) -> ! {
        let mut line = [0u8; 200];
        let mut s = super::Sentence::new(&mut line);
        if let Some(at) = info.location() {
            s.write("panicked at {}:{}", &[&at.file() as &dyn super::Word, &(at.line() as usize)]);
        }
        let length = if s.length < 200 { s.length } else { 200 };
        unsafe { error(line.as_ptr(), length as i32) };
        core::arch::wasm32::unreachable()
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod host {
    /// What a native test's host was last told.
    pub static mut SAID: String = String::new();
    pub unsafe fn log(level: i32, at: *const u8, length: i32) {
        eprintln!("log {}: {}", level, std::str::from_utf8_unchecked(std::slice::from_raw_parts(at, length as usize)));
    }
    pub unsafe fn log_enabled(_: i32) -> i32 {
        1
    }
    pub unsafe fn error(at: *const u8, length: i32) {
        SAID = std::str::from_utf8_unchecked(std::slice::from_raw_parts(at, length as usize)).to_string();
    }
}

fn refused(why: &str) -> i32 {
    unsafe { host::error(why.as_ptr(), why.len() as i32) };
    1
}

/// A line for the host's log.
pub fn log(level: i32, line: &str) {
    unsafe { host::log(level, line.as_ptr(), line.len() as i32) };
}

/// Whether the host keeps lines of that level: ask before making one that costs.
pub fn log_enabled(level: i32) -> bool {
    unsafe { host::log_enabled(level) != 0 }
}

// ---- memory: taken, never given back; scratch is given back as a whole before each prepare ----

#[cfg(target_arch = "wasm32")]
mod memory {
    use core::arch::wasm32::{memory_grow, memory_size};

    extern "C" {
        static __heap_base: u8;
    }
    static mut TOP: usize = 0;

    /// So many bytes at a multiple of 16; 0 when there is no more.
    pub unsafe fn take(size: usize) -> usize {
        if TOP == 0 {
            TOP = &__heap_base as *const u8 as usize;
        }
        let at = (TOP + 15) & !15;
        let end = match at.checked_add(size) {
            Some(end) if end < usize::MAX - 65535 => end,
            _ => return 0,
        };
        let have = memory_size(0) << 16;
        if end > have && memory_grow(0, (end - have + 65535) >> 16) == usize::MAX {
            return 0;
        }
        TOP = end;
        at
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod memory {
    pub unsafe fn take(size: usize) -> usize {
        std::alloc::alloc_zeroed(std::alloc::Layout::from_size_align(size.max(1), 64).unwrap()) as usize
    }
}

/// The chunks of scratch: each is twice the last, and is kept.
static mut CHUNKS: [(usize, usize); 20] = [(0, 0); 20];
static mut CHUNK: usize = 0;
static mut USED: usize = 0;

/// A slice of so many values, each T's default, which lives until the next prepare. Panics when there is no more memory.
pub fn scratch<T: Copy + Default>(n: usize) -> &'static mut [T] {
    let size = n * core::mem::size_of::<T>();
    unsafe {
        while CHUNK < CHUNKS.len() {
            if CHUNKS[CHUNK].0 == 0 {
                let wish = size.max(4096 << CHUNK);
                CHUNKS[CHUNK] = (memory::take(wish), wish);
                if CHUNKS[CHUNK].0 == 0 {
                    break;
                }
            }
            let from = (USED + 15) & !15;
            if from + size <= CHUNKS[CHUNK].1 {
                USED = from + size;
                let out = core::slice::from_raw_parts_mut((CHUNKS[CHUNK].0 + from) as *mut T, n);
                out.fill(T::default());
                return out;
            }
            CHUNK += 1;
            USED = 0;
        }
    }
    panic!("no memory is left for {} values", n)
}

#[cfg(target_arch = "wasm32")]
#[no_mangle]
pub extern "C" fn pol_alloc(size: i32) -> usize {
    if size <= 0 {
        return 0;
    }
    unsafe { memory::take(size as usize) }
}

#[cfg(target_arch = "wasm32")]
#[no_mangle]
pub extern "C" fn pol_abi_1() {}

// ---- the image ----

struct State {
    nodes: usize,
    keyspaces: usize,
    shards: usize,
    slots: usize,
    seen: bool,
    at: [*const u8; 256],
    rows: [u32; 256],
    settings: &'static [Entry],
    room: usize, // entries that there is room for where settings are
}

static mut STATE: State =
    State { nodes: 0, keyspaces: 0, shards: 0, slots: 0, seen: false, at: [core::ptr::null(); 256], rows: [0; 256], settings: &[], room: 0 };

#[inline(always)]
fn state() -> &'static mut State {
    unsafe { &mut *addr_of_mut!(STATE) }
}

/// Lengths of the tables. A shard has slots() copies, some of them free.
#[inline(always)]
pub fn nodes() -> usize {
    state().nodes
}
pub fn keyspaces() -> usize {
    state().keyspaces
}
pub fn shards() -> usize {
    state().shards
}
pub fn slots() -> usize {
    state().slots
}

/// The rows of the copies that a shard has.
pub fn copies(shard: usize) -> impl Iterator<Item = usize> {
    (shard * slots()..(shard + 1) * slots()).filter(|&c| copy_node(c).is_some())
}

#[inline(always)]
fn read<T: Copy>(id: usize, row: usize) -> T {
    let s = state();
    if row >= s.rows[id] as usize {
        beyond(id, row);
    }
    unsafe { *(s.at[id] as *const T).add(row) }
}

#[cold]
#[inline(never)]
fn beyond(id: usize, row: usize) -> ! {
    let mut line = [0u8; 160];
    let mut s = Sentence::new(&mut line);
    let name = COLUMNS.iter().find(|c| c.0 == id).map_or("", |c| c.1);
    s.write("row {} of column {}, which has {}; does the manifest need it?", &[&row as &dyn Word, &name, &(state().rows[id] as usize)]);
    let length = s.length.min(160);
    unsafe { host::error(line.as_ptr(), length as i32) };
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    panic!("{}", core::str::from_utf8(&line[..length]).unwrap_or(""));
}

#[inline(always)]
fn row_of(v: u32) -> Option<usize> {
    if v == u32::MAX {
        None
    } else {
        Some(v as usize)
    }
}

/// A string of the dictionary, by its number. It lies in the image: copy it if it must outlive that.
pub fn text(number: u32) -> &'static str {
    let from = read::<u32>(TEXT_STARTS, number as usize) as usize;
    let to = read::<u32>(TEXT_STARTS, number as usize + 1) as usize;
    unsafe { core::str::from_utf8_unchecked(core::slice::from_raw_parts(state().at[TEXT].add(from), to - from)) }
}

/// A node's attribute, "" if it has none. Its columns are node_attributes, attribute_name and attribute_value.
pub fn attribute(node: usize, name: &str) -> &'static str {
    let (from, to): (u32, u32) = (read(NODE_ATTRIBUTES, node), read(NODE_ATTRIBUTES, node + 1));
    for i in from as usize..to as usize {
        if text(read(ATTRIBUTE_NAME, i)) == name {
            return text(read(ATTRIBUTE_VALUE, i));
        }
    }
    ""
}

/// Whether a value fits a pattern, in which * stands for any run of characters.
pub fn matches(pattern: &str, value: &str) -> bool {
    let (p, v) = (pattern.as_bytes(), value.as_bytes());
    let (mut i, mut j, mut star, mut resume) = (0, 0, usize::MAX, 0);
    while j < v.len() {
        if i < p.len() && p[i] == b'*' {
            star = i;
            resume = j;
            i += 1;
        } else if i < p.len() && p[i] == v[j] {
            i += 1;
            j += 1;
        } else if star != usize::MAX {
            i = star + 1;
            resume += 1;
            j = resume;
        } else {
            return false;
        }
    }
    p[i..].iter().all(|&c| c == b'*')
}

/// The number of a column, or usize::MAX.
pub fn column(name: &str) -> usize {
    COLUMNS.iter().find(|c| c.1 == name).map_or(usize::MAX, |c| c.0)
}

pub fn each_change(list: &[u8], f: fn(usize, usize)) {
    for change in list.chunks_exact(8) {
        f(u32_at(change, 0) as usize & 0xffff, u32_at(change, 4) as usize);
    }
}

fn u32_at(data: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]])
}

/// Takes a new image.
fn see(data: &'static [u8]) -> i32 {
    if data.len() < 40 || u32_at(data, 0) != 0x474d_4954 || u32_at(data, 4) & 0xffff != 1 {
        return refused("the state is no image of ABI version 1");
    }
    let s = state();
    s.seen = false;
    s.rows = [0; 256];
    s.nodes = u32_at(data, 16) as usize;
    s.keyspaces = u32_at(data, 20) as usize;
    s.shards = u32_at(data, 24) as usize;
    s.slots = u32_at(data, 28) as usize;
    let (header, count) = (u32_at(data, 4) as usize >> 16, u32_at(data, 32) as usize);
    let mut found = [false; 256];
    for i in 0..count {
        let entry = header + 12 * i;
        let id = u32_at(data, entry) as usize & 0xffff;
        if COLUMNS.iter().any(|c| c.0 == id && c.2 == data[entry + 2]) {
            found[id] = true;
            s.rows[id] = u32_at(data, entry + 8);
            s.at[id] = data.as_ptr().wrapping_add(u32_at(data, entry + 4) as usize);
        }
    }
    begin();
    let mut missing = "";
    each_need(|name| {
        if !COLUMNS.iter().any(|c| c.1 == name && found[c.0]) {
            missing = name;
        }
    });
    if missing != "" {
        let mut line = [0u8; 160];
        let mut l = Sentence::new(&mut line);
        l.write("needs column {}, which the image does not have", &[&missing as &dyn Word]);
        let length = l.length.min(160);
        unsafe { host::error(line.as_ptr(), length as i32) };
        return 1;
    }
    s.seen = true;
    prepared()
}

/// Calls f with each name of the manifest's needs.
fn each_need(mut f: impl FnMut(&'static str)) {
    let text = scratch::<u8>(crate::TR_MANIFEST.len());
    text.copy_from_slice(crate::TR_MANIFEST);
    let mut r = Reader { data: text, at: 0 };
    let mut first = true;
    while r.more(b'{', b'}', &mut first) == Some(true) {
        match (r.string(), r.skip(b':')) {
            (Some("needs"), true) => {
                let mut first = true;
                while r.more(b'[', b']', &mut first) == Some(true) {
                    r.string().map(&mut f);
                }
            }
            (Some(_), true) => r.pass_over(),
            _ => return,
        }
    }
}

/// Gives scratch back.
fn begin() {
    unsafe {
        CHUNK = 0;
        USED = 0;
    }
}

fn prepared() -> i32 {
    begin();
    if !state().seen {
        return 0;
    }
    match crate::tr_prepare() {
        Ok(()) => 0,
        Err(why) => refused(why),
    }
}

#[no_mangle]
pub extern "C" fn pol_state(at: *const u8, length: i32) -> i32 {
    see(unsafe { core::slice::from_raw_parts(at, length as usize) })
}

#[no_mangle]
pub extern "C" fn pol_configure(at: *mut u8, length: i32) -> i32 {
    let data = unsafe { core::slice::from_raw_parts_mut(at, length as usize) };
    let s = state();
    let most = data.iter().filter(|&&c| c == b':' || c == b',').count() + 1; // no value is without one before it
    if most > s.room {
        let room = unsafe { memory::take(2 * most * core::mem::size_of::<Entry>()) };
        if room == 0 {
            return refused("no memory is left for the settings");
        }
        s.settings = unsafe { core::slice::from_raw_parts(room as *const Entry, 0) };
        s.room = 2 * most;
    }
    let entries = unsafe { core::slice::from_raw_parts_mut(s.settings.as_ptr() as *mut Entry, s.room) };
    match (Reader { data, at: 0 }).settings(entries) {
        Some(count) => s.settings = &entries[..count],
        None => return refused("the settings are not the JSON of ABI version 1"),
    }
    prepared()
}

// ---- settings ----

/// A setting with its value. The items of a list are the entries after it.
#[derive(Clone, Copy)]
struct Entry {
    keyspace: &'static str, // whose own it is; "": everybody's
    name: &'static str,
    kind: Kind,
    text: &'static str,
    number: f64,
    items: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Number,
    Flag,
    List,
    Item,
}

/// A setting in force, or nothing if the manifest does not have it.
#[derive(Clone, Copy)]
pub struct Setting(Option<usize>);

impl Setting {
    fn entry(&self) -> Option<&'static Entry> {
        self.0.map(|at| &state().settings[at])
    }
    pub fn as_text(&self) -> &'static str {
        self.entry().map_or("", |e| e.text)
    }
    /// A number; of a duration, milliseconds.
    pub fn as_number(&self) -> f64 {
        self.entry().map_or(0.0, |e| e.number)
    }
    pub fn as_flag(&self) -> bool {
        self.as_number() != 0.0
    }
    /// The items of a list.
    pub fn items(&self) -> impl Iterator<Item = &'static str> {
        let (at, count) = (self.0.unwrap_or(0), self.entry().map_or(0, |e| e.items));
        (0..count).map(move |i| state().settings[at + 1 + i].text)
    }
}

/// A keyspace's own setting, if it has one, or else everybody's.
pub fn setting_of(keyspace: &str, name: &str) -> Setting {
    let named = |own: &str| state().settings.iter().position(|e| e.kind != Kind::Item && e.keyspace == own && e.name == name);
    Setting(named(keyspace).or_else(|| named("")))
}

/// Everybody's setting of that name.
pub fn setting(name: &str) -> Setting {
    setting_of("", name)
}

/// All settings whose names begin with prefix: a keyspace's own, or with "" everybody's.
pub fn settings_below(keyspace: &'static str, prefix: &'static str) -> impl Iterator<Item = (&'static str, Setting)> {
    let below = move |e: &Entry| e.kind != Kind::Item && e.keyspace == keyspace && e.name.starts_with(prefix);
    state().settings.iter().enumerate().filter(move |(_, e)| below(e)).map(|(at, e)| (e.name, Setting(Some(at))))
}

// json begin: what stands between such lines is troupe_actor.rs's too
/// A reader of JSON, which decodes strings where they stand: no escape is shorter than what it stands for.
struct Reader<'a> {
    data: &'a mut [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> u8 {
        self.data.get(self.at).copied().unwrap_or(0)
    }
    fn skip(&mut self, c: u8) -> bool {
        while matches!(self.peek(), b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
        }
        let there = self.at < self.data.len() && self.peek() == c;
        self.at += there as usize;
        there
    }
    fn word(&mut self, w: &str) -> bool {
        self.skip(0);
        let there = self.data[self.at..].starts_with(w.as_bytes());
        self.at += if there { w.len() } else { 0 };
        there
    }
    /// Whether another element of a list follows, which opens at the first call; None: it is no such list.
    fn more(&mut self, open: u8, close: u8, first: &mut bool) -> Option<bool> {
        if *first && !self.skip(open) {
            return None;
        }
        if self.skip(close) {
            return Some(false);
        }
        if !*first && !self.skip(b',') {
            return None;
        }
        *first = false;
        Some(true)
    }
    fn hex4(&mut self) -> Option<u32> {
        let mut v = 0;
        for _ in 0..4 {
            v = v * 16 + (self.peek() as char).to_digit(16)?;
            self.at += 1;
        }
        Some(v)
    }
    fn string(&mut self) -> Option<&'a str> {
        if !self.skip(b'"') {
            return None;
        }
        let (from, mut to) = (self.at, self.at);
        loop {
            let c = *self.data.get(self.at)?;
            self.at += 1;
            let mut bytes = [c; 4];
            let mut length = 1;
            if c == b'"' {
                let out = unsafe { core::slice::from_raw_parts(self.data.as_ptr().add(from), to - from) };
                return core::str::from_utf8(out).ok();
            }
            if c == b'\\' {
                let c = *self.data.get(self.at)?;
                self.at += 1;
                bytes[0] = match c {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'b' => 8,
                    b'f' => 12,
                    c => c,
                };
                if c == b'u' {
                    length = self.rune()?.encode_utf8(&mut bytes).len();
                }
            }
            self.data[to..to + length].copy_from_slice(&bytes[..length]);
            to += length;
        }
    }
    fn rune(&mut self) -> Option<char> {
        let mut rune = self.hex4()?;
        if rune >> 10 == 0xd800 >> 10 && self.data[self.at..].starts_with(b"\\u") {
            self.at += 2;
            let low = self.hex4()?;
            if low >> 10 != 0xdc00 >> 10 {
                return None;
            }
            rune = 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00);
        }
        char::from_u32(rune)
    }
    /// A number. Up to 15 digits with an exponent up to 22 come out exact.
    fn number(&mut self) -> Option<f64> {
        let negative = self.word("-");
        let (mut v, mut digits, mut exponent, mut point) = (0.0f64, 0, 0i32, false);
        loop {
            let c = self.peek();
            if c.is_ascii_digit() {
                v = v * 10.0 + (c - b'0') as f64;
                digits += 1;
                exponent -= point as i32;
            } else if c == b'.' && !point {
                point = true;
            } else {
                break;
            }
            self.at += 1;
        }
        if digits == 0 {
            return None;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            let minus = self.word("-");
            if !minus {
                self.word("+");
            }
            let mut e = 0;
            while self.peek().is_ascii_digit() && e < 1000 {
                e = e * 10 + (self.peek() - b'0') as i32;
                self.at += 1;
            }
            exponent += if minus { -e } else { e };
        }
        let mut scale = 1.0f64;
        for _ in 0..exponent.abs() {
            scale *= 10.0;
        }
        v = if exponent < 0 { v / scale } else { v * scale };
        if v.is_nan() {
            v = 0.0; // nothing by infinity, of 0e400; and infinity by infinity
        }
        Some(if negative { -v } else { v })
    }
}
// json end

impl Reader<'static> {
    /// {"settings":{NAME:value,…},"keyspaces":{KEYSPACE:{NAME:value,…},…}}: how many entries it gave.
    fn settings(mut self, entries: &mut [Entry]) -> Option<usize> {
        let (mut count, mut first) = (0, true);
        while self.more(b'{', b'}', &mut first)? {
            let part = self.string()?;
            if !self.skip(b':') {
                return None;
            }
            match part {
                "settings" => self.object("", entries, &mut count)?,
                "keyspaces" => {
                    let mut first = true;
                    while self.more(b'{', b'}', &mut first)? {
                        let keyspace = self.string()?;
                        if !self.skip(b':') {
                            return None;
                        }
                        self.object(keyspace, entries, &mut count)?;
                    }
                }
                _ => return None,
            }
        }
        self.skip(0);
        if self.at == self.data.len() { Some(count) } else { None }
    }
    fn object(&mut self, keyspace: &'static str, entries: &mut [Entry], count: &mut usize) -> Option<()> {
        let mut first = true;
        while self.more(b'{', b'}', &mut first)? {
            let name = self.string()?;
            if !self.skip(b':') {
                return None;
            }
            let at = *count;
            *count += 1;
            let mut e = Entry { keyspace, name, kind: Kind::Text, text: "", number: 0.0, items: 0 };
            if let Some(text) = self.string() {
                e.text = text;
            } else if self.word("true") {
                e.kind = Kind::Flag;
                e.number = 1.0;
            } else if self.word("false") {
                e.kind = Kind::Flag;
            } else if self.peek() == b'[' {
                e.kind = Kind::List;
                let mut first = true;
                while self.more(b'[', b']', &mut first)? {
                    *entries.get_mut(*count)? = Entry { keyspace, name, kind: Kind::Item, text: self.string()?, number: 0.0, items: 0 };
                    *count += 1;
                    e.items += 1;
                }
            } else {
                e.kind = Kind::Number;
                e.number = self.number()?;
            }
            *entries.get_mut(at)? = e;
        }
        Some(())
    }
    /// Passes over a value of any kind.
    fn pass_over(&mut self) {
        let mut depth = 0;
        loop {
            self.skip(0);
            match self.peek() {
                b'"' => {
                    self.string();
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' if depth > 0 => self.at += 1,
                0 | b',' | b'}' | b']' => return,
                _ => self.at += 1,
            }
            if depth == 0 && matches!(self.peek(), b',' | b'}' | 0) {
                return;
            }
        }
    }
}

// ---- explaining ----

/// A sentence in the host's room. What does not fit is counted all the same: the host comes back with more.
pub struct Sentence<'a> {
    room: &'a mut [u8],
    pub length: usize,
}

/// What stands in a sentence.
pub trait Word {
    fn put(&self, s: &mut Sentence);
}

impl<'a> Sentence<'a> {
    pub fn new(room: &'a mut [u8]) -> Sentence<'a> {
        Sentence { room, length: 0 }
    }
    #[inline(never)]
    pub fn push(&mut self, text: &str) {
        for &c in text.as_bytes() {
            if self.length < self.room.len() {
                self.room[self.length] = c;
            }
            self.length += 1;
        }
    }
    #[inline(never)]
    pub fn write(&mut self, format: &str, words: &[&dyn Word]) {
        let mut words = words.iter();
        let mut rest = format;
        while let Some((before, after)) = rest.split_once("{}") {
            self.push(before);
            if let Some(w) = words.next() {
                w.put(self);
            }
            rest = after;
        }
        self.push(rest);
    }
    #[inline(never)]
    fn digits(&mut self, mut v: u64, width: usize) {
        let mut digits = [b'0'; 20];
        let mut at = 20;
        while v > 0 || at > 20 - width {
            at -= 1;
            digits[at] = b'0' + (v % 10) as u8;
            v /= 10;
        }
        self.push(unsafe { core::str::from_utf8_unchecked(&digits[at..]) });
    }
}

impl Word for &str {
    fn put(&self, s: &mut Sentence) {
        s.push(self);
    }
}
impl Word for i64 {
    fn put(&self, s: &mut Sentence) {
        if *self < 0 {
            s.push("-");
        }
        s.digits(self.unsigned_abs(), 1);
    }
}
impl Word for i32 {
    fn put(&self, s: &mut Sentence) {
        (*self as i64).put(s);
    }
}
impl Word for usize {
    fn put(&self, s: &mut Sentence) {
        (*self as i64).put(s);
    }
}

/// A number with up to so many decimals, without zeroes at its end.
pub struct Number(pub f64, pub usize);
/// A share as a percentage with up to one decimal.
pub struct Percent(pub f64);
/// A size with the unit that suits it, 1024 of one being one of the next.
pub struct Bytes(pub f64);
/// A duration as people write it: 1m30s.
pub struct Milliseconds(pub i64);

impl Word for Number {
    fn put(&self, s: &mut Sentence) {
        let (mut v, mut decimals, mut scale) = (self.0, self.1, 1u64);
        if v != v {
            return s.push("NaN");
        }
        for _ in 0..decimals {
            scale *= 10;
        }
        if v < 0.0 {
            s.push("-");
            v = -v;
        }
        if v > 1e18 {
            return s.push("more than 10^18");
        }
        let mut whole = v as u64;
        let mut part = ((v - whole as f64) * scale as f64 + 0.5) as u64;
        if part >= scale {
            whole += 1;
            part -= scale;
        }
        s.digits(whole, 1);
        if part == 0 {
            return;
        }
        while part % 10 == 0 {
            part /= 10;
            decimals -= 1;
        }
        s.push(".");
        s.digits(part, decimals);
    }
}
impl Word for Percent {
    fn put(&self, s: &mut Sentence) {
        Number(100.0 * self.0, 1).put(s);
        s.push("%");
    }
}
impl Word for Bytes {
    fn put(&self, s: &mut Sentence) {
        let (mut v, mut unit) = (self.0, 0);
        while v >= 1024.0 && unit < 5 {
            v /= 1024.0;
            unit += 1;
        }
        Number(v, 1).put(s);
        s.push(["B", "KB", "MB", "GB", "TB", "PB"][unit]);
    }
}
impl Word for Milliseconds {
    fn put(&self, s: &mut Sentence) {
        let mut ms = self.0;
        if ms < 0 {
            s.push("-");
            ms = -ms;
        }
        if ms == 0 {
            return s.push("0s");
        }
        if ms < 1000 {
            return s.write("{}ms", &[&ms]);
        }
        let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
        if hours > 0 {
            s.write("{}h", &[&hours]);
        }
        if hours > 0 || minutes > 0 {
            s.write("{}m", &[&minutes]);
        }
        s.write("{}s", &[&Number((ms % 60_000) as f64 / 1000.0, 3)]);
    }
}

// ---- native tests ----

/// An invented cluster for native tests: the columns that the manifest needs, as zeroes, or none where they point to rows. One
/// lives at a time; the next waits until it is dropped.
#[cfg(not(target_arch = "wasm32"))]
pub struct World {
    words: Vec<String>,
    bytes: Vec<u8>,
    needs: Vec<String>,
    columns: std::collections::BTreeMap<usize, Vec<u64>>, // of 8 bytes, so that every type is aligned
    entries: u32,
    _turn: std::sync::MutexGuard<'static, ()>,
}

#[cfg(not(target_arch = "wasm32"))]
static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[cfg(not(target_arch = "wasm32"))]
impl World {
    /// One of so many nodes, keyspaces, shards and slots.
    pub fn new(nodes: usize, keyspaces: usize, shards: usize, slots: usize) -> World {
        let turn = TURN.lock().unwrap_or_else(|broken| broken.into_inner());
        let s = state();
        let mut wanted = vec!["text".to_string(), "text_starts".to_string()];
        begin();
        each_need(|name| wanted.push(name.to_string()));
        begin();
        *s = State { nodes, keyspaces, shards, slots, seen: false, at: [core::ptr::null(); 256], rows: [0; 256], settings: &[], room: 0 };
        let sizes = [1, nodes, keyspaces, shards, shards * slots, keyspaces * nodes, nodes + 1, 0];
        let mut w = World { words: Vec::new(), bytes: Vec::new(), needs: wanted, columns: Default::default(), entries: 0, _turn: turn };
        let kept: Vec<_> = COLUMNS.iter().filter(|c| w.needs.iter().any(|n| n == c.1)).collect();
        for c in kept {
            let rows = sizes[c.3];
            let empty = if c.4 { u64::MAX } else { 0 };
            w.put(c.0, vec![empty; rows + 1], rows);
        }
        w.number("");
        w
    }

    fn put(&mut self, id: usize, values: Vec<u64>, rows: usize) {
        self.columns.insert(id, values);
        state().at[id] = self.columns[&id].as_ptr() as *const u8;
        state().rows[id] = rows as u32;
    }

    /// Gives a value to a column of numbers, or points it to a row.
    pub fn set(&mut self, column: &str, row: usize, v: f64) {
        let c = COLUMNS.iter().find(|c| c.1 == column).unwrap_or_else(|| panic!("there is no column {}", column));
        assert!(self.needs.iter().any(|n| n == column), "the manifest does not need column {}, so that the policy cannot see it", column);
        assert!(row < state().rows[c.0] as usize, "row {} of column {}, which has {}", row, column, state().rows[c.0]);
        let at = self.columns.get_mut(&c.0).unwrap().as_mut_ptr() as *mut u8;
        unsafe {
            match c.2 {
                1 => *at.add(row) = v as u8,
                2 => *(at as *mut u32).add(row) = v as i64 as u32,
                3 => *(at as *mut i64).add(row) = v as i64,
                _ => *(at as *mut f64).add(row) = v,
            }
        }
    }

    /// Gives a value to a column of strings.
    pub fn text(&mut self, column: &str, row: usize, v: &str) {
        let n = self.number(v);
        self.set(column, row, n as f64);
    }

    /// Gives a node an attribute. Nodes come in their order.
    pub fn attribute(&mut self, node: usize, name: &str, value: &str) {
        for (id, v) in [(ATTRIBUTE_NAME, name), (ATTRIBUTE_VALUE, value)] {
            let n = self.number(v);
            self.append(id, self.entries as usize, n);
        }
        self.entries += 1;
        for n in node + 1..=nodes() {
            self.set("node_attributes", n, self.entries as f64);
        }
    }

    fn append(&mut self, id: usize, row: usize, v: u32) {
        let mut values = self.columns.remove(&id).unwrap_or_default();
        values.resize(row / 2 + 2, 0);
        unsafe { *(values.as_mut_ptr() as *mut u32).add(row) = v };
        self.put(id, values, row + 1);
    }

    fn number(&mut self, v: &str) -> u32 {
        if let Some(n) = self.words.iter().position(|w| w == v) {
            return n as u32;
        }
        self.words.push(v.to_string());
        self.bytes.extend_from_slice(v.as_bytes());
        let (n, end) = (self.words.len(), self.bytes.len() as u32);
        self.append(TEXT_STARTS, 0, 0);
        let mut total = 0;
        for i in 0..n {
            total += self.words[i].len() as u32;
            self.append(TEXT_STARTS, i + 1, total);
        }
        state().at[TEXT] = self.bytes.as_ptr();
        state().rows[TEXT] = end;
        n as u32 - 1
    }

    /// Gives the policy its settings and calls prepare; the error is what it refused.
    pub fn ready(&mut self, settings: &str) -> Result<(), String> {
        state().seen = true;
        let copy: &'static mut [u8] = Vec::leak(settings.as_bytes().to_vec());
        if pol_configure(copy.as_mut_ptr(), copy.len() as i32) != 0 {
            return Err(unsafe { host::SAID.clone() });
        }
        Ok(())
    }

    /// Asks a rule: the row in hexadecimal.
    pub fn ask(&self, rule: extern "C" fn(i32, i32, i32, *mut u8), shard: i32, copy: i32, flags: i32) -> String {
        let mut row = vec![0u8; nodes()];
        rule(shard, copy, flags, row.as_mut_ptr());
        row.iter().map(|b| format!("{:02x}", b)).collect::<Vec<_>>().join(" ")
    }

    /// Asks the scorer.
    pub fn points(&self, scorer: extern "C" fn(i32, i32, i32, *mut f64), shard: i32, copy: i32, flags: i32) -> Vec<f64> {
        let mut points = vec![0.0; nodes()];
        scorer(shard, copy, flags, points.as_mut_ptr());
        points
    }

    /// Asks for a sentence.
    pub fn why(&self, explain: extern "C" fn(i32, i32, i32, i32, i32, i32, *mut u8, i32) -> i32, capability: i32, shard: i32, copy: i32, flags: i32, node: i32, answer: u8) -> String {
        let mut line = vec![0u8; 4096];
        let n = explain(capability, shard, copy, flags, node, answer as i32, line.as_mut_ptr(), 4096);
        String::from_utf8(line[..n as usize].to_vec()).unwrap()
    }
}

// ---- columns: number, name, type, rows, whether its values point to rows ----

const TEXT_STARTS: usize = 16;
const TEXT: usize = 17;
const NODE_ATTRIBUTES: usize = 55;
const ATTRIBUTE_NAME: usize = 56;
const ATTRIBUTE_VALUE: usize = 57;

#[rustfmt::skip]
static COLUMNS: &[(usize, &str, u8, usize, bool)] = &[
    // columns begin
    (1, "now", 3, 0, false),
    (2, "ticks", 3, 0, false),
    (3, "tick_length", 2, 0, false),
    (4, "relocating", 2, 0, false),
    (5, "unled", 2, 0, false),
    (6, "unwhole", 2, 0, false),
    (7, "rebalanced", 2, 0, false),
    (8, "rebalanced_bytes", 4, 0, false),
    (9, "rebalanced_until", 3, 0, false),
    (16, "text_starts", 2, 7, false),
    (17, "text", 1, 7, false),
    (32, "node_id", 2, 1, false),
    (33, "node_name", 2, 1, false),
    (34, "node_host", 2, 1, false),
    (35, "node_address", 2, 1, false),
    (36, "node_release", 2, 1, false),
    (37, "node_format", 2, 1, false),
    (38, "node_epoch", 3, 1, false),
    (39, "node_roles", 1, 1, false),
    (40, "node_flags", 1, 1, false),
    (41, "node_evidence", 1, 1, false),
    (42, "node_since", 3, 1, false),
    (43, "node_held", 3, 1, false),
    (44, "node_reason", 2, 1, false),
    (45, "node_copies", 2, 1, false),
    (46, "node_primaries", 2, 1, false),
    (47, "node_incoming", 2, 1, false),
    (48, "node_outgoing", 2, 1, false),
    (49, "node_capacity_cpu", 4, 1, false),
    (50, "node_capacity_memory", 4, 1, false),
    (51, "node_capacity_disk", 4, 1, false),
    (52, "node_used_cpu", 4, 1, false),
    (53, "node_used_memory", 4, 1, false),
    (54, "node_used_disk", 4, 1, false),
    (55, "node_attributes", 2, 6, false),
    (56, "attribute_name", 2, 7, false),
    (57, "attribute_value", 2, 7, false),
    (58, "node_coming_cpu", 4, 1, false),
    (59, "node_coming_memory", 4, 1, false),
    (60, "node_coming_disk", 4, 1, false),
    (61, "node_leaving_cpu", 4, 1, false),
    (62, "node_leaving_memory", 4, 1, false),
    (63, "node_leaving_disk", 4, 1, false),
    (64, "node_opening", 2, 1, false),
    (96, "keyspace_name", 2, 2, false),
    (97, "keyspace_shards", 2, 2, false),
    (98, "keyspace_replicas", 2, 2, false),
    (99, "keyspace_min_in_sync", 2, 2, false),
    (100, "keyspace_durability", 1, 2, false),
    (101, "keyspace_node_copies", 2, 5, false),
    (102, "keyspace_node_primaries", 2, 5, false),
    (103, "keyspace_rebalanced", 2, 2, false),
    (104, "keyspace_rebalanced_bytes", 4, 2, false),
    (105, "keyspace_rebalanced_until", 3, 2, false),
    (128, "shard_keyspace", 2, 3, false),
    (129, "shard_number", 2, 3, false),
    (130, "shard_primary", 2, 3, true),
    (131, "shard_hand_to", 2, 3, true),
    (132, "shard_failures", 2, 3, false),
    (133, "shard_copies", 2, 3, false),
    (134, "shard_primary_cpu", 4, 3, false),
    (135, "shard_primary_memory", 4, 3, false),
    (136, "shard_primary_disk", 4, 3, false),
    (137, "shard_replica_cpu", 4, 3, false),
    (138, "shard_replica_memory", 4, 3, false),
    (139, "shard_replica_disk", 4, 3, false),
    (140, "shard_setback", 3, 3, false),
    (141, "shard_rebalanced", 3, 3, false),
    (160, "copy_node", 2, 4, true),
    (161, "copy_flags", 1, 4, false),
    (162, "copy_source", 2, 4, true),
    (163, "copy_id", 3, 4, false),
    // columns end
];

// accessors begin
/// wall time of the plan in seconds since 1970, UTC; 0: not known
#[inline(always)]
pub fn now() -> i64 {
    read::<i64>(1, 0)
}
/// the placement leader's clock, in ticks
#[inline(always)]
pub fn ticks() -> i64 {
    read::<i64>(2, 0)
}
/// length of a tick in milliseconds
#[inline(always)]
pub fn tick_length() -> usize {
    read::<u32>(3, 0) as usize
}
/// relocations for balance alone that are under way in the cluster
#[inline(always)]
pub fn relocating() -> usize {
    read::<u32>(4, 0) as usize
}
/// shards without a primary
#[inline(always)]
pub fn unled() -> usize {
    read::<u32>(5, 0) as usize
}
/// shards with fewer copies in sync than their keyspace wants
#[inline(always)]
pub fn unwhole() -> usize {
    read::<u32>(6, 0) as usize
}
/// copies that began to move for balance alone within cluster.routing.rebalance.budget.window; counted while a budget or a cooldown is set
#[inline(always)]
pub fn rebalanced() -> usize {
    read::<u32>(7, 0) as usize
}
/// bytes of these copies, as far as their shards had been measured
#[inline(always)]
pub fn rebalanced_bytes() -> f64 {
    read::<f64>(8, 0)
}
/// wall time in seconds since 1970, UTC, at which the oldest of them counts no more; 0: there are none
#[inline(always)]
pub fn rebalanced_until() -> i64 {
    read::<i64>(9, 0)
}
/// the node's id, which survives its restarts
#[inline(always)]
pub fn node_id(i: usize) -> &'static str {
    text(read::<u32>(32, i))
}
/// its name, for people
#[inline(always)]
pub fn node_name(i: usize) -> &'static str {
    text(read::<u32>(33, i))
}
/// the machine that it runs on
#[inline(always)]
pub fn node_host(i: usize) -> &'static str {
    text(read::<u32>(34, i))
}
/// host:port where other nodes reach it
#[inline(always)]
pub fn node_address(i: usize) -> &'static str {
    text(read::<u32>(35, i))
}
/// version of the program that it runs, for people
#[inline(always)]
pub fn node_release(i: usize) -> &'static str {
    text(read::<u32>(36, i))
}
/// version of wire and state that it speaks
#[inline(always)]
pub fn node_format(i: usize) -> usize {
    read::<u32>(37, i) as usize
}
/// number of its life, raised at each start
#[inline(always)]
pub fn node_epoch(i: usize) -> i64 {
    read::<i64>(38, i)
}
/// bits: 1 meta, 2 data, 4 gateway
#[inline(always)]
pub fn node_roles(i: usize) -> u8 {
    read::<u8>(39, i)
}
/// bits: 1 down, 2 draining, 4 maintained, 8 excluded from voting
#[inline(always)]
pub fn node_flags(i: usize) -> u8 {
    read::<u8>(40, i)
}
/// 0 none, 1 alive, 2 grey, 3 suspect, 4 dead
#[inline(always)]
pub fn node_evidence(i: usize) -> u8 {
    read::<u8>(41, i)
}
/// tick of the last change of node_evidence
#[inline(always)]
pub fn node_since(i: usize) -> i64 {
    read::<i64>(42, i)
}
/// tick until which it gets no new copies, since it came back too often; 0: not held
#[inline(always)]
pub fn node_held(i: usize) -> i64 {
    read::<i64>(43, i)
}
/// the sentence behind node_evidence
#[inline(always)]
pub fn node_reason(i: usize) -> &'static str {
    text(read::<u32>(44, i))
}
/// copies that it will hold when all relocations have ended
#[inline(always)]
pub fn node_copies(i: usize) -> usize {
    read::<u32>(45, i) as usize
}
/// copies that it will lead when all hand-overs have ended
#[inline(always)]
pub fn node_primaries(i: usize) -> usize {
    read::<u32>(46, i) as usize
}
/// recoveries into it
#[inline(always)]
pub fn node_incoming(i: usize) -> usize {
    read::<u32>(47, i) as usize
}
/// recoveries that it, as a primary, feeds
#[inline(always)]
pub fn node_outgoing(i: usize) -> usize {
    read::<u32>(48, i) as usize
}
/// cores that it may use; 0: not known, as in all figures of capacity
#[inline(always)]
pub fn node_capacity_cpu(i: usize) -> f64 {
    read::<f64>(49, i)
}
/// bytes of memory that it may use
#[inline(always)]
pub fn node_capacity_memory(i: usize) -> f64 {
    read::<f64>(50, i)
}
/// bytes of its data folder's disk
#[inline(always)]
pub fn node_capacity_disk(i: usize) -> f64 {
    read::<f64>(51, i)
}
/// cores that are busy, with whatever
#[inline(always)]
pub fn node_used_cpu(i: usize) -> f64 {
    read::<f64>(52, i)
}
/// bytes of memory that are taken, by whatever
#[inline(always)]
pub fn node_used_memory(i: usize) -> f64 {
    read::<f64>(53, i)
}
/// bytes of disk that are taken, by whatever
#[inline(always)]
pub fn node_used_disk(i: usize) -> f64 {
    read::<f64>(54, i)
}
/// cores that recoveries into it will add to node_used_cpu, as far as their shards have been measured
#[inline(always)]
pub fn node_coming_cpu(i: usize) -> f64 {
    read::<f64>(58, i)
}
/// bytes of memory that they will add
#[inline(always)]
pub fn node_coming_memory(i: usize) -> f64 {
    read::<f64>(59, i)
}
/// bytes of disk that they will add
#[inline(always)]
pub fn node_coming_disk(i: usize) -> f64 {
    read::<f64>(60, i)
}
/// cores that copies on it free when others have taken their place
#[inline(always)]
pub fn node_leaving_cpu(i: usize) -> f64 {
    read::<f64>(61, i)
}
/// bytes of memory that they free
#[inline(always)]
pub fn node_leaving_memory(i: usize) -> f64 {
    read::<f64>(62, i)
}
/// bytes of disk that they free
#[inline(always)]
pub fn node_leaving_disk(i: usize) -> f64 {
    read::<f64>(63, i)
}
/// first copies of shards on it that have not said yet that they are open
#[inline(always)]
pub fn node_opening(i: usize) -> usize {
    read::<u32>(64, i) as usize
}
/// the keyspace's name
#[inline(always)]
pub fn keyspace_name(i: usize) -> &'static str {
    text(read::<u32>(96, i))
}
/// its shards
#[inline(always)]
pub fn keyspace_shards(i: usize) -> usize {
    read::<u32>(97, i) as usize
}
/// replicas wanted of each, beside the primary
#[inline(always)]
pub fn keyspace_replicas(i: usize) -> usize {
    read::<u32>(98, i) as usize
}
/// copies that must hold a write, the primary among them
#[inline(always)]
pub fn keyspace_min_in_sync(i: usize) -> usize {
    read::<u32>(99, i) as usize
}
/// 0 fsync, 1 interval, 2 memory
#[inline(always)]
pub fn keyspace_durability(i: usize) -> u8 {
    read::<u8>(100, i)
}
/// node_copies of this keyspace alone
#[inline(always)]
pub fn keyspace_node_copies(keyspace: usize, node: usize) -> usize {
    read::<u32>(101, keyspace * nodes() + node) as usize
}
/// node_primaries of this keyspace alone
#[inline(always)]
pub fn keyspace_node_primaries(keyspace: usize, node: usize) -> usize {
    read::<u32>(102, keyspace * nodes() + node) as usize
}
/// rebalanced of this keyspace alone, within its own budget.window
#[inline(always)]
pub fn keyspace_rebalanced(i: usize) -> usize {
    read::<u32>(103, i) as usize
}
/// rebalanced_bytes of this keyspace alone
#[inline(always)]
pub fn keyspace_rebalanced_bytes(i: usize) -> f64 {
    read::<f64>(104, i)
}
/// rebalanced_until of this keyspace alone
#[inline(always)]
pub fn keyspace_rebalanced_until(i: usize) -> i64 {
    read::<i64>(105, i)
}
/// the shard's keyspace
#[inline(always)]
pub fn shard_keyspace(i: usize) -> usize {
    read::<u32>(128, i) as usize
}
/// its number in its keyspace
#[inline(always)]
pub fn shard_number(i: usize) -> usize {
    read::<u32>(129, i) as usize
}
/// the copy that leads; none if none does
#[inline(always)]
pub fn shard_primary(i: usize) -> Option<usize> {
    row_of(read::<u32>(130, i))
}
/// the copy that the primary is asked to hand over to; none if it is not
#[inline(always)]
pub fn shard_hand_to(i: usize) -> Option<usize> {
    row_of(read::<u32>(131, i))
}
/// copies that failed in a row
#[inline(always)]
pub fn shard_failures(i: usize) -> usize {
    read::<u32>(132, i) as usize
}
/// copies that exist: slots whose copy_node is not none
#[inline(always)]
pub fn shard_copies(i: usize) -> usize {
    read::<u32>(133, i) as usize
}
/// cores that the copy which leads takes; 0: not measured, as in all figures of load
#[inline(always)]
pub fn shard_primary_cpu(i: usize) -> f64 {
    read::<f64>(134, i)
}
/// bytes of memory that it takes
#[inline(always)]
pub fn shard_primary_memory(i: usize) -> f64 {
    read::<f64>(135, i)
}
/// bytes of disk that it takes
#[inline(always)]
pub fn shard_primary_disk(i: usize) -> f64 {
    read::<f64>(136, i)
}
/// cores that a copy which does not lead takes
#[inline(always)]
pub fn shard_replica_cpu(i: usize) -> f64 {
    read::<f64>(137, i)
}
/// bytes of memory that it takes
#[inline(always)]
pub fn shard_replica_memory(i: usize) -> f64 {
    read::<f64>(138, i)
}
/// bytes of disk that it takes
#[inline(always)]
pub fn shard_replica_disk(i: usize) -> f64 {
    read::<f64>(139, i)
}
/// tick at which a copy was last seen to fail; the least number if none was
#[inline(always)]
pub fn shard_setback(i: usize) -> i64 {
    read::<i64>(140, i)
}
/// wall time in seconds since 1970, UTC, at which a copy last began to move for balance; 0: none did, or it is not counted, as with rebalanced
#[inline(always)]
pub fn shard_rebalanced(i: usize) -> i64 {
    read::<i64>(141, i)
}
/// the node that holds the copy; none if the slot is free
#[inline(always)]
pub fn copy_node(i: usize) -> Option<usize> {
    row_of(read::<u32>(160, i))
}
/// bits: 1 in sync, 2 started, 4 fresh, 8 failed
#[inline(always)]
pub fn copy_flags(i: usize) -> u8 {
    read::<u8>(161, i)
}
/// relocation: the copy whose place it takes; else none
#[inline(always)]
pub fn copy_source(i: usize) -> Option<usize> {
    row_of(read::<u32>(162, i))
}
/// the copy's number, as people see it in c7: the smaller is the older; 0 if the slot is free
#[inline(always)]
pub fn copy_id(i: usize) -> i64 {
    read::<i64>(163, i)
}
// accessors end
