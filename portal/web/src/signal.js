// A value that components follow.
import { useEffect, useState } from 'preact/hooks';

export function signal(value) {
  const followers = new Set();
  return {
    get value() { return value; },
    set value(next) {
      value = next;
      for (const follower of [...followers]) follower(next);
    },
    follow(follower) {
      followers.add(follower);
      return () => followers.delete(follower);
    },
  };
}

/** The value of a signal; the component is drawn again when it changes. */
export function useSignal(from) {
  const [, draw] = useState(0);
  useEffect(() => from.follow(() => draw((n) => n + 1)), [from]);
  return from.value;
}
