// Every action that changes something asks first, and shows the command line that does the same.
import { html, useEffect, useRef, useState } from './vendor/preact-htm.js';

let open = () => {};

// act asks, runs, and says what came of it, unless it is silent about that. run returns a sentence, or nothing.
export const act = (action) => open(action);

export function Dialogs() {
  const [action, show] = useState(null);
  const [state, setState] = useState({});
  const element = useRef(), shown = useRef();
  open = (a) => { setState({}); show(a); };
  useEffect(() => {
    if (!action) return;
    shown.current = action;
    if (!element.current.open) element.current.showModal();
  }, [action]);
  const close = () => { element.current.close(); show(null); };
  const closed = () => show((now) => (element.current.open || now !== shown.current ? now : null)); // told late: another may be asked by now
  const run = async (event) => {
    event.preventDefault();
    setState({ busy: true });
    try {
      const done = await action.run(new FormData(event.target));
      if (action.silent) close(); else setState({ done: done || 'Done.' });
    } catch (e) {
      setState({ failed: e.message });
    }
  };
  if (!action) return html`<dialog ref=${element}></dialog>`;
  return html`<dialog ref=${element} onClose=${closed} aria-labelledby="dialog-title">
    <form onSubmit=${run}>
      <h2 id="dialog-title">${action.title}</h2>
      ${action.text && html`<p>${action.text}</p>`}
      ${action.fields}
      ${action.command && html`<p class="command"><span>The same from a terminal:</span><code>${action.command}</code></p>`}
      <p role="status" class=${state.failed ? 'bad' : ''}>${state.failed || state.done || (state.busy ? 'Working…' : '')}</p>
      <div class="bar end">
        <button type="button" onClick=${close}>${state.done ? 'Close' : 'Cancel'}</button>
        ${!state.done && html`<button class="go" disabled=${state.busy}>${action.go || 'Do it'}</button>`}
      </div>
    </form>
  </dialog>`;
}
