import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stateDictOf } from '../../src/checkpoint/keys';
import { readCheckpoint } from '../../src/checkpoint/read';
import { isDict } from '../../src/checkpoint/value';
import { recordBest } from '../../src/run/record';
import type { StateDict } from '../../src/tensor';
import { EarlyBird, REFERENCE_DETECTOR } from '../../src/ticket/detector';
import { maskFromGammas } from '../../src/ticket/mask';
import { runTraining } from '../../src/train/loop';
import { Checks } from './lib/checks';
import { channelsOf, type EventJson, gammasBefore, percentsOf, type SearchJson, scripted } from './lib/scripted-run';
import { floatsOf } from './lib/tensors';

/** Runs the product's training loop on a network that has only the file's gammas, and checks the files it leaves. */
export async function checkSearch(search: SearchJson, threshold: number): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'earlybird-parity-'));
  try {
    const checks = new Checks();
    const rates: { epoch: number; lr: number }[] = [];
    const { metrics } = await runTraining(await scripted(search, threshold, dir, rates));
    const trained = search.events.filter(({ event }) => event === 'train');
    checks.equal(
      'learning rates',
      rates,
      trained.map(({ epoch, lr }) => ({ epoch, lr })),
    );
    const saved = search.events.filter(({ event }) => event === 'save');
    await checkFiles(checks, dir, saved);
    checks.equal('record.txt', await readFile(join(dir, 'record.txt'), 'utf8'), search.record_txt);
    const best = `Best accuracy: ${recordBest(metrics)}`;
    checks.equal('printed lines', [...announcements(search, threshold), best], search.printed);
    return checks.done();
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Every file that the reference saved, under its name, with its epoch, best accuracy and weights; and no ticket more. */
async function checkFiles(checks: Checks, dir: string, saved: EventJson[]): Promise<void> {
  for (const { file, epoch_field, best_prec1, first_gamma_at_save } of saved) {
    const { value } = await readCheckpoint(join(dir, file!));
    if (!isDict(value)) throw new Error(`${file} is not a dictionary`);
    checks.equal(`${file} epoch`, value.get('epoch'), epoch_field);
    checks.equal(`${file} best_prec1`, value.get('best_prec1'), best_prec1);
    checks.equal(`${file} gamma`, firstGamma(stateDictOf(value)), Math.fround(first_gamma_at_save!));
  }
  const named = /^(EB-|ckpt)/;
  const present = (await readdir(dir)).filter((file) => named.test(file));
  checks.equal('files', present.sort(), saved.map(({ file }) => file!).sort());

  // model_best is the copy of the last checkpoint that improved; best accuracies tell which ones did.
  let best = 0;
  for (const { file, best_prec1, also_model_best } of saved) {
    checks.equal(`${file} improves`, best_prec1! > best, also_model_best);
    best = best_prec1!;
  }
  const last = saved.findLast((event) => event.also_model_best);
  if (last)
    checks.ok(
      'model_best',
      (await readFile(join(dir, 'model_best.pth.tar'))).equals(await readFile(join(dir, last.file!))),
    );
}

const firstGamma = (state: StateDict): number => floatsOf(state.get('bn.weight')!)[0]!;

/** The reference prints every epoch at which a detector sees a ticket, not only the first. */
function announcements(search: SearchJson, threshold: number): string[] {
  const percents = percentsOf(search);
  const detectors = percents.map(() => new EarlyBird(channelsOf(search), { ...REFERENCE_DETECTOR, threshold }));
  const lines: string[] = [];
  for (let epoch = search.start_epoch; epoch < search.epochs; epoch++) {
    for (const [i, percent] of percents.entries()) {
      const { bits } = maskFromGammas(gammasBefore(search, epoch), percent / 100);
      if (!detectors[i]!.push(bits).emerged) continue;
      lines.push(`[early_bird_${percent}] Find EB!!!!!!!!!, epoch: ${epoch}`);
    }
  }
  return lines;
}
