/** Which device a recipe means, and the addon that computes on it. */
import { EarlybirdError } from '../errors';
import { loadAddon } from '../native/addon';
import type { NativeAddon, Precision } from '../native/types';

export interface DeviceWish {
  device: string;
  noCuda: boolean;
  gpuIds?: string | undefined;
  precision?: 'auto' | Precision;
  threads?: number | undefined;
}

export interface Engine {
  addon: NativeAddon;
  /** "cpu" or "cuda:N". */
  device: string;
  precision: Precision;
}

/** --no-cuda and --gpu_ids are the reference's ways to say --device; several GPUs are refused. Throws ERR_USAGE. */
export function wishedDevice({ device, noCuda, gpuIds }: DeviceWish): string {
  if (noCuda || gpuIds === '-1') return 'cpu';
  if (gpuIds === undefined) return device;
  const ids = gpuIds.split(',').filter((id) => !id.startsWith('-'));
  if (ids.length === 1) return `cuda:${ids[0]}`;
  throw new EarlybirdError(
    'ERR_USAGE',
    `--gpu_ids ${gpuIds} is not possible yet: give one GPU number, or -1 for the CPU.`,
  );
}

/** Loads the addon and settles the device. Asking for CUDA and not getting it is ERR_DEVICE; auto logs its choice. */
export function openEngine(wish: DeviceWish, log: (line: string) => void = () => {}): Engine {
  const wished = wishedDevice(wish);
  const addon = loadAddon({ device: wished });
  if (wish.threads !== undefined) addon.setThreads(wish.threads);
  const { cudaDevices, cpuCapability, threads } = addon.runtime();
  const device = settle(
    wished,
    cudaDevices.map(({ index }) => index),
    addon.loaded,
  );
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
