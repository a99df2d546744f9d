/** The JPEG decoder, a plugin beside the addon. It is needed for JPEG files only. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EarlybirdError } from '../errors';
import { libjpegRemedy } from '../libtorch/libjpeg';
import { buildCommand, packageRoot } from '../package';
import type { NativeAddon } from './types/addon';

/** Message of the last decoder that did not open. */
let failure: string | null = null;

/** Opens the first decoder that can be opened. */
export function loadJpeg(addon: Pick<NativeAddon, 'loadJpeg'>, paths: readonly string[]): void {
  failure = null;
  for (const path of paths.filter(existsSync)) {
    try {
      addon.loadJpeg(path);
      return;
    } catch (error) {
      // The libjpeg that this one was built for may be gone; the next decoder may carry its own.
      failure = (error as Error).message;
    }
  }
}

/** Paths of the decoder: beside the addon, or in the bundle, where one serves every LibTorch. */
export function jpegPaths(addonFile: string): string[] {
  const carried = join(packageRoot, 'prebuilds', 'jpeg', `${process.platform}-${process.arch}`);
  return [dirname(addonFile), carried].map((folder) => join(folder, 'earlybird_jpeg.so'));
}

/** Reason why the decoder is missing, as a clause after "because". */
export function whyNoJpeg(): string {
  if (failure === null) return 'libjpeg-turbo was not found when earlybird was built';
  const missing = /(\S+\.so[.\d]*): cannot open shared object file/.exec(failure)?.[1];
  return missing ? `${missing} is not on this machine` : failure.replace(/\.$/, '');
}

/** Throws ERR_NOT_BUILT where there is no JPEG decoder. */
export function requireJpeg(addon: Pick<NativeAddon, 'runtime'>): void {
  if (addon.runtime().jpeg) return;
  throw new EarlybirdError(
    'ERR_NOT_BUILT',
    `JPEG files cannot be read, because ${whyNoJpeg()}: ${libjpegRemedy(buildCommand())}.`,
    failure ?? undefined,
  );
}
