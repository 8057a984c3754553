// What pages are made of.
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { pretty } from './format.js';

export function Card({ title, note, children, class: extra = '', tools }) {
  return (
    <section class={`card ${extra}`}>
      {title && <header><h2>{title}</h2>{note && <span class="soft">{note}</span>}{tools && <div class="tools">{tools}</div>}</header>}
      {children}
    </section>
  );
}

/** A labelled field; `error` is what is wrong with it. The child is made with the id. */
export function Field({ label, hint, error, children }) {
  const id = useId();
  const about = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ') || undefined;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, 'aria-describedby': about, 'aria-invalid': error ? 'true' : undefined })}
      {hint && <small id={`${id}-hint`}>{hint}</small>}
      {error && <small class="bad" id={`${id}-error`}>{error}</small>}
    </div>
  );
}

/** A button whose click is asynchronous: it waits, and shows what went wrong. */
export function Action({ onAct, children, class: kind = '', confirm, ...rest }) {
  const [state, set] = useState({});
  const [asking, ask] = useState(false);
  const alive = useRef(true);
  const here = useRef();
  useEffect(() => {
    const own = here.current;
    return () => { // what the button did may have taken it away, and its row
      alive.current = false;
      if (own.contains(document.activeElement)) document.getElementById('main')?.focus({ preventScroll: true });
    };
  }, []);
  const act = async () => {
    ask(false);
    set({ busy: true });
    let error;
    try {
      await onAct();
    } catch (caught) {
      error = caught.message;
    }
    if (alive.current) set({ error });
  };
  // Not disabled while it waits: it would lose the focus.
  const click = () => !state.busy && (confirm ? ask(true) : act());
  return (
    <span class="action" ref={here}>
      <button type="button" class={kind} aria-disabled={state.busy ? 'true' : undefined} onClick={click} {...rest}>{children}</button>
      {asking && <Confirm text={confirm} onYes={act} onNo={() => ask(false)} />}
      {state.error && <span class="bad" role="alert">{state.error}</span>}
    </span>
  );
}

function Confirm({ text, onYes, onNo }) {
  const dialog = useRef();
  useEffect(() => {
    const shown = dialog.current;
    shown.showModal();
    return () => shown.close(); // before it is gone: so the focus goes back to the button
  }, []);
  return (
    <dialog ref={dialog} onCancel={onNo} class="confirm">
      <p>{text}</p>
      <div class="row end"><button type="button" onClick={onNo}>Cancel</button><button type="button" class="danger" onClick={onYes}>Yes</button></div>
    </dialog>
  );
}

/** A form whose submit is asynchronous. `onSubmit` gets the values; its error, or what it returns, is shown, else `done`. */
export function Form({ onSubmit, children, submit = 'Send', done, class: extra = '' }) {
  const [state, set] = useState({});
  const send = async (event) => {
    event.preventDefault();
    set({ busy: true });
    try {
      set({ done: await onSubmit(Object.fromEntries(new FormData(event.target))) });
    } catch (error) {
      set({ error: [error.message, ...(error.fields ?? []).map(({ path, reason }) => (path ? `${path}: ${reason}` : reason))].join('\n') });
    }
  };
  return (
    <form class={`form ${extra}`} onSubmit={send}>
      {children}
      <div class="row"><button class="main" disabled={state.busy}>{submit}</button>
        <output class={state.error ? 'bad lines' : 'good lines'}>{state.error ?? state.done ?? (state.busy ? '' : done)}</output></div>
    </form>
  );
}

export function Text({ name, text }) {
  return text ? <figure><figcaption>{name}</figcaption><pre tabIndex={0}>{pretty(text)}</pre></figure> : null;
}

export const Empty = ({ children }) => <p class="empty">{children}</p>;

/** What is shown while something is not there: why, and a way to ask again. */
export function Missing({ asked, what }) {
  if (!asked.error) return <Empty>{`Reading ${what} …`}</Empty>;
  return <p class="bad pad row" role="alert"><span>{asked.error}</span><button type="button" onClick={asked.again}>Try again</button></p>;
}

export function Facts({ list }) {
  return (
    <dl class="facts">
      {list.filter(([, value]) => value !== undefined && value !== null && value !== '').map(([name, value]) => (
        <div key={name}><dt>{name}</dt><dd>{value}</dd></div>
      ))}
    </dl>
  );
}

/** Copies a text, and says whether it did: browsers have no clipboard for pages that came by plain HTTP from another machine. */
export function Copy({ text, what }) {
  const [said, say] = useState();
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      say('Copied');
    } catch {
      say('Not copied');
    }
    setTimeout(() => say(undefined), 1500);
  };
  return (
    <button type="button" aria-label={`Copy ${what}`} onClick={copy}>
      {said ?? 'Copy'}
    </button>
  );
}

/** Asks for something, at once and when `deps` change: {value, error, again}. */
export function useAsked(load, deps) {
  const [state, set] = useState({});
  const [turn, next] = useState(0);
  useEffect(() => {
    let current = true;
    load().then((value) => current && set({ value }), (error) => current && set((old) => ({ ...old, error: error.message })));
    return () => { current = false; };
  }, [...deps, turn]);
  return { ...state, again: () => next((n) => n + 1) };
}
