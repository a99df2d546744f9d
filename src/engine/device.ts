/** The device that a recipe asks for, and the addon that computes on it. */
import { aboveQuota, availableCores } from '../cores';
import { EarlybirdError } from '../errors';
import { loadAddon } from '../native/addon';
import { settleThreads } from '../native/threads';
import type { NativeAddon } from '../native/types/addon';
import type { Precision } from '../native/types/pass';
import type { Place } from '../ranks/place';
import { openKernels } from './kernels';

/** The entries of a recipe that choose the device and how it computes. */
export interface DeviceOptions {
  device: string;
  noCuda: boolean;
  gpuIds?: string | undefined;
  precision?: 'auto' | Precision;
  threads?: number | undefined;
  /** Place of this process among those that compute together. */
  place?: Pick<Place, 'localRank' | 'localSize'> | null | undefined;
  cudnnSearch?: boolean | undefined;
}

export interface Engine {
  addon: NativeAddon;
  /** "cpu" or "cuda:N". */
  device: string;
  precision: Precision;
}

/**
 * The device that the options name. --no-cuda and --gpu_ids are the reference's ways to say --device, which wins over a
 * list that a script gives.
 */
export function requestedDevice({ device, noCuda, gpuIds, place }: DeviceOptions): string {
  if (noCuda) return 'cpu';
  if (gpuIds === undefined || device !== 'auto') return device;
  if (gpuIds.startsWith('-')) return 'cpu';
  const own = gpuIds.split(',')[place?.localRank ?? 0];
  if (own === undefined)
    throw new EarlybirdError(
      'ERR_DEVICE',
      `--gpu_ids ${gpuIds} names fewer GPUs than there are ranks on this host: name one for each, or leave it out.`,
    );
  return `cuda:${own}`;
}

/**
 * The GPUs of --gpu_ids that are present, where there are several: each gets a rank of its own. Null where one process
 * computes.
 */
export function severalGpus(options: DeviceOptions): number[] | null {
  const { device, noCuda, gpuIds } = options;
  if (noCuda || device !== 'auto' || !gpuIds?.includes(',')) return null;
  const present = new Set(
    loadAddon()
      .runtime()
      .cudaDevices.map(({ index }) => index),
  );
  const ids = [...new Set(gpuIds.split(',').map(Number))].filter((id) => present.has(id));
  return ids.length > 1 ? ids : null;
}

/** Loads the addon and settles the device. Asking for CUDA and not getting it is ERR_DEVICE; "auto" logs its choice. */
export function openEngine(options: DeviceOptions, log: (line: string) => void = () => {}): Engine {
  const requested = requestedDevice(options);
  const addon = loadAddon({ device: requested });
  const { place } = options;
  const note = settleThreads(addon, options.threads ?? (place ? coresOfRank(place) : undefined));
  if (note) log(note);
  if (options.cudnnSearch) addon.setCudnnSearch(true);
  const { cudaDevices, cpuCapability, threads } = addon.runtime();
  const above = aboveQuota(options.threads === undefined ? 'OMP_NUM_THREADS' : '--threads', threads);
  if (above) log(above);
  const device = settle(
    requested,
    cudaDevices.map(({ index }) => index),
    addon.loaded,
    place?.localRank ?? 0,
  );
  if (device === 'cpu') openKernels(addon);
  if (!place && options.gpuIds?.includes(',') && device !== 'cpu')
    log(`--gpu_ids ${options.gpuIds}: ${device} computes`);
  if (requested === 'auto') {
    const name =
      cudaDevices.find(({ index }) => device === `cuda:${index}`)?.name ?? `${cpuCapability}, ${threads} threads`;
    log(`device: ${device} (${name})`);
  }
  return { addon, device, precision: options.precision === 'bf16' ? 'bf16' : 'fp32' };
}

/** Cores for one rank: ranks of one host share them. OMP_NUM_THREADS=1 is ignored, as torchrun sets it unasked. */
export function coresOfRank({ localSize }: Pick<Place, 'localSize'>): number {
  return Math.max(1, Math.floor(availableCores().usable / localSize));
}

/** The device of this process; each rank of a host has a GPU of its own. */
function settle(requested: string, present: number[], libtorch: string, localRank: number): string {
  if (requested === 'cpu') return 'cpu';
  if (requested === 'auto' && present.length === 0) return 'cpu';
  if (requested === 'auto' || (requested === 'cuda' && localRank > 0)) {
    const own = present[localRank];
    if (own !== undefined) return `cuda:${own}`;
    throw new EarlybirdError(
      'ERR_DEVICE',
      `This host has ${present.length} GPUs for more ranks than that: start one rank for each GPU, or use --device cpu.`,
    );
  }
  const index = requested === 'cuda' ? present[0] : Number(requested.slice('cuda:'.length));
  if (index !== undefined && present.includes(index)) return `cuda:${index}`;
  const found =
    present.length > 0 ? `there are ${present.map((id) => `cuda:${id}`).join(', ')}` : 'there is no CUDA device';
  throw new EarlybirdError(
    'ERR_DEVICE',
    `${requested} was asked for, but ${found} with LibTorch ${libtorch}; use --device cpu or auto.`,
  );
}
