// The cluster state as it is agreed, for whoever wants to see it whole.
import { json } from './api.js';
import { useLive } from './live.js';
import { html, useEffect, useState } from './vendor/preact-htm.js';

export function Raw() {
  const version = useLive().version;
  const [state, setState] = useState(null);
  const [error, setError] = useState('');
  useEffect(() => { json('GET', '/_cluster/state').then((s) => { setState(s); setError(''); }, (e) => setError(e.message)); }, [version]);
  if (error) return html`<p class="bad" role="alert">${error}</p>`;
  if (!state) return html`<p>Reading…</p>`;
  return html`<p>Version ${state.version}, as <code>GET /_cluster/state</code> answers it.</p><pre class="tall">${JSON.stringify(state, null, 1)}</pre>`;
}
