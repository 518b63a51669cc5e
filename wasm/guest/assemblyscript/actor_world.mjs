// actor_world.mjs: tests of a kind's module under node, with all its actors in memory. AssemblyScript has no native build, so the module itself is tested;
// modules of other languages work as well.
//
//     const w = await load("actor.wasm");                    // no actor has any data, and it is 2026
//     assert.equal(w.call("ann", "add", 5), 5);              // name, method, request: the reply, as a value
//     assert.throws(() => w.call("ann", "add", -9), { code: 1, message: "counter/ann would be below zero" });
//     w.settle();                                            // delivers what was told and asked, until nothing is left
//     w.advance(60_000);                                     // lets time pass: reminders come, and what they send settles
//     assert.equal(w.data("ann", "count"), "5");
//     const sent = w.sent();                                 // the next message to another kind, which is not here
//     w.answer(sent, true);                                  // what it answers; w.refuse(sent, "text") refuses
//
// Messages to actors of this kind arrive in the order in which they were sent, each once, each at a new instance: memory is scratch. What tells and
// reminders are refused with is in w.refused: a cluster tries again, and sets it aside in the end.
import { readFileSync } from "node:fs";

const CALL = 1, TELL = 2, REPLY = 3, REMINDER = 4;

// A refusal, or, with code 0, a trap.
export class Refused extends Error {
  constructor(code, message, reason = "") {
    super(message);
    this.code = code;
    this.reason = reason; // for programs
  }
}

const kindOf = (actor) => actor.split("/", 1)[0];
const ordered = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

// Starts a module with an empty world.
export async function load(path, manifest = "manifest.json") {
  return new World(await WebAssembly.compile(readFileSync(path)), JSON.parse(readFileSync(manifest, "utf8")));
}

export class World {
  constructor(module, manifest) {
    this.module = module;
    this.kind = manifest.kind;
    this.methods = new Set(Object.keys(manifest.methods));
    this.now = 1767225600000;
    this.refused = [];
    this.actors = new Map(); // name: Map of key to bytes
    this.reminders = new Map();
    this.queue = [];
    this.number = 0;
    this.token = 0n;
  }
  call(name, method, request = null) {
    return this.callAs("", name, method, request);
  }
  // An actor of any kind, as kind/name, calls one; call comes from outside of actors.
  callAs(sender, name, method, request = null) {
    return this.deliver({ to: `${this.kind}/${name}`, from: sender, method, payload: JSON.stringify(request), event: CALL });
  }
  data(name, key) {
    const value = this.actors.get(`${this.kind}/${name}`)?.get(key);
    return value === undefined ? "" : new TextDecoder().decode(value);
  }
  keys(name) {
    return [...(this.actors.get(`${this.kind}/${name}`)?.keys() ?? [])].sort(ordered);
  }
  settle() {
    for (let i; (i = this.queue.findIndex((m) => kindOf(m.to) === this.kind)) >= 0; ) {
      const [m] = this.queue.splice(i, 1);
      try {
        const reply = this.deliver(m);
        if (m.event === CALL) this.answer(m, reply);
      } catch (e) {
        if (!(e instanceof Refused)) throw e;
        if (m.event === CALL) this.refuse(m, e.message);
        else this.refused.push(e);
      }
    }
  }
  advance(ms) {
    const end = this.now + ms;
    for (;;) {
      const due = [...this.reminders].filter(([, r]) => r.due <= end).sort((a, b) => a[1].due - b[1].due || ordered(a[0], b[0]))[0];
      if (!due) break;
      const [key, r] = due;
      this.now = Math.max(this.now, r.due);
      if (r.every > 0) r.due += r.every;
      else this.reminders.delete(key);
      try {
        this.deliver({ to: r.actor, from: r.actor, method: r.method, payload: r.payload, event: REMINDER });
      } catch (e) {
        if (!(e instanceof Refused)) throw e;
        this.refused.push(e);
      }
      this.settle();
    }
    this.now = end;
  }
  sent() {
    const i = this.queue.findIndex((m) => kindOf(m.to) !== this.kind);
    return i < 0 ? undefined : this.queue.splice(i, 1)[0];
  }
  answer(asked, reply) {
    this.queue.push({ to: asked.from, from: asked.to, method: asked.method, payload: JSON.stringify(reply), event: REPLY, token: asked.token, status: 0 });
  }
  refuse(asked, text) {
    this.queue.push({ to: asked.from, from: asked.to, method: asked.method, payload: JSON.stringify(text), event: REPLY, token: asked.token, status: 1 });
  }
  migrate(name, from) {
    this.hand({ to: `${this.kind}/${name}`, from: "", method: "", payload: "null", event: CALL }, (exports, length) => exports.act_migrate(from, length));
  }
  deliver(m) {
    if (m.event !== REPLY && !this.methods.has(m.method)) throw new Refused(-1, `the manifest has no method ${m.method}: a cluster refuses the message`);
    return this.hand(m, (exports, length) => exports.act_handle(m.event, length));
  }
  // Hands one message to the actor, as a host does.
  hand(m, f) {
    const message = new Message(this, m);
    const exports = new WebAssembly.Instance(this.module, message.imports()).exports;
    message.memory = () => exports.memory.buffer;
    exports._initialize?.();
    const envelope = message.envelope();
    const at = exports.act_inbox(Math.max(4096, envelope.length)) >>> 0;
    new Uint8Array(exports.memory.buffer, at, envelope.length).set(envelope);
    const data = new Map(this.actors.get(m.to)), reminders = new Map([...this.reminders].map(([key, r]) => [key, { ...r }]));
    let code = 0, trap;
    try {
      code = f(exports, envelope.length);
    } catch (e) {
      trap = e;
    }
    if (trap || code !== 0) {
      this.actors.set(m.to, data);
      this.reminders = reminders;
      throw new Refused(code, trap ? `trap: ${message.said || trap.message}` : message.said, message.reason);
    }
    this.queue.push(...message.pending);
    return JSON.parse(message.reply);
  }
}

// One message while it is handled: the host's side.
class Message {
  constructor(world, m) {
    this.world = world;
    this.m = m;
    this.pending = [];
    this.cursors = [];
    this.reply = "null";
    this.said = "";
    this.reason = "";
    this.dice = BigInt(++world.number);
    this.word = 0n;
    this.left = 0;
  }
  envelope() {
    const parts = [this.m.to, this.m.from, this.m.method, this.m.payload === "null" ? "" : this.m.payload].map((s) => new TextEncoder().encode(s));
    const out = new Uint8Array(80 + parts.reduce((n, p) => n + p.length, 0));
    const v = new DataView(out.buffer);
    v.setUint32(0, 0x54434154, true);
    v.setUint16(4, 1, true);
    v.setUint16(6, 80, true);
    [BigInt(this.world.now), this.dice, this.m.token ?? 0n, this.dice].forEach((n, i) => v.setBigUint64(8 + 8 * i, n, true));
    v.setUint32(72, this.m.status ?? 0, true);
    let at = 80;
    parts.forEach((p, i) => {
      v.setUint32(40 + 8 * i, at, true);
      v.setUint32(44 + 8 * i, p.length, true);
      out.set(p, at);
      at += p.length;
    });
    return out;
  }
  bytes(at, length) {
    return new Uint8Array(this.memory(), at >>> 0, length).slice();
  }
  text(at, length) {
    return new TextDecoder("utf-8", { fatal: true }).decode(this.bytes(at, length));
  }
  json(at, length) {
    const text = this.text(at, length) || "null";
    JSON.parse(text);
    return text;
  }
  named(at, length) {
    if (length < 1 || length > 64) throw new Error("a method's or reminder's name of no or more than 64 bytes");
    return this.text(at, length);
  }
  own() {
    const { actors } = this.world;
    if (!actors.has(this.m.to)) actors.set(this.m.to, new Map());
    return actors.get(this.m.to);
  }
  // What is written if it fits: its length.
  give(value, out, room) {
    if (value.length <= room) new Uint8Array(this.memory(), out >>> 0, value.length).set(value);
    return value.length;
  }
  next(cursor, out, room) {
    const c = this.cursors[cursor];
    const key = [...this.own().keys()].sort(ordered).find((k) => k.startsWith(c.prefix) && (c.last === undefined || ordered(k, c.last) > 0));
    if (key === undefined) return -1;
    const name = new TextEncoder().encode(key), value = this.own().get(key);
    const entry = new Uint8Array(4 + name.length + value.length);
    new DataView(entry.buffer).setUint32(0, name.length, true);
    entry.set(name, 4);
    entry.set(value, 4 + name.length);
    if (entry.length <= room) c.last = key;
    return this.give(entry, out, room);
  }
  send(event, token, to, method, payload) {
    if (!to.includes("/")) throw new Error(`a message to what is no KIND/NAME: ${to}`);
    this.pending.push({ to, from: this.m.to, method, payload, event, token });
    return token;
  }
  random(out, n) {
    const view = new Uint8Array(this.memory(), out >>> 0, n);
    for (let i = 0; i < n; i++, this.left--, this.word >>= 8n) {
      if (this.left === 0) {
        let v = (this.dice = BigInt.asUintN(64, this.dice + 0x9e3779b97f4a7c15n));
        v = BigInt.asUintN(64, (v ^ (v >> 30n)) * 0xbf58476d1ce4e5b9n);
        v = BigInt.asUintN(64, (v ^ (v >> 27n)) * 0x94d049bb133111ebn);
        this.word = v ^ (v >> 31n);
        this.left = 8;
      }
      view[i] = Number(this.word & 255n);
    }
  }
  imports() {
    const { world, m } = this;
    const host = {
      log: (level, at, length) => console.error(`log ${level}: ${this.text(at, length)}`),
      log_enabled: (level) => (level >= 0 ? 1 : 0),
      error: (at, length) => void (this.said = this.text(at, length)),
    };
    const act = {
      reason: (word, length) => {
        if (length < 1 || length > 64) throw new Error("a reason of no or more than 64 bytes");
        this.reason = this.text(word, length);
      },
      get: (key, keyLength, out, room) => {
        const value = this.own().get(this.text(key, keyLength));
        return value === undefined ? -1 : this.give(value, out, room);
      },
      put: (key, keyLength, value, length) => {
        if (keyLength < 1 || keyLength > 1024) throw new Error("a key of no or more than 1024 bytes");
        this.own().set(this.text(key, keyLength), this.bytes(value, length));
      },
      del: (key, keyLength) => void this.own().delete(this.text(key, keyLength)),
      scan: (prefix, length) => {
        if (this.cursors.length === 16) throw new Error("more than 16 scans in a message");
        return this.cursors.push({ prefix: this.text(prefix, length) }) - 1;
      },
      next: (cursor, out, room) => this.next(cursor, out, room),
      reply: (at, length) => void (this.reply = this.json(at, length)),
      tell: (to, toLength, method, methodLength, payload, length) => void this.send(TELL, 0n, this.text(to, toLength), this.named(method, methodLength), this.json(payload, length)),
      ask: (to, toLength, method, methodLength, payload, length) => this.send(CALL, ++world.token, this.text(to, toLength), this.named(method, methodLength), this.json(payload, length)),
      remind: (name, nameLength, after, every, method, methodLength, payload, length) => {
        if (every !== 0n && every < 1000n) throw new Error("a reminder that comes more often than each second");
        const r = { actor: m.to, due: world.now + Number(after), every: Number(every), method: this.named(method, methodLength), payload: this.json(payload, length) };
        world.reminders.set(`${m.to} ${this.named(name, nameLength)}`, r);
      },
      forget: (name, length) => void world.reminders.delete(`${m.to} ${this.text(name, length)}`),
      random: (out, n) => this.random(out, n),
    };
    return { host, act };
  }
}
