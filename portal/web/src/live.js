// The stream of what happens, as Server-Sent Events.

/** Follows the stream of /watch with a query. on.event gets each event, on.state live or waiting. Returns how to stop. */
export function watch(query, on) {
  const source = new EventSource('/watch?' + new URLSearchParams(query));
  source.onopen = () => on.state?.('live');
  source.onerror = () => on.state?.('waiting');
  source.onmessage = ({ data }) => on.event(JSON.parse(data));
  source.addEventListener('end', () => on.state?.('waiting'));
  return () => source.close();
}
