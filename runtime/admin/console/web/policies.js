// Policies: the rules that are in force, those that users pushed, and what a shadow would have done differently.
import { json } from './api.js';
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
  const [shadow, setShadow] = useState(null);
  const name = encodeURIComponent(p.name);
  useEffect(() => {
    if (!p.shadow) return;
    json('GET', `/_policy/${name}/shadow`).then(setShadow, () => setShadow(null)); // it may have no plan to compare yet
  }, [p]);
  const post = (verb, title, words, command) => act({ title, text: words, command, run: async () => { await json('POST', `/_policy/${name}/${verb}`, {}); } });
  return html`<section class="card" aria-label=${p.name}><h3>${p.name}</h3>
    <p>${p.active ? `active: version ${p.active.version ?? p.active}` : 'not active'}${p.shadow ? ` · in the shadow: version ${p.shadow.version ?? p.shadow}` : ''}</p>
    <p class="buttons left">
      <button onClick=${() => post('activate', `Activate ${p.name}`, 'Its newest version decides from the next plan on. The one before stays for a rollback.', `troupe policy activate ${p.name}`)}>Activate</button>
      <button onClick=${() => post('shadow', `Put ${p.name} in the shadow`, 'Its newest version is asked beside those in force, and changes nothing.', `troupe policy shadow ${p.name}`)}>Shadow</button>
      <button onClick=${() => post('rollback', `Roll ${p.name} back`, 'The version before decides again.', `troupe policy rollback ${p.name}`)}>Roll back</button>
      <button onClick=${() => post('deactivate', `Deactivate ${p.name}`, 'It decides nothing any more.', `troupe policy deactivate ${p.name}`)}>Deactivate</button></p>
    ${shadow && html`<details open><summary>What the shadow would have changed</summary><pre>${JSON.stringify(shadow, null, 1)}</pre></details>`}
    <details><summary>All that is known</summary><pre>${JSON.stringify(p, null, 1)}</pre></details></section>`;
}
