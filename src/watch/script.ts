/**
 * Script of the page, which inserts the parts that the server sends, and leaves alone what the reader has opened,
 * focused or scrolled to.
 */
import { EVENTS_PATH } from './page';

export const SCRIPT = `'use strict';
const connection = document.getElementById('connection');
const ATTRIBUTES = ['src', 'srcset', 'href'];

/** Figures that stay are given the addresses of their new pictures, so that the old ones show until those are there. */
function replaceFigures(place, template) {
  const names = (root) => [...root.querySelectorAll('figure')].map((figure) => figure.id).join();
  if (names(place) === '' || names(place) !== names(template.content)) return place.replaceChildren(template.content);
  const fresh = template.content.querySelectorAll('[src], [srcset]');
  place.querySelectorAll('[src], [srcset]').forEach((old, i) => {
    for (const name of ATTRIBUTES) {
      const value = fresh[i].getAttribute(name);
      if (value !== null && value !== old.getAttribute(name)) old.setAttribute(name, value);
    }
  });
}

function replace(id, part, html) {
  const place = document.getElementById('run-' + id + '-' + part);
  if (!place) return;
  const template = document.createElement('template');
  template.innerHTML = html;
  if (template.innerHTML === place.innerHTML) return;
  if (part === 'figures') replaceFigures(place, template);
  else place.replaceChildren(template.content);
}

const source = new EventSource('${EVENTS_PATH}');
source.addEventListener('run', (event) => {
  const { id, ...parts } = JSON.parse(event.data);
  for (const [part, html] of Object.entries(parts)) replace(id, part, html);
});
source.addEventListener('runs', () => location.reload());
source.addEventListener('open', () => { connection.hidden = true; });
source.addEventListener('error', () => {
  connection.textContent = 'No connection to earlybird watch: what stands here may be old.';
  connection.hidden = false;
});
`;
