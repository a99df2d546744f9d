/** Energy of all ranks: each meters its own part, and all get the sum. */
import type { NativeAddon } from '../native/types/addon';
import type { EnergyReading, EnergySource, EnergyValue, MeterOptions, NativeMeter } from '../native/types/energy';
import type { Ranks } from './ranks';

/** Reading of one rank for a window. */
export interface Share {
  host: string;
  /** True for the rank that meters the processors of its host: the first with its host name. */
  first: boolean;
  parts: EnergyValue[];
}

/** Merges the readings of all ranks for a window. Each rank has a GPU of its own; other parts of a host count once. */
export function mergeShares(own: EnergyReading, shares: readonly Share[]): EnergyReading {
  const parts = shares.flatMap(({ host, first, parts }) =>
    parts.filter(({ part }) => first || part === 'gpu').map((value) => ({ ...value, host })),
  );
  const read = parts.flatMap(({ joules }) => joules ?? []);
  return { ...own, parts, joules: read.length === 0 ? null : read.reduce((sum, joules) => sum + joules, 0) };
}

/** A meter of all ranks. Every rank must make the same calls of it, in the same order. */
export class RankMeter implements NativeMeter {
  private all: EnergySource[] = [];

  private constructor(
    private readonly native: NativeMeter,
    private readonly ranks: Ranks,
  ) {}

  static async open(addon: NativeAddon, options: MeterOptions, ranks: Ranks): Promise<RankMeter> {
    const meter = new RankMeter(await addon.createMeter(options), ranks);
    const shares = await meter.gather(meter.native.sources(), 'the counters of energy');
    meter.all = shares.flatMap(({ host, first, parts }) =>
      parts
        .filter(({ part }) => first || part === 'gpu')
        .map((source) => ({ ...source, name: `${source.name} of ${host}` })),
    );
    return meter;
  }

  /** Sources of all ranks, as they were at the beginning. */
  sources(): EnergySource[] {
    return this.all;
  }

  begin(name: string): Promise<void> {
    return this.native.begin(name);
  }

  async end(name: string): Promise<EnergyReading> {
    const own = await this.native.end(name);
    return mergeShares(own, await this.gather(own.parts, 'the energy of a window'));
  }

  get disposed(): boolean {
    return this.native.disposed;
  }

  dispose(): void {
    this.native.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  private async gather<P>(parts: readonly P[], what: string) {
    const texts = await this.ranks.group.gather(JSON.stringify(parts), what);
    const hosts = texts.map((_, rank) => this.ranks.hostOf(rank));
    return texts.map((text, rank) => ({
      host: hosts[rank]!,
      // Ranks that were started by hand do not know their place on the host.
      first: hosts.indexOf(hosts[rank]!) === rank,
      parts: JSON.parse(text) as P[],
    }));
  }
}
