// world.mjs: tests of a policy's module under node, with the cluster written down in the test. AssemblyScript has no native
// build, so the module itself is tested.
//
//     const policy = await load("policy.wasm");
//     const w = new World(3, 1, 2, 4); // nodes, keyspaces, shards, slots for each shard's copies
//     w.text("node_name", 0, "n1");
//     w.set("node_flags", 1, 2);
//     w.attribute(0, "class", "spot");
//     policy.configure({ settings: { tenant: "acme" }, keyspaces: {} });
//     policy.see(w);
//     assert.equal(policy.ask("can_allocate", 0), "c1 00 00"); // the row in hexadecimal
//
// A World has the columns that were set, and those that the module's manifest needs: as zeroes, or as none where they point to
// rows.
import { readFileSync } from "node:fs";

// Number, name, type (1 u8, 2 u32, 3 i64, 4 f64), rows (0 global, 1 nodes, 2 keyspaces, 3 shards, 4 copies, 5 nodes of each keyspace,
// 6 nodes + 1, 7 as many as there are), whether values point to rows.
const columns = [
  // columns begin
  [1, "now", 3, 0, false],
  [2, "ticks", 3, 0, false],
  [3, "tick_length", 2, 0, false],
  [4, "relocating", 2, 0, false],
  [5, "unled", 2, 0, false],
  [6, "unwhole", 2, 0, false],
  [7, "rebalanced", 2, 0, false],
  [8, "rebalanced_bytes", 4, 0, false],
  [9, "rebalanced_until", 3, 0, false],
  [16, "text_starts", 2, 7, false],
  [17, "text", 1, 7, false],
  [32, "node_id", 2, 1, false],
  [33, "node_name", 2, 1, false],
  [34, "node_host", 2, 1, false],
  [35, "node_address", 2, 1, false],
  [36, "node_release", 2, 1, false],
  [37, "node_format", 2, 1, false],
  [38, "node_epoch", 3, 1, false],
  [39, "node_roles", 1, 1, false],
  [40, "node_flags", 1, 1, false],
  [41, "node_evidence", 1, 1, false],
  [42, "node_since", 3, 1, false],
  [43, "node_held", 3, 1, false],
  [44, "node_reason", 2, 1, false],
  [45, "node_copies", 2, 1, false],
  [46, "node_primaries", 2, 1, false],
  [47, "node_incoming", 2, 1, false],
  [48, "node_outgoing", 2, 1, false],
  [49, "node_capacity_cpu", 4, 1, false],
  [50, "node_capacity_memory", 4, 1, false],
  [51, "node_capacity_disk", 4, 1, false],
  [52, "node_used_cpu", 4, 1, false],
  [53, "node_used_memory", 4, 1, false],
  [54, "node_used_disk", 4, 1, false],
  [55, "node_attributes", 2, 6, false],
  [56, "attribute_name", 2, 7, false],
  [57, "attribute_value", 2, 7, false],
  [58, "node_coming_cpu", 4, 1, false],
  [59, "node_coming_memory", 4, 1, false],
  [60, "node_coming_disk", 4, 1, false],
  [61, "node_leaving_cpu", 4, 1, false],
  [62, "node_leaving_memory", 4, 1, false],
  [63, "node_leaving_disk", 4, 1, false],
  [64, "node_opening", 2, 1, false],
  [96, "keyspace_name", 2, 2, false],
  [97, "keyspace_shards", 2, 2, false],
  [98, "keyspace_replicas", 2, 2, false],
  [99, "keyspace_min_in_sync", 2, 2, false],
  [100, "keyspace_durability", 1, 2, false],
  [101, "keyspace_node_copies", 2, 5, false],
  [102, "keyspace_node_primaries", 2, 5, false],
  [103, "keyspace_rebalanced", 2, 2, false],
  [104, "keyspace_rebalanced_bytes", 4, 2, false],
  [105, "keyspace_rebalanced_until", 3, 2, false],
  [128, "shard_keyspace", 2, 3, false],
  [129, "shard_number", 2, 3, false],
  [130, "shard_primary", 2, 3, true],
  [131, "shard_hand_to", 2, 3, true],
  [132, "shard_failures", 2, 3, false],
  [133, "shard_copies", 2, 3, false],
  [134, "shard_primary_cpu", 4, 3, false],
  [135, "shard_primary_memory", 4, 3, false],
  [136, "shard_primary_disk", 4, 3, false],
  [137, "shard_replica_cpu", 4, 3, false],
  [138, "shard_replica_memory", 4, 3, false],
  [139, "shard_replica_disk", 4, 3, false],
  [140, "shard_setback", 3, 3, false],
  [141, "shard_rebalanced", 3, 3, false],
  [160, "copy_node", 2, 4, true],
  [161, "copy_flags", 1, 4, false],
  [162, "copy_source", 2, 4, true],
  [163, "copy_id", 3, 4, false],
  // columns end
];
const sizes = [0, 1, 4, 8, 8];

export class World {
  constructor(nodes, keyspaces, shards, slots) {
    this.counts = [nodes, keyspaces, shards, slots];
    this.rows = [1, nodes, keyspaces, shards, shards * slots, keyspaces * nodes, nodes + 1, 0];
    this.values = new Map();
    this.words = [""];
    this.attributes = [];
  }
  column(name) {
    const c = columns.find((c) => c[1] === name);
    if (!c) throw new Error(`there is no column ${name}`);
    if (!this.values.has(name)) this.values.set(name, new Array(this.rows[c[3]]).fill(c[4] ? -1 : 0));
    return this.values.get(name);
  }
  set(name, row, value) {
    const values = this.column(name);
    if (row < 0 || row >= values.length) throw new Error(`row ${row} of column ${name}, which has ${values.length}`);
    values[row] = value;
  }
  text(name, row, value) {
    this.set(name, row, this.word(value));
  }
  word(value) {
    let at = this.words.indexOf(value);
    if (at < 0) at = this.words.push(value) - 1;
    return at;
  }
  // Attributes are given node by node, in the nodes' order.
  attribute(node, name, value) {
    this.attributes.push([node, this.word(name), this.word(value)]);
  }
  // The image as a host writes it, with the columns that were set and those that are needed.
  image(needs) {
    for (const name of needs) this.column(name);
    if (needs.includes("node_attributes") || this.attributes.length) {
      const starts = this.column("node_attributes");
      for (let n = 0; n < starts.length; n++) starts[n] = this.attributes.filter((a) => a[0] < n).length;
      this.values.set("attribute_name", this.attributes.map((a) => a[1]));
      this.values.set("attribute_value", this.attributes.map((a) => a[2]));
    }
    const encoded = this.words.map((w) => new TextEncoder().encode(w));
    const starts = [0];
    for (const e of encoded) starts.push(starts.at(-1) + e.length);
    this.values.set("text_starts", starts);
    this.values.set("text", encoded.flatMap((e) => [...e]));
    const present = columns.filter((c) => this.values.has(c[1]));
    const aligned = (n) => (n + 63) & ~63;
    let size = aligned(40 + 12 * present.length);
    const places = present.map((c) => {
      const at = size;
      size = aligned(size + this.values.get(c[1]).length * sizes[c[2]]);
      return at;
    });
    const v = new DataView(new ArrayBuffer(size));
    v.setUint32(0, 0x474d4954, true);
    v.setUint16(4, 1, true);
    v.setUint16(6, 40, true);
    v.setBigUint64(8, 1n, true);
    this.counts.forEach((n, i) => v.setUint32(16 + 4 * i, n, true));
    v.setUint32(32, present.length, true);
    present.forEach(([id, name, type], i) => {
      const values = this.values.get(name);
      v.setUint16(40 + 12 * i, id, true);
      v.setUint8(42 + 12 * i, type);
      v.setUint32(44 + 12 * i, places[i], true);
      v.setUint32(48 + 12 * i, values.length, true);
      values.forEach((x, row) => {
        const at = places[i] + row * sizes[type];
        if (type === 1) v.setUint8(at, x);
        else if (type === 2) v.setUint32(at, x >>> 0, true);
        else if (type === 3) v.setBigInt64(at, BigInt(x), true);
        else v.setFloat64(at, x, true);
      });
    });
    return new Uint8Array(v.buffer);
  }
}

// Starts a module as a host does.
export async function load(path, manifest = "manifest.json") {
  const needs = JSON.parse(readFileSync(manifest, "utf8")).needs;
  const p = { said: "" };
  const bytes = (at, length) => new Uint8Array(p.exports.memory.buffer, at >>> 0, length);
  const text = (at, length) => new TextDecoder().decode(bytes(at, length));
  const host = {
    log: (level, at, length) => console.error(`log ${level}: ${text(at, length)}`),
    log_enabled: (level) => (level >= 0 ? 1 : 0),
    error: (at, length) => (p.said = text(at, length)),
  };
  p.exports = (await WebAssembly.instantiate(readFileSync(path), { host })).instance.exports;
  p.exports._initialize?.();
  const give = (data, room = data.length) => {
    const at = (p.exports.pol_alloc(room + 63) + 63) & ~63;
    bytes(at, data.length).set(data);
    return at;
  };
  const accepted = (code) => {
    if (code !== 0) throw new Error(`refused: ${p.said}`);
  };
  p.configure = (settings) => {
    const data = new TextEncoder().encode(JSON.stringify(settings));
    accepted(p.exports.pol_configure(give(data), data.length));
  };
  p.see = (world) => {
    const data = world.image(needs);
    accepted(p.exports.pol_state(give(data), data.length));
    p.nodes = world.counts[0];
    p.row = give([], 8 * p.nodes);
    p.out = give([], 4096);
  };
  p.ask = (rule, shard, copy = -1, flags = 0) => {
    bytes(p.row, p.nodes).fill(0);
    p.exports[rule](shard, copy, flags, p.row);
    return [...bytes(p.row, p.nodes)].map((b) => b.toString(16).padStart(2, "0")).join(" ");
  };
  p.score = (shard, copy = -1, flags = 0) => {
    p.exports.score(shard, copy, flags, p.row);
    return [...new Float64Array(p.exports.memory.buffer, p.row, p.nodes)];
  };
  p.why = (capability, shard, copy, flags, node, answer) => text(p.out, p.exports.explain(capability, shard, copy, flags, node, answer, p.out, 4096));
  return p;
}
