/** `bench step --ticket P`: the step of a ticket over that of the dense network, ours and the peer's, beside the ratio of FLOPs. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEngine } from '../engine/device';
import { describeMachine, type Machine } from '../engine/machine';
import type { EarlybirdError } from '../errors';
import { leastOf, orderOf, type Spread, spread } from '../measure';
import { withOwned } from '../native/owned';
import type { Cfg } from '../native/types/model';
import { forwardFlops, parameterCount } from '../network/flops';
import type { BenchStepRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import { runApart, runPeer, settlePeer } from './peer';
import { timeSteps } from './step';
import { HYPER_PARAMETERS, networkWithGammas, randomImages } from './workload';

export interface TicketSystem {
  dtype: string;
  /** Milliseconds of a step; null where there is no figure. */
  dense: Spread | null;
  ticket: Spread | null;
  /** Ticket over dense, medians. */
  stepRatio: number | null;
  failure?: string;
}

export interface TicketBench {
  bench: 'ticket';
  machine: Machine;
  model: string;
  batchSize: number;
  steps: number;
  rounds: number;
  ticket: { ratio: number; roundTo: number; cfg: Cfg; flopsRatio: number; parameterRatio: number };
  systems: Record<string, TicketSystem>;
  /** Our step ratio over the FLOPs ratio: 1 where the ticket is as much faster as it is smaller. */
  overFlops: number;
  /** The peer's step of the same ticket over ours, by mode. */
  ratios: Record<string, number | null>;
  /** The least of `ratios` but that of reference. */
  best: number | null;
  /** Our step ratio over the peer's, by mode: below 1 where the ticket gains more with us. */
  overPeer: Record<string, number | null>;
}

type Sides = { dense: number[]; ticket: number[] };

const OURS = 'earlybird';

export async function benchTicket(asked: BenchStepRecipe, options: RunOptions = {}): Promise<TicketBench> {
  const recipe = settlePeer(asked, 'peer_train.py', options.observer?.log);
  const modes: readonly string[] = recipe.peer === undefined ? [] : recipe.modes;
  const times = new Map<string, Sides>([OURS, ...modes].map((name) => [name, { dense: [], ticket: [] }]));
  const failures = new Map<string, string>();
  let ours: TicketBench | undefined;
  const folder = await mkdtemp(join(tmpdir(), 'earlybird-bench-'));
  try {
    const cfg = join(folder, 'cfg.json');
    for (let round = 0; round < recipe.rounds; round++) {
      // Round 0 begins with ours, which knows the widths.
      for (const system of orderOf([...times.keys()], round)) {
        if (failures.has(system)) continue;
        const sides = times.get(system)!;
        try {
          if (system === OURS) {
            ours = modes.length === 0 ? await timeTicket(recipe, options) : await timeApart(recipe, options);
            await writeFile(cfg, JSON.stringify(ours.ticket.cfg));
            const { dense, ticket } = ours.systems[OURS]!;
            sides.dense.push(dense!.median);
            sides.ticket.push(ticket!.median);
          } else {
            sides.dense.push((await runPeer(recipe, system, options)).stepMs);
            sides.ticket.push((await runPeer(recipe, system, options, cfg)).stepMs);
          }
          options.observer?.log?.(
            `round ${round + 1}/${recipe.rounds} ${system}: dense ${sides.dense.at(-1)!.toFixed(2)} ms, ticket ${sides.ticket.at(-1)!.toFixed(2)} ms`,
          );
        } catch (error) {
          if (system === OURS || options.signal?.aborted) throw error;
          failures.set(system, (error as EarlybirdError).message);
          options.observer?.log?.(`${system}: ${(error as EarlybirdError).message}`);
        }
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return summarise({ ...ours!, machine: { ...ours!.machine, ...commandOf(options) } }, recipe, times, failures);
}

export function summarise(
  { machine, ticket }: Pick<TicketBench, 'machine' | 'ticket'>,
  {
    model,
    batchSize,
    steps,
    rounds,
    precision,
  }: Pick<BenchStepRecipe, 'model' | 'batchSize' | 'steps' | 'rounds' | 'precision'>,
  times: ReadonlyMap<string, Sides>,
  failures: ReadonlyMap<string, string> = new Map(),
): TicketBench {
  const systems: Record<string, TicketSystem> = {};
  for (const [name, sides] of times) {
    const [dense, small] = [spread(sides.dense), spread(sides.ticket)];
    const failure = failures.get(name);
    systems[name] = {
      // The peer's reference knows nothing else.
      dtype: name !== 'reference' && precision === 'bf16' ? 'bf16' : 'fp32',
      dense,
      ticket: small,
      stepRatio: dense && small && small.median / dense.median,
      ...(failure === undefined ? {} : { failure }),
    };
  }
  const mine = systems[OURS]!;
  const peers = Object.entries(systems).filter(([name]) => name !== OURS);
  const ratios = Object.fromEntries(
    peers.map(([name, { ticket: theirs }]) => [name, theirs && theirs.median / mine.ticket!.median]),
  );
  return {
    bench: 'ticket',
    machine,
    ...{ model, batchSize, steps, rounds, ticket, systems },
    overFlops: mine.stepRatio! / ticket.flopsRatio,
    ratios,
    best: leastOf(Object.entries(ratios).flatMap(([mode, ratio]) => (mode === 'reference' ? [] : [ratio]))),
    overPeer: Object.fromEntries(
      peers.map(([name, { stepRatio }]) => [name, stepRatio === null ? null : mine.stepRatio! / stepRatio]),
    ),
  };
}

/** Not that of the process that timed for us. */
const commandOf = ({ commandLine }: RunOptions) => (commandLine === undefined ? {} : { commandLine });

/** Beside a peer, in a process of its own as the peer is. */
function timeApart(recipe: BenchStepRecipe, options: RunOptions): Promise<TicketBench> {
  return runApart<TicketBench>(recipe, options, { ticket: recipe.ticket, 'round-to': recipe.roundTo });
}

/** Dense and ticket in this process, taking turns over the same images. */
function timeTicket(recipe: BenchStepRecipe, options: RunOptions): Promise<TicketBench> {
  const { signal } = options;
  const engine = openEngine(recipe, options.observer?.log);
  const { addon, precision } = engine;
  const { roundTo, seed } = recipe;
  const ratio = recipe.ticket!;
  return withOwned(async (owned) => {
    const dense = owned(await networkWithGammas(engine, recipe));
    const [mask] = await dense.masks([ratio]);
    const { model: small } = await dense.prune({ mask: mask!.bits, emptyLayers: 'keep-one', roundTo });
    owned(small);
    const dataset = owned(await randomImages(engine, recipe));
    const settings = { ...HYPER_PARAMETERS, precision, seed };
    const trainers = {
      dense: owned(await addon.createTrainer(dense, settings)),
      ticket: owned(await addon.createTrainer(small, settings)),
    };
    const times: Sides = { dense: [], ticket: [] };
    const sides = ['dense', 'ticket'] as const;
    for (const side of sides)
      await timeSteps(trainers[side], dataset, recipe, { steps: recipe.warmup, epoch: 0 }, signal);
    for (const round of [0, 1]) {
      for (const side of orderOf(sides, round)) {
        const window = { steps: recipe.steps, epoch: round + 1 };
        times[side].push((await timeSteps(trainers[side], dataset, recipe, window, signal)).stepMs);
      }
    }
    const [large, less] = [dense.describe(), small.describe()];
    const parameters = (description: typeof large) => parameterCount(description, new Map()).parameters;
    const ticket = {
      ratio,
      roundTo,
      cfg: less.cfg,
      flopsRatio: forwardFlops(less.layers) / forwardFlops(large.layers),
      parameterRatio: parameters(less) / parameters(large),
    };
    return summarise(
      { machine: await describeMachine(engine, options.commandLine), ticket },
      recipe,
      new Map([[OURS, times]]),
    );
  });
}
