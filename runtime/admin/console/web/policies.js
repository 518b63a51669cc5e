// Policies: the rules that are in force, those that users pushed, and what a shadow would have done differently.
import { json, lines } from './api.js';
import { act } from './dialog.js';
import { useLive } from './live.js';
import { size } from './nodes.js';
import { html, useEffect, useState } from './vendor/preact-htm.js';

export function Policies() {
  const version = useLive().version;
  const [all, setAll] = useState(null);
  const [error, setError] = useState('');
  useEffect(() => { json('GET', '/_policy').then((p) => { setAll(p); setError(''); }, (e) => setError(e.message)); }, [version]);
  if (error) return html`<p class="bad" role="alert">${error}</p>`;
  if (!all) return html`<p>Reading…</p>`;
  return html`<p>Rules are WebAssembly modules. Push one with <code>troupe policy push FILE.wasm</code>; in the shadow it is asked beside those in force, and changes nothing.</p>
    <p>${all.gate ? html`The gate, which a version has to pass to be activated: <code>${all.gate}</code>` : 'There is no gate: a version is activated that was never in the shadow, or that carries no golden vectors'}. Setting <a href="#/settings"><code>cluster.policies.gate</code></a>.</p>
    <h2>Pushed</h2>
    ${all.policies.length === 0 ? html`<p>None yet. <code>troupe policy init --lang go NAME</code> begins one.</p>` : all.policies.map((p) => html`<${Policy} key=${p.name} p=${p} />`)}
    ${all.quarantine.length > 0 && html`<h2>In quarantine</h2><ul>${all.quarantine.map((q) => html`<li><code>${(q.digest || '').slice(0, 12)}</code> ${q.policy}: ${q.reason}</li>`)}</ul>`}
    <h2>Of the house</h2>
    <ul class="columns">${all.house.map((h) => html`<li>${h.name}${h.problem ? html` <span class="bad">${h.problem}</span>` : ''}</li>`)}</ul>`;
}

function Policy({ p }) {
  const [last, setLast] = useState(null);
  const name = encodeURIComponent(p.name);
  useEffect(() => {
    if (!p.shadow) { setLast(null); return undefined; }
    const stop = new AbortController();
    (async () => {
      for await (const line of lines(`/_policy/${name}/comparisons?follow`, stop.signal)) setLast(line);
    })().catch(() => {}); // the stream ends with the page; without a comparison there is nothing to show
    return () => stop.abort();
  }, [p]);
  const post = (verb, title, words, command, body) => act({ title, text: words, command, run: async () => { await json('POST', `/_policy/${name}/${verb}`, body || {}); } });
  const use = (u) => (u ? `version ${u.version} (${u.label})${Object.entries(u.settings || {}).map(([k, v]) => ` ${k}=${v}`).join('')}` : 'nothing');
  return html`<section class="card" aria-label=${p.name}><h3>${p.name}</h3>
    <p>In force: ${use(p.active)} · before: ${use(p.previous)} · in the shadow: ${use(p.shadow)}${p.note ? ' · ' + p.note : ''}</p>
    <${Versions} p=${p} />
    <p class="bar">
      <button onClick=${() => post('activate', `Activate ${p.name}`, 'Its newest version decides from the next plan on. The one before stays for a rollback.', `troupe policy activate ${p.name}`)}>Activate</button>
      <button onClick=${() => post('shadow', `Put ${p.name} in the shadow`, 'Its newest version is asked beside those in force, and changes nothing.', `troupe policy shadow ${p.name}`)}>Shadow</button>
      ${p.shadow && html`<button onClick=${() => post('shadow', `End the shadow of ${p.name}`, 'It is asked no more beside those in force.', `troupe policy shadow ${p.name} --off`, { off: true })}>End the shadow</button>`}
      <button onClick=${() => post('rollback', `Roll ${p.name} back`, 'The version before decides again.', `troupe policy rollback ${p.name}`)}>Roll back</button>
      <button onClick=${() => post('deactivate', `Deactivate ${p.name}`, 'It decides nothing any more.', `troupe policy deactivate ${p.name}`)}>Deactivate</button></p>
    ${p.shadow && (last && speaksOf(last, p) ? html`<${Difference} c=${last} name=${p.name} />` : html`<p class="empty">Nothing has been compared yet with this version in the shadow: the next plan will be.</p>`)}
    <details aria-label=${'All that is known of ' + p.name}><summary>All that is known</summary><pre>${JSON.stringify(p, null, 1)}</pre></details></section>`;
}

// Versions shows what counts for and against each: golden vectors, faults, quarantine. The vectors are read from the module, so they are asked for
// by policy, and again where there are other modules.
function Versions({ p }) {
  const [vectors, setVectors] = useState({});
  const modules = p.versions.map((v) => v.digest).join();
  useEffect(() => {
    let over = false;
    json('GET', `/_policy/${encodeURIComponent(p.name)}`)
      .then((all) => { if (!over) setVectors(Object.fromEntries(all.versions.map((v) => [v.digest, v.vectors || 0]))); }, () => {}); // it may be gone by now: the list says so
    return () => { over = true; };
  }, [p.name, modules]);
  const uses = (v) => [[p.active, 'in force'], [p.shadow, 'in the shadow']].filter(([u]) => u?.version === v.version).map(([, words]) => words).join(', ');
  return html`<div class="scroll"><table class="list" aria-label=${'Versions of ' + p.name}><thead><tr>${['Version', 'Called', 'Golden vectors', 'Faults', 'What it did last'].map((h, i) => html`<th scope="col" class=${i === 2 || i === 3 ? 'number' : ''}>${h}</th>`)}</tr></thead>
    <tbody>${p.versions.slice().reverse().map((v) => html`<tr key=${v.version} class=${v.version === p.active?.version ? 'set' : ''}>
      <th scope="row">${v.version} ${uses(v)}<br /><small><code>${v.digest.slice(0, 12)}</code></small></th><td>${v.label}</td>
      <td class="number">${vectors[v.digest] ?? '…'}</td><td class="number">${v.quarantined ? 'in quarantine' : v.strikes || 0}</td>
      <td>${v.quarantined || v.fault ? html`<span class="bad">${v.quarantined || v.fault}</span>` : ''}</td></tr>`)}</tbody></table></div>`;
}

// speaksOf says whether a comparison was made with what is in the shadow now.
const speaksOf = (c, p) => c.policies.some((x) => x.name === p.name && x.version === p.shadow.version && same(x.settings || {}, p.shadow.settings || {}));
const same = (a, b) => Object.keys({ ...a, ...b }).every((k) => a[k] === b[k]);
const many = (n, one) => `${n} ${one}${n === 1 ? '' : 's'}`;

// Difference shows the newest comparison of the shadow with what is in force: how many verdicts would be others, an example of each kind, and
// which moves would be made or not.
function Difference({ c, name }) {
  const rows = [['moves', (x) => x.moves], ['waiting copies', (x) => x.waiting], ['to move', (x) => size(Math.round(x.bytes))], ['copies, fullest over mean', (x) => x.copies.toFixed(2)],
    ['primaries, fullest over mean', (x) => x.primaries.toFixed(2)], ['planning, µs', (x) => x.micros]];
  const flips = c.flips.reduce((n, f) => n + f.count, 0);
  const with_ = c.policies.map((x) => `${x.name} version ${x.version}`).join(', ');
  return html`<section aria-label="What the shadow would do" data-number=${`${c.term}.${c.number}`}><h4>${many(flips, 'verdict')} would be others, of ${c.asked} of ${many(c.shards, 'shard')}; ${many(c.added.length + c.gone.length + (c.unlisted || 0), 'move')} would be made or not</h4>
    <p><small>Compared ${new Date(c.at).toLocaleString()} on version ${c.version}, with ${with_} in the shadow. <code>troupe policy shadow ${name} --show</code></small></p>
    ${[...c.policies.filter((x) => x.absent).map((x) => `${x.name} version ${x.version} was not asked: ${x.absent}`), ...(c.faults || []).map((f) => 'It failed: ' + f)].map((text) => html`<p class="bad">${text}</p>`)}
    ${c.flips.length > 0 && html`<div class="scroll"><table class="list" aria-label="Verdicts that would be others"><thead><tr>${['Question', 'In force', 'With the shadow', 'Times', 'As'].map((h, i) => html`<th scope="col" class=${i === 3 ? 'number' : ''}>${h}</th>`)}</tr></thead>
      <tbody>${c.flips.map((f) => html`<tr><th scope="row">${f.question}</th><td><${Word} text=${f.from} /></td><td><${Word} text=${f.to} /></td><td class="number">${f.count}</td><td class="name">${f.example}</td></tr>`)}</tbody></table></div>`}
    <${Moves} c=${c} />
    <table class="list" aria-label="Plans in figures"><thead><tr><th scope="col"><span class="away">Figure</span></th><th scope="col" class="number">In force</th><th scope="col" class="number">With the shadow</th></tr></thead>
    <tbody>${rows.map(([title, of]) => html`<tr><th scope="row">${title}</th><td class="number">${of(c.active)}</td><td class="number">${of(c.shadow)}</td></tr>`)}</tbody></table></section>`;
}

const Word = ({ text }) => html`<span class=${'verdict ' + text.toLowerCase().replace(' ', '_')}>${text}</span>`;

// Moves lists those that only one of the two plans has. A sign goes with each word.
function Moves({ c }) {
  const list = [...c.added.map((m) => ['+', 'only with the shadow', m]), ...c.gone.map((m) => ['−', 'only in force', m])];
  if (list.length === 0 && !c.unlisted) return null;
  return html`<ul class="moves" aria-label="Moves that only one of the plans has">${list.map(([sign, words, m]) => html`<li><b aria-hidden="true">${sign}</b> ${words}: ${m}</li>`)}
    ${c.unlisted > 0 && html`<li>and ${many(c.unlisted, 'move')} more</li>`}</ul>`;
}
