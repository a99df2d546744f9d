/** Folders as finished runs leave them, as far as `bench energy` reads them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EnergySource } from '../../src/native/types/energy';
import type { MultiplyAdds } from '../../src/network/bit-operations';
import { metrics } from './metrics';

export const MACHINE = { earlybird: '1.0.0', libtorch: '2.13.0', device: 'cuda:0', deviceName: 'GPU A', threads: 4 };
export const IMAGES = 1000;

export interface FakeRun {
  epochs: number;
  /** Forward FLOPs; absent: the run is not finished. */
  forward?: number;
  top1?: number;
  /** Joules of the phase; null where reading failed. Absent: there is no energy.json. */
  joules?: number | null;
  method?: EnergySource['method'];
  /** The part that was read; "gpu" by default, "given" where it is estimated. */
  part?: EnergySource['part'];
  /** Joules of opening the data, within `joules`. */
  load?: number;
  /** Epochs that were metered; all by default. */
  metered?: number;
  machine?: Partial<typeof MACHINE>;
  bad?: number;
  /** Bit operations of an epoch, 1e9; absent: the run is of a version that did not count them. */
  gbitops?: number;
  /** Multiply-adds of a forward pass; absent likewise. */
  adds?: MultiplyAdds;
  identity?: object;
}

export function json(folder: string, name: string, value: unknown): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), JSON.stringify(value));
}

/** Writes a training of `phase`: a search or a retraining (dense training included). An epoch takes 2 seconds. */
export function fakeRun(folder: string, phase: 'search' | 'retrain', run: FakeRun): void {
  const { epochs, forward, top1 = 50, bad = 0 } = run;
  const dataset = { name: 'cifar10', synthetic: false, train: IMAGES, test: 100, fingerprint: 'f' };
  json(folder, 'params.json', { identity: run.identity ?? {}, ...MACHINE, ...run.machine, dataset });
  const bits = { weight: 8, activate: 8, error: 8, grad: 8 };
  const { gbitops } = run;
  const arithmetic = gbitops === undefined ? {} : { arithmetic: { bits, gbitops, modelledJoules: gbitops / 100 } };
  const lines = Array.from({ length: epochs }, (_, epoch) =>
    JSON.stringify({ ...metrics(epoch, 1, 40, 45), bad, ...arithmetic }),
  );
  writeFileSync(join(folder, 'metrics.jsonl'), lines.map((line) => `${line}\n`).join(''));
  if (forward !== undefined) {
    const { adds: multiplyAdds } = run;
    json(folder, 'result.json', { flops: forward, top1Last: top1, top1Best: top1 + 1, multiplyAdds });
  }
  if (run.joules !== undefined) fakeEnergy(folder, phase, run);
}

/** Writes energy.json beside a run, or into the folder above. */
export function fakeEnergy(folder: string, phase: string, run: FakeRun) {
  const { epochs, joules, method = 'counter', metered, load } = run;
  const part = run.part ?? (method === 'estimated' ? 'given' : 'gpu');
  const source = {
    part,
    method,
    name: 'board',
    notes: [],
    ...(joules === null ? { reason: 'no counter' } : {}),
  };
  const totalOf = (value: number | null) => ({
    seconds: 1,
    joules: value,
    ...(value === null ? {} : { parts: { [`${part} ${method}`]: value } }),
  });
  const total = totalOf(joules ?? null);
  const phases = {
    [phase]: { windows: 1, ...total },
    [`${phase}/train`]: { windows: metered ?? epochs, ...total },
    ...(load === undefined ? {} : { [`${phase}/load`]: { windows: 1, ...totalOf(load) } }),
  };
  json(folder, 'energy.json', { version: 1, sources: [source], idle: { seconds: 0, watts: null }, phases });
}

/** A finished EB Train that searched `search.epochs` epochs. */
export function fakeEarlyBird(folder: string, search: FakeRun, retrain: FakeRun): void {
  fakeRun(join(folder, 'search'), 'search', search);
  fakeRun(join(folder, 'retrain_3004_0.3'), 'retrain', retrain);
  // The result looks as if written on another day, under another path.
  json(folder, 'result.json', {
    ticket: { completed: search.epochs },
    prune: { ticket: '/elsewhere/pruned_3004_0.3/pruned.pth.tar' },
    retrain: { directory: '/elsewhere/retrain_3004_0.3' },
  });
}

/** A finished row of network slimming or of a lottery ticket; the dense training lies apart. */
export function fakeTicket(folder: string, retrain: FakeRun): void {
  fakeRun(join(folder, 'retrain'), 'retrain', retrain);
  json(folder, 'result.json', {});
}
