/** Files of a run that a browser may request: its report, and the files that the report links. */
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { LISTED } from '../report/gather/runs';

const REPORT = /^[\w-]+\.(html|svg|png|pdf|csv)$/;
const STAGE = /^(search|(pruned|retrain)_[\w.-]+)$/;

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.pdf': 'application/pdf',
  '.csv': 'text/csv; charset=utf-8',
  '.json': 'application/json',
  '.txt': 'text/plain; charset=utf-8',
};

export interface OpenedFile {
  handle: FileHandle;
  size: number;
  type: string;
}

/** True for the names of a report and its links, spelt as the report does. */
export function isServed(path: string): boolean {
  const [first = '', second, ...rest] = path.split('/');
  if (rest.length > 0) return false;
  if (second === undefined) return LISTED.test(first);
  return first === 'report' ? REPORT.test(second) : STAGE.test(first) && LISTED.test(second);
}

/** Opens a file; null where it is absent, or a link leads elsewhere. The caller closes it. */
export async function openServed(folder: string, path: string): Promise<OpenedFile | null> {
  if (!isServed(path)) return null;
  const asked = join(folder, path);
  const [real, root] = await Promise.all([realpath(asked), realpath(folder)]).catch(() => [null, null]);
  if (real === null || root === null || real !== join(root, ...path.split('/')) || !real.startsWith(root + sep)) {
    return null;
  }
  const handle = await open(real, 'r');
  const stat = await handle.stat();
  if (stat.isFile()) return { handle, size: stat.size, type: TYPES[extname(path)] ?? 'application/octet-stream' };
  await handle.close();
  return null;
}
