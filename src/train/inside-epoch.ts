/**
 * An epoch's training in parts of `--checkpoint-every` steps. After each part, and where the run is aborted, a checkpoint is written
 * from which it goes on inside the epoch; the write overlaps the next part.
 */
import type { RunMeter } from '../energy/meter';
import { addTotals } from '../energy/totals';
import { wasAborted } from '../errors';
import type { EpochPosition, PassResult } from '../native/types/pass';
import type { NativeTrainer } from '../native/types/trainer';
import { type CheckpointContent, checkpointValue, type Snapshot } from '../run/checkpoint';
import type { CheckpointWriter } from '../run/checkpoint-writer';
import type { InsideEpoch } from '../run/inside-epoch';
import type { EnergyTotals } from '../run/metrics';
import type { Signals } from '../ticket/watch';

interface EpochPartsOptions {
  trainer: NativeTrainer;
  energy: RunMeter;
  writer: CheckpointWriter;
  signal: AbortSignal | undefined;
  /** Steps; undefined writes nothing. */
  every: number | undefined;
  /** Batches of the epoch. */
  batches: number;
  /** From the checkpoint that the run resumes from. */
  from: InsideEpoch | undefined;
  file: string;
  /** Of the mask drawn before the epoch. */
  signals: Signals;
  content(snapshot: Snapshot): CheckpointContent;
}

export class EpochParts {
  /** undefined at the beginning of the epoch, and where it is not known. */
  private position: EpochPosition | undefined;
  private written = 0;
  /** Of the laps before this one. */
  private before: EnergyTotals | null;

  constructor(private readonly options: EpochPartsOptions) {
    const { from } = options;
    this.position = from?.position;
    this.written = from?.position.steps ?? 0;
    this.before = from ? from.energy : {};
  }

  /** `pass` trains at most `steps` steps from a position on. */
  async train(pass: (from?: EpochPosition, steps?: number) => Promise<PassResult>): Promise<PassResult> {
    const { every, batches } = this.options;
    let whyEager: string | undefined;
    while (true) {
      const steps = every && every - ((this.position?.steps ?? 0) % every);
      const result = await this.part(() => pass(this.position, steps));
      // The last part may have no full batch.
      whyEager ??= result.whyEager ?? '';
      if (!every || this.position!.batches >= batches) return { ...result, whyEager };
      await this.write();
    }
  }

  /** Meters a part as a window that counts also if the part is aborted, because its steps do. */
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
    if (every)
      this.position = await trainer.position().catch((error) => {
        throw aborted ?? error;
      });
    if (!result) throw aborted;
    return result;
  }

  /** For an aborted run: writes what is not on disk yet. */
  async keep(): Promise<void> {
    if (this.options.every && this.position && this.position.steps > this.written) await this.write();
  }

  private async write(): Promise<void> {
    const { trainer, writer, file, signals, content } = this.options;
    const position = this.position!;
    const written = content(await trainer.snapshot());
    const inside: InsideEpoch = { position, ...signals, energy: await this.lap() };
    await writer.start(file, checkpointValue({ ...written, inside }));
    this.written = position.steps;
  }

  /** Energy of the epoch so far, in one window of each name; null where it was not metered throughout. */
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
