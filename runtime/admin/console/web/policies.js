// Policies: the rules that are in force, those that users pushed, and what a shadow would have done differently.
import { json, lines } from './api.js';
import { act } from './dialog.js';
import { useLive } from './live.js';
import { html, useEffect, useState } from './vendor/preact-htm.js';

export function Policies() {
  const version = useLive().version;
  const [all, setAll] = useState(null);
  const [error, setError] = useState('');
  useEffect(() => { json('GET', '/_policy').then((p) => { setAll(p); setError(''); }, (e) => setError(e.message)); }, [version]);
  if (error) return html`<p class="bad" role="alert">${error}</p>`;
  if (!all) return html`<p>Reading…</p>`;
  return html`<p>Rules are WebAssembly modules. Push one with <code>troupe policy push FILE.wasm</code>; in the shadow it is asked beside those in force, and changes nothing.</p>
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
  const post = (verb, title, words, command) => act({ title, text: words, command, run: async () => { await json('POST', `/_policy/${name}/${verb}`, {}); } });
  const use = (u) => (u ? `version ${u.version} (${u.label})${Object.entries(u.settings || {}).map(([k, v]) => ` ${k}=${v}`).join('')}` : 'nothing');
  return html`<section class="card" aria-label=${p.name}><h3>${p.name}</h3>
    <p>In force: ${use(p.active)} · before: ${use(p.previous)} · in the shadow: ${use(p.shadow)}${p.note ? ' · ' + p.note : ''}</p>
    <p class="bar">
      <button onClick=${() => post('activate', `Activate ${p.name}`, 'Its newest version decides from the next plan on. The one before stays for a rollback.', `troupe policy activate ${p.name}`)}>Activate</button>
      <button onClick=${() => post('shadow', `Put ${p.name} in the shadow`, 'Its newest version is asked beside those in force, and changes nothing.', `troupe policy shadow ${p.name}`)}>Shadow</button>
      <button onClick=${() => post('rollback', `Roll ${p.name} back`, 'The version before decides again.', `troupe policy rollback ${p.name}`)}>Roll back</button>
      <button onClick=${() => post('deactivate', `Deactivate ${p.name}`, 'It decides nothing any more.', `troupe policy deactivate ${p.name}`)}>Deactivate</button></p>
    ${last && html`<${Difference} c=${last} />`}
    <details><summary>All that is known</summary><pre>${JSON.stringify(p, null, 1)}</pre></details></section>`;
}

// Difference shows the newest comparison of the shadow with what is in force.
function Difference({ c }) {
  const rows = [['moves', (x) => x.moves], ['waiting copies', (x) => x.waiting], ['bytes to move', (x) => x.bytes], ['copies, fullest over mean', (x) => x.copies.toFixed(2)],
    ['primaries, fullest over mean', (x) => x.primaries.toFixed(2)], ['planning, µs', (x) => x.micros]];
  return html`<table class="list"><caption>The shadow, on version ${c.version}: ${c.flips.length} verdicts would be others, ${c.added.length} moves more, ${c.gone.length} moves less</caption>
    <thead><tr><th></th><th scope="col">in force</th><th scope="col">with the shadow</th></tr></thead>
    <tbody>${rows.map(([title, of]) => html`<tr><th scope="row">${title}</th><td>${of(c.active)}</td><td>${of(c.shadow)}</td></tr>`)}</tbody></table>`;
}
