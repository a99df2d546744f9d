/** Looks through a dataset on disk: is it whole, does everything decode, are there as many images of every class as there should be. */
import { stat } from 'node:fs/promises';
import * as path from 'node:path';
import { hashFile } from '../download';
import { defaultCacheDir } from './cache';
import { CIFAR, type CifarKind } from './cifar';
import type { ImageSet } from './dataset';
import { OFFICIAL_ARCHIVES } from './fetch';
import { locateCifar } from './locate';
import { type OpenOptions, openDataset } from './open';
import { type VerifyImagenetOptions, verifyImagenet } from './verify-imagenet';
import type { SetReport, VerifyReport } from './verify-report';

/**
 * Reads everything anew, past the cache, and reports. What is wrong with the data goes into `problems`; a name that does not exist, a
 * dataset that is nowhere and an abort reject as in openDataset.
 */
export async function verifyDataset(
  options: OpenOptions & Pick<VerifyImagenetOptions, 'loader'>,
): Promise<VerifyReport> {
  const report: VerifyReport = {
    dataset: options.dataset,
    synthetic: options.dataset === 'synthetic',
    path: null,
    md5: null,
    official: null,
    classNames: [],
    train: null,
    test: null,
    fingerprint: null,
    problems: [],
  };
  if (options.dataset === 'imagenet') return verifyImagenet(options, report);
  const kind = Object.hasOwn(CIFAR, options.dataset) ? CIFAR[options.dataset as keyof typeof CIFAR] : null;
  if (kind) await checkPlace(kind, options, report);
  else if (options.data) report.path = path.resolve(options.data);
  try {
    const dataset = await openDataset({ ...options, ...(report.path ? { data: report.path } : {}), fresh: true });
    report.classNames = dataset.classNames;
    report.train = count(dataset.train, dataset.classes);
    report.test = count(dataset.test, dataset.classes);
    report.fingerprint = dataset.fingerprint;
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_DATASET') throw error;
    report.problems.push((error as Error).message);
  }
  if (kind) checkCounts(kind, report);
  return report;
}

async function checkPlace(kind: CifarKind, options: OpenOptions, report: VerifyReport): Promise<void> {
  const place = await locateCifar(kind, options.data, options.cacheDir ?? defaultCacheDir());
  report.path = path.resolve(place.path);
  if (!(await stat(place.path)).isFile()) return;
  report.md5 = await hashFile(place.path, 'md5', options.signal);
  report.official = Object.values(OFFICIAL_ARCHIVES).some(({ md5 }) => md5 === report.md5);
  const expected = OFFICIAL_ARCHIVES[path.basename(place.path)];
  if (expected && expected.md5 !== report.md5)
    report.problems.push(
      `The md5 of ${report.path} is ${report.md5}, the official one ${expected.md5}; remove the file and run "earlybird data fetch ${kind.name}".`,
    );
}

/** Both official sets hold every class equally often. */
function checkCounts(kind: CifarKind, report: VerifyReport): void {
  for (const split of ['train', 'test'] as const) {
    const found = report[split];
    if (!found) continue;
    const each = kind.counts[split] / kind.classes;
    const odd = found.perClass.findIndex((images) => images !== each);
    if (found.images !== kind.counts[split])
      report.problems.push(
        `The ${split} set has ${found.images} images where ${kind.title} has ${kind.counts[split]}.`,
      );
    else if (odd >= 0)
      report.problems.push(
        `The ${split} set has ${found.perClass[odd]} images of ${report.classNames[odd]} where ${kind.title} has ${each}.`,
      );
  }
}

function count(set: ImageSet, classes: number): SetReport {
  const perClass = new Array<number>(classes).fill(0);
  for (const label of set.labels) perClass[label]!++;
  return { images: set.count, perClass };
}
