/**
 * Removes prefixes that PyTorch's wrappers of models, and modules that train them, put into the keys of a state dict.
 */
/**
 * Names of modules that wrap another at any depth: (Distributed)DataParallel and AveragedModel, compile, FSDP,
 * activation checkpoints.
 */
const ANYWHERE = new Set([
  'module',
  '_orig_mod',
  '_fsdp_wrapped_module',
  '_checkpoint_wrapped_module',
  '_forward_module',
]);
/**
 * Names under which training modules (Lightning's and others) hold the network; they count as prefixes only where all
 * keys have them.
 */
const LEADING = new Set(['model', 'net', 'network', 'backbone']);
/** An entry of AveragedModel: the number of models that it averages. */
const COUNTER = 'n_averaged';
/**
 * The first convolution and the last layer of our networks, by which one is found among other entries; group 1 is the
 * prefix.
 */
const FIRST = /^(.+\.)?(?:feature\.0|conv1)(?:\.0)?\.weight$/;
const LAST = ['classifier.weight', 'fc.weight'];

export interface Unwrapped {
  /** Key in the network without wrappers, by key; entries outside the network are absent. */
  plain: Map<string, string>;
  /** Prefixes that were taken off, such as "module._orig_mod." or "feature.module.". */
  prefixes: string[];
}

export function unwrap(keys: readonly string[]): Unwrapped {
  const paths = new Map(keys.map((key) => [key, key.split('.').filter((part, i) => i === 0 || !ANYWHERE.has(part))]));
  for (const [key, path] of paths) if (path.at(-1) === COUNTER && path.length <= 2) paths.delete(key);
  for (;;) {
    const all = [...paths.values()];
    const head = all[0]?.[0] ?? '';
    const isPrefix =
      (ANYWHERE.has(head) || LEADING.has(head)) && all.every((path) => path.length > 1 && path[0] === head);
    if (!isPrefix) break;
    for (const path of all) path.shift();
  }
  keepNetwork(paths);
  const plain = new Map([...paths].map(([key, path]) => [key, path.join('.')]));
  return { plain, prefixes: [...new Set([...plain].map(([key, own]) => takenOff(key, own)))].filter(Boolean) };
}

/**
 * Keeps only the entries of the network. It may lie beside others (metrics, a loss) under any name: where just one name
 * has a first convolution and a last layer, only its entries stay, without that name. Blocks of a network have
 * convolutions of such names, but no last layer.
 */
function keepNetwork(paths: Map<string, string[]>): void {
  const keys = new Set([...paths.values()].map((path) => path.join('.')));
  const names = [...keys].flatMap((key) => {
    const name = FIRST.exec(key);
    return name && LAST.some((last) => keys.has(`${name[1] ?? ''}${last}`)) ? [name[1] ?? ''] : [];
  });
  const [name] = names;
  if (names.length !== 1 || name === undefined || name === '') return;
  const parts = name.split('.').length - 1;
  for (const [key, path] of paths) {
    if (path.join('.').startsWith(name)) path.splice(0, parts);
    else paths.delete(key);
  }
}

/** The start of a key, up to the last part that its plain form lacks. */
function takenOff(key: string, plain: string): string {
  const parts = key.split('.');
  const own = plain.split('.');
  while (own.length > 0 && parts.at(-1) === own.at(-1)) {
    parts.pop();
    own.pop();
  }
  return parts.map((part) => `${part}.`).join('');
}
