/**
 * An engine of a few numbers: enough of the addon for whole experiments, so that the decisions of TypeScript can be
 * tested without one. Its arithmetic means nothing, but depends on everything that the real one depends on.
 */
import { numbersOf } from '../../src/checkpoint/value';
import type { NativeAddon } from '../../src/native/types/addon';
import type { EnergyReading, MeterOptions, NativeMeter } from '../../src/native/types/energy';
import type { KernelAnswer, KernelTable } from '../../src/native/types/kernels';
import type { ModelSpec, NativeModel } from '../../src/native/types/model';
import type { NumberFormats } from '../../src/native/types/number-formats';
import type { EvaluateOptions, PassResult } from '../../src/native/types/pass';
import type { NativeTrainer } from '../../src/native/types/trainer';
import type { StateDict } from '../../src/tensor';
import { maskFromGammas } from '../../src/ticket/mask';

const CHANNELS = 4;
const PARAMETERS = ['feature.0.weight', 'feature.1.weight', 'feature.1.bias', 'classifier.weight'];
const BUFFERS = ['feature.1.running_mean', 'feature.1.running_var'];

type Weights = Map<string, Float32Array>;

export interface FakeEngine {
  addon: NativeAddon;
  /** The calls, in order. */
  models: ModelSpec[];
  evaluations: EvaluateOptions[];
  /** Formats that models were given later, in order. */
  formats: NumberFormats[];
  protective: boolean[];
  /** Models that are not disposed of. */
  alive: number;
  /** A counter that each piece of work adds to; null cannot be read. */
  joules: number | null;
  /** True for a counter that never moves, in windows too short to tell. */
  frozen: boolean;
  /** Parts that are read beside the counter. */
  parts: EnergyReading['parts'];
  meters: MeterOptions[];
  /** The kernel that a measurement would choose, and whether one is made. */
  kernel: string;
  measured: boolean;
  answers: KernelAnswer[];
  kernelOptions: { mode: string; known: KernelTable } | undefined;
  /** The cost of a width that is no multiple. */
  cost: number;
  /** Windows that are open, of meters that are not disposed of. */
  windows: string[];
  /** Called before each epoch, test and average with its name; may throw. */
  before: (what: 'epoch' | 'evaluate' | 'average' | 'norms') => void;
}

export function fakeEngine(): FakeEngine {
  const weightsOf = new Map<unknown, Weights>();
  const specs = new Map<unknown, ModelSpec>();

  const engine: FakeEngine = {
    models: [],
    evaluations: [],
    formats: [],
    protective: [],
    alive: 0,
    before: () => {},
    joules: null,
    frozen: false,
    parts: [],
    meters: [],
    windows: [],
    kernel: 'direct',
    measured: false,
    answers: [],
    kernelOptions: undefined,
    cost: 1,
    addon: {
      loaded: '0.0.0',
      setThreads: () => {},
      teamSize: (threads: number) => threads,
      setCudnnSearch: () => {},
      setKernels: (options: FakeEngine['kernelOptions']) => {
        engine.kernelOptions = options;
      },
      kernels: () => engine.answers,
      runtime: () => ({ threads: 1, cpuCapability: 'none', bf16: false, cudaDevices: [], jpeg: '' }),
      createDataset: async ({ labels }: { labels: Int32Array }) => ({
        count: labels.length,
        [Symbol.dispose]: () => {},
      }),
      createModel: async (spec: ModelSpec) => {
        engine.models.push(spec);
        return modelOf(spec, freshWeights(spec.seed));
      },
      createMeter: async (options: MeterOptions) => meterOf(options),
      createTrainer: async (model: NativeModel) => trainerOf(weightsOf.get(model)!, specs.get(model)!),
    } as unknown as NativeAddon,
  };

  function modelOf(given: ModelSpec, weights: Weights): NativeModel {
    const spec = { ...given };
    engine.alive++;
    const model: Partial<NativeModel> = {
      describe: () => ({
        arch: spec.arch,
        depth: spec.depth,
        classes: spec.classes,
        cfg: spec.cfg ?? [CHANNELS],
        input: [3, 32, 32],
        parameters: PARAMETERS,
        indexes: [],
        batchNorms: [{ key: 'feature.1', channels: CHANNELS }],
        layers: [
          {
            kind: 'conv',
            key: 'feature.0',
            in: 1,
            out: CHANNELS,
            kernel: 1,
            groups: 1,
            bias: false,
            height: 1,
            width: 1,
          },
          { kind: 'batchnorm', key: 'feature.1', channels: CHANNELS, height: 1, width: 1 },
          { kind: 'linear', key: 'classifier', in: CHANNELS, out: 1, bias: false },
        ],
        nodes: [],
      }),
      stateDict: async () => stateOf(weights),
      loadStateDict: async (state) => restore(weights, state),
      reinitialise: async (seed) => restore(weights, stateOf(freshWeights(seed + 100))),
      setFormats: async ({ formats }) => {
        spec.formats = formats;
        engine.formats.push(formats);
      },
      masks: async (ratios, { protective = false } = {}) => {
        engine.protective.push(protective);
        use(1);
        return ratios.map((ratio) => ({
          ...maskFromGammas(weights.get('feature.1.weight')!, ratio),
          ratio,
          keptPerLayer: [],
        }));
      },
      chooseKernels: async () => {
        if (engine.measured) engine.answers = [{ class: 'fp32 3x3', kernel: engine.kernel, milliseconds: {} }];
        const given = Object.entries(spec.kernels ?? {}).filter(([, kernel]) => kernel !== 'lost');
        return { 'fp32 3x3': engine.kernel, ...Object.fromEntries(given) };
      },
      timeWidths: async ({ known }) => ({ 'fp32 3x3': [engine.cost, 1, 1, 1], ...known }),
      prune: async () => ({
        model: modelOf(spec, new Map([...weights].map(([key, values]) => [key, values.slice()]))),
        layers: [{ key: 'feature.1', total: CHANNELS, kept: 2, clamped: 0, width: CHANNELS, removed: false }],
        mask: new Uint8Array(1),
        cutsLiveChannels: false,
      }),
      evaluate: async (options) => {
        engine.before('evaluate');
        use(10);
        engine.evaluations.push(options);
        return passOf(sum(weights) * 7 + options.batchSize);
      },
      average: async (other, share) => {
        engine.before('average');
        use(5);
        for (const key of PARAMETERS) {
          const own = weights.get(key)!;
          weightsOf
            .get(other)!
            .get(key)!
            .forEach((value, i) => {
              own[i] = (1 - share) * own[i]! + share * value;
            });
        }
      },
      estimateNorms: async ({ seed, epoch, batchSize }) => {
        engine.before('norms');
        weights.get('feature.1.running_mean')!.fill(sum(weights, PARAMETERS) + seed + epoch / batchSize);
        return passOf(0);
      },
      [Symbol.dispose]: () => {
        engine.alive--;
      },
    };
    weightsOf.set(model, weights);
    specs.set(model, spec);
    return model as NativeModel;
  }

  function trainerOf(weights: Weights, spec: ModelSpec): NativeTrainer {
    const momentum: Weights = new Map(PARAMETERS.map((key) => [key, new Float32Array(CHANNELS)]));
    const trainer: Partial<NativeTrainer> = {
      epoch: async ({ epoch, lr }) => {
        engine.before('epoch');
        use(100);
        for (const key of PARAMETERS) {
          const [own, speed] = [weights.get(key)!, momentum.get(key)!];
          own.forEach((value, i) => {
            speed[i] = 0.5 * speed[i]! + Math.sin(value + epoch + i) + Number(spec.formats?.activate ?? 0) / 100;
            own[i] = value - lr * speed[i]!;
          });
        }
        return passOf(sum(weights) * 3);
      },
      snapshot: async () => ({ state: stateOf(weights), momentum: stateOf(momentum) }),
      restoreMomentum: async (state) => restore(momentum, state),
      [Symbol.dispose]: () => {},
    };
    return trainer as NativeTrainer;
  }

  function use(joules: number): void {
    if (engine.joules !== null && !engine.frozen) engine.joules += joules;
  }

  function meterOf(options: MeterOptions): NativeMeter {
    engine.meters.push(options);
    const method = engine.joules === null ? null : 'counter';
    const reason = method === null ? { reason: 'there is no counter' } : {};
    const starts: { name: string; joules: number | null }[] = [];
    const meter: Partial<NativeMeter> = {
      sources: () => [{ part: 'cpu', method, name: 'a counter', notes: [], ...reason }],
      begin: async (name) => {
        starts.push({ name, joules: engine.joules });
        engine.windows.push(name);
      },
      end: async (name): Promise<EnergyReading> => {
        const start = starts.pop();
        if (start?.name !== name || engine.windows.pop() !== name)
          throw new Error(`${name} is not the innermost window`);
        const joules = engine.joules === null || start.joules === null ? null : engine.joules - start.joules;
        const reason = joules === null ? 'the counter was lost' : engine.frozen ? 'coarse' : undefined;
        const own = { part: 'cpu', joules, method, ...(reason ? { reason } : {}) } as const;
        return { name, seconds: 1, joules, parts: [...engine.parts, own] };
      },
      [Symbol.dispose]: () => {
        engine.windows.length -= starts.length;
      },
    };
    return meter as NativeMeter;
  }

  return engine;
}

const freshWeights = (seed: number): Weights =>
  new Map(
    [...PARAMETERS, ...BUFFERS].map((key, k) => [key, Float32Array.from({ length: CHANNELS }, (_, i) => seed + k + i)]),
  );

const stateOf = (weights: Weights): StateDict =>
  new Map(
    [...weights].map(([key, values]) => [
      key,
      { dtype: 'float32', shape: [CHANNELS], data: new Uint8Array(values.slice().buffer) },
    ]),
  );

function restore(weights: Weights, state: StateDict): void {
  for (const [key, tensor] of state) {
    const values = weights.get(key);
    if (!values) throw new Error(`no ${key} here`);
    values.set(numbersOf(tensor));
  }
}

function sum(weights: Weights, keys: Iterable<string> = weights.keys()): number {
  return [...keys].reduce((total, key) => total + weights.get(key)!.reduce((a, b) => a + b, 0), 0);
}

/** Percentages that move with `value`. */
function passOf(value: number): PassResult {
  const top1 = Math.round(5000 + 5000 * Math.sin(value)) / 100;
  return {
    images: 10,
    steps: 1,
    seconds: 1,
    loss: value,
    lossBatchMean: value,
    top1,
    top1BatchMean: top1,
    top5: 100,
    top5BatchMean: 100,
    waited: 0,
    bad: [],
  } satisfies PassResult;
}
