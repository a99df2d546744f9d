/** What a person sees while files are counted, fetched or packed. */

export type Show = (what: string | null, done?: number, total?: number | null) => void;

/** Progress on stderr: one live line on a terminal, a plain line every ten seconds otherwise; `show(null)` ends it. */
export function counter(quiet: boolean): Show {
  const { stderr } = process;
  let live = false;
  let last = Date.now();
  return (what, done, total) => {
    if (quiet) return;
    if (what === null) {
      if (live) stderr.write('\r\x1b[K');
      return;
    }
    const text = `${what} ${done}${total === null ? '' : ` of ${total}`}`;
    if (stderr.isTTY) {
      live = true;
      stderr.write(`\r\x1b[K${text}`);
    } else if (Date.now() - last > 10_000) {
      last = Date.now();
      stderr.write(`${text}\n`);
    }
  };
}
