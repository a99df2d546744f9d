/** Prefixes that PyTorch's wrappers of models put into the keys of a state dict. */

/** Modules that wrap another wherever they stand: (Distributed)DataParallel and AveragedModel, compile, FSDP, activation checkpoints. */
const ANYWHERE = new Set([
  'module',
  '_orig_mod',
  '_fsdp_wrapped_module',
  '_checkpoint_wrapped_module',
  '_forward_module',
]);
/** Names under which training modules (Lightning's and others) hold the network: prefixes only where all keys have them. */
const LEADING = new Set(['model', 'net', 'network', 'backbone']);
/** An entry of AveragedModel: how many models it is the mean of. */
const COUNTER = 'n_averaged';

export interface Unwrapped {
  /** The key that a network without wrappers has, by key; absent for entries that are none of the network. */
  plain: Map<string, string>;
  /** What was taken off, such as "module._orig_mod." or "feature.module.". */
  prefixes: string[];
}

export function unwrap(keys: readonly string[]): Unwrapped {
  const paths = new Map(keys.map((key) => [key, key.split('.').filter((part, i) => i === 0 || !ANYWHERE.has(part))]));
  for (const [key, path] of paths) if (path.at(-1) === COUNTER && path.length <= 2) paths.delete(key);
  const all = [...paths.values()];
  for (;;) {
    const head = all[0]?.[0] ?? '';
    const isPrefix =
      (ANYWHERE.has(head) || LEADING.has(head)) && all.every((path) => path.length > 1 && path[0] === head);
    if (!isPrefix) break;
    for (const path of all) path.shift();
  }
  const plain = new Map([...paths].map(([key, path]) => [key, path.join('.')]));
  return { plain, prefixes: [...new Set([...plain].map(([key, own]) => takenOff(key, own)))].filter(Boolean) };
}

/** The start of a key up to the last part that its plain form lacks. */
function takenOff(key: string, plain: string): string {
  const parts = key.split('.');
  const own = plain.split('.');
  while (own.length > 0 && parts.at(-1) === own.at(-1)) {
    parts.pop();
    own.pop();
  }
  return parts.map((part) => `${part}.`).join('');
}
