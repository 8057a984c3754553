// Small helpers to build elements. Text is always text: nothing here parses HTML.

export const byId = (id) => document.getElementById(id);

/** An element with attributes and children; null children are left out. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, '');
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

export const plural = (n, one, many = one + 's') => `${n.toLocaleString('en')} ${n === 1 ? one : many}`;

/** The beginning of an id that is too long to be shown whole. */
export const short = (id) => (id.length > 14 ? id.slice(0, 12) + '…' : id);
