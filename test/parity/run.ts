import { type Item, itemsOf } from './items';
import { type Case, Skip, skipped } from './lib/case';
import type { Context } from './lib/networks';

export type Status = 'ok' | 'FAIL' | 'skip';

export interface Outcome {
  name: string;
  status: Status;
  /** The measurement, the difference, or the reason of a skip. */
  remark: string;
}

/** Runs the cases of one item whose names contain `only`, one after the other. */
export async function* outcomes(item: Item, context: Context, only = ''): AsyncIterable<Outcome> {
  for (const one of casesOf(item, context)) if (one.name.includes(only)) yield await outcomeOf(one);
}

export async function* run(context: Context, only = ''): AsyncIterable<Outcome> {
  for (const item of itemsOf((file) => context.reference.has(file))) yield* outcomes(item, context, only);
}

/** A file that is absent skips its item; one that cannot be read fails it, and leaves the others alone. */
function casesOf(item: Item, context: Context): Case[] {
  if (!context.reference.has(item.needs))
    return [skipped(item.name, `${item.needs} is not in ${context.reference.dir}`)];
  const cases: Case[] = [];
  try {
    for (const one of item.cases(context)) cases.push(one);
  } catch (error) {
    const fail = () => {
      throw error;
    };
    cases.push({ name: `${item.name} ${item.needs}`, run: fail });
  }
  return cases;
}

async function outcomeOf({ name, run: runCase }: Case): Promise<Outcome> {
  try {
    return { name, status: 'ok', remark: await runCase() };
  } catch (error) {
    if (error instanceof Skip) return { name, status: 'skip', remark: error.message };
    return { name, status: 'FAIL', remark: error instanceof Error ? error.message : String(error) };
  }
}

/** `ok   forward vgg16_cifar10 eval  max|d| 3.1e-7 (tol 1.1e-5)` */
export function lineOf({ name, status, remark }: Outcome): string {
  const line = status === 'skip' ? `skip ${name}: ${remark}` : `${status.padEnd(4)} ${name}  ${remark}`;
  return line.replaceAll('\n', ' ').trimEnd();
}

export class Tally {
  private readonly counts: Record<Status, number> = { ok: 0, FAIL: 0, skip: 0 };

  add({ status }: Outcome): void {
    this.counts[status]++;
  }

  get failed(): number {
    return this.counts.FAIL;
  }

  get total(): number {
    return this.counts.ok + this.counts.FAIL + this.counts.skip;
  }

  toString(): string {
    return `${this.counts.ok} passed, ${this.counts.FAIL} failed, ${this.counts.skip} skipped`;
  }
}
