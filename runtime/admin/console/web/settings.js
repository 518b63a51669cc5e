// Settings: what is set, what is not, what each is for. Each change asks, and shows its command line.
import { json } from './api.js';
import { act } from './dialog.js';
import { useLive } from './live.js';
import { html, useEffect, useState } from './vendor/preact-htm.js';

export function Settings() {
  const version = useLive().version;
  const [all, setAll] = useState(null);
  const [error, setError] = useState('');
  const [filter, setFilter] = useState('');
  const [past, setPast] = useState([]);
  useEffect(() => {
    json('GET', '/_cluster/settings?include_defaults').then((s) => {
      setAll((before) => {
        if (before) {
          const names = new Set([...Object.keys(before.persistent), ...Object.keys(s.persistent)]);
          const changed = [...names].filter((n) => before.persistent[n] !== s.persistent[n]).map((n) => ({ at: new Date(), version: s.version, name: n, from: before.persistent[n], to: s.persistent[n] }));
          if (changed.length) setPast((p) => [...changed, ...p].slice(0, 100));
        }
        return s;
      });
      setError('');
    }, (e) => setError(e.message));
  }, [version]);
  if (error) return html`<p class="bad" role="alert">${error}</p>`;
  if (!all) return html`<p>Reading…</p>`;
  const names = [...new Set([...Object.keys(all.persistent), ...Object.keys(all.defaults)])].sort().filter((n) => n.includes(filter));
  const change = (name, value) => act({
    title: `Set ${name}`,
    fields: html`<p>${(all.about || {})[name] || ''}</p><label>Value <input name="value" value=${value} autofocus /></label><p><small>Empty: back to the default, ${all.defaults[name] ?? 'none'}.</small></p>`,
    command: `troupe settings set ${name}=VALUE`,
    run: async (form) => { await json('PUT', '/_cluster/settings', { persistent: { [name]: form.get('value') || null } }); },
  });
  return html`<label>Only those with <input type="search" value=${filter} onInput=${(e) => setFilter(e.target.value)} /></label>
    <table class="list"><thead><tr><th scope="col">Setting</th><th scope="col">Value</th><th scope="col">Default</th><th></th></tr></thead><tbody>
    ${names.map((n) => { const set = all.persistent[n]; return html`<tr class=${set !== undefined ? 'set' : ''}><th scope="row">${n}<br /><small>${(all.about || {})[n] || ''}</small></th>
      <td>${set !== undefined ? html`<b>${set}</b>` : ''}</td><td>${all.defaults[n] ?? ''}</td>
      <td>${!n.includes('{') && html`<button onClick=${() => change(n, set ?? '')}>Change</button>`}</td></tr>`; })}</tbody></table>
    <h2>Changes since this page was opened</h2>
    ${past.length === 0 ? html`<p>None.</p>` : html`<ul>${past.map((p) => html`<li>${p.at.toLocaleTimeString()} version ${p.version}: ${p.name} ${p.from ?? 'default'} → <b>${p.to ?? 'default'}</b></li>`)}</ul>`}`;
}
