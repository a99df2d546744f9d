/** Which device a recipe means, and the addon that computes on it. */
import { EarlybirdError } from '../errors';
import { loadAddon } from '../native/addon';
import type { NativeAddon } from '../native/types/addon';
import type { Precision } from '../native/types/pass';

export interface DeviceWish {
  device: string;
  noCuda: boolean;
  gpuIds?: string | undefined;
  precision?: 'auto' | Precision;
  threads?: number | undefined;
  cudnnSearch?: boolean | undefined;
}

export interface Engine {
  addon: NativeAddon;
  /** "cpu" or "cuda:N". */
  device: string;
  precision: Precision;
}

/** --no-cuda and --gpu_ids are the reference's ways to say --device, which wins over a list that a script gives. */
export function wishedDevice({ device, noCuda, gpuIds }: DeviceWish): string {
  if (noCuda) return 'cpu';
  if (gpuIds === undefined || device !== 'auto') return device;
  return gpuIds.startsWith('-') ? 'cpu' : `cuda:${gpuIds.split(',')[0]}`;
}

/** Loads the addon and settles the device. Asking for CUDA and not getting it is ERR_DEVICE; auto logs its choice. */
export function openEngine(wish: DeviceWish, log: (line: string) => void = () => {}): Engine {
  const wished = wishedDevice(wish);
  const addon = loadAddon({ device: wished });
  if (wish.threads !== undefined) addon.setThreads(wish.threads);
  if (wish.cudnnSearch) addon.setCudnnSearch(true);
  const { cudaDevices, cpuCapability, threads } = addon.runtime();
  const device = settle(
    wished,
    cudaDevices.map(({ index }) => index),
    addon.loaded,
  );
  if (wish.gpuIds?.includes(',') && device !== 'cpu')
    log(`--gpu_ids ${wish.gpuIds}: only ${device} computes, training on several GPUs comes later`);
  if (wished === 'auto') {
    const name =
      cudaDevices.find(({ index }) => device === `cuda:${index}`)?.name ?? `${cpuCapability}, ${threads} threads`;
    log(`device: ${device} (${name})`);
  }
  return { addon, device, precision: wish.precision === 'bf16' ? 'bf16' : 'fp32' };
}

function settle(wished: string, present: number[], libtorch: string): string {
  if (wished === 'cpu') return 'cpu';
  if (wished === 'auto') return present.length > 0 ? `cuda:${present[0]}` : 'cpu';
  const index = wished === 'cuda' ? present[0] : Number(wished.slice('cuda:'.length));
  if (index !== undefined && present.includes(index)) return `cuda:${index}`;
  const found =
    present.length > 0 ? `there are ${present.map((id) => `cuda:${id}`).join(', ')}` : 'there is no CUDA device';
  throw new EarlybirdError(
    'ERR_DEVICE',
    `${wished} was asked for, but ${found} with LibTorch ${libtorch}; use --device cpu or auto.`,
  );
}
