/** `bench step --ticket P`: the step of a ticket over that of the dense network, beside the ratio of FLOPs. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runApart } from '../engine/apart';
import { openEngine } from '../engine/device';
import { chooseKernels } from '../engine/kernels';
import { describeMachine, type Machine } from '../engine/machine';
import { inTemporaryFolder } from '../engine/program';
import { ratioOf, type Spread, spread } from '../measure';
import type { KernelTable } from '../native/types/kernels';
import type { Cfg, ModelDescription } from '../native/types/model';
import type { NativeTrainer } from '../native/types/trainer';
import { forwardFlops, parameterCount } from '../network/flops';
import type { BenchStepRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import { runPeer, settlePeer } from './peer';
import { OURS, overBest, type Runs, takeTurns } from './rounds';
import { timeSteps } from './step';
import { ownFlags } from './step-peer';
import { HYPER_PARAMETERS, networkWithGammas, randomImages, ticketOf } from './workload';

export interface TicketSystem {
  dtype: string;
  /** Milliseconds of a step; null where no run succeeded. */
  dense: Spread | null;
  ticket: Spread | null;
  /** Step time of the ticket over that of the dense network, by medians. */
  stepRatio: number | null;
  failure?: string;
}

/** Step times of a ticket and of the dense network, ours and the peer's. */
export interface TicketBench {
  bench: 'ticket';
  machine: Machine;
  model: string;
  batchSize: number;
  steps: number;
  rounds: number;
  ticket: { ratio: number; roundTo: BenchStepRecipe['roundTo']; cfg: Cfg; flopsRatio: number; parameterRatio: number };
  /** Kernel that computed each class of our convolutions; empty on a GPU. */
  kernels: KernelTable;
  systems: Record<string, TicketSystem>;
  /** Our step ratio over the FLOPs ratio, which is 1 where the ticket is faster by as much as it is smaller. */
  overFlops: number;
  /** The peer's step of the same ticket over ours, by mode. */
  ratios: Record<string, number | null>;
  /** The smallest of `ratios` except that of reference. */
  best: number | null;
  /** Our step ratio over the peer's, by mode: below 1 where the ticket gains more with us. */
  overPeer: Record<string, number | null>;
}

/** Milliseconds of a step of the two networks. */
type Pair = { dense: number; ticket: number };

/** Times the step of the dense network and of a ticket cut from it. Throws ERR_USAGE where the peer is missing. */
export async function benchTicket(asked: BenchStepRecipe, options: RunOptions = {}): Promise<TicketBench> {
  const recipe = settlePeer(asked, 'peer_train.py', options.observer?.log);
  const modes: readonly string[] = recipe.peer === undefined ? [] : recipe.modes;
  const text = ({ dense, ticket }: Pair) => `dense ${dense.toFixed(2)} ms, ticket ${ticket.toFixed(2)} ms`;
  return inTemporaryFolder(async (folder) => {
    const cfg = join(folder, 'cfg.json');
    let last: TicketBench | undefined;
    const ours = async (): Promise<Pair> => {
      // Beside a peer our step runs in a process of its own, as the peer's does.
      last = await (modes.length === 0
        ? timeTicket(recipe, options)
        : runApart<TicketBench>(['bench', 'step'], ownFlags(recipe), recipe, options));
      await writeFile(cfg, JSON.stringify(last.ticket.cfg));
      const { dense, ticket } = last.systems[OURS]!;
      return { dense: dense!.median, ticket: ticket!.median };
    };
    const theirs = async (mode: string): Promise<Pair> => ({
      dense: (await runPeer(recipe, mode, options)).stepMs,
      ticket: (await runPeer(recipe, mode, options, cfg)).stepMs,
    });
    // Our turn comes first, as it finds the widths that the peer's turns need.
    const turns = [
      { system: OURS, text, run: ours },
      ...modes.map((mode) => ({ system: mode, text, run: () => theirs(mode), isPeer: true })),
    ];
    const runs = await takeTurns<Pair>(turns, recipe.rounds, options);
    const { machine, ticket, kernels } = last!;
    // The machine names the command line of the separate process, so that of this process replaces it.
    const { commandLine = machine.commandLine } = options;
    return summarise({ machine: { ...machine, commandLine }, ticket, kernels }, recipe, runs);
  });
}

export function summarise(
  { machine, ticket, kernels }: Pick<TicketBench, 'machine' | 'ticket' | 'kernels'>,
  recipe: Pick<BenchStepRecipe, 'model' | 'batchSize' | 'steps' | 'rounds' | 'precision'>,
  runs: Readonly<Record<string, Runs<Pair>>>,
): TicketBench {
  const { model, batchSize, steps, rounds, precision } = recipe;
  const systems: TicketBench['systems'] = {};
  for (const [name, { runs: pairs, ...failed }] of Object.entries(runs)) {
    const [dense, small] = [spread(pairs.map(({ dense }) => dense)), spread(pairs.map(({ ticket }) => ticket))];
    systems[name] = {
      // The peer's mode reference computes in fp32 whatever is asked.
      dtype: name !== 'reference' && precision === 'bf16' ? 'bf16' : 'fp32',
      dense,
      ticket: small,
      stepRatio: ratioOf(small, dense),
      ...failed,
    };
  }
  const { [OURS]: ours, ...peers } = systems;
  const ratios: TicketBench['ratios'] = {};
  const overPeer: TicketBench['overPeer'] = {};
  for (const [mode, peer] of Object.entries(peers)) {
    ratios[mode] = ratioOf(peer.ticket, ours!.ticket);
    overPeer[mode] = peer.stepRatio && ours!.stepRatio! / peer.stepRatio;
  }
  return {
    bench: 'ticket',
    machine,
    ...{ model, batchSize, steps, rounds, ticket, kernels, systems },
    overFlops: ours!.stepRatio! / ticket.flopsRatio,
    ratios,
    best: overBest(ratios),
    overPeer,
  };
}

/** Times dense network and ticket in this process, in turns over the same images. */
async function timeTicket(recipe: BenchStepRecipe, options: RunOptions): Promise<TicketBench> {
  const { signal, observer, commandLine } = options;
  const engine = openEngine(recipe, observer?.log);
  const { addon, precision } = engine;
  const { roundTo, seed, steps, warmup } = recipe;
  const ratio = recipe.ticket!;
  using dense = await networkWithGammas(engine, recipe);
  using small = await ticketOf(engine, dense, { ticket: ratio, roundTo }, options);
  const log = observer?.log;
  const kernels = {
    ...(await chooseKernels(engine, dense, { log })),
    ...(await chooseKernels(engine, small, { log })),
  };
  using dataset = await randomImages(engine, recipe);
  const settings = { ...HYPER_PARAMETERS, precision, seed };
  using denseTrainer = await addon.createTrainer(dense, settings);
  using ticketTrainer = await addon.createTrainer(small, settings);
  const time = (trainer: NativeTrainer, window: { steps: number; epoch: number }) =>
    timeSteps({ trainer, dataset }, recipe, window, signal);
  for (const trainer of [denseTrainer, ticketTrainer]) await time(trainer, { steps: warmup, epoch: 0 });
  const turnOf = (system: keyof Pair, trainer: NativeTrainer) => ({
    system,
    text: String,
    run: async (round: number) => (await time(trainer, { steps, epoch: round + 1 })).stepMs,
  });
  const turns = [turnOf('dense', denseTrainer), turnOf('ticket', ticketTrainer)];
  const windows = await takeTurns<number>(turns, 2, { signal });
  const pairs = windows.dense!.runs.map((ms, i): Pair => ({ dense: ms, ticket: windows.ticket!.runs[i]! }));
  const [large, less] = [dense.describe(), small.describe()];
  const parameters = (description: ModelDescription) => parameterCount(description, new Map()).parameters;
  const ticket = {
    ratio,
    roundTo,
    cfg: less.cfg,
    flopsRatio: forwardFlops(less.layers) / forwardFlops(large.layers),
    parameterRatio: parameters(less) / parameters(large),
  };
  const machine = await describeMachine(engine, commandLine);
  return summarise({ machine, ticket, kernels }, recipe, { [OURS]: { runs: pairs } });
}
