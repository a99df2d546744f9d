import * as path from 'node:path';
import { type DownloadResult, download, present } from '../../download';
import { lockFolder } from '../../lock';
import { usageError } from '../errors';
import type { CifarName } from './cifar';

interface OfficialArchive {
  url: string;
  /** Length in bytes, where it is known. */
  bytes?: number;
  md5: string;
}

const HOME = 'https://www.cs.toronto.edu/~kriz';

/** The official archives by file name, with the checksums of their page. */
export const OFFICIAL_ARCHIVES: Record<string, OfficialArchive> = {
  'cifar-10-binary.tar.gz': {
    url: `${HOME}/cifar-10-binary.tar.gz`,
    bytes: 170_052_171,
    md5: 'c32a1d4ab5d03f1284b67883e8d87530',
  },
  'cifar-10-python.tar.gz': {
    url: `${HOME}/cifar-10-python.tar.gz`,
    bytes: 170_498_071,
    md5: 'c58f30108f718f92721af3b95e74349a',
  },
  'cifar-100-binary.tar.gz': {
    url: `${HOME}/cifar-100-binary.tar.gz`,
    bytes: 168_513_733,
    md5: '03b5dce01913d631647c71ecec9e9cb8',
  },
  'cifar-100-python.tar.gz': {
    url: `${HOME}/cifar-100-python.tar.gz`,
    md5: 'eb9058c3a382ffc7106e4002c42a8d85',
  },
};

/** Archive to fetch for each data set: the binary form, which any program can read. */
const FETCHED: Record<CifarName, string> = { cifar10: 'cifar-10-binary.tar.gz', cifar100: 'cifar-100-binary.tar.gz' };

interface FetchOptions {
  onProgress?: (done: number, total: number | null) => void;
  signal?: AbortSignal;
  /** Address of a mirror. The file must be the official one. */
  url?: string;
  /** Checksum of a file other than the official one, whose length is then not checked. */
  md5?: string;
}

/**
 * Fetches the official CIFAR archive into `dir`, continuing an earlier download; does nothing where it is there already. Rejects with
 * ERR_USAGE (unknown name), ERR_DOWNLOAD, ERR_FILE, or `signal.reason`.
 */
export async function fetchDataset(name: string, dir: string, options: FetchOptions = {}): Promise<DownloadResult> {
  if (!Object.hasOwn(FETCHED, name))
    throw usageError(`"${name}" cannot be fetched; known are ${Object.keys(FETCHED).join(', ')}.`);
  const archive = FETCHED[name as CifarName];
  const official = OFFICIAL_ARCHIVES[archive]!;
  const { url = official.url, md5, onProgress, signal } = options;
  const expected = md5 ? { md5 } : { md5: official.md5, bytes: official.bytes };
  using lock = await lockFolder(dir);
  const wanted = { url, file: path.join(lock.folder, archive), ...expected, onProgress, signal };
  const there = await present(wanted);
  if (there) return there;
  lock.requireWritable();
  return await download(wanted);
}
