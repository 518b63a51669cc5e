// What the console knows of the cluster, as it changes: the members, the shard table, and how both came to be what they are.
import { json, lines, repeat } from './api.js';
import { Past, remember } from './past.js';
import { useEffect, useState } from './vendor/preact-htm.js';

// Times are those of the node that serves the page; ahead is how far its clock is before the browser's.
// health is the newest answer of /_cluster/health, or null: then nobody has judged yet.
export const live = { online: false, problem: '', leader: '', version: 0, nodes: [], rows: new Map(), health: null, past: new Past(), ahead: 0, since: 0 };
const listeners = new Set();

export const now = () => Date.now() + live.ahead;

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
  if (line.whole) live.ahead = line.at - Date.now();
  live.past.add(line);
  const rows = line.whole ? new Map() : new Map(live.rows);
  for (const row of line.shards || []) rows.set(row.shard, row);
  live.rows = rows;
  live.nodes = line.nodes || live.nodes;
  live.leader = line.leader;
  live.version = line.version;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

let stream = new AbortController();
addEventListener('pagehide', () => stream.abort()); // a browser may keep the page for later, and has six connections to a node for all its pages

const healthEvery = 2000;
const healthPause = 250; // milliseconds after an answer in which nobody asks

// follow keeps live up to date for as long as the page is there.
export async function follow() {
  repeat(askHealth, healthEvery);
  for (;;) {
    stream = new AbortController();
    try {
      for await (const line of lines('/_watch/routing', stream.signal)) {
        if (!line.version) continue;
        live.online = true;
        live.problem = '';
        take(line);
        tell();
        askHealth();
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

let asked = null, again = false; // one question at a time; what changes meanwhile has it asked again

async function askHealth() {
  if (document.hidden) return undefined; // repeat asks once somebody sees the page
  if (asked) { again = true; return asked; }
  asked = json('GET', '/_cluster/health').then((health) => { live.health = health; }, () => { live.health = null; }).then(() => {
    tell();
    return pause(healthPause);
  });
  await asked;
  asked = null;
  if (!again) return undefined;
  again = false;
  return askHealth();
}

// recall fetches what was before the page was opened, from a time on.
export async function recall(from) {
  const first = live.past.moments[0];
  if (!first) return;
  const older = await remember(from, first.at);
  live.past.before(older);
  live.since = Math.max(from, older.began);
  tell();
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
