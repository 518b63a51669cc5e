// Keys: browse by prefix, read one, and write one to try the cluster.
import { json, send, text, lines } from './api.js';
import { act, quoted } from './dialog.js';
import { html, useEffect, useState } from './vendor/preact-htm.js';

const page = 100, shownBytes = 64 * 1024;

// putLine writes what the form holds. A word that begins with a hyphen would be a flag, and a value that is one would be read from standard input.
function putLine(space, key, value) {
  const flag = [key, value].some((word) => /^-./.test(word));
  const line = flag ? `troupe put --keyspace ${quoted(space)} -- ${quoted(key)} ${quoted(value)}` : `troupe put --keyspace ${quoted(space)} ${quoted(key)} ${quoted(value)}`;
  return (value === '-' ? 'printf %s - | ' : '') + line;
}

export function Keys({ path }) {
  const [spaces, setSpaces] = useState([]);
  const [space, setSpace] = useState('default');
  const [prefix, setPrefix] = useState('');
  const [list, setList] = useState([]);
  const [error, setError] = useState('');
  const [value, setValue] = useState(null);
  useEffect(() => { json('GET', '/_keyspaces').then(setSpaces, (e) => setError(e.message)); }, []);
  useEffect(() => {
    const stop = new AbortController();
    (async () => {
      const found = [];
      for await (const line of lines(`/${encodeURIComponent(space)}/scan?limit=${page}&prefix=${encodeURIComponent(prefix)}`, stop.signal)) if (!line.end) found.push(line);
      setList(found);
      setError('');
    })().catch((e) => { if (e.name !== 'AbortError') setError(e.message); });
    return () => stop.abort();
  }, [space, prefix]);
  const address = (key) => `/${encodeURIComponent(space)}/keys/${key.split('/').map(encodeURIComponent).join('/')}`;
  const read = async (key) => {
    try { setValue({ key, text: (await text('GET', address(key))).slice(0, shownBytes) }); } catch (e) { setError(e.message); }
  };
  const write = () => act({
    title: `Write a key to ${space}`,
    fields: html`<label>Key <input name="key" required value="console/test" /></label><label>Value <textarea name="value" rows="4">hello</textarea></label>`,
    command: (form) => putLine(space, form.get('key'), form.get('value')),
    run: async (form) => {
      const begun = performance.now();
      await send('PUT', address(form.get('key')), form.get('value'));
      const took = performance.now() - begun;
      await read(form.get('key'));
      return `Written and read back; the write took ${took.toFixed(1)} ms from this browser.`;
    },
  });
  return html`<p class="bar">
      <label>Keyspace <select value=${space} onChange=${(e) => setSpace(e.target.value)}>${spaces.map((s) => html`<option value=${s.name}>${s.name} (${s.keys} keys)</option>`)}</select></label>
      <label>Keys that begin with <input type="search" value=${prefix} onInput=${(e) => setPrefix(e.target.value)} /></label>
      <button onClick=${write}>Write a test key</button></p>
    ${error && html`<p class="bad" role="alert">${error}</p>`}
    <div class="two"><table class="list" aria-label="Keys"><thead><tr><th scope="col">Key</th><th scope="col">Bytes</th><th scope="col">Version</th></tr></thead><tbody>
      ${list.map((k) => html`<tr><td><button class="link" onClick=${() => read(k.key)}>${k.key}</button></td><td>${k.size}</td><td>${k.version}</td></tr>`)}</tbody></table>
    ${value && html`<section aria-label="Value"><h2>${value.key}</h2><pre>${value.text}</pre></section>`}</div>
    <p><small>The first ${page} are shown; a longer prefix shows others.</small></p>`;
}
