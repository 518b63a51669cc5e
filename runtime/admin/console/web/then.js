// Then: how a shard stood at a moment of the past, and what had been decided about it until then.
import { json } from './api.js';
import { words } from './grid.js';
import { roleOf } from './live.js';
import { clock } from './timeline.js';
import { Said } from './verdicts.js';
import { html, useEffect, useState } from './vendor/preact-htm.js';

const settle = 250; // milliseconds for which a moment must be looked at before anybody is asked about it
const most = 20; // records that are read for one answer, the newest first
const records = new Map(); // trace -> record, of those that are over

async function recordOf(trace, signal) {
  if (records.has(trace)) return records.get(trace);
  const record = await json('GET', '/_cluster/failovers/' + trace, undefined, signal);
  if (record.done > 0) records.set(trace, record);
  return record;
}

// decidedUntil is the last decision of a record about a shard until a moment, and when it was made; or nothing. A shard's own is the newest, and
// its time that of the first: each was made when its plan was.
export function decidedUntil(record, shard, until) {
  const s = record.shards.find((x) => x.name === shard);
  if (!s) return null;
  const all = [...(record.earlier || []).filter((d) => d.shard === s.id), s].map((d) => {
    const plan = record.plans[d.plan];
    return { s: d, at: ((plan && plan.began + plan.took_ns) || s.decided) / 1e6 };
  });
  return all.findLast((d) => d.at > 0 && d.at <= until + 1) || null;
}

// lastSaid is the newest record in which something was decided about a shard until a moment, and what; or nothing.
async function lastSaid(shard, until, signal) {
  const list = (await json('GET', '/_cluster/failovers', undefined, signal)).failovers.filter((f) => f.at <= until && f.shards > 0).sort((a, b) => b.at - a.at);
  let best = null;
  for (const f of list.slice(0, most)) {
    const record = await recordOf(f.trace, signal);
    const last = decidedUntil(record, shard, until);
    if (last && (!best || last.at > best.at)) best = { f, record, ...last };
  }
  return { best, more: list.length > most };
}

export function Then({ shard, until, table }) {
  const [known, setKnown] = useState(null);
  const answer = known && known.until === until ? known : null; // what is known of another moment says nothing of this one
  const row = table.rows.get(shard);
  useEffect(() => {
    const stop = new AbortController();
    const know = (a) => { if (!stop.signal.aborted) setKnown({ until, ...a }); };
    const timer = setTimeout(() => lastSaid(shard, until, stop.signal).then(know, (e) => know({ error: e.message })), settle);
    return () => { stop.abort(); clearTimeout(timer); };
  }, [shard, until]);
  const said = answer && answer.best;
  return html`<section aria-label=${`${shard} as it was`} class="card">
    <h2>${shard} <small>at ${clock(until)}</small></h2>
    <p class="mono" role="status">${row ? row.copies.map((c) => `${c.copy} on ${c.node}: ${words[roleOf(row, c, table.nodes)]}`).join('; ') + `; term ${row.term}` : 'It was not there yet.'}</p>
    <p><small>What the deciders said of every node when the last plan until then was made: <code>troupe explain ${shard} --at ${new Date(until).toISOString()}</code></small></p>
    ${!answer && html`<p class="empty">Looking for what had been decided until then…</p>`}
    ${answer && answer.error && html`<p class="bad" role="alert">${answer.error}</p>`}
    ${answer && !answer.error && !said && html`<p class="empty">No failover, drain or move that is remembered had decided about it until then${answer.more ? `, of the last ${most}` : ''}.</p>`}
    ${said && html`<h3>Decided last until then: <a href=${`#/failovers/${said.f.trace}/${shard}`}>${said.f.kind} ${said.f.id}</a>, ${clock(said.at)}</h3>
      <p>${said.s.reason || said.s.problem}</p><${Said} s=${said.s} words=${said.record.words} />`}
  </section>`;
}
