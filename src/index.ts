/** The public API of earlybird. */

export { cfgOf, stateDictOf, stateDictValue } from './checkpoint/keys';
export { readNpy, writeNpy } from './checkpoint/npy';
export { readCheckpoint, writeCheckpoint } from './checkpoint/pth';
export { momentumOf, sgdOptimizerValue } from './checkpoint/sgd';
export type { Dict, Value } from './checkpoint/value';
export type { Dataset, ImageSet } from './data/dataset';
export { openImagenet } from './data/imagenet';
export type { ImageListing, ListedDataset } from './data/listing';
export { openDataset } from './data/open';
export { type PackOptions, type PackResult, pack } from './data/pack';
export { EarlybirdError, type ErrorCode } from './errors';
export { benchEnergy, type EnergyBenchResult } from './experiment/bench-energy';
export { benchKernels, type KernelsBench } from './experiment/bench-kernels';
export { benchLoader, type LoaderBench } from './experiment/bench-loader';
export { benchLowPrecision, type LowPrecisionBench } from './experiment/bench-low-precision';
export { type BenchResult, bench } from './experiment/bench-peer';
export { type DistanceResult, distance } from './experiment/distance';
export {
  type DetectorOptions,
  type DetectorRule,
  EarlyBird,
  type Observation,
  REFERENCE_DETECTOR,
} from './experiment/early-bird';
export { ebTrain, type TrainResult } from './experiment/eb-train';
export { type EnergyFile, readEnergy } from './experiment/energy-file';
export { type EnergyPlan, planEnergy } from './experiment/energy-plan';
export { type EvaluateResult, evaluate } from './experiment/evaluate';
export { forwardFlops, maskFlops, maskMemoryKB, parameterCount } from './experiment/flops';
export { formatsOf, type PrecisionOptions } from './experiment/low-precision';
export { gammasOf, maskDistance, maskFromGammas, overlapMatrix } from './experiment/mask';
export type { FinishedRun, RunResult } from './experiment/network-run';
export type { Observer, RunOptions } from './experiment/observer';
export { plot } from './experiment/plot';
export { PRESETS } from './experiment/presets';
export { prune } from './experiment/prune';
export type { PruneReport } from './experiment/prune-report';
export {
  type BenchEnergyRecipe,
  type BenchLoaderRecipe,
  type BenchStepRecipe,
  type CommandName,
  type DistanceRecipe,
  type EvaluateRecipe,
  type PlotRecipe,
  type PruneRecipe,
  parseRecipe,
  type Recipe,
  type RetrainRecipe,
  type SearchRecipe,
  type TrainRecipe,
} from './experiment/recipe';
export { retrain } from './experiment/retrain';
export { reportRetrain, reportSearch } from './experiment/run-report';
export { learningRate } from './experiment/schedule';
export { search } from './experiment/search';
export {
  COMPOSITIONS,
  type Comparison,
  type FlopsRule,
  type Stretch,
  trainingFlops,
} from './experiment/training-flops';
export { loadAddon } from './native/addon';
export type * from './native/energy';
export type * from './native/number-formats';
export type * from './native/types';
export type { AverageMetrics, EnergyTotal, EnergyTotals, EpochMetrics, ReportInput, SummaryRow } from './report/input';
export { writeReport } from './report/write';
export { DTYPE_BYTES, type Dtype, type StateDict, type TensorData } from './tensor';
