// The shard table over time: moments, each with what it changed, and a whole table now and then, so that any moment is drawn from a
// few changes. It is made from the lines of /_watch/routing and from the moments of /_cluster/history, which have one shape.
import { json } from './api.js';

const stride = 64; // moments from one whole table to the next
const remembered = 4096;

export class Past {
  constructor() {
    this.moments = [];
    this.node = ''; // who told, and by whose clock
    this.drawn = { index: -1 };
  }

  get last() { return this.moments[this.moments.length - 1]; }

  // add takes a line: what it says of rows, nodes and leader holds from its time on.
  add(line) {
    const before = this.last;
    if (before && !line.whole && line.leader === before.leader && !line.nodes && (!line.shards || line.version === before.version)) return; // it changes nothing here, or is told twice
    const rows = line.whole || !before ? new Map() : this.rows;
    for (const row of line.shards || []) rows.set(row.shard, row);
    this.rows = rows;
    const nodes = line.nodes || (before ? before.nodes : []);
    const m = { at: Math.max(line.at, before ? before.at : 0), version: line.version, leader: line.leader, nodes, changed: line.shards || [], ...health(rows, nodes) };
    this.sinceBase = line.whole || !before ? 0 : this.sinceBase + 1;
    if (this.sinceBase % stride === 0) m.base = new Map(rows);
    this.moments.push(m);
    if (this.moments.length > remembered + stride) this.forget();
  }

  // forget drops the oldest moments, up to one that has a whole table.
  forget() {
    let n = this.moments.length - remembered;
    while (!this.moments[n].base) n++;
    this.moments.splice(0, n);
    this.drawn = { index: -1 };
  }

  // before puts an older past in front.
  before(older) {
    if (older.moments.length === 0 || this.moments.length === 0) return;
    const first = this.moments[0];
    const kept = older.moments.filter((m) => m.at <= first.at && m.version < first.version);
    if (kept.length === 0) return;
    this.moments = [...kept, ...this.moments];
    this.drawn = { index: -1 };
  }

  // indexAt is the place of what held at a time: the first for one before it.
  indexAt(at) {
    let low = 0, high = this.moments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.moments[middle].at <= at) low = middle; else high = middle - 1;
    }
    return low;
  }

  // table is a moment with all its rows. The same place gives the same object.
  table(index) {
    const m = this.moments[index];
    if (this.drawn.index === index && this.drawn.m === m) return this.drawn.table;
    let from = index;
    while (!this.moments[from].base) from--;
    const rows = new Map(this.moments[from].base);
    for (let i = from + 1; i <= index; i++) for (const row of this.moments[i].changed) rows.set(row.shard, row);
    this.drawn = { index, m, table: { ...m, rows } };
    return this.drawn.table;
  }
}

// health counts the shards that nobody leads, and those that lack a copy.
export function health(rows, nodes) {
  const dead = new Set(nodes.filter((n) => n.state === 'dead').map((n) => n.name));
  let red = 0, yellow = 0;
  for (const row of rows.values()) {
    if (!row.primary) red++;
    else if (row.copies.some((c) => (!c.in_sync && !c.source) || dead.has(c.node))) yellow++;
  }
  return { red, yellow };
}

// remember asks the cluster how the table changed in a span of time, in milliseconds since 1970.
export async function remember(from, to) {
  const past = new Past();
  for (let next = Math.max(0, Math.floor(from)), known = false; ;) {
    const h = await json('GET', `/_cluster/history?from=${next}&to=${Math.ceil(to)}`);
    past.node = h.node;
    past.began = h.began;
    h.moments.forEach((m, i) => {
      if (i > 0 || !known) past.add(m); // what comes after more begins with the table that is known
    });
    const last = h.moments[h.moments.length - 1];
    if (!h.more || !last) return past;
    known = last.at > next; // else that millisecond had more than comes at a time: on behind it, with the whole table
    next = known ? last.at : next + 1;
  }
}
