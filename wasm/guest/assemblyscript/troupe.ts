// troupe.ts: a placement policy in AssemblyScript, ABI version 1. The whole SDK is this file.
//
//     import { nodes, attribute, say, write, node_name, NO, needs } from "./troupe";
//     export { pol_abi_1, pol_alloc, pol_state, pol_configure } from "./troupe";
//
//     needs(["node_name", "node_attributes", "attribute_name", "attribute_value"]);
//
//     export function can_allocate(shard: i32, copy: i32, flags: i32, row: usize): void {
//       for (let n = 0; n < nodes(); n++) if (attribute(n, "class") == "spot") say(row, n, NO, 1);
//     }
//
//     export function explain(capability: i32, shard: i32, copy: i32, flags: i32, node: i32, answer: i32, out: usize, room: i32): i32 {
//       return write(out, room, "node " + text(node_name(node)) + " is a spot node");
//     }
//
// What happens:
//
//     host                                 this file                               your file
//     pol_configure(JSON) ───────────────► reads the settings ───────────────────► the function given to onPrepare
//     pol_state(image) ──────────────────► finds the columns ────────────────────► the same
//     can_allocate(shard, copy, flags, row) ─────────────────────────────────────► your export
//
// A row has a byte for each node: verdict in the upper two bits, your reason code in the lower six. Columns are functions of their
// names. A column of strings gives a number: text(n) is the string, and two are the same string exactly if the numbers are.
// Strings are garbage: in a rule compare numbers, found once in prepare by numberOf("spot"), and build strings in explain.
//
// Built by: asc policy.ts -O3 --exportStart _initialize --use abort=troupe/abort -o policy.wasm
// A module may have no start section, since loading it must not run what no export names: --exportStart makes the statements
// outside of functions an export, which the host calls first.

// ---- words of the ABI ----

export const YES: u8 = 0;
export const NOT_PREFERRED: u8 = 1;
export const THROTTLE: u8 = 2;
export const NO: u8 = 3;

export const ALLOCATE: i32 = 0;
export const REMAIN: i32 = 1;
export const REBALANCE: i32 = 2;
export const PROMOTE: i32 = 3;
export const START: i32 = 4;
export const SCORE: i32 = 5;

export const FLAG_PRIMARY: i32 = 1; // the copy leads, or will
export const FLAG_NEW: i32 = 2; // it is the shard's first

export const NODE_DOWN: u8 = 1;
export const NODE_DRAINING: u8 = 2;
export const NODE_MAINTAINED: u8 = 4;
export const NODE_EXCLUDED: u8 = 8;
export const ROLE_META: u8 = 1;
export const ROLE_DATA: u8 = 2;
export const ROLE_GATEWAY: u8 = 4;
export const EVIDENCE_NONE: u8 = 0;
export const EVIDENCE_ALIVE: u8 = 1;
export const EVIDENCE_GREY: u8 = 2;
export const EVIDENCE_SUSPECT: u8 = 3;
export const EVIDENCE_DEAD: u8 = 4;
export const COPY_IN_SYNC: u8 = 1;
export const COPY_STARTED: u8 = 2;
export const COPY_FRESH: u8 = 4;
export const COPY_FAILED: u8 = 8;
export const DURABILITY_FSYNC: u8 = 0;
export const DURABILITY_INTERVAL: u8 = 1;
export const DURABILITY_MEMORY: u8 = 2;

export const NONE: i32 = -1; // what a column that points to a row holds when it points to none

export const LEVEL_DEBUG: i32 = -4; // slog's numbers
export const LEVEL_INFO: i32 = 0;
export const LEVEL_WARN: i32 = 4;
export const LEVEL_ERROR: i32 = 8;

@external("host", "log") declare function host_log(level: i32, at: usize, length: i32): void;
@external("host", "log_enabled") declare function host_log_enabled(level: i32): i32;
@external("host", "error") declare function host_error(at: usize, length: i32): void;

// Makes the answer about a node as strict as this one, if it is not yet. The reason, 1 to 62, is the policy's own code.
// @ts-ignore: decorator
@inline export function say(row: usize, node: i32, verdict: u8, reason: u8): void {
  const answer: u8 = (verdict << 6) | reason;
  if (answer > load<u8>(row + node)) store<u8>(row + node, answer);
}

export function sayAll(row: usize, verdict: u8, reason: u8): void {
  for (let n = 0; n < nodes(); n++) say(row, n, verdict, reason);
}

// A scorer's figure for a node: lower is better.
// @ts-ignore: decorator
@inline export function points(out: usize, node: i32, value: f64): void {
  store<f64>(out + ((<usize>node) << 3), value);
}

export function answerOf(verdict: u8, reason: u8): i32 {
  return (verdict << 6) | reason;
}
export function verdictOf(answer: i32): i32 {
  return answer >> 6;
}
export function reasonOf(answer: i32): i32 {
  return answer & 63;
}

// ---- the host ----

export function log(level: i32, line: string): void {
  const bytes = String.UTF8.encode(line);
  host_log(level, changetype<usize>(bytes), bytes.byteLength);
}

export function logEnabled(level: i32): bool {
  return host_log_enabled(level) != 0;
}

// Refuses what pol_state or pol_configure was given: return it from prepare.
export function refuse(why: string): i32 {
  const bytes = String.UTF8.encode(why);
  host_error(changetype<usize>(bytes), bytes.byteLength);
  return 1;
}

// Where the runtime ends when an index is out of range: the host hears why, and the module traps. The build names it by
// --use abort=troupe/abort.
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  refuse((message ? message : "aborted") + " at " + (file ? file : "?") + ":" + line.toString());
  unreachable();
}

// ---- memory and image ----

export function pol_abi_1(): void {}

// Memory for the host comes from below the collector, which never looks at it and never moves it.
export function pol_alloc(size: i32): usize {
  return size > 0 ? heap.alloc(size) : 0;
}

const AT: usize = memory.data(256 * 4); // of each column's number: where its values are, a usize
const ROWS: usize = memory.data(256 * 4); // and how many they are, a u32; 0: the image does not have it

// @ts-ignore: decorator
@inline function rowsOf(id: i32): u32 {
  return load<u32>(ROWS + ((<usize>id) << 2));
}
// @ts-ignore: decorator
@inline function placeOf(id: i32): usize {
  return load<usize>(AT + ((<usize>id) << 2));
}

let nodeCount: i32 = 0;
let keyspaceCount: i32 = 0;
let shardCount: i32 = 0;
let slotCount: i32 = 0;
let seen = false;

// @ts-ignore: decorator
@inline export function nodes(): i32 {
  return nodeCount;
}
export function keyspaces(): i32 {
  return keyspaceCount;
}
export function shards(): i32 {
  return shardCount;
}
// The rows of a shard's copies are shard * slots() and the slots() - 1 after it; those with copy_node(c) < 0 are free.
export function slots(): i32 {
  return slotCount;
}

// @ts-ignore: decorator
@inline function place<T>(id: i32, row: i32): usize {
  if (<u32>row >= rowsOf(id)) beyond(id, row);
  return placeOf(id) + <usize>row * sizeof<T>();
}

function beyond(id: i32, row: i32): void {
  refuse("row " + row.toString() + " of column " + columnName(id) + ", which has " + rowsOf(id).toString() + "; does the manifest need it?");
  unreachable();
}

// The string behind a number that a column of strings gives.
export function text(number: u32): string {
  const from = load<u32>(place<u32>(TEXT_STARTS, number));
  const to = load<u32>(place<u32>(TEXT_STARTS, number + 1));
  return String.UTF8.decodeUnsafe(placeOf(TEXT) + from, to - from);
}

// The number of a string in the image, or -1: no column holds it. Look once in prepare.
export function numberOf(wanted: string): i32 {
  const bytes = String.UTF8.encode(wanted);
  for (let i: u32 = 0; i + 1 < rowsOf(TEXT_STARTS); i++) {
    const from = load<u32>(place<u32>(TEXT_STARTS, i));
    const length = load<u32>(place<u32>(TEXT_STARTS, i + 1)) - from;
    if (length == bytes.byteLength && memory.compare(placeOf(TEXT) + from, changetype<usize>(bytes), length) == 0) return i;
  }
  return -1;
}

// The number of a node's attribute's value, by the number of its name; 0 if the node has none. Both strings and the columns
// node_attributes, attribute_name and attribute_value must be there.
export function attributeNumber(node: i32, name: i32): u32 {
  const end = load<u32>(place<u32>(NODE_ATTRIBUTES, node + 1));
  for (let i = load<u32>(place<u32>(NODE_ATTRIBUTES, node)); i < end; i++) {
    if (load<u32>(place<u32>(ATTRIBUTE_NAME, i)) == name) return load<u32>(place<u32>(ATTRIBUTE_VALUE, i));
  }
  return 0;
}

// A node's attribute, "" if it has none.
export function attribute(node: i32, name: string): string {
  const end = load<u32>(place<u32>(NODE_ATTRIBUTES, node + 1));
  for (let i = load<u32>(place<u32>(NODE_ATTRIBUTES, node)); i < end; i++) {
    if (is(load<u32>(place<u32>(ATTRIBUTE_NAME, i)), name)) return text(load<u32>(place<u32>(ATTRIBUTE_VALUE, i)));
  }
  return "";
}

// Whether a string of the image is this one, without making it.
export function is(number: u32, wanted: string): bool {
  const from = load<u32>(place<u32>(TEXT_STARTS, number));
  const length: i32 = load<u32>(place<u32>(TEXT_STARTS, number + 1)) - from;
  const bytes = placeOf(TEXT) + from;
  if (length < wanted.length) return false; // UTF-8 is never shorter than UTF-16 has units
  for (let i = 0; i < wanted.length; i++) {
    const c = wanted.charCodeAt(i);
    if (c >= 0x80) return text(number) == wanted;
    if (load<u8>(bytes + i) != c) return false;
  }
  return length == wanted.length;
}

// Whether a value fits a pattern, in which * stands for any run of characters.
export function matches(pattern: string, value: string): bool {
  let p = 0,
    v = 0,
    star = -1,
    resume = 0;
  while (v < value.length) {
    if (p < pattern.length && pattern.charCodeAt(p) == 0x2a) {
      star = p++;
      resume = v;
    } else if (p < pattern.length && pattern.charCodeAt(p) == value.charCodeAt(v)) {
      p++;
      v++;
    } else if (star >= 0) {
      p = star + 1;
      v = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.length && pattern.charCodeAt(p) == 0x2a) p++;
  return p == pattern.length;
}

// Of the list that pol_delta is given, for a policy that keeps figures of its own, derived in prepare from columns that move. The
// others do not export pol_delta, and read the columns anew at each question.
//
//     export function pol_delta(list: usize, length: i32): void {
//       for (let i = 0; i < changes(length); i++) if (changedColumn(list, i) == column("node_copies")) …changedRow(list, i)…
//     }
export function changes(length: i32): i32 {
  return length >> 3;
}
export function changedColumn(list: usize, i: i32): i32 {
  return load<u16>(list + (<usize>i << 3));
}
export function changedRow(list: usize, i: i32): i32 {
  return load<i32>(list + (<usize>i << 3), 4);
}

let needed: string[] = [];

// Says which columns the policy reads, as its manifest's needs do.
export function needs(columns: string[]): void {
  needed = columns;
}

let preparing: (() => i32) | null = null;

// Names a function that is called when the state or the settings are new: 0, or what refuse gives.
export function onPrepare(f: () => i32): void {
  preparing = f;
}

function prepared(): i32 {
  const f = preparing;
  return seen && f !== null ? f() : 0;
}

export function pol_state(image: usize, length: i32): i32 {
  if (length < 40 || load<u32>(image) != 0x474d4954 || load<u16>(image, 4) != 1) return refuse("the state is no image of ABI version 1");
  seen = false;
  memory.fill(ROWS, 0, 1024);
  nodeCount = load<i32>(image, 16);
  keyspaceCount = load<i32>(image, 20);
  shardCount = load<i32>(image, 24);
  slotCount = load<i32>(image, 28);
  const header = load<u16>(image, 6);
  const columns = load<u32>(image, 32);
  const found = new StaticArray<bool>(256);
  for (let i: u32 = 0; i < columns; i++) {
    const entry = image + header + 12 * i;
    const id = load<u16>(entry);
    if (id > 255 || load<u8>(entry, 2) != columnType(id)) continue;
    found[id] = true;
    store<usize>(AT + (<usize>id << 2), image + load<u32>(entry, 4));
    store<u32>(ROWS + (<usize>id << 2), load<u32>(entry, 8));
  }
  for (let i = 0; i < needed.length; i++) {
    const id = column(needed[i]);
    if (id < 0 || !found[id]) return refuse("needs column " + needed[i] + ", which the image does not have");
  }
  seen = true;
  return prepared();
}

// ---- settings ----

// A value as the host writes it.
export class Setting {
  text: string = "";
  number: f64 = 0; // of a duration, milliseconds; of a bool 0 or 1
  list: string[] = [];
  constructor(
    public keyspace: string, // whose own it is; "": everybody's
    public name: string,
  ) {}
  get flag(): bool {
    return this.number != 0;
  }
}

let settings: Setting[] = [];
const nothing = new Setting("", "");

// A keyspace's own setting, if it has one, or else everybody's; an empty one if the manifest does not have it.
export function settingOf(keyspace: string, name: string): Setting {
  let found = nothing;
  for (let i = 0; i < settings.length; i++) {
    const s = settings[i];
    if (s.name != name) continue;
    if (s.keyspace.length == 0) {
      if (found === nothing) found = s;
    } else if (s.keyspace == keyspace) {
      return s;
    }
  }
  return found;
}

// Everybody's setting of that name.
export function setting(name: string): Setting {
  return settingOf("", name);
}

// All settings whose names begin with prefix: a keyspace's own, or with "" everybody's.
export function settingsBelow(keyspace: string, prefix: string): Setting[] {
  const out: Setting[] = [];
  for (let i = 0; i < settings.length; i++) {
    if (settings[i].keyspace == keyspace && settings[i].name.startsWith(prefix)) out.push(settings[i]);
  }
  return out;
}

// json begin: what stands between such lines is troupe_actor.ts's too
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

// Of ABI version 1: {"settings":{NAME:value,…},"keyspaces":{KEYSPACE:{NAME:value,…},…}}.
class SettingsReader extends Reader {
  out: Setting[] = [];

  read(): void {
    this.want(0x7b);
    for (let first = true; this.more(0x7d, first); first = false) {
      const part = this.string();
      this.want(0x3a);
      if (part == "settings") {
        this.object("");
      } else if (part == "keyspaces") {
        this.want(0x7b);
        for (let one = true; this.more(0x7d, one); one = false) {
          const keyspace = this.string();
          this.want(0x3a);
          this.object(keyspace);
        }
      } else {
        this.bad = true;
      }
    }
    if (this.peek() != 0) this.bad = true;
  }
  object(keyspace: string): void {
    this.want(0x7b);
    for (let first = true; this.more(0x7d, first); first = false) {
      const s = new Setting(keyspace, this.string());
      this.want(0x3a);
      const c = this.peek();
      if (c == 0x22) {
        s.text = this.string();
      } else if (c == 0x5b) {
        this.at++;
        for (let item = true; this.more(0x5d, item); item = false) s.list.push(this.string());
      } else if (this.word("true")) {
        s.number = 1;
      } else if (!this.word("false")) {
        s.number = this.number();
      }
      this.out.push(s);
    }
  }
}

export function pol_configure(data: usize, length: i32): i32 {
  const r = new SettingsReader(String.UTF8.decodeUnsafe(data, length));
  r.read();
  if (r.bad) return refuse("the settings are not the JSON of ABI version 1");
  settings = r.out;
  return prepared();
}

// ---- explaining ----

// Writes the sentence of explain into the host's room: give the host what it gives.
export function write(out: usize, room: i32, sentence: string): i32 {
  const bytes = String.UTF8.encode(sentence);
  memory.copy(out, changetype<usize>(bytes), min(room, bytes.byteLength));
  return bytes.byteLength;
}

// A number with up to so many decimals, without zeroes at its end.
export function number(value: f64, decimals: i32): string {
  if (isNaN(value)) return "NaN";
  let v = value;
  let out = "";
  if (v < 0) {
    out = "-";
    v = -v;
  }
  if (v > 1e18) return out + "more than 10^18";
  let scale: u64 = 1;
  for (let i = 0; i < decimals; i++) scale *= 10;
  let whole = <u64>v;
  let part = <u64>((v - <f64>whole) * <f64>scale + 0.5);
  if (part >= scale) {
    whole++;
    part -= scale;
  }
  out += whole.toString();
  if (part == 0) return out;
  for (; part % 10 == 0; decimals--) part /= 10;
  return out + "." + part.toString().padStart(decimals, "0");
}

// A share as a percentage with up to one decimal.
export function percent(share: f64): string {
  return number(100 * share, 1) + "%";
}

// A size with the unit that suits it, 1024 of one being one of the next.
export function bytes(value: f64): string {
  let v = value;
  let unit = 0;
  for (; v >= 1024 && unit < 5; unit++) v /= 1024;
  return number(v, 1) + (unit == 0 ? "B" : unit == 1 ? "KB" : unit == 2 ? "MB" : unit == 3 ? "GB" : unit == 4 ? "TB" : "PB");
}

// A duration as people write it: 1m30s.
export function milliseconds(value: i64): string {
  let ms = value;
  let out = "";
  if (ms < 0) {
    out = "-";
    ms = -ms;
  }
  if (ms == 0) return "0s";
  if (ms < 1000) return out + ms.toString() + "ms";
  const hours = ms / 3600000;
  const minutes = (ms / 60000) % 60;
  if (hours > 0) out += hours.toString() + "h";
  if (hours > 0 || minutes > 0) out += minutes.toString() + "m";
  return out + number(<f64>(ms % 60000) / 1000, 3) + "s";
}

// ---- columns ----

const TEXT_STARTS: i32 = 16;
const TEXT: i32 = 17;
const NODE_ATTRIBUTES: i32 = 55;
const ATTRIBUTE_NAME: i32 = 56;
const ATTRIBUTE_VALUE: i32 = 57;

// Of a column's number: its name; "" if there is none.
function columnName(id: i32): string {
  for (let i = 0; i < names.length; i++) if (ids[i] == id) return names[i];
  return "";
}

// The number of a column, or -1.
export function column(name: string): i32 {
  for (let i = 0; i < names.length; i++) if (names[i] == name) return ids[i];
  return -1;
}

function columnType(id: i32): u8 {
  for (let i = 0; i < ids.length; i++) if (ids[i] == id) return types[i];
  return 0;
}

const names: StaticArray<string> = [
  // names begin
  "now",
  "ticks",
  "tick_length",
  "relocating",
  "unled",
  "unwhole",
  "rebalanced",
  "rebalanced_bytes",
  "rebalanced_until",
  "text_starts",
  "text",
  "node_id",
  "node_name",
  "node_host",
  "node_address",
  "node_release",
  "node_format",
  "node_epoch",
  "node_roles",
  "node_flags",
  "node_evidence",
  "node_since",
  "node_held",
  "node_reason",
  "node_copies",
  "node_primaries",
  "node_incoming",
  "node_outgoing",
  "node_capacity_cpu",
  "node_capacity_memory",
  "node_capacity_disk",
  "node_used_cpu",
  "node_used_memory",
  "node_used_disk",
  "node_attributes",
  "attribute_name",
  "attribute_value",
  "node_coming_cpu",
  "node_coming_memory",
  "node_coming_disk",
  "node_leaving_cpu",
  "node_leaving_memory",
  "node_leaving_disk",
  "node_opening",
  "keyspace_name",
  "keyspace_shards",
  "keyspace_replicas",
  "keyspace_min_in_sync",
  "keyspace_durability",
  "keyspace_node_copies",
  "keyspace_node_primaries",
  "keyspace_rebalanced",
  "keyspace_rebalanced_bytes",
  "keyspace_rebalanced_until",
  "shard_keyspace",
  "shard_number",
  "shard_primary",
  "shard_hand_to",
  "shard_failures",
  "shard_copies",
  "shard_primary_cpu",
  "shard_primary_memory",
  "shard_primary_disk",
  "shard_replica_cpu",
  "shard_replica_memory",
  "shard_replica_disk",
  "shard_setback",
  "shard_rebalanced",
  "copy_node",
  "copy_flags",
  "copy_source",
  "copy_id",
  // names end
];
const ids: StaticArray<i32> = [
  // ids begin
  1,
  2,
  3,
  4,
  5,
  6,
  7,
  8,
  9,
  16,
  17,
  32,
  33,
  34,
  35,
  36,
  37,
  38,
  39,
  40,
  41,
  42,
  43,
  44,
  45,
  46,
  47,
  48,
  49,
  50,
  51,
  52,
  53,
  54,
  55,
  56,
  57,
  58,
  59,
  60,
  61,
  62,
  63,
  64,
  96,
  97,
  98,
  99,
  100,
  101,
  102,
  103,
  104,
  105,
  128,
  129,
  130,
  131,
  132,
  133,
  134,
  135,
  136,
  137,
  138,
  139,
  140,
  141,
  160,
  161,
  162,
  163,
  // ids end
];
// 1 u8, 2 u32, 3 i64, 4 f64
const types: StaticArray<u8> = [
  // types begin
  3,
  3,
  2,
  2,
  2,
  2,
  2,
  4,
  3,
  2,
  1,
  2,
  2,
  2,
  2,
  2,
  2,
  3,
  1,
  1,
  1,
  3,
  3,
  2,
  2,
  2,
  2,
  2,
  4,
  4,
  4,
  4,
  4,
  4,
  2,
  2,
  2,
  4,
  4,
  4,
  4,
  4,
  4,
  2,
  2,
  2,
  2,
  2,
  1,
  2,
  2,
  2,
  4,
  3,
  2,
  2,
  2,
  2,
  2,
  2,
  4,
  4,
  4,
  4,
  4,
  4,
  3,
  3,
  2,
  1,
  2,
  3,
  // types end
];

// accessors begin
// wall time of the plan in seconds since 1970, UTC; 0: not known
// @ts-ignore: decorator
@inline export function now(): i64 {
  return load<i64>(place<i64>(1, 0));
}
// the placement leader's clock, in ticks
// @ts-ignore: decorator
@inline export function ticks(): i64 {
  return load<i64>(place<i64>(2, 0));
}
// length of a tick in milliseconds
// @ts-ignore: decorator
@inline export function tick_length(): u32 {
  return load<u32>(place<u32>(3, 0));
}
// relocations for balance alone that are under way in the cluster
// @ts-ignore: decorator
@inline export function relocating(): u32 {
  return load<u32>(place<u32>(4, 0));
}
// shards without a primary
// @ts-ignore: decorator
@inline export function unled(): u32 {
  return load<u32>(place<u32>(5, 0));
}
// shards with fewer copies in sync than their keyspace wants
// @ts-ignore: decorator
@inline export function unwhole(): u32 {
  return load<u32>(place<u32>(6, 0));
}
// copies that began to move for balance alone within cluster.routing.rebalance.budget.window; counted while a budget or a cooldown is set
// @ts-ignore: decorator
@inline export function rebalanced(): u32 {
  return load<u32>(place<u32>(7, 0));
}
// bytes of these copies, as far as their shards had been measured
// @ts-ignore: decorator
@inline export function rebalanced_bytes(): f64 {
  return load<f64>(place<f64>(8, 0));
}
// wall time in seconds since 1970, UTC, at which the oldest of them counts no more; 0: there are none
// @ts-ignore: decorator
@inline export function rebalanced_until(): i64 {
  return load<i64>(place<i64>(9, 0));
}
// the node's id, which survives its restarts
// @ts-ignore: decorator
@inline export function node_id(i: i32): u32 {
  return load<u32>(place<u32>(32, i));
}
// its name, for people
// @ts-ignore: decorator
@inline export function node_name(i: i32): u32 {
  return load<u32>(place<u32>(33, i));
}
// the machine that it runs on
// @ts-ignore: decorator
@inline export function node_host(i: i32): u32 {
  return load<u32>(place<u32>(34, i));
}
// host:port where other nodes reach it
// @ts-ignore: decorator
@inline export function node_address(i: i32): u32 {
  return load<u32>(place<u32>(35, i));
}
// version of the program that it runs, for people
// @ts-ignore: decorator
@inline export function node_release(i: i32): u32 {
  return load<u32>(place<u32>(36, i));
}
// version of wire and state that it speaks
// @ts-ignore: decorator
@inline export function node_format(i: i32): u32 {
  return load<u32>(place<u32>(37, i));
}
// number of its life, raised at each start
// @ts-ignore: decorator
@inline export function node_epoch(i: i32): i64 {
  return load<i64>(place<i64>(38, i));
}
// bits: 1 meta, 2 data, 4 gateway
// @ts-ignore: decorator
@inline export function node_roles(i: i32): u8 {
  return load<u8>(place<u8>(39, i));
}
// bits: 1 down, 2 draining, 4 maintained, 8 excluded from voting
// @ts-ignore: decorator
@inline export function node_flags(i: i32): u8 {
  return load<u8>(place<u8>(40, i));
}
// 0 none, 1 alive, 2 grey, 3 suspect, 4 dead
// @ts-ignore: decorator
@inline export function node_evidence(i: i32): u8 {
  return load<u8>(place<u8>(41, i));
}
// tick of the last change of node_evidence
// @ts-ignore: decorator
@inline export function node_since(i: i32): i64 {
  return load<i64>(place<i64>(42, i));
}
// tick until which it gets no new copies, since it came back too often; 0: not held
// @ts-ignore: decorator
@inline export function node_held(i: i32): i64 {
  return load<i64>(place<i64>(43, i));
}
// the sentence behind node_evidence
// @ts-ignore: decorator
@inline export function node_reason(i: i32): u32 {
  return load<u32>(place<u32>(44, i));
}
// copies that it will hold when all relocations have ended
// @ts-ignore: decorator
@inline export function node_copies(i: i32): u32 {
  return load<u32>(place<u32>(45, i));
}
// copies that it will lead when all hand-overs have ended
// @ts-ignore: decorator
@inline export function node_primaries(i: i32): u32 {
  return load<u32>(place<u32>(46, i));
}
// recoveries into it
// @ts-ignore: decorator
@inline export function node_incoming(i: i32): u32 {
  return load<u32>(place<u32>(47, i));
}
// recoveries that it, as a primary, feeds
// @ts-ignore: decorator
@inline export function node_outgoing(i: i32): u32 {
  return load<u32>(place<u32>(48, i));
}
// cores that it may use; 0: not known, as in all figures of capacity
// @ts-ignore: decorator
@inline export function node_capacity_cpu(i: i32): f64 {
  return load<f64>(place<f64>(49, i));
}
// bytes of memory that it may use
// @ts-ignore: decorator
@inline export function node_capacity_memory(i: i32): f64 {
  return load<f64>(place<f64>(50, i));
}
// bytes of its data folder's disk
// @ts-ignore: decorator
@inline export function node_capacity_disk(i: i32): f64 {
  return load<f64>(place<f64>(51, i));
}
// cores that are busy, with whatever
// @ts-ignore: decorator
@inline export function node_used_cpu(i: i32): f64 {
  return load<f64>(place<f64>(52, i));
}
// bytes of memory that are taken, by whatever
// @ts-ignore: decorator
@inline export function node_used_memory(i: i32): f64 {
  return load<f64>(place<f64>(53, i));
}
// bytes of disk that are taken, by whatever
// @ts-ignore: decorator
@inline export function node_used_disk(i: i32): f64 {
  return load<f64>(place<f64>(54, i));
}
// cores that recoveries into it will add to node_used_cpu, as far as their shards have been measured
// @ts-ignore: decorator
@inline export function node_coming_cpu(i: i32): f64 {
  return load<f64>(place<f64>(58, i));
}
// bytes of memory that they will add
// @ts-ignore: decorator
@inline export function node_coming_memory(i: i32): f64 {
  return load<f64>(place<f64>(59, i));
}
// bytes of disk that they will add
// @ts-ignore: decorator
@inline export function node_coming_disk(i: i32): f64 {
  return load<f64>(place<f64>(60, i));
}
// cores that copies on it free when others have taken their place
// @ts-ignore: decorator
@inline export function node_leaving_cpu(i: i32): f64 {
  return load<f64>(place<f64>(61, i));
}
// bytes of memory that they free
// @ts-ignore: decorator
@inline export function node_leaving_memory(i: i32): f64 {
  return load<f64>(place<f64>(62, i));
}
// bytes of disk that they free
// @ts-ignore: decorator
@inline export function node_leaving_disk(i: i32): f64 {
  return load<f64>(place<f64>(63, i));
}
// first copies of shards on it that have not said yet that they are open
// @ts-ignore: decorator
@inline export function node_opening(i: i32): u32 {
  return load<u32>(place<u32>(64, i));
}
// the keyspace's name
// @ts-ignore: decorator
@inline export function keyspace_name(i: i32): u32 {
  return load<u32>(place<u32>(96, i));
}
// its shards
// @ts-ignore: decorator
@inline export function keyspace_shards(i: i32): u32 {
  return load<u32>(place<u32>(97, i));
}
// replicas wanted of each, beside the primary
// @ts-ignore: decorator
@inline export function keyspace_replicas(i: i32): u32 {
  return load<u32>(place<u32>(98, i));
}
// copies that must hold a write, the primary among them
// @ts-ignore: decorator
@inline export function keyspace_min_in_sync(i: i32): u32 {
  return load<u32>(place<u32>(99, i));
}
// 0 fsync, 1 interval, 2 memory
// @ts-ignore: decorator
@inline export function keyspace_durability(i: i32): u8 {
  return load<u8>(place<u8>(100, i));
}
// node_copies of this keyspace alone
// @ts-ignore: decorator
@inline export function keyspace_node_copies(keyspace: i32, node: i32): u32 {
  return load<u32>(place<u32>(101, keyspace * nodeCount + node));
}
// node_primaries of this keyspace alone
// @ts-ignore: decorator
@inline export function keyspace_node_primaries(keyspace: i32, node: i32): u32 {
  return load<u32>(place<u32>(102, keyspace * nodeCount + node));
}
// rebalanced of this keyspace alone, within its own budget.window
// @ts-ignore: decorator
@inline export function keyspace_rebalanced(i: i32): u32 {
  return load<u32>(place<u32>(103, i));
}
// rebalanced_bytes of this keyspace alone
// @ts-ignore: decorator
@inline export function keyspace_rebalanced_bytes(i: i32): f64 {
  return load<f64>(place<f64>(104, i));
}
// rebalanced_until of this keyspace alone
// @ts-ignore: decorator
@inline export function keyspace_rebalanced_until(i: i32): i64 {
  return load<i64>(place<i64>(105, i));
}
// the shard's keyspace
// @ts-ignore: decorator
@inline export function shard_keyspace(i: i32): i32 {
  return load<i32>(place<i32>(128, i));
}
// its number in its keyspace
// @ts-ignore: decorator
@inline export function shard_number(i: i32): u32 {
  return load<u32>(place<u32>(129, i));
}
// the copy that leads; none if none does
// @ts-ignore: decorator
@inline export function shard_primary(i: i32): i32 {
  return load<i32>(place<i32>(130, i));
}
// the copy that the primary is asked to hand over to; none if it is not
// @ts-ignore: decorator
@inline export function shard_hand_to(i: i32): i32 {
  return load<i32>(place<i32>(131, i));
}
// copies that failed in a row
// @ts-ignore: decorator
@inline export function shard_failures(i: i32): u32 {
  return load<u32>(place<u32>(132, i));
}
// copies that exist: slots whose copy_node is not none
// @ts-ignore: decorator
@inline export function shard_copies(i: i32): u32 {
  return load<u32>(place<u32>(133, i));
}
// cores that the copy which leads takes; 0: not measured, as in all figures of load
// @ts-ignore: decorator
@inline export function shard_primary_cpu(i: i32): f64 {
  return load<f64>(place<f64>(134, i));
}
// bytes of memory that it takes
// @ts-ignore: decorator
@inline export function shard_primary_memory(i: i32): f64 {
  return load<f64>(place<f64>(135, i));
}
// bytes of disk that it takes
// @ts-ignore: decorator
@inline export function shard_primary_disk(i: i32): f64 {
  return load<f64>(place<f64>(136, i));
}
// cores that a copy which does not lead takes
// @ts-ignore: decorator
@inline export function shard_replica_cpu(i: i32): f64 {
  return load<f64>(place<f64>(137, i));
}
// bytes of memory that it takes
// @ts-ignore: decorator
@inline export function shard_replica_memory(i: i32): f64 {
  return load<f64>(place<f64>(138, i));
}
// bytes of disk that it takes
// @ts-ignore: decorator
@inline export function shard_replica_disk(i: i32): f64 {
  return load<f64>(place<f64>(139, i));
}
// tick at which a copy was last seen to fail; the least number if none was
// @ts-ignore: decorator
@inline export function shard_setback(i: i32): i64 {
  return load<i64>(place<i64>(140, i));
}
// wall time in seconds since 1970, UTC, at which a copy last began to move for balance; 0: none did, or it is not counted, as with rebalanced
// @ts-ignore: decorator
@inline export function shard_rebalanced(i: i32): i64 {
  return load<i64>(place<i64>(141, i));
}
// the node that holds the copy; none if the slot is free
// @ts-ignore: decorator
@inline export function copy_node(i: i32): i32 {
  return load<i32>(place<i32>(160, i));
}
// bits: 1 in sync, 2 started, 4 fresh, 8 failed
// @ts-ignore: decorator
@inline export function copy_flags(i: i32): u8 {
  return load<u8>(place<u8>(161, i));
}
// relocation: the copy whose place it takes; else none
// @ts-ignore: decorator
@inline export function copy_source(i: i32): i32 {
  return load<i32>(place<i32>(162, i));
}
// the copy's number, as people see it in c7: the smaller is the older; 0 if the slot is free
// @ts-ignore: decorator
@inline export function copy_id(i: i32): i64 {
  return load<i64>(place<i64>(163, i));
}
// accessors end
