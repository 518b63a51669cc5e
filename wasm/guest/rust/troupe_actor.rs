//! troupe_actor.rs: a kind of actors in Rust, ABI "act" version 1. The whole SDK is this file: put it beside your own as a module.
//!
//! ```text
//! #[macro_use]
//! mod troupe_actor;
//! use troupe_actor::*;
//!
//! actor!("manifest.json", add, value);
//!
//! fn add(request: &Json) -> Outcome {
//!     let count = get("count").integer() + request.integer();
//!     if count < 0 {
//!         return refuse(1, format!("{} would be below zero", me()));
//!     }
//!     put("count", count);
//!     reply(count)
//! }
//!
//! fn value(_: &Json) -> Outcome {
//!     reply(get("count").integer())
//! }
//! ```
//!
//! What happens:
//!
//! ```text
//! host                              this file                                your file
//! act_inbox(size) ────────────────► room for the envelope
//! act_handle(event, length) ──────► reads envelope and request ────────────► fn add, or what actor! names after replied
//!                                   all that it wrote and sent counts    ◄── Ok(reply)
//!                                   nothing has happened                 ◄── Err(refusal)
//! ```
//!
//! A method is a function of the actor's data and of the message: the same on any node, and when it is run again. It keeps in data what is
//! to last (get, put, del, scan). Memory is scratch, given back as a whole with each message: String, Vec and BTreeMap cost next to nothing, and a
//! static keeps nothing. A HashMap has no seed here; take a BTreeMap. It does not wait: ask gives a token, and the answer comes as a message of its own.
//!
//! Built for Wasm by rustc alone or by cargo; see the scaffold. Natively it is the same code, with World for tests.
#![allow(unknown_lints, dead_code, unused_imports, unused_macros, static_mut_refs, clippy::all)]

use std::fmt;

/// Events, as event() has them.
pub const EVENT_CALL: i32 = 1;
pub const EVENT_TELL: i32 = 2;
pub const EVENT_REPLY: i32 = 3;
pub const EVENT_REMINDER: i32 = 4;

/// Levels of log, in slog's numbers.
pub const LEVEL_DEBUG: i32 = -4;
pub const LEVEL_INFO: i32 = 0;
pub const LEVEL_WARN: i32 = 4;
pub const LEVEL_ERROR: i32 = 8;

// ---- what a kind is written with ----

/// Names the manifest, which becomes the module's section troupe.actor, and the methods: fn(&Json) -> Outcome. After them, if there are
/// any: replied = f, for the answers to what was asked, with the answer, or the text of the refusal, as the request; and migrate = f, fn(from:
/// i32) -> Outcome, called before the first message of an actor whose data was written under a lower "data" of the manifest.
macro_rules! actor {
    ($manifest:literal, $($method:ident),+ $(,)? $(; replied = $replied:path)? $(; migrate = $migrate:path)?) => {
        #[cfg(target_arch = "wasm32")]
        #[link_section = "troupe.actor"]
        #[used]
        pub static TR_SECTION: [u8; include_bytes!($manifest).len()] = *include_bytes!($manifest);
        #[cfg(not(target_arch = "wasm32"))]
        pub(crate) const TR_MANIFEST: &str = include_str!($manifest);
        #[allow(unused_variables, unreachable_code)]
        pub(crate) fn tr_dispatch(event: i32, method: &str, request: &Json) -> Outcome {
            if event == EVENT_REPLY {
                $(return $replied(request);)?
                return Ok(Json::Null);
            }
            match method {
                $(stringify!($method) => $method(request),)+
                _ => refuse(-1, format!("there is no method {}", method)),
            }
        }
        $(
            #[no_mangle]
            pub extern "C" fn act_migrate(from: i32, length: i32) -> i32 {
                tr_migrated(length, || $migrate(from))
            }
        )?
    };
}

/// What a method gives: the reply, or why it refuses, and then nothing has happened.
pub type Outcome = Result<Json, Refusal>;

/// A refusal: a code above 0 that is the application's own, and a text for whoever called. A text alone is code 1, so that "no such account".into()
/// and the operator ? do.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub code: i32,
    pub text: String,
    pub reason: String, // for programs; empty: there is none
    give: Option<fn(*const u8, i32)>, // tells the host of it: a module that never does need not import that
}

impl From<String> for Refusal {
    fn from(text: String) -> Refusal {
        Refusal { code: 1, text, reason: String::new(), give: None }
    }
}
impl From<&str> for Refusal {
    fn from(text: &str) -> Refusal {
        text.to_string().into()
    }
}

/// Answers.
pub fn reply(value: impl Into<Json>) -> Outcome {
    Ok(value.into())
}

/// Refuses.
pub fn refuse<T>(code: i32, text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { code, ..Refusal::from(text.into()) })
}

/// Refuses with a reason for programs, of 1 to 64 bytes: refuse_for("insufficient-funds", 1, "there is not enough"). It is "code" over HTTP.
pub fn refuse_for<T>(reason: &str, code: i32, text: impl Into<String>) -> Result<T, Refusal> {
    fn give(at: *const u8, length: i32) {
        unsafe { host::reason(at, length) }
    }
    Err(Refusal { code, reason: reason.to_string(), give: Some(give), ..Refusal::from(text.into()) })
}

/// An object: object! { "count": count, "by": sender() }.
macro_rules! object {
    ($($name:literal : $value:expr),* $(,)?) => { Json::Object(vec![$(($name.to_string(), Json::from($value))),*]) };
}

// ---- the message ----

#[derive(Default)]
struct Message {
    event: i32,
    now: i64,
    token: u64,
    number: u64,
    status: u32,
    me: String,
    sender: String,
}

static mut MESSAGE: Option<Message> = None;

fn message() -> &'static Message {
    unsafe { MESSAGE.as_ref().expect("no message is being handled") }
}

/// This actor, as kind/name.
pub fn me() -> &'static str {
    &message().me
}
/// The actor that sends the message, as kind/name; empty: it comes from outside of actors.
pub fn sender() -> &'static str {
    &message().sender
}
/// Why it is handled: EVENT_CALL and so on.
pub fn event() -> i32 {
    message().event
}
/// Its time in milliseconds since 1970, UTC: the same when it is run again. There is no other clock.
pub fn now() -> i64 {
    message().now
}
/// Of an answer: the token that ask gave.
pub fn token() -> u64 {
    message().token
}
/// Of an answer: whether the actor answered; if not, the request is the text of its refusal.
pub fn answered() -> bool {
    message().status == 0
}

/// Parts of an actor's name, which is kind/name.
pub fn kind_of(actor: &str) -> &str {
    actor.split_once('/').map_or(actor, |(kind, _)| kind)
}
pub fn name_of(actor: &str) -> &str {
    actor.split_once('/').map_or("", |(_, name)| name)
}
/// Another actor of this kind, as tell and ask take it.
pub fn peer(name: &str) -> String {
    format!("{}/{}", kind_of(me()), name)
}

// ---- data: what the actor keeps, by key. Reads see what this message has written ----

/// A value that is JSON; null if there is none.
pub fn get(key: &str) -> Json {
    get_bytes(key).and_then(|v| Json::parse(&v)).unwrap_or(Json::Null)
}
pub fn get_bytes(key: &str) -> Option<Vec<u8>> {
    grown(|out| unsafe { host::get(key.as_ptr(), key.len() as i32, out.as_mut_ptr(), out.len() as i32) })
}
/// Keeps a value, as JSON.
pub fn put(key: &str, value: impl Into<Json>) {
    put_bytes(key, value.into().to_string().as_bytes())
}
pub fn put_bytes(key: &str, value: &[u8]) {
    unsafe { host::put(key.as_ptr(), key.len() as i32, value.as_ptr(), value.len() as i32) }
}
pub fn del(key: &str) {
    unsafe { host::del(key.as_ptr(), key.len() as i32) }
}
/// The entries whose keys begin with prefix, in the order of keys' bytes. Sixteen scans may be begun in a message. What is written on
/// the way is seen if its key is yet to come.
pub fn scan(prefix: &str) -> impl Iterator<Item = (String, Json)> {
    scan_bytes(prefix).map(|(key, value)| (key, Json::parse(&value).unwrap_or(Json::Null)))
}
pub fn scan_bytes(prefix: &str) -> impl Iterator<Item = (String, Vec<u8>)> {
    let cursor = unsafe { host::scan(prefix.as_ptr(), prefix.len() as i32) };
    std::iter::from_fn(move || {
        let entry = grown(|out| unsafe { host::next(cursor, out.as_mut_ptr(), out.len() as i32) })?;
        let key = u32_at(&entry, 0) as usize;
        Some((String::from_utf8_lossy(&entry[4..4 + key]).into_owned(), entry[4 + key..].to_vec()))
    })
}

/// Calls what writes into room and gives a length, with more room if that was too little; -1 is nothing.
fn grown(mut f: impl FnMut(&mut [u8]) -> i32) -> Option<Vec<u8>> {
    let mut out = vec![0; 256];
    loop {
        let n = f(&mut out);
        if n < 0 {
            return None;
        }
        let fits = n as usize <= out.len();
        out.resize(n as usize, 0);
        if fits {
            return Some(out);
        }
    }
}

// ---- other actors, later, chance ----

/// Sends a message when this one commits: once, whatever fails. tell("account/ann", "pay", object! { "amount": 5 }).
pub fn tell(to: &str, method: &str, request: impl Into<Json>) {
    let payload = request.into().to_string();
    unsafe { host::tell(to.as_ptr(), to.len() as i32, method.as_ptr(), method.len() as i32, payload.as_ptr(), payload.len() as i32) }
}
/// Sends one that is answered, and gives the token by which to know the answer.
pub fn ask(to: &str, method: &str, request: impl Into<Json>) -> u64 {
    let payload = request.into().to_string();
    unsafe { host::ask(to.as_ptr(), to.len() as i32, method.as_ptr(), method.len() as i32, payload.as_ptr(), payload.len() as i32) as u64 }
}
/// Has a message sent to this actor after so many milliseconds, and, if every is not 0, again each so many, 1000 at least. A name has one reminder.
pub fn remind(name: &str, after: i64, every: i64, method: &str, request: impl Into<Json>) {
    let payload = request.into().to_string();
    unsafe { host::remind(name.as_ptr(), name.len() as i32, after, every, method.as_ptr(), method.len() as i32, payload.as_ptr(), payload.len() as i32) }
}
pub fn forget(name: &str) {
    unsafe { host::forget(name.as_ptr(), name.len() as i32) }
}
/// Chance, the same when the message is run again.
pub fn random_bytes(out: &mut [u8]) {
    unsafe { host::random(out.as_mut_ptr(), out.len() as i32) }
}
pub fn random_u64() -> u64 {
    let mut bytes = [0; 8];
    random_bytes(&mut bytes);
    u64::from_le_bytes(bytes)
}
/// One of 0 to n - 1, each as likely.
pub fn random_below(n: u64) -> u64 {
    if n < 2 {
        return 0;
    }
    let limit = u64::MAX - u64::MAX % n;
    loop {
        let v = random_u64();
        if v < limit {
            return v % n;
        }
    }
}

/// A line for the host's log.
pub fn log(level: i32, line: &str) {
    unsafe { host::log(level, line.as_ptr(), line.len() as i32) };
}
/// Whether the host keeps lines of that level: ask before making one that costs.
pub fn log_enabled(level: i32) -> bool {
    unsafe { host::log_enabled(level) != 0 }
}

// ---- JSON ----

/// A value. A number without point and exponent that fits is an Integer. What is not there is Null: request["to"]["name"].text() is safe on anything.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

static NULL: Json = Json::Null;

impl Json {
    pub fn parse(text: impl AsRef<[u8]>) -> Option<Json> {
        let mut copy = text.as_ref().to_vec(); // strings are decoded where they stand
        let mut r = Reader { data: &mut copy, at: 0 };
        let v = r.value(0)?;
        r.skip(0);
        if r.at == r.data.len() { Some(v) } else { None }
    }
    /// A field of an object; also v["name"].
    pub fn field(&self, name: &str) -> &Json {
        self.fields().iter().find(|(n, _)| n == name).map_or(&NULL, |(_, v)| v)
    }
    pub fn fields(&self) -> &[(String, Json)] {
        if let Json::Object(fields) = self { fields } else { &[] }
    }
    pub fn items(&self) -> &[Json] {
        if let Json::List(items) = self { items } else { &[] }
    }
    pub fn is_null(&self) -> bool {
        *self == Json::Null
    }
    /// An integer, and of another number its whole part; 0 of anything else.
    pub fn integer(&self) -> i64 {
        match self {
            Json::Integer(v) => *v,
            Json::Number(v) => *v as i64,
            _ => 0,
        }
    }
    pub fn number(&self) -> f64 {
        match self {
            Json::Integer(v) => *v as f64,
            Json::Number(v) => *v,
            _ => 0.0,
        }
    }
    /// A text; "" of anything else.
    pub fn text(&self) -> &str {
        self.as_text().unwrap_or("")
    }
    pub fn flag(&self) -> bool {
        *self == Json::Bool(true)
    }
    /// For requests that must be what they should be.
    pub fn as_integer(&self) -> Option<i64> {
        if let Json::Integer(v) = self { Some(*v) } else { None }
    }
    pub fn as_text(&self) -> Option<&str> {
        if let Json::Text(v) = self { Some(v) } else { None }
    }
}

impl std::ops::Index<&str> for Json {
    type Output = Json;
    fn index(&self, name: &str) -> &Json {
        self.field(name)
    }
}

macro_rules! from {
    ($($from:ty, |$v:ident| $to:expr;)+) => { $(impl From<$from> for Json { fn from($v: $from) -> Json { $to } })+ };
}
from! {
    (), |_v| Json::Null;
    bool, |v| Json::Bool(v);
    i32, |v| Json::Integer(v as i64);
    u32, |v| Json::Integer(v as i64);
    i64, |v| Json::Integer(v);
    usize, |v| Json::Integer(v as i64);
    u64, |v| if v <= i64::MAX as u64 { Json::Integer(v as i64) } else { Json::Number(v as f64) };
    f64, |v| Json::Number(v);
    &str, |v| Json::Text(v.to_string());
    String, |v| Json::Text(v);
    &Json, |v| v.clone();
    Vec<Json>, |v| Json::List(v);
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(v) => write!(f, "{}", v),
            Json::Integer(v) => write!(f, "{}", v),
            Json::Number(v) if v.is_finite() => write!(f, "{}", v),
            Json::Number(_) => f.write_str("null"),
            Json::Text(v) => quoted(f, v),
            Json::List(items) => {
                f.write_str("[")?;
                for (i, v) in items.iter().enumerate() {
                    f.write_str(if i > 0 { "," } else { "" })?;
                    v.fmt(f)?;
                }
                f.write_str("]")
            }
            Json::Object(fields) => {
                f.write_str("{")?;
                for (i, (name, v)) in fields.iter().enumerate() {
                    f.write_str(if i > 0 { "," } else { "" })?;
                    quoted(f, name)?;
                    f.write_str(":")?;
                    v.fmt(f)?;
                }
                f.write_str("}")
            }
        }
    }
}

fn quoted(f: &mut fmt::Formatter, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    let mut from = 0;
    for (at, c) in text.bytes().enumerate() {
        if c >= 0x20 && c != b'"' && c != b'\\' {
            continue;
        }
        f.write_str(&text[from..at])?;
        from = at + 1;
        match c {
            b'"' => f.write_str("\\\"")?,
            b'\\' => f.write_str("\\\\")?,
            b'\n' => f.write_str("\\n")?,
            b'\t' => f.write_str("\\t")?,
            b'\r' => f.write_str("\\r")?,
            8 => f.write_str("\\b")?,
            12 => f.write_str("\\f")?,
            _ => write!(f, "\\u{:04x}", c)?,
        }
    }
    f.write_str(&text[from..])?;
    f.write_str("\"")
}

// json begin: as in troupe.rs
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

impl<'a> Reader<'a> {
    fn value(&mut self, depth: i32) -> Option<Json> {
        if depth > 32 {
            return None;
        }
        self.skip(0);
        match self.peek() {
            b'"' => Some(Json::Text(self.string()?.to_string())),
            b'[' => {
                let (mut items, mut first) = (Vec::new(), true);
                while self.more(b'[', b']', &mut first)? {
                    items.push(self.value(depth + 1)?);
                }
                Some(Json::List(items))
            }
            b'{' => {
                let (mut fields, mut first) = (Vec::new(), true);
                while self.more(b'{', b'}', &mut first)? {
                    let name = self.string()?.to_string();
                    if !self.skip(b':') {
                        return None;
                    }
                    fields.push((name, self.value(depth + 1)?));
                }
                Some(Json::Object(fields))
            }
            b't' if self.word("true") => Some(Json::Bool(true)),
            b'f' if self.word("false") => Some(Json::Bool(false)),
            b'n' if self.word("null") => Some(Json::Null),
            _ => {
                let from = self.at;
                let number = self.number()?;
                let text = std::str::from_utf8(&self.data[from..self.at]).ok()?;
                Some(text.parse().map_or(Json::Number(number), Json::Integer))
            }
        }
    }
}

// ---- what the host calls ----

static mut INBOX: (usize, usize) = (0, 0); // where it is, and its length

#[cfg(target_arch = "wasm32")]
#[no_mangle]
pub extern "C" fn act_abi_1() {}

#[no_mangle]
pub extern "C" fn act_inbox(size: i32) -> usize {
    unsafe {
        if size < 0 {
            return 0;
        }
        if size as usize > INBOX.1 {
            let mut room = INBOX.1.max(4096);
            while room < size as usize {
                room *= 2; // what was there before is not given back: together they take no more than the new one
            }
            match memory::lasting(room) {
                0 => return 0,
                at => INBOX = (at, room),
            }
        }
        INBOX.0
    }
}

fn u32_at(data: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]])
}
fn u64_at(data: &[u8], at: usize) -> u64 {
    u32_at(data, at) as u64 | (u32_at(data, at + 4) as u64) << 32
}

/// Reads the envelope, and hands on its method and its request.
fn handled(event: i32, length: i32, f: impl FnOnce(&str, &Json) -> Outcome) -> i32 {
    memory::begin();
    let e = unsafe { std::slice::from_raw_parts(INBOX.0 as *const u8, length as usize) };
    let text = |field: usize| String::from_utf8_lossy(part(e, field)).into_owned();
    let outcome = if e.len() < 80 || u32_at(e, 0) != 0x5443_4154 || u32_at(e, 4) & 0xffff != 1 {
        refuse(-1, "the message is no envelope of ABI version 1")
    } else {
        let m = Message { event, now: u64_at(e, 8) as i64, token: u64_at(e, 24), number: u64_at(e, 32), status: u32_at(e, 72), me: text(40), sender: text(48) };
        unsafe { std::ptr::write(std::ptr::addr_of_mut!(MESSAGE), Some(m)) }; // what was there lay in scratch
        let payload = part(e, 64);
        match if payload.is_empty() { Some(Json::Null) } else { Json::parse(payload) } {
            Some(request) => f(&text(56), &request),
            None => refuse(-1, "the request is no JSON, or nested more than 32 deep"),
        }
    };
    let outcome = outcome.map(|v| if v.is_null() { String::new() } else { v.to_string() });
    match outcome {
        Ok(v) if v.is_empty() => 0,
        Ok(v) => unsafe {
            host::reply(v.as_ptr(), v.len() as i32);
            0
        },
        Err(r) => unsafe {
            if let Some(give) = r.give {
                give(r.reason.as_ptr(), r.reason.len() as i32);
            }
            host::error(r.text.as_ptr(), r.text.len() as i32);
            if r.code == 0 { 1 } else { r.code }
        },
    }
}

fn part(e: &[u8], field: usize) -> &[u8] {
    let from = u32_at(e, field) as usize;
    &e[from..from + u32_at(e, field + 4) as usize]
}

#[no_mangle]
pub extern "C" fn act_handle(event: i32, length: i32) -> i32 {
    handled(event, length, |method, request| match event {
        EVENT_CALL..=EVENT_REMINDER => crate::tr_dispatch(event, method, request),
        _ => refuse(-1, format!("event {} is not known here", event)),
    })
}

/// For actor!: what migrate gives as a reply goes nowhere.
pub fn tr_migrated(length: i32, f: impl FnOnce() -> Outcome) -> i32 {
    handled(EVENT_CALL, length, |_, _| f().map(|_| Json::Null))
}

#[cfg(target_arch = "wasm32")]
mod host {
    #[link(wasm_import_module = "host")]
    extern "C" {
        pub fn log(level: i32, at: *const u8, length: i32);
        pub fn log_enabled(level: i32) -> i32;
        pub fn error(at: *const u8, length: i32);
    }
    #[link(wasm_import_module = "act")]
    extern "C" {
        pub fn get(key: *const u8, key_length: i32, out: *mut u8, room: i32) -> i32;
        pub fn put(key: *const u8, key_length: i32, value: *const u8, length: i32);
        pub fn del(key: *const u8, key_length: i32);
        pub fn scan(prefix: *const u8, length: i32) -> i32;
        pub fn next(cursor: i32, out: *mut u8, room: i32) -> i32;
        pub fn reply(value: *const u8, length: i32);
        pub fn tell(to: *const u8, to_length: i32, method: *const u8, method_length: i32, payload: *const u8, length: i32);
        pub fn ask(to: *const u8, to_length: i32, method: *const u8, method_length: i32, payload: *const u8, length: i32) -> i64;
        pub fn remind(name: *const u8, name_length: i32, after: i64, every: i64, method: *const u8, method_length: i32, payload: *const u8, length: i32);
        pub fn forget(name: *const u8, length: i32);
        pub fn random(out: *mut u8, n: i32);
        pub fn reason(at: *const u8, length: i32);
    }
}

/// Memory is taken and never given back, but as a whole before each message; the host puts back what a message wrote anyway.
#[cfg(target_arch = "wasm32")]
mod memory {
    use core::arch::wasm32::{memory_grow, memory_size};
    use std::alloc::{GlobalAlloc, Layout};

    extern "C" {
        static __heap_base: u8;
    }
    static mut FLOOR: usize = 0; // what is below lasts
    static mut TOP: usize = 0;
    static mut BEGUN: bool = false;

    struct Scratch;

    #[global_allocator]
    static SCRATCH: Scratch = Scratch;

    unsafe impl GlobalAlloc for Scratch {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            if TOP == 0 {
                TOP = &__heap_base as *const u8 as usize;
                FLOOR = TOP;
            }
            let at = (TOP + layout.align() - 1) & !(layout.align() - 1);
            let end = match at.checked_add(layout.size()) {
                Some(end) if end < usize::MAX - 65535 => end,
                _ => return core::ptr::null_mut(),
            };
            let have = memory_size(0) << 16;
            if end > have && memory_grow(0, (end - have + 65535) >> 16) == usize::MAX {
                return core::ptr::null_mut();
            }
            TOP = end;
            at as *mut u8
        }
        unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
            if at as usize + layout.size() == TOP {
                TOP = at as usize;
            }
        }
        unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            if at as usize + layout.size() == TOP {
                TOP = at as usize; // the last one grows where it is
            }
            let to = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !to.is_null() && to != at {
                core::ptr::copy_nonoverlapping(at, to, layout.size().min(size));
            }
            to
        }
    }

    /// Memory that outlives messages. What std itself keeps, such as the panic hook, is below it.
    pub unsafe fn lasting(size: usize) -> usize {
        if !BEGUN {
            BEGUN = true;
            std::panic::set_hook(Box::new(|info| {
                let text = info.to_string();
                super::host::error(text.as_ptr(), text.len() as i32);
            }));
        } else {
            TOP = FLOOR;
        }
        let at = SCRATCH.alloc(Layout::from_size_align_unchecked(size, 16));
        FLOOR = TOP;
        at as usize
    }

    pub fn begin() {
        unsafe { TOP = FLOOR };
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod memory {
    pub unsafe fn lasting(size: usize) -> usize {
        Vec::leak(vec![0u8; size]).as_ptr() as usize
    }
    pub fn begin() {}
}

// ---- native tests ----

#[cfg(not(target_arch = "wasm32"))]
pub use world::{Sent, World};

#[cfg(not(target_arch = "wasm32"))]
mod world {
    use super::*;
    use std::collections::{BTreeMap, VecDeque};
    use std::sync::{Mutex, MutexGuard};

    /// All actors of this kind in memory, for native tests; no actor has any data, and it is 2026. One lives at a time; the next waits until
    /// it is dropped.
    ///
    /// ```text
    /// let mut w = World::new();
    /// assert_eq!(w.call("ann", "add", "5").unwrap(), Json::from(5));
    /// w.settle();                                     // delivers what was told and asked, until nothing is left
    /// w.advance(60_000);                              // lets time pass: reminders come, and what they send settles
    /// assert_eq!(w.data("ann", "count").integer(), 5);
    /// let sent = w.sent().unwrap();                   // the next message to another kind, which is not here
    /// w.answer(&sent, Ok(true.into()));
    /// ```
    ///
    /// Messages to actors of this kind arrive in the order in which they were sent, each once. What a tell or a reminder is refused with is in
    /// refused: a cluster tries again, and sets it aside in the end.
    pub struct World {
        pub refused: Vec<Refusal>,
        _turn: MutexGuard<'static, ()>,
    }

    /// A message that is on its way.
    #[derive(Clone, Debug)]
    pub struct Sent {
        pub to: String,
        pub from: String,
        pub method: String,
        pub payload: Json,
        event: i32,
        token: u64,
        status: u8,
    }

    #[derive(Clone)]
    struct Reminder {
        due: i64,
        every: i64,
        method: String,
        payload: Json,
    }

    type Data = BTreeMap<Vec<u8>, Vec<u8>>;

    #[derive(Default)]
    pub(super) struct State {
        kind: String,
        now: i64,
        number: u64,
        token: u64,
        dice: (u64, u64, u32), // state, word, bytes that are left of it
        data: BTreeMap<String, Data>,
        reminders: BTreeMap<(String, String), Reminder>,
        sent: VecDeque<Sent>,
        pending: Vec<Sent>,
        cursors: Vec<(Vec<u8>, Option<Vec<u8>>)>,
        reply: Json,
        said: String,
        reason: String,
    }

    impl Default for Json {
        fn default() -> Json {
            Json::Null
        }
    }

    static TURN: Mutex<()> = Mutex::new(());
    static mut STATE: Option<State> = None;

    fn state() -> &'static mut State {
        unsafe { STATE.as_mut().expect("make a World first") }
    }

    impl World {
        pub fn new() -> World {
            let turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
            let manifest = Json::parse(crate::TR_MANIFEST).expect("the manifest is no JSON");
            let kind = manifest["kind"].text().to_string();
            unsafe { STATE = Some(State { kind, now: 1_767_225_600_000, ..State::default() }) };
            World { refused: Vec::new(), _turn: turn }
        }

        /// Calls an actor by its name, with a request in JSON.
        pub fn call(&mut self, name: &str, method: &str, request: impl AsRef<str>) -> Outcome {
            self.call_as("", name, method, request)
        }
        /// Has an actor of any kind, as kind/name, call one; call comes from outside of actors.
        pub fn call_as(&mut self, sender: &str, name: &str, method: &str, request: impl AsRef<str>) -> Outcome {
            let payload = if request.as_ref().is_empty() { Json::Null } else { Json::parse(request.as_ref()).expect("the request is no JSON") };
            let to = format!("{}/{}", state().kind, name);
            deliver(&Sent { to, from: sender.to_string(), method: method.to_string(), payload, event: EVENT_CALL, token: 0, status: 0 })
        }

        /// Delivers what is on its way to actors of this kind, and what comes of that.
        pub fn settle(&mut self) {
            while let Some(at) = state().sent.iter().position(|m| kind_of(&m.to) == state().kind) {
                let m = state().sent.remove(at).unwrap();
                match deliver(&m) {
                    outcome if m.event == EVENT_CALL => self.answer(&m, outcome),
                    Err(r) => self.refused.push(r),
                    Ok(_) => {}
                }
            }
        }

        /// Lets time pass.
        pub fn advance(&mut self, ms: i64) {
            let end = state().now + ms;
            loop {
                let due = state().reminders.iter().filter(|(_, r)| r.due <= end).min_by_key(|(_, r)| r.due).map(|(k, r)| (k.clone(), r.clone()));
                let (key, r) = match due {
                    Some(due) => due,
                    None => break,
                };
                state().now = state().now.max(r.due);
                if r.every > 0 {
                    state().reminders.get_mut(&key).unwrap().due += r.every;
                } else {
                    state().reminders.remove(&key);
                }
                let m = Sent { to: key.0.clone(), from: key.0, method: r.method, payload: r.payload, event: EVENT_REMINDER, token: 0, status: 0 };
                if let Err(r) = deliver(&m) {
                    self.refused.push(r);
                }
                self.settle();
            }
            state().now = end;
        }

        pub fn now(&self) -> i64 {
            state().now
        }
        /// What an actor keeps under a key; null is nothing.
        pub fn data(&self, name: &str, key: &str) -> Json {
            let data = state().data.get(&format!("{}/{}", state().kind, name));
            data.and_then(|d| d.get(key.as_bytes())).and_then(|v| Json::parse(v)).unwrap_or(Json::Null)
        }
        /// The keys of an actor's data.
        pub fn keys(&self, name: &str) -> Vec<String> {
            let data = state().data.get(&format!("{}/{}", state().kind, name));
            data.map_or(Vec::new(), |d| d.keys().map(|k| String::from_utf8_lossy(k).into_owned()).collect())
        }
        /// Takes the next message that went to another kind.
        pub fn sent(&mut self) -> Option<Sent> {
            let at = state().sent.iter().position(|m| kind_of(&m.to) != state().kind)?;
            state().sent.remove(at)
        }
        /// Answers what was asked, or refuses it.
        pub fn answer(&mut self, asked: &Sent, outcome: Outcome) {
            let (status, payload) = match outcome {
                Ok(v) => (0, v),
                Err(r) => (1, Json::Text(r.text)),
            };
            let (to, from, method) = (asked.from.clone(), asked.to.clone(), asked.method.clone());
            state().sent.push_back(Sent { to, from, method, payload, event: EVENT_REPLY, token: asked.token, status });
        }
        /// Runs act_migrate on an actor, as for a message that comes to data of an older version.
        pub fn migrate(&mut self, name: &str, from: i32, migrate: extern "C" fn(i32, i32) -> i32) -> Outcome {
            let to = format!("{}/{}", state().kind, name);
            handed(&Sent { to, from: String::new(), method: "x".to_string(), payload: Json::Null, event: EVENT_CALL, token: 0, status: 0 }, |length| migrate(from, length))
        }
    }

    fn deliver(m: &Sent) -> Outcome {
        let manifest = Json::parse(crate::TR_MANIFEST).expect("the manifest is no JSON");
        if m.event != EVENT_REPLY && !manifest["methods"].fields().iter().any(|(name, _)| *name == m.method) {
            return refuse(-1, format!("the manifest has no method {}: a cluster refuses the message", m.method));
        }
        handed(m, |length| act_handle(m.event, length))
    }

    /// Hands one message to the actor, as a host does.
    fn handed(m: &Sent, f: impl FnOnce(i32) -> i32) -> Outcome {
        let s = state();
        s.number += 1;
        let mut e = b"TACT\x01\0\x50\0".to_vec();
        for v in [s.now as u64, s.number, m.token, s.number] {
            e.extend(v.to_le_bytes());
        }
        let payload = if m.payload.is_null() { String::new() } else { m.payload.to_string() };
        let parts = [&m.to, &m.from, &m.method, &payload];
        let mut at = 80u32;
        for p in parts {
            e.extend(at.to_le_bytes());
            e.extend((p.len() as u32).to_le_bytes());
            at += p.len() as u32;
        }
        e.extend([m.status, 0, 0, 0, 0, 0, 0, 0]);
        parts.iter().for_each(|p| e.extend(p.as_bytes()));
        let inbox = act_inbox(e.len() as i32);
        unsafe { std::ptr::copy_nonoverlapping(e.as_ptr(), inbox as *mut u8, e.len()) };
        let before = (s.data.clone(), s.reminders.clone());
        s.pending.clear();
        s.cursors.clear();
        s.reply = Json::Null;
        s.reason.clear();
        s.dice = (s.number, 0, 0);
        match f(e.len() as i32) {
            0 => {
                let s = state();
                s.sent.extend(s.pending.drain(..));
                Ok(s.reply.clone())
            }
            code => {
                let s = state();
                s.data = before.0;
                s.reminders = before.1;
                Err(Refusal { code, text: s.said.clone(), reason: s.reason.clone(), give: None })
            }
        }
    }

    unsafe fn text(at: *const u8, length: i32) -> String {
        String::from_utf8(bytes(at, length)).expect("what the host is given is no UTF-8")
    }
    unsafe fn bytes(at: *const u8, length: i32) -> Vec<u8> {
        std::slice::from_raw_parts(at, length as usize).to_vec()
    }

    /// What a cluster does to what is beyond its bounds: the message ends there, and here the test.
    fn named(name: String) -> String {
        assert!((1..=64).contains(&name.len()), "trap: a method's or reminder's name, or a reason, of no or more than 64 bytes: {:?}", name);
        name
    }
    fn payload(text: String) -> Json {
        if text.is_empty() { Json::Null } else { Json::parse(&text).unwrap_or_else(|| panic!("trap: a payload that is no JSON: {}", text)) }
    }

    /// The host's side.
    pub(super) mod host {
        use super::*;

        fn data() -> &'static mut Data {
            state().data.entry(me().to_string()).or_default()
        }
        unsafe fn give(value: &[u8], out: *mut u8, room: i32) -> i32 {
            if value.len() <= room as usize {
                std::ptr::copy_nonoverlapping(value.as_ptr(), out, value.len());
            }
            value.len() as i32
        }
        pub unsafe fn log(level: i32, at: *const u8, length: i32) {
            eprintln!("log {}: {}", level, text(at, length));
        }
        pub unsafe fn log_enabled(level: i32) -> i32 {
            (level >= LEVEL_INFO) as i32
        }
        pub unsafe fn error(at: *const u8, length: i32) {
            state().said = text(at, length);
        }
        pub unsafe fn reason(at: *const u8, length: i32) {
            state().reason = named(text(at, length));
        }
        pub unsafe fn get(key: *const u8, key_length: i32, out: *mut u8, room: i32) -> i32 {
            data().get(&bytes(key, key_length)).map_or(-1, |v| give(v, out, room))
        }
        pub unsafe fn put(key: *const u8, key_length: i32, value: *const u8, length: i32) {
            assert!((1..=1024).contains(&key_length), "trap: a key of no or more than 1024 bytes");
            data().insert(bytes(key, key_length), bytes(value, length));
        }
        pub unsafe fn del(key: *const u8, key_length: i32) {
            data().remove(&bytes(key, key_length));
        }
        pub unsafe fn scan(prefix: *const u8, length: i32) -> i32 {
            let cursors = &mut state().cursors;
            assert!(cursors.len() < 16, "trap: more than 16 scans in a message");
            cursors.push((bytes(prefix, length), None));
            cursors.len() as i32 - 1
        }
        pub unsafe fn next(cursor: i32, out: *mut u8, room: i32) -> i32 {
            let (prefix, last) = &mut state().cursors[cursor as usize];
            let entry = data().iter().find(|(k, _)| k.starts_with(prefix) && last.as_ref().map_or(true, |l| *k > l));
            let (key, value) = match entry {
                Some(entry) => entry,
                None => return -1,
            };
            let whole = [&(key.len() as u32).to_le_bytes()[..], key, value].concat();
            if whole.len() <= room as usize {
                *last = Some(key.clone());
            }
            give(&whole, out, room)
        }
        pub unsafe fn reply(value: *const u8, length: i32) {
            state().reply = payload(text(value, length));
        }
        unsafe fn send(event: i32, token: u64, to: String, method: String, json: String) {
            assert!(to.contains('/'), "trap: a message to what is no KIND/NAME: {:?}", to);
            state().pending.push(Sent { to, from: me().to_string(), method: named(method), payload: payload(json), event, token, status: 0 });
        }
        pub unsafe fn tell(to: *const u8, to_length: i32, method: *const u8, method_length: i32, payload: *const u8, length: i32) {
            send(EVENT_TELL, 0, text(to, to_length), text(method, method_length), text(payload, length));
        }
        pub unsafe fn ask(to: *const u8, to_length: i32, method: *const u8, method_length: i32, payload: *const u8, length: i32) -> i64 {
            state().token += 1;
            send(EVENT_CALL, state().token, text(to, to_length), text(method, method_length), text(payload, length));
            state().token as i64
        }
        pub unsafe fn remind(name: *const u8, name_length: i32, after: i64, every: i64, method: *const u8, method_length: i32, json: *const u8, length: i32) {
            assert!(every == 0 || every >= 1000, "trap: a reminder that comes more often than each second");
            let r = Reminder { due: now() + after, every, method: named(text(method, method_length)), payload: payload(text(json, length)) };
            state().reminders.insert((me().to_string(), named(text(name, name_length))), r);
        }
        pub unsafe fn forget(name: *const u8, length: i32) {
            state().reminders.remove(&(me().to_string(), text(name, length)));
        }
        /// splitmix64 from the envelope's seed.
        pub unsafe fn random(out: *mut u8, n: i32) {
            let (dice, word, left) = &mut state().dice;
            for i in 0..n as usize {
                if *left == 0 {
                    *dice = dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let mut v = *dice;
                    v = (v ^ v >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    v = (v ^ v >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
                    *word = v ^ v >> 31;
                    *left = 8;
                }
                *out.add(i) = *word as u8;
                *word >>= 8;
                *left -= 1;
            }
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
use world::host;
