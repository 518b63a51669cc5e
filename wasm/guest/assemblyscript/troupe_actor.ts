// troupe_actor.ts: a kind of actors in AssemblyScript, ABI "act" version 1. The whole SDK is this file.
//
//     import { method, getInteger, putInteger, reply, refuse, self, Json } from "./troupe_actor";
//     export { act_abi_1, act_inbox, act_handle } from "./troupe_actor";
//
//     method("add", (request: Json): i32 => {
//       const count = getInteger("count") + request.integer;
//       if (count < 0) return refuse(1, self() + " would be below zero");
//       putInteger("count", count);
//       return reply(count.toString());
//     });
//
//     method("value", (request: Json): i32 => reply(getInteger("count").toString()));
//
// What happens:
//
//     host                              this file                                your file
//     act_inbox(size) ────────────────► room for the envelope
//     act_handle(event, length) ──────► reads envelope and request ────────────► the function given to method, or to onReply
//                                       0: all that it wrote and sent counts ◄── return 0, reply(…)
//                                       else: nothing has happened           ◄── return refuse(code, …)
//
// A method is a function of the actor's data and of the message: the same on any node, and when it is run again. It keeps in data what is to
// last (get, put, del, scan). Memory is scratch, put back with each message: build with --runtime stub, and let nothing be collected. It does not
// wait: ask gives a token, and the answer comes as a message of its own. JSON is read as a tree, and written as text: `{"to":${quote(name)}}`.
//
// Built by: asc actor.ts -O3 --runtime stub --exportStart _initialize --use abort=troupe_actor/abort -o actor.wasm
// The host puts the manifest in: troupe actor pack actor.wasm manifest.json. For onMigrate export act_migrate too.

export const EVENT_CALL: i32 = 1;
export const EVENT_TELL: i32 = 2;
export const EVENT_REPLY: i32 = 3;
export const EVENT_REMINDER: i32 = 4;

export const LEVEL_DEBUG: i32 = -4; // slog's numbers
export const LEVEL_INFO: i32 = 0;
export const LEVEL_WARN: i32 = 4;
export const LEVEL_ERROR: i32 = 8;

@external("host", "log") declare function host_log(level: i32, at: usize, length: i32): void;
@external("host", "log_enabled") declare function host_log_enabled(level: i32): i32;
@external("host", "error") declare function host_error(at: usize, length: i32): void;
@external("act", "get") declare function act_get(key: usize, keyLength: i32, out: usize, room: i32): i32;
@external("act", "put") declare function act_put(key: usize, keyLength: i32, value: usize, length: i32): void;
@external("act", "del") declare function act_del(key: usize, keyLength: i32): void;
@external("act", "scan") declare function act_scan(prefix: usize, length: i32): i32;
@external("act", "next") declare function act_next(cursor: i32, out: usize, room: i32): i32;
@external("act", "reply") declare function act_reply(value: usize, length: i32): void;
@external("act", "tell") declare function act_tell(to: usize, toLength: i32, method: usize, methodLength: i32, payload: usize, length: i32): void;
@external("act", "ask") declare function act_ask(to: usize, toLength: i32, method: usize, methodLength: i32, payload: usize, length: i32): i64;
@external("act", "remind") declare function act_remind(name: usize, nameLength: i32, after: i64, every: i64, method: usize, methodLength: i32, payload: usize, length: i32): void;
@external("act", "forget") declare function act_forget(name: usize, length: i32): void;
@external("act", "random") declare function act_random(out: usize, n: i32): void;
@external("act", "reason") declare function act_reason(word: usize, length: i32): void;

// ---- what a kind is written with ----

let names: string[] = [];
let handlers: ((request: Json) => i32)[] = [];
let replied: ((answer: Json) => i32) | null = null;
let migrating: ((from: i32) => i32) | null = null;

// Gives the function of a method: 0, or what reply and refuse give. Functions are no closures here: what they need is in data and in the message.
export function method(name: string, f: (request: Json) => i32): void {
  names.push(name);
  handlers.push(f);
}

// Gives the function for the answers to what was asked: see token, answered and sender. If the actor did not answer, the answer is the text of its refusal.
export function onReply(f: (answer: Json) => i32): void {
  replied = f;
}

// Gives a function that is called, before the first message, for an actor whose data was written under a lower "data" of the manifest.
export function onMigrate(f: (from: i32) => i32): void {
  migrating = f;
}

// Refuses the message: nothing that it did counts, and who called hears the text. The code, above 0, is the application's own.
export function refuse(code: i32, why: string): i32 {
  const t = encoded(why);
  host_error(t, lengthOf(t));
  return code;
}

// The same, with a reason for programs, of 1 to 64 bytes: refuseFor("insufficient-funds", 1, "there is not enough"). It is "code" over HTTP.
export function refuseFor(reason: string, code: i32, why: string): i32 {
  const t = encoded(reason);
  act_reason(t, lengthOf(t));
  return refuse(code, why);
}

// Answers, with JSON; gives 0. Without it the answer is null; the last one counts.
export function reply(json: string): i32 {
  const t = encoded(json);
  act_reply(t, lengthOf(t));
  return 0;
}

// Where the runtime ends when an index is out of range: the host hears why, and the module traps. The build names it by
// --use abort=troupe_actor/abort.
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  refuse(-1, (message ? message : "aborted") + " at " + (file ? file : "?") + ":" + line.toString());
  unreachable();
}

function encoded(s: string): usize {
  return changetype<usize>(String.UTF8.encode(s));
}
function lengthOf(bytes: usize): i32 {
  return changetype<ArrayBuffer>(bytes).byteLength;
}

// ---- the message ----

let theEvent: i32 = 0;
let theNow: i64 = 0;
let theToken: u64 = 0;
let theStatus: i32 = 0;
let theSelf = "";
let theSender = "";

// This actor, as kind/name.
export function self(): string {
  return theSelf;
}
// The actor that sends the message, as kind/name; empty: it comes from outside of actors.
export function sender(): string {
  return theSender;
}
// EVENT_CALL and so on.
export function event(): i32 {
  return theEvent;
}
// Its time in milliseconds since 1970, UTC: the same when it is run again. There is no other clock.
export function now(): i64 {
  return theNow;
}
// Of an answer: the token that ask gave, and whether the actor answered.
export function token(): u64 {
  return theToken;
}
export function answered(): bool {
  return theStatus == 0;
}

// Parts of an actor's name, and another actor of this kind, as tell and ask take it.
export function kindOf(actor: string): string {
  const slash = actor.indexOf("/");
  return slash < 0 ? actor : actor.substring(0, slash);
}
export function nameOf(actor: string): string {
  const slash = actor.indexOf("/");
  return slash < 0 ? "" : actor.substring(slash + 1);
}
export function peer(name: string): string {
  return kindOf(theSelf) + "/" + name;
}

export function log(level: i32, line: string): void {
  const t = encoded(line);
  host_log(level, t, lengthOf(t));
}
export function logEnabled(level: i32): bool {
  return host_log_enabled(level) != 0;
}

// ---- data: what the actor keeps, by key. Reads see what this message has written ----

// A value; null: there is none.
export function get(key: string): string | null {
  const value = getBytes(key);
  return value === null ? null : String.UTF8.decode(value);
}
export function getBytes(key: string): ArrayBuffer | null {
  const k = encoded(key);
  let out = new ArrayBuffer(256);
  while (true) {
    const n = act_get(k, lengthOf(k), changetype<usize>(out), out.byteLength);
    if (n < 0) return null;
    if (n <= out.byteLength) return out.slice(0, n);
    out = new ArrayBuffer(n);
  }
}
// A value as JSON, and as an integer: null and 0 if there is none.
export function getJson(key: string): Json {
  const value = get(key);
  return value === null ? new Json() : json(value);
}
export function getInteger(key: string): i64 {
  return getJson(key).integer;
}
export function put(key: string, value: string): void {
  putBytes(key, String.UTF8.encode(value));
}
export function putBytes(key: string, value: ArrayBuffer): void {
  const k = encoded(key);
  act_put(k, lengthOf(k), changetype<usize>(value), value.byteLength);
}
export function putInteger(key: string, value: i64): void {
  put(key, value.toString());
}
export function del(key: string): void {
  const k = encoded(key);
  act_del(k, lengthOf(k));
}

// The entries whose keys begin with a prefix, in the order of keys' bytes: for (const s = scan("vote/"); s.next(); ) …s.key, s.value… Sixteen may be
// begun in a message. What is written on the way is seen if its key is yet to come.
export class Scan {
  key: string = "";
  bytes: ArrayBuffer = new ArrayBuffer(0);
  constructor(private cursor: i32) {}
  next(): bool {
    let out = new ArrayBuffer(256);
    while (true) {
      const at = changetype<usize>(out);
      const n = act_next(this.cursor, at, out.byteLength);
      if (n < 4) return false;
      if (n <= out.byteLength) {
        const key = load<i32>(at);
        this.key = String.UTF8.decodeUnsafe(at + 4, key);
        this.bytes = out.slice(4 + key, n);
        return true;
      }
      out = new ArrayBuffer(n);
    }
  }
  get value(): string {
    return String.UTF8.decode(this.bytes);
  }
}
export function scan(prefix: string): Scan {
  const p = encoded(prefix);
  return new Scan(act_scan(p, lengthOf(p)));
}

// ---- other actors, later, chance ----

// Sends a message when this one commits: once, whatever fails. The request is JSON, or "".
export function tell(to: string, method: string, request: string): void {
  const t = encoded(to), m = encoded(method), r = encoded(request);
  act_tell(t, lengthOf(t), m, lengthOf(m), r, lengthOf(r));
}
// Sends one that is answered, and gives the token by which to know the answer.
export function ask(to: string, method: string, request: string): u64 {
  const t = encoded(to), m = encoded(method), r = encoded(request);
  return act_ask(t, lengthOf(t), m, lengthOf(m), r, lengthOf(r));
}
// Has a message sent to this actor after so many milliseconds, and, if every is not 0, again each so many, 1000 at least. A name has one reminder.
export function remind(name: string, after: i64, every: i64, method: string, request: string): void {
  const n = encoded(name), m = encoded(method), r = encoded(request);
  act_remind(n, lengthOf(n), after, every, m, lengthOf(m), r, lengthOf(r));
}
export function forget(name: string): void {
  const n = encoded(name);
  act_forget(n, lengthOf(n));
}
// Chance, the same when the message is run again.
export function randomU64(): u64 {
  const out = new ArrayBuffer(8);
  act_random(changetype<usize>(out), 8);
  return load<u64>(changetype<usize>(out));
}
// One of 0 to n - 1, each as likely.
export function randomBelow(n: u64): u64 {
  if (n < 2) return 0;
  const limit = u64.MAX_VALUE - (u64.MAX_VALUE % n);
  while (true) {
    const v = randomU64();
    if (v < limit) return v % n;
  }
}

// ---- JSON ----

export enum Kind { Null, Bool, Number, Text, List, Object }

// A value. What is not there is null: request.get("to").get("name").text is safe on anything.
export class Json {
  kind: Kind = Kind.Null;
  text: string = ""; // of a text
  number: f64 = 0; // of a number
  integer: i64 = 0; // of a number; exact if it is written without point and exponent and fits, else its whole part
  flag: bool = false;
  items: Json[] = []; // of a list, and of an object
  names: string[] = []; // of an object, one for each item

  get(name: string): Json {
    const i = this.names.indexOf(name);
    return i < 0 ? new Json() : this.items[i];
  }
  get isNull(): bool {
    return this.kind == Kind.Null;
  }
  toString(): string {
    switch (this.kind) {
      case Kind.Null: return "null";
      case Kind.Bool: return this.flag ? "true" : "false";
      case Kind.Text: return quote(this.text);
      case Kind.Number: {
        if (<f64>this.integer == this.number) return this.integer.toString();
        return isFinite(this.number) ? this.number.toString() : "null";
      }
    }
    let out = "";
    for (let i = 0; i < this.items.length; i++) out += (i > 0 ? "," : "") + (this.kind == Kind.Object ? quote(this.names[i]) + ":" : "") + this.items[i].toString();
    return this.kind == Kind.Object ? "{" + out + "}" : "[" + out + "]";
  }
}

// A text as JSON.
export function quote(text: string): string {
  let out = '"';
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c >= 0x20 && c != 0x22 && c != 0x5c) continue;
    out += text.substring(from, i);
    from = i + 1;
    switch (c) {
      case 0x22: out += '\\"'; break;
      case 0x5c: out += "\\\\"; break;
      case 0x0a: out += "\\n"; break;
      case 0x09: out += "\\t"; break;
      case 0x0d: out += "\\r"; break;
      case 0x08: out += "\\b"; break;
      case 0x0c: out += "\\f"; break;
      default: out += "\\u" + c.toString(16).padStart(4, "0");
    }
  }
  return out + text.substring(from) + '"';
}

// json begin: as in troupe.ts
// A reader of JSON.
class Reader {
  at: i32 = 0;
  bad: bool = false;
  constructor(public data: string) {}

  peek(): i32 {
    while (this.at < this.data.length && this.data.charCodeAt(this.at) <= 0x20) this.at++;
    return this.at < this.data.length ? this.data.charCodeAt(this.at) : 0;
  }
  skip(c: i32): bool {
    if (this.peek() != c) return false;
    this.at++;
    return true;
  }
  want(c: i32): void {
    if (!this.skip(c)) this.bad = true;
  }
  // Whether another element follows in a list that ends with close; first: it is the first.
  more(close: i32, first: bool): bool {
    if (this.bad || this.skip(close)) return false;
    if (!first) this.want(0x2c);
    return !this.bad;
  }
  word(w: string): bool {
    this.peek();
    if (this.data.substr(this.at, w.length) != w) return false;
    this.at += w.length;
    return true;
  }
  string(): string {
    let out = "";
    this.want(0x22);
    let from = this.at;
    while (!this.bad && this.at < this.data.length) {
      const c = this.data.charCodeAt(this.at++);
      if (c == 0x22) return out + this.data.substring(from, this.at - 1);
      if (c != 0x5c) continue;
      out += this.data.substring(from, this.at - 1) + this.escape();
      from = this.at;
    }
    this.bad = true;
    return out;
  }
  escape(): string {
    const c = this.at < this.data.length ? this.data.charCodeAt(this.at++) : 0;
    switch (c) {
      case 0x6e: return "\n";
      case 0x74: return "\t";
      case 0x72: return "\r";
      case 0x62: return "\b";
      case 0x66: return "\f";
      case 0x75: break;
      default: return String.fromCharCode(c);
    }
    let v = 0;
    for (let i = 0; i < 4; i++) {
      const d = this.at < this.data.length ? this.data.charCodeAt(this.at++) | 0x20 : 0;
      if (d >= 0x30 && d <= 0x39) v = v * 16 + d - 0x30;
      else if (d >= 0x61 && d <= 0x66) v = v * 16 + d - 0x61 + 10;
      else this.bad = true;
    }
    return String.fromCharCode(v); // halves of a pair meet in the UTF-16 that strings are
  }
  // A number. Up to 15 digits with an exponent up to 22 come out exact.
  number(): f64 {
    const negative = this.word("-");
    let v: f64 = 0;
    let digits = 0;
    let exponent = 0;
    let point = false;
    for (; this.at < this.data.length; this.at++) {
      const c = this.data.charCodeAt(this.at);
      if (c >= 0x30 && c <= 0x39) {
        v = v * 10 + (c - 0x30);
        digits++;
        if (point) exponent--;
      } else if (c == 0x2e && !point) {
        point = true;
      } else {
        break;
      }
    }
    if (digits == 0) this.bad = true;
    if (this.at < this.data.length && (this.data.charCodeAt(this.at) | 0x20) == 0x65) {
      this.at++;
      const minus = this.word("-");
      if (!minus) this.word("+");
      let e = 0;
      for (; this.at < this.data.length && e < 1000; this.at++) {
        const c = this.data.charCodeAt(this.at);
        if (c < 0x30 || c > 0x39) break;
        e = e * 10 + c - 0x30;
      }
      exponent += minus ? -e : e;
    }
    let scale: f64 = 1;
    for (let i = exponent < 0 ? -exponent : exponent; i > 0; i--) scale *= 10;
    v = exponent < 0 ? v / scale : v * scale;
    if (isNaN(v)) v = 0; // nothing by infinity, of 0e400; and infinity by infinity
    return negative ? -v : v;
  }
}
// json end

class TreeReader extends Reader {
  value(depth: i32): Json {
    const v = new Json();
    const c = this.peek();
    if (depth > 32) this.bad = true;
    if (this.bad) return v;
    if (c == 0x22) {
      v.kind = Kind.Text;
      v.text = this.string();
    } else if (c == 0x7b || c == 0x5b) {
      this.at++;
      v.kind = c == 0x7b ? Kind.Object : Kind.List;
      for (let first = true; this.more(c == 0x7b ? 0x7d : 0x5d, first); first = false) {
        if (c == 0x7b) {
          this.peek();
          v.names.push(this.string());
          this.want(0x3a);
        }
        v.items.push(this.value(depth + 1));
      }
    } else if (this.word("true") || this.word("false")) {
      v.kind = Kind.Bool;
      v.flag = c == 0x74;
    } else if (!this.word("null")) {
      v.kind = Kind.Number;
      const from = this.at;
      v.number = this.number();
      v.integer = this.whole(from, v.number);
    }
    return v;
  }
  whole(from: i32, number: f64): i64 {
    const negative = this.data.charCodeAt(from) == 0x2d;
    const most: u64 = negative ? 1 << 63 : i64.MAX_VALUE;
    let v: u64 = 0;
    let at = from + i32(negative);
    for (; at < this.at; at++) {
      const digit: u64 = this.data.charCodeAt(at) - 0x30;
      if (digit > 9 || v > (most - digit) / 10) break;
      v = v * 10 + digit;
    }
    if (at == this.at) return negative ? -v : v;
    if (number >= -9.2e18 && number <= 9.2e18) return <i64>number;
    return number < 0 ? i64.MIN_VALUE : i64.MAX_VALUE;
  }
}

function parsed(text: string): Json | null {
  const r = new TreeReader(text);
  const v = r.value(0);
  return r.bad || r.peek() != 0 ? null : v;
}

// Reads JSON; of what is none, null.
export function json(text: string): Json {
  const v = parsed(text);
  return v === null ? new Json() : v;
}

// ---- what the host calls ----

let inbox: usize = 0;
let inboxRoom: u32 = 0;

export function act_abi_1(): void {}

export function act_inbox(size: i32): usize {
  if (size < 0) return 0;
  if (<u32>size > inboxRoom) {
    let room: u32 = inboxRoom ? inboxRoom : 4096;
    while (room < <u32>size) room *= 2; // what was there before is not given back: together they take no more than the new one
    inbox = heap.alloc(room);
    inboxRoom = room;
  }
  return inbox;
}

function part(field: usize): string {
  return String.UTF8.decodeUnsafe(inbox + load<u32>(inbox + field), load<u32>(inbox + field, 4));
}

// Reads the envelope: true if it is one.
function open(event: i32, length: i32): bool {
  if (length < 80 || load<u32>(inbox) != 0x54434154 || load<u16>(inbox, 4) != 1) return false;
  theEvent = event;
  theNow = load<i64>(inbox, 8);
  theToken = load<u64>(inbox, 24);
  theStatus = load<i32>(inbox, 72);
  theSelf = part(40);
  theSender = part(48);
  return true;
}

export function act_handle(event: i32, length: i32): i32 {
  if (!open(event, length)) return refuse(-1, "the message is no envelope of ABI version 1");
  const payload = part(64);
  const request = payload.length == 0 ? new Json() : parsed(payload);
  if (request === null) return refuse(-1, "the request is no JSON, or nested more than 32 deep");
  if (event == EVENT_REPLY) {
    const f = replied;
    return f === null ? 0 : f(request);
  }
  if (event > EVENT_REMINDER) return refuse(-1, "event " + event.toString() + " is not known here");
  const name = part(56);
  const i = names.indexOf(name);
  return i < 0 ? refuse(-1, "there is no method " + name) : handlers[i](request);
}

export function act_migrate(from: i32, length: i32): i32 {
  if (!open(EVENT_CALL, length)) return refuse(-1, "the message is no envelope of ABI version 1");
  const f = migrating;
  return f === null ? 0 : f(from);
}
