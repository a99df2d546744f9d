/** The benchmarks as functions: `earlybird-tickets/bench`. */
export { benchBesideLoad, type LoadBench } from './beside-load';
export { type BenchComparison, compareBenches } from './compare';
export { benchDetect, type DetectBench } from './detect';
export { benchKernels, type KernelsBench } from './kernels';
export { benchLoader, type LoaderBench } from './loader';
export { benchLowPrecision, type LowPrecisionBench } from './low-precision';
export { benchProfile, type ProfileBench } from './profile';
export { benchScale, type ScaleBench } from './scale';
export { benchStep, type StepBench } from './step-peer';
export { benchTicket, type TicketBench } from './ticket';
