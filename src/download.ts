/**
 * A download that continues after a cut: `<file>.part` becomes `<file>` once it is complete and its checksum fits. It
 * continues only where the server shows by its tag (RFC 9110, If-Range) and by the total length that it still has the
 * same file.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { syncFolder } from './atomic';
import { EarlybirdError, onDisk } from './errors';
import { makeFolder } from './folder';
import { httpGet, redact } from './http';

export interface DownloadOptions {
  url: string;
  /** Path of the result; its folder is made. `<file>.part` and `<file>.part.tag` exist while it is incomplete. */
  file: string;
  /** Expected length and checksums. With a checksum, a file that is there and matches is not fetched again. */
  bytes?: number;
  sha256?: string;
  md5?: string;
  /** Refuses more bytes than this where `bytes` is not given, as a server could send for ever. Default 16 GB. */
  maxBytes?: number;
  /**
   * Called at most ten times a second with the bytes on disk and the total number, or null where the server does not
   * tell it.
   */
  onProgress?: (done: number, total: number | null) => void;
  signal?: AbortSignal;
  /**
   * Number of attempts without progress before giving up, and milliseconds before the second one, doubled each time.
   * Default 5 and 500.
   */
  attempts?: number;
  retryDelayMs?: number;
  /** See {@link GetOptions}. */
  idleTimeoutMs?: number;
  env?: NodeJS.ProcessEnv;
}

export interface DownloadResult {
  file: string;
  bytes: number;
  /** Bytes that came over the network in this call: 0 where the file was there already. */
  fetched: number;
}

/**
 * Fetches `url` into `file`. Rejects with ERR_DOWNLOAD (address, server, network, checksum), ERR_FILE (disk), or
 * `signal.reason`. After a cut or an abort the part received so far stays for the next call; a file with a wrong
 * checksum is removed. Do not run two downloads of the same file at once.
 */
export async function download(options: DownloadOptions): Promise<DownloadResult> {
  const { url, file, signal, attempts = 5, retryDelayMs = 500 } = options;
  signal?.throwIfAborted();
  const there = await present(options);
  if (there) return there;
  await makeFolder(path.dirname(file));

  const part = `${file}.part`;
  let fetched = 0;
  for (let failures = 0; ; ) {
    const before = (await sizeOf(part)) ?? 0;
    try {
      fetched += await fetchRest(part, options);
      break;
    } catch (error) {
      signal?.throwIfAborted();
      const gained = ((await sizeOf(part)) ?? 0) - before;
      if (gained > 0) fetched += gained;
      failures = gained > 0 ? 1 : failures + 1;
      const lasting = !isTransient(error) || failures >= attempts;
      if (lasting) throw describeFailure(error, url, part, (await sizeOf(part)) ?? 0);
      await sleep(retryDelayMs * 2 ** (failures - 1), undefined, { signal }).catch(() => signal?.throwIfAborted());
    }
  }

  const fault = await findFault(part, options);
  if (fault) {
    await discard(part);
    throw new EarlybirdError(
      'ERR_DOWNLOAD',
      `${redact(url)} gave a file whose ${fault}; it was removed, so try again, and if this repeats fetch the file by other means and put it at ${file}.`,
    );
  }
  await onDisk(file, 'written', async () => {
    await rename(part, file);
    await rm(`${part}.tag`, { force: true });
    await syncFolder(path.dirname(file));
  });
  const bytes = (await sizeOf(file)) ?? 0;
  return { file, bytes, fetched };
}

/** The file where it is there with its checksum; null where it is to be fetched. Rejects with ERR_FILE. */
export async function present(options: DownloadOptions): Promise<DownloadResult | null> {
  const { file, sha256, md5 } = options;
  const bytes = await sizeOf(file);
  if (bytes === null || !(sha256 || md5) || (await findFault(file, options))) return null;
  return { file, bytes, fetched: 0 };
}

/** Limit above any archive that this program fetches: LibTorch for CUDA has 3 GB. */
const MAX_BYTES = 16e9;

const tooLong = (url: string, most: number) =>
  new EarlybirdError(
    'ERR_DOWNLOAD',
    `${redact(url)} gives more than ${most} bytes, which it should not have; check the address.`,
  );

/** A failure that a new attempt may avoid. */
class TransientError extends Error {}

const TRANSIENT_CODES = [
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'ENETDOWN',
  'ERR_STREAM_PREMATURE_CLOSE',
];

function isTransient(error: unknown): boolean {
  return error instanceof TransientError || TRANSIENT_CODES.includes((error as NodeJS.ErrnoException)?.code ?? '');
}

/** The file that a part is the beginning of: the server's tag for it, and its length. */
interface Tag {
  validator: string;
  total: number;
}

/** Requests the part of the file that `part` lacks; returns the number of bytes added. */
async function fetchRest(part: string, options: DownloadOptions): Promise<number> {
  let offset = (await sizeOf(part)) ?? 0;
  // The part is complete; only its checksum is still to be tested.
  if (offset > 0 && offset === options.bytes && (options.sha256 || options.md5)) return 0;
  const tag = await readTag(part);
  if (!tag || offset > tag.total) {
    await discard(part);
    offset = 0;
  }

  const headers: Record<string, string> =
    tag && offset > 0 ? { range: `bytes=${offset}-`, 'if-range': tag.validator } : {};
  const response = await httpGet(options.url, { ...options, headers });
  try {
    const validator = validatorOf(response);
    const { start, total } = await readAnswer(response, offset, part, options);
    if (start > 0 && (total !== tag?.total || (validator !== null && validator !== tag.validator))) {
      await discard(part);
      throw new TransientError('the server has another file now, so it starts again');
    }
    if (start === total) return 0;
    await onDisk(part, 'written', async () => {
      if (start > 0) return;
      await discard(part);
      if (validator !== null && total !== null)
        await writeFile(`${part}.tag`, JSON.stringify({ validator, total } satisfies Tag));
    });
    return await append(response, part, start, total, options);
  } finally {
    response.destroy();
  }
}

/** The strong tag or the date of a file; null for a weak tag, which allows other bytes. */
function validatorOf({ headers }: IncomingMessage): string | null {
  const strong = headers.etag?.startsWith('W/') ? undefined : headers.etag;
  return strong ?? headers['last-modified'] ?? null;
}

async function readTag(part: string): Promise<Tag | null> {
  try {
    const { validator, total } = JSON.parse(await readFile(`${part}.tag`, 'utf8')) as Partial<Tag>;
    return typeof validator === 'string' && Number.isSafeInteger(total) ? { validator, total: total! } : null;
  } catch {
    return null; // it begins again
  }
}

/**
 * Position of the first byte of the body, and length of the whole file or null. Throws unless the body can be appended.
 */
async function readAnswer(
  response: IncomingMessage,
  offset: number,
  part: string,
  { url, bytes, maxBytes = MAX_BYTES }: DownloadOptions,
): Promise<{ start: number; total: number | null }> {
  const status = response.statusCode ?? 0;
  const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(response.headers['content-range'] ?? '');
  const rangeTotal = range && range[2] !== '*' ? Number(range[2]) : null;
  let answer: { start: number; total: number | null };
  if (status === 200) {
    const length = response.headers['content-length'];
    answer = { start: 0, total: length === undefined ? null : Number(length) };
  } else if (status === 206 && Number(range?.[1]) === offset) {
    answer = { start: offset, total: rangeTotal };
  } else if (status === 416 && rangeTotal === offset) {
    answer = { start: offset, total: offset };
  } else if (status === 206 || status === 416) {
    await discard(part);
    throw new TransientError('the server could not continue the download, so it starts again');
  } else if (status >= 500 || status === 408 || status === 429) {
    throw new TransientError(`the server answered HTTP ${status}`);
  } else {
    throw new EarlybirdError(
      'ERR_DOWNLOAD',
      `${redact(url)} answered HTTP ${status}; check the address, or your proxy settings.`,
    );
  }
  if (bytes !== undefined && answer.total !== null && answer.total !== bytes)
    throw new EarlybirdError(
      'ERR_DOWNLOAD',
      `${redact(url)} offers ${answer.total} bytes where ${bytes} were expected; a proxy or login page may be in the way, or the file was replaced.`,
    );
  if (bytes === undefined && (answer.total ?? 0) > maxBytes) throw tooLong(url, maxBytes);
  return answer;
}

async function append(
  response: IncomingMessage,
  part: string,
  start: number,
  total: number | null,
  { url, bytes, maxBytes = MAX_BYTES, onProgress }: DownloadOptions,
): Promise<number> {
  const handle: FileHandle = await onDisk(part, 'written', () => open(part, 'a'));
  let done = start;
  let reported = 0;
  const known = total ?? bytes ?? null;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      // The body may be chunked, without a length, or be longer than its headers say.
      if (done + chunk.length > (known ?? maxBytes)) {
        await discard(part);
        throw tooLong(url, known ?? maxBytes);
      }
      await onDisk(part, 'written', () => handle.appendFile(chunk));
      done += chunk.length;
      if (Date.now() - reported < 100) continue;
      reported = Date.now();
      onProgress?.(done, known);
    }
    onProgress?.(done, known);
    if (known !== null && done < known)
      throw new TransientError(`the connection ended after ${done} of ${known} bytes`);
    await onDisk(part, 'written', () => handle.sync());
  } finally {
    await handle.close();
  }
  return done - start;
}

/** Difference to the expected file, as the end of a sentence, or null. */
async function findFault(file: string, { bytes, sha256, md5 }: DownloadOptions): Promise<string | null> {
  const size = await sizeOf(file);
  if (bytes !== undefined && size !== bytes) return `length is ${size} bytes instead of ${bytes}`;
  for (const [algorithm, expected] of [
    ['sha256', sha256],
    ['md5', md5],
  ] as const) {
    if (!expected) continue;
    const found = await hashFile(file, algorithm);
    if (found !== expected.toLowerCase()) return `${algorithm} is ${found} instead of ${expected.toLowerCase()}`;
  }
  return null;
}

/** Hexadecimal digest of a file, read as a stream. Rejects with ERR_FILE. */
export async function hashFile(file: string, algorithm: 'sha256' | 'md5', signal?: AbortSignal): Promise<string> {
  const hash = createHash(algorithm);
  return onDisk(file, 'read', async () => {
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
      signal?.throwIfAborted();
      hash.update(chunk);
    }
    return hash.digest('hex');
  });
}

async function discard(part: string): Promise<void> {
  await rm(part, { force: true });
  await rm(`${part}.tag`, { force: true });
}

async function sizeOf(file: string): Promise<number | null> {
  return stat(file).then(
    (info) => info.size,
    () => null,
  );
}

function describeFailure(error: unknown, url: string, part: string, kept: number): unknown {
  if (error instanceof EarlybirdError) return error;
  const { message } = error as Error;
  const rest = kept > 0 ? ` (${kept} bytes are kept in ${part})` : '';
  return new EarlybirdError(
    'ERR_DOWNLOAD',
    `Fetching ${redact(url)} failed: ${message}; check the network and proxy settings and run the same command again${rest}.`,
    (error as Error).stack,
  );
}
