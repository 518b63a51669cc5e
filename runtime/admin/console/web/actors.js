// Actors: kinds whose code was pushed, with their versions and who is ready to run them; what every node has in memory; and messages that
// nobody wanted to handle.
import { json, repeat } from './api.js';
import { act, quoted } from './dialog.js';
import { useLive } from './live.js';
import { size } from './nodes.js';
import { html, useEffect, useState } from './vendor/preact-htm.js';

const every = 10000; // each answer asks all nodes

const byName = (a, b) => (a.node < b.node ? -1 : 1);
const when = (seconds) => new Date(seconds * 1000).toLocaleString();

export function Actors() {
  const version = useLive().version;
  const [all, setAll] = useState(null);
  const [error, setError] = useState('');
  useEffect(() => {
    let open = true;
    const stop = repeat(() => json('GET', '/_actors').then((a) => { if (open) { setAll(a); setError(''); } }, (e) => { if (open) setError(e.message); }), every);
    return () => { open = false; stop(); };
  }, [version]);
  if (!all) return error ? html`<p class="bad" role="alert">${error}</p>` : html`<p>Asking every node…</p>`;
  const pushed = all.pushed || [];
  return html`${error && html`<p class="bad" role="alert">${error}</p>`}
    <p>An actor is called by its kind and name, wherever it lives. Kinds are Go functions that a program registers, or WebAssembly modules that are pushed: <code>troupe actor push FILE.wasm</code>.</p>
    <h2>Pushed</h2>
    ${pushed.length === 0 ? html`<p class="empty">None yet. <code>troupe actor init --lang rust NAME</code> begins one.</p>` : pushed.map((k) => html`<${Kind} key=${k.kind} k=${k} nodes=${all.nodes} />`)}
    <h2>In memory</h2>
    <${Memory} nodes=${all.nodes} />
    <h2>Set aside</h2>
    ${all.aside.length === 0 ? html`<p class="empty">No message between actors was refused for so long that it was set aside.</p>` : html`<${Aside} mail=${all.aside} />`}`;
}

// older asks whether a version may come into use that cannot read what the one in use writes.
const older = html`<label><input name="older" type="checkbox" /> Also if it reads only an older layout of data: actors whose data has moved refuse messages until a newer version is used again.</label>`;

function Kind({ k, nodes }) {
  const path = '/_kind/' + encodeURIComponent(k.kind);
  const label = (number) => k.versions.find((v) => v.version === number)?.label || '?';
  const here = nodes.flatMap((n) => n.kinds || []).filter((x) => x.kind === k.kind);
  const use = (v) => act({
    title: `Use version ${v.version} of ${k.kind}`, text: 'Each shard changes to it at one place of its log, with the first message that comes.', go: 'Use it', fields: older,
    command: (form) => `troupe actor use ${quoted(k.kind)} --version ${v.version}${form.has('older') ? ' --older' : ''}`,
    run: async (form) => { await json('POST', path + '/use', { version: v.version, if: k.active, older: form.has('older') }); },
  });
  const back = () => act({
    title: `Roll ${k.kind} back`, text: `Version ${k.previous} handles messages again, shard by shard. Data stays as it is.`, go: 'Roll back', fields: older,
    command: (form) => `troupe actor rollback ${quoted(k.kind)}${form.has('older') ? ' --older' : ''}`, run: async (form) => { await json('POST', path + '/rollback', { if: k.active, older: form.has('older') }); },
  });
  return html`<section class="card" aria-label=${k.kind}><h3>${k.kind}</h3>
    <p>${k.active ? `In use: version ${k.active} (${label(k.active)})${k.since ? ', since ' + when(k.since) : ''}` : 'No version is in use: messages are refused'} ·
      ${k.previous ? ` before: version ${k.previous} (${label(k.previous)}) ·` : ''} keyspace ${k.keyspace} · ${here.reduce((n, x) => n + x.active, 0)} in memory</p>
    <div class="scroll"><table class="list" aria-label=${'Versions of ' + k.kind}><thead><tr>${['Version', 'Called', 'Layout of data', 'Size', 'Pushed', 'Ready'].map((h) => html`<th scope="col">${h}</th>`)}<th scope="col"><span class="away">Actions</span></th></tr></thead>
      <tbody>${k.versions.slice().reverse().map((v) => html`<tr key=${v.version} class=${v.version === k.active ? 'set' : ''}>
        <th scope="row">${v.version}${v.version === k.active ? ' in use' : ''}<br /><small><code>${v.digest.slice(0, 12)}</code></small></th>
        <td>${v.label}</td><td>${v.data}</td><td>${size(v.size)}</td><td>${when(v.pushed)}</td><td><${Ready} list=${v.ready} /></td>
        <td>${v.version !== k.active && html`<button aria-label=${`Use version ${v.version} of ${k.kind}`} onClick=${() => use(v)}>Use</button>`}</td></tr>`)}</tbody></table></div>
    ${k.previous > 0 && html`<p class="bar"><button aria-label=${`Roll ${k.kind} back`} onClick=${back}>Roll back</button></p>`}</section>`;
}

// Ready says of each node that may hold actors whether it can run a version. A sign goes with each word.
function Ready({ list }) {
  list = list.slice().sort(byName);
  const open = list.filter((r) => !r.ready);
  if (list.length > 0 && open.length === 0) return html`✓ on all ${list.length}: ${list.map((r) => r.node).join(', ')}`;
  return html`${list.length - open.length} of ${list.length}: ${list.filter((r) => r.ready).map((r) => '✓ ' + r.node).join(', ')}
    ${open.map((r) => html`<br /><span class=${r.reason ? 'bad' : ''}>${r.reason ? `✗ ${r.node}: ${r.reason}` : `… ${r.node} has not said yet`}</span>`)}`;
}

// Memory is a square: kinds are rows, nodes columns.
function Memory({ nodes }) {
  const kinds = [...new Set(nodes.flatMap((n) => (n.kinds || []).map((k) => k.kind)))].sort();
  const mute = nodes.filter((n) => n.error);
  const answers = nodes.filter((n) => !n.error).sort(byName);
  const cell = (n, kind) => {
    const k = (n.kinds || []).find((x) => x.kind === kind);
    if (!k) return html`<td key=${n.node}>–</td>`;
    return html`<td key=${n.node}>${k.active}${k.active > 0 ? html` <small>${size(k.bytes).replace(' ', '\u00a0')}</small>` : ''}${k.version ? html`<br /><small>version ${k.version}</small>` : ''}</td>`;
  };
  return html`${kinds.length === 0 ? html`<p class="empty">No node knows a kind of actors.</p>` : html`<div class="scroll"><table class="list" aria-label="Actors in memory"><thead><tr><th scope="col">Kind</th>${answers.map((n) => html`<th scope="col" key=${n.node}>${n.node}</th>`)}</tr></thead>
      <tbody>${kinds.map((kind) => html`<tr key=${kind}><th scope="row">${kind}</th>${answers.map((n) => cell(n, kind))}</tr>`)}</tbody></table></div>`}
    ${mute.length > 0 && html`<ul class="bad">${mute.map((n) => html`<li>${n.node}: ${n.error}</li>`)}</ul>`}
    <p><small>How many actors each node has in memory, what they are taken to need, and of pushed kinds which version the node has heard to be in use. All others sleep in their shards. <code>troupe actor list</code></small></p>`;
}

function Aside({ mail }) {
  return html`<div class="scroll"><table class="list" aria-label="Messages set aside"><thead><tr>${['From', 'To', 'Method', 'Why', 'Tries', 'When'].map((h) => html`<th scope="col">${h}</th>`)}</tr></thead>
    <tbody>${mail.map((m) => html`<tr><th scope="row" class="name">${m.from}</th><td class="name">${m.to}</td><td>${m.method}</td><td class="name">${m.reason}</td><td class="number">${m.tries}</td><td>${when(m.at / 1000)}</td></tr>`)}</tbody></table></div>`;
}
