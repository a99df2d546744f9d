/** Helpers of tests that need a GPU: they skip, with a printed reason, where there is none. */
import { loadAddon } from '../../src/native/addon';
import type { NativeAddon } from '../../src/native/types/addon';

/** The addon where it has a GPU; else null, with a message that `what` is skipped. */
export function addonWithCuda(what: string): NativeAddon | null {
  const addon = loadAddon({ device: 'auto' });
  if (addon.runtime().cudaDevices.length > 0) return addon;
  console.log(`${what}: skipped, there is no GPU or no CUDA plugin`);
  return null;
}
