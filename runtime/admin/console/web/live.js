// What the console knows of the cluster, as it changes: the members, the shard table, and how both came to be what they are.
import { lines } from './api.js';
import { useEffect, useState } from './vendor/preact-htm.js';

// A moment of the shard table. Rows are shared between moments: what did not change is the same object.
const remembered = 4000;

export const live = { online: false, problem: '', leader: '', version: 0, nodes: [], rows: new Map(), history: [] };
const listeners = new Set();

export function useLive() {
  const [, tick] = useState(0);
  useEffect(() => {
    const listen = () => tick((n) => n + 1);
    listeners.add(listen);
    return () => listeners.delete(listen);
  }, []);
  return live;
}

let announced = false;

function tell() {
  if (announced) return; // many lines may come in one frame
  announced = true;
  requestAnimationFrame(() => {
    announced = false;
    for (const f of listeners) f();
  });
}

function take(line) {
  const rows = line.whole ? new Map() : new Map(live.rows);
  for (const row of line.shards || []) rows.set(row.shard, row);
  live.rows = rows;
  live.nodes = line.nodes || live.nodes;
  live.leader = line.leader;
  live.version = line.version;
  live.history.push({ at: Date.now(), version: line.version, leader: line.leader, nodes: live.nodes, rows });
  if (live.history.length > remembered) live.history.splice(0, live.history.length - remembered);
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// follow keeps live up to date for as long as the page is there.
export async function follow() {
  for (;;) {
    try {
      for await (const line of lines('/_watch/routing')) {
        live.online = true;
        live.problem = '';
        take(line);
        tell();
      }
      live.problem = 'the node has ended the connection';
    } catch (e) {
      live.problem = e.message;
    }
    live.online = false;
    tell();
    await pause(1000);
  }
}

// moment is what was agreed at a time; the newest for a time after it.
export function moment(at) {
  const h = live.history;
  let low = 0, high = h.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (h[middle].at <= at) low = middle; else high = middle - 1;
  }
  return h[low];
}

// roleOf says what a copy is at a moment, in a word that style and people know.
export function roleOf(row, copy, nodes) {
  const node = nodes.find((n) => n.name === copy.node);
  if (node && node.state === 'dead') return 'down';
  if (copy.failed) return 'failed';
  if (copy.copy === row.primary) return 'primary';
  if (copy.in_sync) return 'replica';
  return copy.source ? 'moving' : 'recovering';
}

export const signs = { primary: 'P', replica: 'r', recovering: '…', moving: '→', failed: '✗', down: '✗', none: '' };
