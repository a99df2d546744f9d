/** The public API of earlybird. */

export type { WriteOptions } from './atomic';
export { cfgOf, stateDictOf, stateDictValue } from './checkpoint/keys';
export { readNpy, writeNpy } from './checkpoint/npy';
export { type Checkpoint, type Format, writeCheckpoint } from './checkpoint/pth';
export { type ReadOptions, readCheckpoint } from './checkpoint/read';
export { readSafetensors, type Safetensors, writeSafetensors } from './checkpoint/safetensors';
export { momentumOf, type RestoredMomentum, type SgdState, sgdOptimizerValue } from './checkpoint/sgd';
export { type Dict, type Key, numbersOf, Opaque, OrderedDict, UnreadTensor, type Value } from './checkpoint/value';
export { benchEnergy, type EnergyBenchResult } from './cost/compare';
export { benchJob, type JobBenchResult } from './cost/job/job';
export { type EnergyPlan, planEnergy } from './cost/plan';
export type { Dataset, ImageSet } from './data/dataset';
export { type ImagenetOptions, openImagenet } from './data/imagenet';
export type { ImageListing, ListedDataset } from './data/listing';
export { type OpenOptions, openDataset } from './data/open';
export type { EncodeOptions } from './data/pack/encode';
export { type PackResult, pack } from './data/pack/pack';
export type { JpegPacker } from './data/pack/packed';
export type { PackOptions } from './data/pack/plan';
export type { BadFile } from './data/pack/progress';
export type { Manifest, ManifestShard } from './data/shards/manifest';
export { type EnergyFile, readEnergy } from './energy/file';
export { EarlybirdError, type ErrorCode } from './errors';
export type { Compared, ExportSpeed } from './export/check';
export { type ExportResult, exportCheckpoint } from './export/export';
export { type LoadOptions, loadAddon } from './native/addon';
export type * from './native/types/addon';
export type * from './native/types/dataset';
export type * from './native/types/energy';
export type * from './native/types/handle';
export type * from './native/types/kernels';
export type * from './native/types/model';
export type * from './native/types/mx';
export type * from './native/types/network-data';
export type * from './native/types/number-formats';
export type * from './native/types/pass';
export type * from './native/types/profile';
export type * from './native/types/trainer';
export type { MultiplyAdds } from './network/bit-operations';
export { readNetwork } from './network/file';
export {
  type Costs,
  forwardFlops,
  maskFlops,
  maskMemoryKB,
  type ParameterCount,
  parameterCount,
} from './network/flops';
export { type FlopsRule, type Training, trainingFlops } from './network/training-flops';
export { prune } from './prune/prune';
export type { PruneReport } from './prune/report';
export type { TicketSpeed } from './prune/speed';
export { formatsOf, type PrecisionOptions } from './recipe/precision';
export { PRESETS, type Preset } from './recipe/presets';
export {
  type BenchEnergyRecipe,
  type BenchJobRecipe,
  type BenchLoaderRecipe,
  type BenchScaleRecipe,
  type BenchStepRecipe,
  type CommandName,
  type DetectRecipe,
  type DistanceRecipe,
  type EvaluateRecipe,
  type ExportRecipe,
  type PlotRecipe,
  type PruneRecipe,
  parseRecipe,
  type Recipe,
  type RetrainRecipe,
  type SearchRecipe,
  type StudyRecipe,
  type TrainRecipe,
} from './recipe/recipe';
export { plot } from './report/gather/plot';
export { reportRetrain, reportSearch, reportTrain } from './report/gather/reports';
export type { CostPoint, DrawingCurve, LayerChannels, MaskMatrix, ReportInput, RunCurves } from './report/input';
export { type WrittenFigures, writeReport } from './report/write';
export type {
  ArithmeticCosts,
  AverageMetrics,
  EnergyTotal,
  EnergyTotals,
  EpochArithmetic,
  EpochMetrics,
} from './run/metrics';
export type { Observer, RunOptions } from './run/observer';
export type { FinishedRun, RunResult, SummaryRow } from './run/result';
export type { Calibration, Plateau } from './study/detect/calibrate';
export type { Chance } from './study/detect/chance';
export { type DetectedRun, type DetectResult, type DetectRow, detect } from './study/detect/detect';
export { planStudy, type StudyPlan } from './study/estimate';
export { mergeStudies } from './study/merge';
export { study } from './study/study';
export type { Study, StudyResult } from './study/summary';
export { DTYPE_BYTES, type Dtype, type StateDict, type TensorData } from './tensor';
export { EventFiles } from './tensorboard/event-files';
export {
  type DetectorOptions,
  type DetectorRule,
  EarlyBird,
  type Observation,
  REFERENCE_DETECTOR,
} from './ticket/detector';
export { type DistanceResult, distance } from './ticket/distance';
export { gammasOf, maskDistance, maskFromGammas, overlapMatrix } from './ticket/mask';
export { ebTrain, type TrainResult } from './train/eb-train';
export { type EvaluateResult, evaluate } from './train/evaluate';
export { learningRate } from './train/learning-rate';
export { retrain } from './train/retrain';
export { search } from './train/search';
export type { TrainingCost } from './train/training-cost';
export { type Watching, type WatchOptions, watch } from './watch/watch';
