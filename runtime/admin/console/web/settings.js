// Settings: what is set, what is not, what each is for, and who changed what. Each change asks, and shows its command line.
import { json } from './api.js';
import { act, quoted } from './dialog.js';
import { useLive } from './live.js';
import { html, useEffect, useState } from './vendor/preact-htm.js';

export function Settings() {
  const version = useLive().version;
  const [all, setAll] = useState(null);
  const [past, setPast] = useState([]);
  const [error, setError] = useState('');
  const [filter, setFilter] = useState('');
  const [only, setOnly] = useState(false);
  useEffect(() => {
    Promise.all([json('GET', '/_cluster/settings?include_defaults'), json('GET', '/_cluster/settings/history')])
      .then(([s, h]) => { setAll(s); setPast(h.changes); setError(''); }, (e) => setError(e.message));
  }, [version]);
  if (error) return html`<p class="bad" role="alert">${error}</p>`;
  if (!all) return html`<p>Reading…</p>`;
  const names = [...new Set([...Object.keys(all.persistent), ...Object.keys(all.defaults)])].sort()
    .filter((n) => n.includes(filter) && (!only || all.persistent[n] !== undefined));
  return html`<p class="bar">
      <label>Only those with <input type="search" value=${filter} onInput=${(e) => setFilter(e.target.value)} /></label>
      <label><input type="checkbox" checked=${only} onChange=${(e) => setOnly(e.target.checked)} /> only what is set</label></p>
    ${names.length === 0 && html`<p class="empty">No setting ${only ? 'that is set ' : ''}has “${filter}” in its name.</p>`}
    ${names.length > 0 && html`<div class="scroll"><table class="list" aria-label="Settings"><thead><tr><th scope="col">Setting</th><th scope="col">Value</th><th scope="col">Default</th><th><span class="away">Actions</span></th></tr></thead><tbody>
    ${names.map((n) => html`<${Setting} key=${n} name=${n} all=${all} />`)}</tbody></table></div>`}
    <${History} past=${past.filter((p) => p.name.includes(filter))} all=${all} />`;
}

function Setting({ name, all }) {
  const set = all.persistent[name], about = (all.about || {})[name] || '';
  return html`<tr class=${set !== undefined ? 'set' : ''}><th scope="row"><code class="name">${name}</code><br /><small>${about}</small></th>
    <td>${set !== undefined ? html`<b>${set}</b>` : html`<small>default</small>`}</td><td>${all.defaults[name] ?? ''}</td>
    <td>${!name.includes('{') && html`<button aria-label=${'Change ' + name} onClick=${() => change(name, set ?? '', all.defaults[name], about)}>Change</button>`}</td></tr>`;
}

const change = (name, value, normal, about) => act({
  title: `Set ${name}`,
  fields: html`<p>${about}</p><label>Value <input name="value" value=${value} autofocus /></label><p><small>Empty: back to the default${normal ? ', ' + normal : ''}.</small></p>`,
  command: (form) => `troupe settings set ${quoted(`${name}=${form.get('value')}`)}`,
  run: async (form) => { await json('PUT', '/_cluster/settings', { persistent: { [name]: form.get('value') || null } }); },
});

// History shows what the cluster remembers of changes, those of one step together, and lets each be taken back.
function History({ past, all }) {
  const steps = [];
  for (const p of past) {
    const last = steps[steps.length - 1];
    if (last && last[0].version === p.version) last.push(p); else steps.push([p]);
  }
  return html`<section aria-label="History"><h2>Who changed what</h2>
    ${steps.length === 0 ? html`<p class="empty">No change is remembered.</p>` : html`<div class="scroll"><table class="list" aria-label="Changes"><thead><tr>${['When', 'By', 'Change', ''].map((h) => html`<th scope="col">${h || html`<span class="away">Actions</span>`}</th>`)}</tr></thead>
    <tbody>${steps.map((step) => html`<tr key=${step[0].version}><td class="mono">${new Date(step[0].at).toLocaleString()}<br /><small>version ${step[0].version}</small></td><td>${step[0].by}</td>
      <td>${step.map((p) => html`<div class="diff"><code class="name">${p.name}</code><br /><del>${p.from ?? 'default'}</del> <span aria-label="became">→</span> <ins>${p.to ?? 'default'}</ins></div>`)}</td>
      <td>${step.every((p) => takesBack(p, all)) && html`<button onClick=${() => takeBack(step)}>Take back</button>`}</td></tr>`)}</tbody></table></div>`}
    <p><small>The cluster keeps the last 256 changes: <code>troupe settings history</code> lists them.</small></p></section>`;
}

// takesBack says whether a change is still in force, so that it can be taken back.
const takesBack = (p, all) => p.name !== 'cluster.read_only' && (all.persistent[p.name] ?? null) === p.to;

const takeBack = (step) => act({
  title: 'Take this change back',
  fields: html`<ul>${step.map((p) => html`<li><code>${p.name}</code> goes back from <b>${p.to ?? 'default'}</b> to <b>${p.from ?? 'default'}</b></li>`)}</ul>`,
  command: 'troupe settings set ' + step.map((p) => quoted(`${p.name}=${p.from ?? ''}`)).join(' '),
  run: async () => { await json('PUT', '/_cluster/settings', { persistent: Object.fromEntries(step.map((p) => [p.name, p.from])) }); },
});
