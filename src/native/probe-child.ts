/** Loads the addon in a process of its own, started by probe.ts, and writes the result to file descriptor 3. */
import { readFileSync, writeSync } from 'node:fs';
import type { EarlybirdError } from '../errors';
import { loadAddon } from './addon';
import { whyNoJpeg } from './jpeg';
import { places } from './places';
import type { ProbeResult } from './probe';

async function probe(): Promise<ProbeResult> {
  const start = process.hrtime.bigint();
  const addon = loadAddon();
  const runtime = addon.runtime();
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const libraries = readFileSync('/proc/self/maps', 'utf8').match(/\/\S+\.so[.\d]*$/gm);
  const gpu = runtime.cudaPlugin ? runtime.cudaDevices[0] : undefined;
  const meter = await addon.createMeter({ ...places(), device: gpu ? `cuda:${gpu.index}` : 'cpu' });
  return {
    ok: true,
    builtAgainst: addon.builtAgainst,
    loaded: addon.loaded,
    seconds,
    runtime,
    libraries: [...new Set(libraries)],
    noJpeg: whyNoJpeg(),
    energy: meter.sources(),
  };
}

probe()
  .catch(({ code = 'ERR_INTERNAL', message, detail }: EarlybirdError) => ({ ok: false, code, message, detail }))
  .then((result) => writeSync(3, JSON.stringify(result)));
