// Nodes: who is there, what each uses, and what can be done with it.
import { json, repeat } from './api.js';
import { act } from './dialog.js';
import { live, useLive } from './live.js';
import { html, useEffect, useState } from './vendor/preact-htm.js';

const share = (used, all) => (all > 0 ? Math.round((100 * used) / all) : null);

function Share({ used, all, what }) {
  const p = share(used, all);
  if (p === null) return html`–`;
  return html`<meter min="0" max="100" low="85" high="90" optimum="0" value=${p} aria-label=${what}></meter> ${p}\u00a0%`;
}

export function Nodes() {
  useLive();
  const change = (node, action, title, words, command, go) => act({
    title, text: words, command, go, run: async () => { await json('POST', `/_nodes/${encodeURIComponent(node)}/${action}`); },
  });
  const copying = useCopying(live.version, live.nodes.some((n) => n.draining && n.copies));
  return html`<div class="scroll"><table class="list" aria-label="Nodes"><thead><tr>${['Node', 'State', 'Copies', 'Leads', 'CPU', 'Memory', 'Disk', 'Votes', 'Addresses', ''].map((h) => html`<th scope="col">${h || html`<span class="away">Actions</span>`}</th>`)}</tr></thead>
    <tbody>${live.nodes.map((n) => html`<tr class=${n.state}>
      <th scope="row">${n.name}${n.leader ? ' ★' : ''}<br /><small>epoch ${n.epoch} · ${n.roles.join(', ')}</small></th>
      <td>${n.state}${n.draining ? ', draining' : ''}${n.maintenance ? ', in maintenance' : ''}<br /><small>${n.reason || ''}</small>${n.draining && n.copies > 0 && html`<${Drain} node=${n} copying=${copying} />`}</td>
      <td>${n.copies}</td><td>${n.primaries}</td>
      <td>${n.load ? html`<${Share} used=${n.load.cpu} all=${n.load.cpu_capacity} what=${'CPU of ' + n.name} />` : '–'}</td>
      <td>${n.load ? html`<${Share} used=${n.load.memory} all=${n.load.memory_capacity} what=${'memory of ' + n.name} />` : '–'}</td>
      <td>${n.load ? html`<${Share} used=${n.load.disk} all=${n.load.disk_capacity} what=${'disk of ' + n.name} />` : '–'}</td>
      <td>${n.voter ? 'yes' : 'no'}</td>
      <td class="addresses"><small>Redis ${n.resp}<br />HTTP ${n.http}<br />peer ${n.peer}</small></td>
      <td><div class="bar">
        ${n.draining
          ? html`<button aria-label=${'End the drain of ' + n.name} onClick=${() => change(n.name, 'undrain', `Let ${n.name} hold copies again`, 'Copies come back as the balance asks.', `troupe drain ${n.name} --cancel`, 'End the drain')}>End drain</button>`
          : html`<button aria-label=${'Drain ' + n.name} onClick=${() => change(n.name, 'drain', `Drain ${n.name}`, 'Its copies go to other nodes, and others lead. Nothing is lost, and writes go on.', `troupe drain ${n.name}`, 'Drain it')}>Drain</button>`}
        ${!n.leader && n.state === 'alive' && html`<button aria-label=${'Let ' + n.name + ' lead'} onClick=${() => act({ title: `Make ${n.name} the placement leader`, command: `troupe leader transfer ${n.name}`,
          run: async () => { await json('POST', '/_cluster/leader?node=' + encodeURIComponent(n.name)); } })}>Let it lead</button>`}
        ${n.state === 'dead' && html`<button aria-label=${'Forget ' + n.name} onClick=${() => change(n.name, 'forget', `Forget ${n.name}`, 'It is no member any more; the copies that it had are given up.', `troupe forget ${n.name}`, 'Forget it')}>Forget</button>`}
      </div></td></tr>`)}</tbody></table></div>
    <${RoundTrips} />
    <p><small>★ leads the cluster. CPU is that of the process; memory and disk are of the machine, whoever uses them.</small></p>`;
}

// useCopying asks how far copies are that take the place of others, for as long as somebody wants to know.
function useCopying(version, wanted) {
  const [rows, setRows] = useState([]);
  useEffect(() => {
    if (!wanted) { setRows([]); return undefined; }
    let open = true;
    const ask = () => json('GET', '/_cat/recovery?format=json&bytes=b').then((r) => { if (open) setRows(r.filter((x) => x.type === 'relocation')); }, () => { if (open) setRows([]); }); // then only the count is shown
    const stop = repeat(ask, 1000);
    return () => { open = false; stop(); };
  }, [version, wanted]);
  return rows;
}

export const size = (n) => (n >= 1 << 30 ? (n / (1 << 30)).toFixed(1) + ' GiB' : n >= 1 << 20 ? (n / (1 << 20)).toFixed(1) + ' MiB' : n >= 1024 ? (n / 1024).toFixed(1) + ' KiB' : n + ' B');

// Drain says what is left on a node, and how far that is which leaves.
function Drain({ node, copying }) {
  const leaving = copying.filter((r) => live.rows.get(`${r.keyspace}/${r.shard}`)?.copies.some((c) => c.node === node.name));
  const sum = (name) => leaving.reduce((total, r) => total + (Number(r[name]) || 0), 0);
  const sent = sum('bytes_recovered'), all = Math.max(sent, sum('bytes_total'));
  return html`<div class="drain"><small>${node.copies} ${node.copies === 1 ? 'copy' : 'copies'} left${leaving.length > 0 ? `, ${leaving.length} on the way: ${sum('ops_recovered')} operations${all > 0 ? `, ${size(sent)} of ${size(all)}` : ''}` : ''}</small>
    ${all > 0 && html` <meter min="0" max=${all} value=${sent} aria-label=${'copied from ' + node.name}></meter>`}</div>`;
}

const every = 5000;
const most = 30; // members, of whom each asks each: of more, it is measured once
const far = 4; // times the median from which on a way is marked

const took = (micros) => (micros >= 10000 ? (micros / 1000).toFixed(0) + ' ms' : micros >= 1000 ? (micros / 1000).toFixed(1) + ' ms' : micros + ' µs');

// RoundTrips is a square: who calls is a row, who answers a column.
function RoundTrips() {
  const [rows, setRows] = useState(null);
  const [error, setError] = useState('');
  useEffect(() => {
    let open = true;
    const ask = () => json('GET', '/_nodes/roundtrips').then((r) => { if (open) { setRows(r); setError(''); } return r.length <= most; }, (e) => { if (open) setError(e.message); });
    const stop = repeat(ask, every);
    return () => { open = false; stop(); };
  }, []);
  if (!rows) return error ? html`<p class="bad" role="alert">${error}</p>` : html`<p class="empty">Measuring the ways between the nodes…</p>`;
  const all = rows.flatMap((r) => r.to.filter((t) => t.micros).map((t) => t.micros)).sort((a, b) => a - b);
  const limit = far * (all[Math.floor(all.length / 2)] || 0);
  const mute = rows.flatMap((r) => [...(r.problem ? [`${r.node}: ${r.problem}`] : []), ...r.to.filter((t) => t.problem).map((t) => `${r.node} to ${t.node}: ${t.problem}`)]);
  return html`<section aria-label="Round trips"><h2>Round trips</h2>
    ${error && html`<p class="bad" role="alert">${error}</p>`}
    ${rows.length < 2 ? html`<p class="empty">There is nobody to call.</p>` : html`<div class="scroll"><table class="rtt"><caption class="away">How long each node waits for each other one</caption>
      <thead><tr><th scope="col">from ↓ to →</th>${rows.map((r) => html`<th scope="col">${r.node}</th>`)}</tr></thead>
      <tbody>${rows.map((r) => html`<tr key=${r.node}><th scope="row">${r.node}</th>${rows.map((c) => html`<${Way} from=${r} to=${c} limit=${limit} />`)}</tr>`)}</tbody></table></div>`}
    ${mute.length > 0 && html`<ul class="bad">${mute.map((m) => html`<li>${m}</li>`)}</ul>`}
    <p><small>The shortest of four calls, measured now${rows.length <= most ? `, every ${every / 1000} s while this page is open` : ''}: <code>troupe nodes --round-trips</code>. ⚠ is ${far} times the median or more.</small></p></section>`;
}

function Way({ from, to, limit }) {
  if (from.node === to.node) return html`<td class="self">–</td>`;
  const way = from.to.find((t) => t.node === to.node);
  if (!way || !way.micros) return html`<td class="mute" title=${way ? way.problem : from.problem}>${way || from.problem ? '✗ no answer' : '?'}</td>`;
  const slow = limit > 0 && way.micros >= limit;
  return html`<td class=${slow ? 'far' : ''}>${slow ? '⚠ ' : ''}${took(way.micros)}</td>`;
}
