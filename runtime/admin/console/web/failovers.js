// Failovers: the list, and for one of them the waterfall, the table as it was meanwhile, and the verdicts.
import { json, repeat } from './api.js';
import { Grid } from './grid.js';
import { useLive } from './live.js';
import { remember } from './past.js';
import { TimeLine } from './timeline.js';
import { Verdicts } from './verdicts.js';
import { html, useEffect, useMemo, useState } from './vendor/preact-htm.js';

const ms = (v) => (v >= 10000 ? (v / 1000).toFixed(1) + ' s' : v >= 1000 ? (v / 1000).toFixed(2) + ' s' : v >= 1 || v <= 0 ? v.toFixed(1) + ' ms' : Math.round(v * 1000) + ' µs');

export function Failovers({ path }) {
  const version = useLive().version;
  const [list, setList] = useState(null);
  const [error, setError] = useState('');
  useEffect(() => {
    let open = true;
    const ask = () => json('GET', '/_cluster/failovers').then((l) => { if (open) { setList(l); setError(''); } }, (e) => { if (open) setError(e.message); });
    const stop = repeat(ask, 2000);
    return () => { open = false; stop(); };
  }, [version]);
  if (path[0]) return html`<${One} key=${path[0]} id=${path[0]} shard=${path.slice(1).join('/')} />`;
  return html`
    <p>What died, who noticed, and when writes came back. Every node knows the same history; <code>troupe trace</code> shows it in a terminal, and with
      OTEL_EXPORTER_OTLP_ENDPOINT each one goes to a collector such as Jaeger.</p>
    ${error && html`<p class="bad" role="alert">${error}</p>`}
    ${list && list.missing && html`<p class="bad">${list.missing}</p>`}
    ${!list && !error && html`<p class="empty">Reading…</p>`}
    ${list && list.failovers.length === 0 && html`<p class="empty">Nothing has died, and no node was drained, as far as anybody remembers.</p>`}
    ${list && list.failovers.length > 0 && html`<div class="scroll"><table class="list" aria-label="Failovers"><thead><tr>${['What', 'When', 'Kind', 'Outcome', 'Shards', 'Writes back after', 'Took'].map((h, i) => html`<th scope="col" class=${i > 3 ? 'number' : ''}>${h}</th>`)}</tr></thead>
      <tbody>${list.failovers.map((f) => html`<tr key=${f.trace}><th scope="row"><a href=${'#/failovers/' + f.trace} title=${f.summary}>${f.id}</a></th><td class="mono">${new Date(f.at).toLocaleString()}</td><td>${f.kind}</td>
        <td><span class=${'outcome ' + f.outcome}>${f.outcome.replace('_', ' ')}</span></td><td class="number">${f.shards}</td>
        <td class="number">${backAfter(f)}</td><td class="number">${f.took_ms > 0 ? ms(f.took_ms) : '–'}</td></tr>`)}</tbody></table></div>`}`;
}

// backAfter is for what stops writes; what is planned stops none.
const backAfter = (f) => (f.kind !== 'failover' || f.shards === 0 || f.outcome === 'open' || f.outcome === 'red' || f.outcome === 'given_up' ? '–' : f.unseen ? 'not known' : ms(f.unavailable_ms));

// spansOf reads OTLP: the server projects, the page draws.
function spansOf(otlp) {
  const text = (list, name) => { const a = (list || []).find((x) => x.key === name); return a ? a.value.stringValue ?? a.value.intValue : ''; };
  return otlp.resourceSpans.flatMap((r) => r.scopeSpans.flatMap((s) => s.spans.map((x) => ({
    id: x.spanId, trace: x.traceId, parent: x.parentSpanId || '', name: x.name, node: text(r.resource.attributes, 'troupe.node.name'), error: x.status ? x.status.message : '',
    start: Number(BigInt(x.startTimeUnixNano) / 1000n) / 1000, end: Number(BigInt(x.endTimeUnixNano) / 1000n) / 1000, shard: text(x.attributes, 'troupe.shard.id'),
    events: (x.events || []).map((e) => ({ at: Number(BigInt(e.timeUnixNano) / 1000n) / 1000, name: e.name, reason: text(e.attributes, 'troupe.decider.reason') })),
    links: (x.links || []).map((l) => ({ why: text(l.attributes, 'why'), trace: l.traceId, span: l.spanId })),
    notes: (x.attributes || []).map((a) => `${a.key.replace(/^troupe\./, '')}: ${Object.values(a.value)[0]}`),
  }))));
}

// outline puts spans below their parents, each list by start.
function outline(spans) {
  const known = new Set(spans.map((s) => s.id));
  const below = new Map();
  for (const s of spans) {
    const parent = known.has(s.parent) ? s.parent : '';
    if (!below.has(parent)) below.set(parent, []);
    below.get(parent).push(s);
  }
  const rows = [];
  const visit = (parent, depth) => {
    for (const s of (below.get(parent) || []).sort((a, b) => a.start - b.start)) {
      rows.push({ s, depth });
      visit(s.id, depth + 1);
    }
  };
  visit('', 0);
  rows.forEach((row, i) => { row.inner = i + 1 < rows.length && rows[i + 1].depth > row.depth; });
  return rows;
}

// useRecord reads a record and its spans, again for as long as it goes on.
function useRecord(id) {
  const version = useLive().version;
  const [known, setKnown] = useState({ spans: [] });
  const over = known.record && known.record.done > 0;
  useEffect(() => {
    if (over) return;
    const path = '/_cluster/failovers/' + encodeURIComponent(id);
    Promise.all([json('GET', path), json('GET', path + '?format=otlp')]).then(([record, otlp]) => setKnown({ record, spans: spansOf(otlp) }), (e) => setKnown({ spans: [], error: e.message }));
  }, [id, over || version]);
  return known;
}

// One shows a record. The shard that is chosen is part of its address.
function One({ id, shard }) {
  const { record, spans, error } = useRecord(id);
  const setShard = (name) => { location.hash = `#/failovers/${id}/${name}`; };
  const [whole, setWhole] = useState(false);
  const [at, setAt] = useState(null);
  if (error) return html`<p class="bad" role="alert">${error}</p><p><a href="#/failovers">All failovers</a></p>`;
  if (!record || spans.length === 0) return html`<p class="empty">Reading…</p>`;
  const since = whole ? 0 : record.lost / 1e6;
  const from = Math.max(since, Math.min(...spans.map((s) => s.start))), to = Math.max(...spans.map((s) => s.end), from + 0.001);
  const file = (format) => html`<a href=${`/_cluster/failovers/${id}?format=${format}`} download=${`${record.id}.${format}.json`}>${format === 'jaeger' ? 'File for Jaeger' : 'OTLP file'}</a>`;
  return html`
    <p class="bar apart"><span><a href="#/failovers">All failovers</a> · <b>${record.id}</b>: ${record.reason}</span><small>${file('jaeger')} · ${file('otlp')} · trace <code>${spans[0].trace}</code></small></p>
    <p>${record.summary}</p>
    ${record.lost > 0 && html`<p><label><input type="checkbox" checked=${whole} onChange=${(e) => setWhole(e.target.checked)} /> from the last heartbeat on, not only from the moment when ${record.node} was gone</label></p>`}
    <div class="beside">
      <${Waterfall} spans=${spans} from=${from} to=${to} at=${at} chosen=${shard} choose=${setShard} />
      <${Meanwhile} id=${id} record=${record} from=${from} to=${to} at=${at} setAt=${setAt} chosen=${shard} />
    </div>
    <${Verdicts} record=${record} shard=${shard} choose=${setShard} />`;
}

const margin = 0.15; // of the failover, before and after it

// Meanwhile plays the shard table during a failover, from what the cluster remembers of it.
function Meanwhile({ id, record, from, to, at, setAt, chosen }) {
  const [past, setPast] = useState(null);
  const [error, setError] = useState('');
  const begin = Math.floor(from - Math.max(20, (to - from) * margin)), end = Math.ceil(to + Math.max(20, (to - from) * margin));
  useEffect(() => { remember(begin, end).then(setPast, (e) => setError(e.message)); }, [id, begin, end]);
  const [all, setAll] = useState(false);
  const concerned = useMemo(() => new Set((record.shards).map((s) => s.name)), [record]);
  if (error) return html`<section class="meanwhile"><p class="bad">The table of that time is not to be had: ${error}</p></section>`;
  if (!past) return html`<section class="meanwhile"><p class="empty">Asking who remembers the table of that time…</p></section>`;
  if (past.moments.length === 0 || past.began > from) {
    return html`<section class="meanwhile"><p class="empty">No node that runs remembers the shard table of that time${past.began ? ` (${past.node} remembers it from ${new Date(past.began).toLocaleString()} on)` : ''}.</p></section>`;
  }
  const shown = at === null ? begin : at;
  const some = concerned.size > 0 && concerned.size < past.rows.size;
  const only = some && !all ? concerned : undefined;
  return html`<section class="meanwhile" aria-label="The shard table meanwhile"><h2>The shard table meanwhile</h2>
    <${Grid} now=${past.table(past.indexAt(shown))} chosen=${chosen} only=${only} link=${`#/failovers/${id}/`} />
    <${TimeLine} past=${past} at=${shown} setAt=${setAt} from=${begin} to=${end} />
    <p class="bar"><small>As ${past.node} saw it. A cell chooses its shard, whose verdicts stand below.</small>${some && html`<label><input type="checkbox" checked=${all} onChange=${(e) => setAll(e.target.checked)} /> all ${past.rows.size} shards, not only those concerned</label>`}</p></section>`;
}

// mine says that a link leads to a failover, and not to a message's trace, which only a collector has.
const mine = (link) => link.why !== 'the client\'s write';

const height = 20;
const folds = 40; // steps from which on those inside of a shard's are folded up at first

// Waterfall draws spans of a span of time: what lies before it is cut off, since waiting for a heartbeat is longer than all the rest.
export function Waterfall({ spans, from, to, at, chosen, choose }) {
  const rows = useMemo(() => outline(spans), [spans]);
  const x = (t) => (Math.min(1, Math.max(0, (t - from) / (to - from)))) * 1000;
  const running = (s) => at !== null && s.start <= at && at <= s.end;
  const [turned, turn] = useState(new Set()); // those that are not as they were at first
  const unfolded = (s, depth) => depth === 0 || (rows.length < folds) !== turned.has(s.id);
  const toggle = (id) => turn((before) => { const after = new Set(before); if (!after.delete(id)) after.add(id); return after; });
  let below = Infinity; // what is deeper is folded up
  const seen = rows.filter(({ s, depth, inner }) => {
    if (depth > below) return false;
    below = inner && !unfolded(s, depth) ? depth : Infinity;
    return true;
  });
  return html`<div class="waterfall scroll" role="table" aria-label="Steps">
    ${seen.map(({ s, depth, inner }) => html`<div role="row" key=${s.id} class=${'step' + (running(s) ? ' running' : '') + (s.shard && s.shard === chosen ? ' chosen' : '')}>
      <span role="cell" class=${'name deep' + Math.min(depth, 4)} title=${[s.name, ...s.notes].join('\n')}>${depth > 0 && !inner && html`<span class="fold" aria-hidden="true"></span>`}${inner && depth > 0 && html`<button class="link fold" aria-expanded=${unfolded(s, depth)} aria-label=${'Steps of ' + s.name} onClick=${() => toggle(s.id)}>${unfolded(s, depth) ? '▾' : '▸'}</button>`}${s.error ? '✗ ' : ''}${s.shard
        ? html`<button class="link" onClick=${() => choose(s.shard)} aria-pressed=${s.shard === chosen}>${s.name}</button>` : s.name}</span>
      <svg role="cell" aria-label=${`begins after ${ms(Math.max(0, s.start - from))}`} viewBox="0 0 1000 ${height}" preserveAspectRatio="none">
        <rect x=${x(s.start)} y="5" width=${Math.max(3, x(s.end) - x(s.start))} height="10" class=${'span' + (s.error ? ' failed' : '') + (depth === 0 ? ' root' : '')} />
        ${s.events.filter((e) => e.at >= from).map((e) => html`<line x1=${x(e.at)} x2=${x(e.at)} y1="2" y2="18" class="tick"><title>${e.name}${e.reason ? ': ' + e.reason : ''}</title></line>`)}
        ${at !== null && html`<line x1=${x(at)} x2=${x(at)} y1="0" y2=${height} class="now" />`}
      </svg>
      <span role="cell" class="long">${ms(s.end - s.start)}</span>
      ${s.error && html`<span role="cell" class="bad">${s.error}</span>`}
      ${s.links.map((l) => html`<span role="cell" class="leads">→ ${l.why}: ${mine(l) ? html`<a href=${'#/failovers/' + l.trace}>trace ${l.trace}</a>` : html`trace <code>${l.trace}</code>, span <code>${l.span}</code>`}</span>`)}
    </div>`)}</div>`;
}
