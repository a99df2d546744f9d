/**
 * Trains an epoch in parts. After every `--checkpoint-every` steps, and where the run is aborted, a checkpoint is
 * written from which training continues inside the epoch; the write overlaps the next part. After every `--mask-every`
 * steps masks are stored.
 */
import type { RunMeter } from '../energy/meter';
import { addTotals } from '../energy/totals';
import { wasAborted } from '../errors';
import type { NativeModel } from '../native/types/model';
import type { EpochPosition, PassResult } from '../native/types/pass';
import type { NativeTrainer } from '../native/types/trainer';
import { type Drawing, drawMasks } from '../prune/draw';
import { type CheckpointContent, checkpointValue, type Snapshot } from '../run/checkpoint';
import type { CheckpointWriter } from '../run/checkpoint-writer';
import { type RunDirectory, stopsInside } from '../run/directory';
import type { InsideEpoch } from '../run/inside-epoch';
import type { EnergyTotals } from '../run/metrics';
import { stepMaskFile } from '../run/names';
import type { Signals } from '../ticket/watch';

interface MaskedRun {
  model: NativeModel;
  directory: RunDirectory;
  energy: RunMeter;
  detection?: { ratios: number[]; drawing: Drawing };
  settings: { maskEvery?: number | undefined };
}

interface MaskStops {
  every: number;
  draw(steps: number): Promise<void>;
}

/** Stores masks at every `maskEvery` steps of an epoch, drawn as between epochs, for detectors to be replayed on. */
export function maskStops(
  { model, directory, energy, detection, settings }: MaskedRun,
  epoch: number,
  batches: number,
): MaskStops | undefined {
  const { maskEvery: every } = settings;
  if (!detection || !every) return undefined;
  const first = epoch * stopsInside({ every, batches });
  // Not cut short: a checkpoint of this step is taken to have its masks.
  const drawing = { ...detection.drawing, signal: undefined };
  const draw = async (steps: number) => {
    const { masks } = await drawMasks(model, detection.ratios, drawing);
    for (const { ratio, bits } of masks)
      await directory.writeMask(ratio, first + steps / every - 1, bits, stepMaskFile(ratio));
  };
  return { every, draw: (steps) => energy.metered('detect', () => draw(steps)) };
}

interface EpochPartsOptions {
  trainer: NativeTrainer;
  energy: RunMeter;
  writer: CheckpointWriter;
  signal: AbortSignal | undefined;
  /** Number of steps between checkpoints; undefined for none. */
  every: number | undefined;
  /** Masks to draw inside the epoch (--mask-every). */
  masks?: MaskStops | undefined;
  /** Number of batches of the epoch. */
  batches: number;
  /** Contents of the checkpoint that the run resumes from. */
  from: InsideEpoch | undefined;
  file: string;
  /** Detection by the mask drawn before the epoch. */
  signals: Signals;
  content(snapshot: Snapshot): CheckpointContent;
}

export class EpochParts {
  /** Position reached; undefined at the beginning of the epoch, and where it is unknown. */
  private position: EpochPosition | undefined;
  private written = 0;
  /** Energy of the laps before this one. */
  private before: EnergyTotals | null;

  constructor(private readonly options: EpochPartsOptions) {
    const { from } = options;
    this.position = from?.position;
    this.written = from?.position.steps ?? 0;
    this.before = from ? from.energy : {};
  }

  /** Trains the epoch. `pass` trains at most `steps` steps from a position on. */
  async train(pass: (from?: EpochPosition, steps?: number) => Promise<PassResult>): Promise<PassResult> {
    const { every, batches } = this.options;
    let whyEager: string | undefined;
    while (true) {
      const result = await this.part(() => pass(this.position, this.stepsToStop()));
      // The last part may have no full batch, so the first part tells why steps are not captured.
      whyEager ??= result.whyEager ?? '';
      if (!this.stops || this.position!.batches >= batches) return { ...result, whyEager };
      await this.storeMasks();
      if (every && this.position!.steps % every === 0) await this.write();
    }
  }

  /** Stores the masks that are due at this position, before its checkpoint, because a resumed run expects them. */
  private async storeMasks(): Promise<void> {
    const { masks, batches } = this.options;
    const position = this.position!;
    if (masks && position.batches < batches && position.steps % masks.every === 0) await masks.draw(position.steps);
  }

  private get stops(): boolean {
    return this.options.every !== undefined || this.options.masks !== undefined;
  }

  private stepsToStop(): number | undefined {
    const done = this.position?.steps ?? 0;
    const left = [this.options.every, this.options.masks?.every].flatMap((every) =>
      every ? every - (done % every) : [],
    );
    return left.length > 0 ? Math.min(...left) : undefined;
  }

  /** Meters a part as a window that counts even if the part is aborted, because its steps count. */
  private async part(train: () => Promise<PassResult>): Promise<PassResult> {
    const { trainer, energy, signal, every } = this.options;
    let aborted: unknown;
    const result = await energy.metered('train', async () => {
      try {
        return await train();
      } catch (error) {
        if (!wasAborted(error, signal) || !every) throw error;
        aborted = error;
        return null;
      } finally {
        this.position = undefined;
      }
    });
    if (this.stops)
      this.position = await trainer.position().catch((error) => {
        throw aborted ?? error;
      });
    if (!result) throw aborted;
    return result;
  }

  /** Writes a checkpoint for an aborted run, unless the position is on disk already. */
  async keep(): Promise<void> {
    if (!this.options.every || !this.position || this.position.steps <= this.written) return;
    await this.storeMasks();
    await this.write();
  }

  private async write(): Promise<void> {
    const { trainer, writer, file, signals, content } = this.options;
    const position = this.position!;
    const written = content(await trainer.snapshot());
    const inside: InsideEpoch = { position, ...signals, energy: await this.lap() };
    await writer.start(file, checkpointValue({ ...written, inside }));
    this.written = position.steps;
  }

  /** Energy of the epoch so far, with one window of each name; null where it was not metered throughout. */
  async lap(): Promise<EnergyTotals | null> {
    const spent = await this.options.energy.lap();
    if (!spent || !this.before) {
      this.before = null;
      return null;
    }
    const sums = Object.entries(addTotals(this.before, spent));
    this.before = Object.fromEntries(sums.map(([name, total]) => [name, { ...total, windows: 1 }]));
    return this.before;
  }
}
