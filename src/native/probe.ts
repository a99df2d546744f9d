/** Loads the addon in a child process, so that a LibTorch that crashes there leaves this process alive. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { RuntimeInfo } from './types/addon';
import type { EnergySource } from './types/energy';

export type ProbeResult =
  | {
      ok: true;
      builtAgainst: string;
      loaded: string;
      /** Seconds to load LibTorch and the addon. */
      seconds: number;
      runtime: RuntimeInfo;
      /** Paths of all shared libraries in the process. */
      libraries: string[];
      /** Reason why there is no JPEG decoder; valid only where there is none. */
      noJpeg: string;
      /** Energy counters of the first GPU, the processor and its memory. */
      energy: EnergySource[];
    }
  | { ok: false; code: string; message: string; detail?: string };

export function probeAddon(): ProbeResult {
  const child = spawnSync(process.execPath, [join(__dirname, 'probe-child.js')], {
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
