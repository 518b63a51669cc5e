// Failovers: the list, and for one of them the waterfall, the table of verdicts and, as far as the page has seen it, the map.
import { json } from './api.js';
import { live, moment, useLive } from './live.js';
import { Grid, TimeLine } from './map.js';
import { html, useEffect, useMemo, useState } from './vendor/preact-htm.js';

const ms = (v) => (v >= 1000 ? (v / 1000).toFixed(2) + ' s' : v.toFixed(1) + ' ms');

export function Failovers({ path }) {
  const version = useLive().version;
  const [list, setList] = useState(null);
  const [error, setError] = useState('');
  useEffect(() => {
    let open = true;
    const ask = () => json('GET', '/_cluster/failovers').then((l) => { if (open) { setList(l); setError(''); } }, (e) => open && setError(e.message));
    ask();
    const timer = setInterval(ask, 2000);
    return () => { open = false; clearInterval(timer); };
  }, [version]);
  if (path[0]) return html`<${One} key=${path[0]} id=${path[0]} />`;
  return html`
    <p>What died, who noticed, and when writes came back. Every node knows the same history; <code>troupe trace</code> shows it in a terminal, and with
      OTEL_EXPORTER_OTLP_ENDPOINT each one goes to a collector such as Jaeger.</p>
    ${error && html`<p class="bad" role="alert">${error}</p>`}
    ${list && list.missing && html`<p class="bad">${list.missing}</p>`}
    ${list && list.failovers.length === 0 && html`<p>No failover is remembered.</p>`}
    ${list && list.failovers.length > 0 && html`<table class="list"><thead><tr>${['Failover', 'When', 'Kind', 'Outcome', 'Shards', 'Writes back after'].map((h) => html`<th scope="col">${h}</th>`)}</tr></thead>
      <tbody>${list.failovers.map((f) => html`<tr><td><a href=${'#/failovers/' + f.trace}>${f.id}</a></td><td>${new Date(f.at).toLocaleString()}</td><td>${f.kind}</td>
        <td><span class=${'outcome ' + f.outcome}>${f.outcome}</span></td><td>${f.shards}</td><td>${f.shards > 0 && f.outcome !== 'open' ? ms(f.unavailable_ms) : '–'}</td></tr>`)}</tbody></table>`}`;
}

// spansOf reads OTLP: the server projects, the page draws.
function spansOf(otlp) {
  const text = (list, name) => { const a = (list || []).find((x) => x.key === name); return a ? a.value.stringValue ?? a.value.intValue : ''; };
  return otlp.resourceSpans.flatMap((r) => r.scopeSpans.flatMap((s) => s.spans.map((x) => ({
    id: x.spanId, parent: x.parentSpanId || '', name: x.name, node: text(r.resource.attributes, 'troupe.node.name'), error: x.status ? x.status.message : '',
    start: Number(BigInt(x.startTimeUnixNano) / 1000n) / 1000, end: Number(BigInt(x.endTimeUnixNano) / 1000n) / 1000, shard: text(x.attributes, 'troupe.shard.id'),
    events: (x.events || []).map((e) => ({ at: Number(BigInt(e.timeUnixNano) / 1000n) / 1000, name: e.name, reason: text(e.attributes, 'troupe.decider.reason') })),
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
  return rows;
}

function One({ id }) {
  useLive();
  const [record, setRecord] = useState(null);
  const [spans, setSpans] = useState([]);
  const [error, setError] = useState('');
  const [shard, setShard] = useState('');
  const [whole, setWhole] = useState(false);
  const [at, setAt] = useState(null);
  useEffect(() => {
    const path = '/_cluster/failovers/' + encodeURIComponent(id);
    Promise.all([json('GET', path), json('GET', path + '?format=otlp')]).then(([r, o]) => { setRecord(r); setSpans(spansOf(o)); }, (e) => setError(e.message));
  }, [id]);
  if (error) return html`<p class="bad" role="alert">${error}</p>`;
  if (!record) return html`<p>Reading…</p>`;
  const from = Math.min(...spans.map((s) => s.start)), to = Math.max(...spans.map((s) => s.end));
  const seen = live.history.length > 0 && live.history[0].at < from;
  const path = '/_cluster/failovers/' + id;
  return html`
    <p><a href="#/failovers">All failovers</a> · ${record.Name}@${record.Epoch}: ${record.Reason} · trace <code>${id}</code></p>
    <p><a href=${path + '?format=jaeger'} download=${`${record.Name}@${record.Epoch}.jaeger.json`}>File for Jaeger</a> · <a href=${path + '?format=otlp'} download=${`${record.Name}@${record.Epoch}.otlp.json`}>OTLP file</a></p>
    ${record.Lost > 0 && html`<label><input type="checkbox" checked=${whole} onChange=${(e) => setWhole(e.target.checked)} /> from the last heartbeat on, not only from the moment when ${record.Name} was gone</label>`}
    <${Waterfall} spans=${spans} since=${whole ? 0 : record.Lost / 1e6} at=${at} choose=${setShard} />
    ${seen && html`<h2>The shard table meanwhile</h2><${Grid} now=${moment(at === null ? from : at)} chosen=${shard} />
      <${TimeLine} at=${at === null ? Math.round(from) : at} setAt=${setAt} from=${Math.floor(from - 500)} to=${Math.ceil(to + 3000)} />`}
    <${Verdicts} record=${record} shard=${shard} choose=${setShard} />`;
}

// Waterfall draws spans from since on: what lies before is cut off, since waiting for a heartbeat is longer than all the rest.
export function Waterfall({ spans, since, at, choose }) {
  const rows = useMemo(() => outline(spans), [spans]);
  if (rows.length === 0) return html`<p>No step is known yet.</p>`;
  const from = Math.max(since, Math.min(...spans.map((s) => s.start))), to = Math.max(...spans.map((s) => s.end), from + 0.001);
  const x = (t) => (Math.max(0, t - from) / (to - from)) * 1000;
  const height = 22;
  return html`<div class="waterfall scroll" role="table" aria-label="Steps of the failover">
    ${rows.map(({ s, depth }) => html`<div role="row" class="step" onClick=${() => s.shard && choose(s.shard)}>
      <span role="cell" class=${'name deep' + Math.min(depth, 4)} title=${s.name}>${s.error ? '✗ ' : ''}${s.name}</span>
      <svg role="presentation" viewBox="0 0 1000 ${height}" preserveAspectRatio="none">
        <rect x=${x(s.start)} y="5" width=${Math.max(2, x(s.end) - x(s.start))} height="12" class=${'bar' + (s.error ? ' failed' : '')} />
        ${s.events.filter((e) => e.at >= from).map((e) => html`<line x1=${x(e.at)} x2=${x(e.at)} y1="2" y2="20" class="tick"><title>${e.name}${e.reason ? ': ' + e.reason : ''}</title></line>`)}
        ${at !== null && html`<line x1=${x(at)} x2=${x(at)} y1="0" y2=${height} class="now" />`}
      </svg>
      <span role="cell" class="long">${ms(s.end - s.start)}</span>
      ${s.error && html`<span role="cell" class="bad">${s.error}</span>`}
    </div>`)}</div>`;
}

function Verdicts({ record, shard, choose }) {
  const list = record.Shards || [];
  const s = list.find((x) => x.Name === shard) || list[0];
  if (!s) return html`<p>The node led no shard.</p>`;
  return html`<h2>Why there</h2>
    <label>Shard <select value=${s.Name} onChange=${(e) => choose(e.target.value)}>${list.map((x) => html`<option value=${x.Name}>${x.Name}</option>`)}</select></label>
    <p>${s.Reason || s.Problem}</p>
    <table class="why"><thead><tr><th scope="col">candidate</th><th scope="col">decider</th><th scope="col">says</th><th scope="col">reason</th></tr></thead><tbody>
    ${(s.Candidates || []).flatMap((c) => (c.Words || []).map((w, i) => html`<tr><th scope="row">${i === 0 ? c.Node + (c.Chosen ? ' ← chosen' : '') : ''}</th>
      <td>${record.Words[w].Decider}</td><td><span class=${'verdict ' + record.Words[w].Verdict.toLowerCase()}>${record.Words[w].Verdict}</span></td><td>${record.Words[w].Reason}</td></tr>`))}
    </tbody></table>`;
}
