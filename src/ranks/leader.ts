/**
 * Lets rank 0 run an experiment as a single process would: every call of the engine in which all ranks compute is told
 * to the others first. So loops, folders, detectors and files need not know about ranks.
 */
import type { NativeAddon } from '../native/types/addon';
import type { NativeDataset } from '../native/types/dataset';
import type { MeterOptions, NativeMeter } from '../native/types/energy';
import type { ModelSpec, NativeModel } from '../native/types/model';
import type { NativeTrainer, TrainerOptions } from '../native/types/trainer';
import { RankMeter } from './meters';
import type { Ranks } from './ranks';

/** Methods that all ranks call. Those in LOADS change weights on rank 0, which the other ranks then take over. */
const TOLD: ReadonlySet<string> = new Set([
  ...['scores', 'masks', 'softPrune', 'evaluate', 'average', 'estimateNorms', 'reinitialise', 'epoch', 'position'],
  ...['setFormats'],
  ...['begin', 'end'],
]);
const LOADS: ReadonlySet<string> = new Set(['loadStateDict', 'restoreMomentum']);

/**
 * An addon whose models, trainers and meters belong to all ranks. `sets`: the data sets that every rank has, by name.
 */
export function leading(addon: NativeAddon, ranks: Ranks, sets: Map<NativeDataset, string>): NativeAddon {
  const own = new WeakMap<object, { id: number; native: object }>();
  let made = 0;

  /** An argument as it is sent to the others. */
  const word = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return typeof value === 'function' ? undefined : value;
    const handle = own.get(value);
    if (handle) return { $handle: handle.id };
    const set = sets.get(value as NativeDataset);
    if (set !== undefined) return { $set: set };
    if (value instanceof AbortSignal) return { $signal: true };
    if (Array.isArray(value)) return value.map(word);
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, word(item)]));
  };
  const native = (value: unknown) => own.get(value as object)?.native ?? value;

  const shared = <T extends NativeModel | NativeTrainer | NativeMeter>(handle: T, id: number): T => {
    const call = (method: string, args: unknown[]) => ranks.tell({ do: 'call', on: id, method, args: args.map(word) });
    const proxy = new Proxy(handle, {
      get(target, name) {
        const value = Reflect.get(target, name, target) as unknown;
        if (typeof value !== 'function') return value;
        const run = (...args: unknown[]) => value.apply(target, args.map(native));
        if (name === 'dispose' || name === Symbol.dispose)
          return () => {
            if (!target.disposed) call('dispose', []).catch(() => {});
            target.dispose();
          };
        if (name === 'chooseKernels')
          return async (options: object) => {
            const given = await run(options);
            await call('chooseKernels', [{ ...options, given }]);
            return given;
          };
        if (LOADS.has(name as string))
          return async (state: unknown) => {
            await run(state);
            await call('share', []);
            await (target as NativeModel | NativeTrainer).share();
          };
        if (!TOLD.has(name as string)) return run;
        return async (...args: unknown[]) => {
          await call(name as string, args);
          return run(...args);
        };
      },
    });
    own.set(proxy, { id, native: handle });
    return proxy;
  };

  return {
    ...addon,
    async createModel(spec: ModelSpec): Promise<NativeModel> {
      const id = made++;
      await ranks.tell({ do: 'make', id, what: 'model', spec });
      const model = await addon.createModel({ ...spec, ranks: ranks.group, syncNorms: ranks.options.syncBn });
      await model.share();
      return shared(model, id);
    },
    async createTrainer(model: NativeModel, options: TrainerOptions): Promise<NativeTrainer> {
      const id = made++;
      await ranks.tell({ do: 'make', id, what: 'trainer', model: own.get(model)!.id, options });
      return shared(await addon.createTrainer(native(model) as NativeModel, options), id);
    },
    async createMeter(options: MeterOptions): Promise<NativeMeter> {
      const id = made++;
      await ranks.tell({ do: 'make', id, what: 'meter', options });
      return shared(await RankMeter.open(addon, options, ranks), id);
    },
  };
}
