/** Results of `data` as text, for people. */
import type { PackResult } from '../../data/pack/pack';
import { BAD_LIST, type BadFile } from '../../data/pack/progress';
import type { VerifyReport } from '../../data/verify/report';

/** The report of `data verify`: the data set, counts of images, faults. */
export function verifyText(report: VerifyReport): string {
  const { dataset, synthetic, official, md5, classNames, train, test, fingerprint, problems, notRead, notes } = report;
  const lines = [`${dataset}${synthetic ? ' (synthetic pictures, made up by rule)' : `: ${report.path}`}`];
  if (md5) lines.push(`md5 ${md5}${official ? ', the official archive' : ', not one of the official archives'}`);
  for (const [split, set] of [['train', train] as const, ['test', test] as const]) {
    if (!set) continue;
    const [fewest, most] = [Math.min(...set.perClass), Math.max(...set.perClass)];
    const each = fewest === most ? `${most} of each class` : `${fewest} to ${most} of a class`;
    lines.push(`${split}: ${set.images} images, ${classNames.length} classes, ${each}`);
    if (classNames.length <= 20)
      lines.push(`  ${classNames.map((name, i) => `${name} ${set.perClass[i]}`).join(', ')}`);
  }
  if (fingerprint) lines.push(`fingerprint ${fingerprint}`);
  const faults = [...problems.map((problem) => `DAMAGED: ${problem}`), ...notRead.map((lot) => `NOT READ: ${lot}`)];
  return [...lines, ...notes, ...(faults.length > 0 ? faults : ['OK'])].join('\n');
}

type Packed = Pick<PackResult, 'folder' | 'packed' | 'where'> & { bad: BadFile[] } & PackResult['manifest'];

export function packText({ folder, packed, bad, where, classes, splits }: Packed): string {
  const lines = Object.entries(splits).map(
    ([name, { images, bytes, shards }]) =>
      `${name}: ${images} images in ${shards.length} shards, ${(bytes / 1e6).toFixed(1)} MB`,
  );
  if (bad.length > 0) {
    lines.push(
      `${bad.length} images are not read and were left out, see ${folder}/${BAD_LIST}:`,
      ...bad.slice(0, 10).map(({ file, reason }) => `  ${file}: ${reason}`),
      ...(bad.length > 10 ? ['  ...'] : []),
      `These shards stay without them: to have them in, repair them, empty ${folder} and pack again.`,
    );
  }
  const head = packed
    ? `packed into ${folder}, ${classes.length} classes, read ${where}`
    : `${folder} holds these shards, finished`;
  return [head, ...lines].join('\n');
}
