/** Checks that a dataset on disk is complete, decodable, and has the right number of images of every class. */
import { stat } from 'node:fs/promises';
import * as path from 'node:path';
import { hashFile } from '../../download';
import { cacheFolder } from '../../package';
import { CIFAR, type CifarKind } from '../cifar/cifar';
import { OFFICIAL_ARCHIVES } from '../cifar/fetch';
import { locateCifar } from '../cifar/locate';
import { type OpenOptions, openDataset } from '../open';
import { sayBeside, type VerifyImagenetOptions, verifyImagenet } from './imagenet';
import { repeatsIn } from './repeats';
import { setReport, type VerifyReport } from './report';

/**
 * Reads everything, without the cache. Faults of the data go into `problems`; unknown names, absent data and aborts
 * reject as in openDataset.
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
    notRead: [],
    notes: [],
  };
  if (options.dataset === 'imagenet') return verifyImagenet(options, report);
  const kind = Object.hasOwn(CIFAR, options.dataset) ? CIFAR[options.dataset as keyof typeof CIFAR] : null;
  if (kind) await checkPlace(kind, options, report);
  else if (options.data) report.path = path.resolve(options.data);
  try {
    const dataset = await openDataset({ ...options, ...(report.path ? { data: report.path } : {}), fresh: true });
    report.classNames = dataset.classNames;
    report.train = setReport(dataset.train.labels, dataset.classes);
    report.test = setReport(dataset.test.labels, dataset.classes);
    report.fingerprint = dataset.fingerprint;
    const repeated = await repeatsIn(dataset.train, dataset.test);
    if (repeated) report.notes.push(repeated);
    if (dataset.unread) sayBeside(report, { pictures: [], others: [] }, dataset.unread);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_DATASET') throw error;
    report.problems.push((error as Error).message);
  }
  if (kind) checkCounts(kind, report);
  return report;
}

async function checkPlace(kind: CifarKind, options: OpenOptions, report: VerifyReport): Promise<void> {
  const place = await locateCifar(kind, options.data, options.cacheDir ?? cacheFolder());
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

/** Compares the counts of classes: both official sets hold every class equally often. */
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
