// Problems: why the cluster is not green, the worst first, and what would be wrong if a node died.
import { json, repeat } from './api.js';
import { useLive } from './live.js';
import { html, useEffect, useState } from './vendor/preact-htm.js';

const rank = { red: 0, yellow: 1, green: 2 };

// anyCopy is a sentence of the health without the numbers of copies. Nodes and keyspaces may be called c1 as well: what is said of a copy tells it from them.
const anyCopy = (reason) => reason.replace(/\b(copy )?c\d+(?= (?:waits for|(?:is |recovers |cannot be opened )?on) node )/g, (_, copy) => (copy ? 'copy' : 'a copy'));

// problemsOf lists what the health says: nodes that are down, and each reason once with all that it is about.
export function problemsOf({ health, nodes }) {
  if (!health) return [];
  const list = (health.down_nodes || []).map((name) => ({ status: health.status, what: ['node ' + name], reason: 'it is down: ' + (nodes.find((n) => n.name === name)?.reason || 'it was declared dead, and has not come back') }));
  if (health.read_only) list.push({ status: health.status, what: ['cluster'], reason: 'it is in maintenance as a whole and takes reads only, until "maintenance --cluster off" ends that' });
  for (const name of health.not_served || []) list.push({ status: 'red', what: ['keyspace ' + name], reason: 'it serves nothing, since it lacks a shard' });
  const alike = new Map(); // sentences differ by the copy that they name
  for (const r of health.reasons || []) {
    const key = r.status + anyCopy(r.reason);
    const same = alike.get(key);
    if (same) {
      same.what.push(r.shard);
      same.reason = anyCopy(r.reason);
    } else {
      alike.set(key, { status: r.status, what: [r.shard], reason: r.reason });
      list.push(alike.get(key));
    }
  }
  return list.sort((a, b) => rank[a.status] - rank[b.status]);
}

const named = 24; // shards of one reason that are named

export function Problems() {
  const live = useLive();
  if (!live.health) return html`<p class="empty">Waiting for what the node says of the cluster's health…</p>`;
  const list = problemsOf(live);
  return html`${list.length === 0
    ? html`<p class="empty">None: all ${live.rows.size} shards have what they need, and every node is there.</p>`
    : html`<div class="scroll"><table class="list" aria-label="Problems"><thead><tr>${['Status', 'What', 'Why'].map((h) => html`<th scope="col">${h}</th>`)}</tr></thead>
      <tbody>${list.map((p) => html`<tr><td><span class=${'health ' + p.status}><b>${p.status === 'green' ? 'note' : p.status}</b></span></td><th scope="row"><${What} names=${p.what} rows=${live.rows} /></th><td>${p.reason}<${Held} what=${p.what[0]} rows=${live.rows} /></td></tr>`)}</tbody></table></div>`}
    ${live.health.unlisted > 0 && html`<p>And ${live.health.unlisted} shards more.</p>`}
    <p><small>As <code>troupe health</code> says it. <code>troupe check</code> tries every shard with a write; a shard's link says what each decider says of it.</small></p>
    <${Losses} />`;
}

// What leads to the shard, or to the nodes.
function What({ names, rows }) {
  const one = (name) => (rows.has(name) ? html`<a href=${'#/map/' + name}>${name}</a>` : name.startsWith('node ') ? html`<a href="#/nodes">${name}</a>` : name);
  return html`${names.length > 1 ? `${names.length} shards: ` : ''}${names.slice(0, named).map((n, i) => html`${i > 0 ? ', ' : ''}${one(n)}`)}${names.length > named ? ' …' : ''}`;
}

// Held says how many shards have a copy on a node: those are concerned by what is wrong with it.
function Held({ what, rows }) {
  if (!what.startsWith('node ')) return null;
  const name = what.slice('node '.length), n = [...rows.values()].filter((r) => r.copies.some((c) => c.node === name)).length;
  return html`<br /><small>${n} of ${rows.size} shards have a copy there.</small>`;
}

// Losses shows what the death of each node would come to, as the leader has found. It looks once changes have ended.
function Losses() {
  const [answer, setAnswer] = useState({});
  useEffect(() => {
    let open = true;
    const ask = () => json('GET', '/_cluster/losses').then((a) => { if (open) setAnswer({ a }); }, (e) => { if (open) setAnswer({ error: e.message }); });
    const stop = repeat(ask, 2000);
    return () => { open = false; stop(); };
  }, []);
  const { a, error } = answer;
  return html`<section aria-label="If a node died"><h2>If a node died</h2>
    ${error && html`<p class="bad">${error}</p>`}${!a && !error && html`<p class="empty">Asking the leader…</p>`}
    ${a && a.reason && html`<p class="empty">${a.reason}</p>`}
    ${a && a.losses.length > 0 && html`<div class="scroll"><table class="list" aria-label="What the death of each node would come to"><thead><tr>${['Node', 'Copies', 'What it would come to', 'Fullest other node'].map((h, i) => html`<th scope="col" class=${i === 1 ? 'number' : ''}>${h}</th>`)}</tr></thead>
      <tbody>${a.losses.map((l) => html`<tr><th scope="row">${l.node}</th><td class="number">${l.copies}</td><td>${l.lasting ? html`<span class="bad">⚠ </span>` : ''}${l.summary}</td><td>${l.fullest_node ? `${l.fullest_node}, ${l.fullest_used_percent.toFixed(0)} % of its ${l.fullest_in}` : '–'}</td></tr>`)}</tbody></table></div>`}
    ${a && (a.waiting || []).length > 0 && html`<p><small>The leader has not come to ${a.waiting.join(', ')} yet.</small></p>`}
    <p><small>As if nobody had to wait for copies to be carried: <code>troupe health --losses</code></small></p></section>`;
}
