/** Loads the addon in a child process, so that a LibTorch that crashes there gives an answer here. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { RuntimeInfo } from './types/addon';
import type { EnergySource } from './types/energy';

export type ProbeResult =
  /** `noJpeg`: why there is no JPEG decoder, where there is none. */
  | {
      ok: true;
      builtAgainst: string;
      loaded: string;
      seconds: number;
      runtime: RuntimeInfo;
      libraries: string[];
      noJpeg: string;
      /** What the energy of the first GPU, the processor and its memory can be read by. */
      energy: EnergySource[];
    }
  | { ok: false; code: string; message: string; detail?: string };

const SCRIPT = `
const start = process.hrtime.bigint();
const answer = (value) => require('node:fs').writeSync(3, JSON.stringify(value));
const failed = ({ code = 'ERR_INTERNAL', message, detail }) => answer({ ok: false, code, message, detail });
try {
  const addon = require(process.argv[1]).loadAddon();
  const runtime = addon.runtime();
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const maps = require('node:fs').readFileSync('/proc/self/maps', 'utf8');
  const libraries = [...new Set(maps.match(/\\/\\S+\\.so[.\\d]*$/gm))];
  const noJpeg = require(process.argv[2]).whyNoJpeg();
  const gpu = runtime.cudaPlugin ? runtime.cudaDevices[0] : undefined;
  const places = { nvml: process.env.EARLYBIRD_NVML || undefined, powercap: process.env.EARLYBIRD_POWERCAP || undefined };
  addon.createMeter({ ...places, device: gpu ? 'cuda:' + gpu.index : 'cpu' }).then((meter) => {
    const { builtAgainst, loaded } = addon;
    answer({ ok: true, builtAgainst, loaded, seconds, runtime, libraries, noJpeg, energy: meter.sources() });
  }).catch(failed);
} catch (error) {
  failed(error);
}`;

export function probeAddon(): ProbeResult {
  const child = spawnSync(process.execPath, ['-e', SCRIPT, join(__dirname, 'addon.js'), join(__dirname, 'jpeg.js')], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    timeout: 120_000,
  });
  const answer = child.output?.[3];
  if (answer) return JSON.parse(answer) as ProbeResult;
  const end = child.signal ? `was ended by ${child.signal}` : `ended with code ${child.status}`;
  return {
    ok: false,
    code: 'ERR_LIBTORCH',
    message: `A process that loads LibTorch and the addon ${end}: the two do not fit together, or a library they need is broken.`,
    detail: child.stderr || undefined,
  };
}
