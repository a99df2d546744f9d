/** `earlybird doctor`: what was found on this machine, and how to repair what is wrong. */
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { sourceText } from '../../energy/file';
import type { EarlybirdError } from '../../errors';
import { type FoundLibTorch, searchLibTorch, unsupported } from '../../libtorch/find';
import { libjpegRemedy } from '../../libtorch/libjpeg';
import { addonPath } from '../../native/addon';
import { type ProbeResult, probeAddon } from '../../native/probe';
import { buildCommand } from '../../package';
import { defineCommand } from '../command';
import { type Check, doctorText } from '../print/doctor';

type Loaded = Extract<ProbeResult, { ok: true }>;

export const command = defineCommand({
  options: z.strictObject({}),
  run: () => {
    const checks = examine();
    if (checks.some(({ status }) => status === 'fault')) process.exitCode = 1;
    return checks;
  },
  print: doctorText,
});

/** All checks, in the order in which one builds on the other; it stops at the first fault that makes the rest pointless. */
function examine(): Check[] {
  const checks = [checkNode(), checkSystem(), checkProcessor()];
  const { check, libtorch } = checkLibTorch();
  checks.push(check);
  if (!libtorch) return checks;
  const addon = checkAddon(libtorch);
  checks.push(addon);
  if (addon.status === 'fault') return checks;
  const probe = probeAddon();
  if (!probe.ok) {
    const text = probe.detail ? `${probe.message}\n${probe.detail.trim()}` : probe.message;
    return [
      ...checks,
      { name: 'load', status: 'fault', text, remedy: `${buildCommand()}, or point LIBTORCH at another LibTorch` },
    ];
  }
  return [
    ...checks,
    checkLoad(probe),
    checkThreads(probe),
    checkKernels(probe),
    checkOpenMp(probe),
    checkJpeg(probe),
    checkCuda(libtorch, probe),
    checkEnergy(probe),
  ];
}

function checkNode(): Check {
  const text = `${process.version}, Node-API ${process.versions.napi}, ${process.execPath}`;
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return { name: 'node', status: 'ok', text };
  return { name: 'node', status: 'fault', text, remedy: 'install Node 20.19 or newer' };
}

function checkSystem(): Check {
  const header = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  const glibc = header.header.glibcVersionRuntime;
  const text = `${process.platform} ${process.arch}, ${glibc ? `glibc ${glibc}` : 'no glibc'}`;
  if (process.platform === 'linux' && glibc) return { name: 'system', status: 'ok', text };
  const remedy = 'LibTorch and earlybird need Linux with glibc: use another machine, a container (not Alpine) or WSL 2';
  return { name: 'system', status: 'fault', text, remedy };
}

function checkProcessor(): Check {
  const gigabytes = (totalmem() / 2 ** 30).toFixed(0);
  return {
    name: 'processor',
    status: 'ok',
    text: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} cores, ${gigabytes} GiB`,
  };
}

function checkLibTorch(): { check: Check; libtorch: FoundLibTorch | null } {
  const fault = (text: string, remedy: string) => ({
    check: { name: 'libtorch', status: 'fault', text, remedy } as Check,
    libtorch: null,
  });
  try {
    const { found, attempts } = searchLibTorch();
    if (!found) {
      const tried = attempts.map(({ source, where, why }) => `\n${source}: ${where}: ${why}`).join('');
      return fault(`none was found${tried}`, 'earlybird libtorch fetch, or set LIBTORCH to the folder of one you have');
    }
    const reason = unsupported(found);
    if (reason) return fault(reason, 'earlybird libtorch fetch');
    const text = `${found.version} (${found.variant}), by ${found.source}: ${found.root}`;
    return { check: { name: 'libtorch', status: 'ok', text }, libtorch: found };
  } catch (error) {
    return fault((error as Error).message, 'as the message says');
  }
}

function checkAddon(libtorch: FoundLibTorch): Check {
  try {
    return { name: 'addon', status: 'ok', text: addonPath(libtorch) };
  } catch (error) {
    return { name: 'addon', status: 'fault', text: (error as EarlybirdError).message, remedy: buildCommand() };
  }
}

function checkLoad({ builtAgainst, loaded, seconds }: Loaded): Check {
  return {
    name: 'load',
    status: 'ok',
    text: `built against LibTorch ${builtAgainst}, ${loaded} loaded, ${seconds.toFixed(2)} s`,
  };
}

function checkThreads({ runtime }: Loaded): Check {
  const text = `${runtime.threads} compute threads on ${availableParallelism()} cores`;
  if (runtime.threads <= availableParallelism()) return { name: 'threads', status: 'ok', text };
  return {
    name: 'threads',
    status: 'warn',
    text,
    remedy: `set OMP_NUM_THREADS or --threads to ${availableParallelism()} or fewer`,
  };
}

function checkKernels({ runtime }: Loaded): Check {
  const text = `${runtime.cpuCapability} kernels, bf16 ${runtime.bf16 ? 'in hardware' : 'as float32 arithmetic on rounded numbers'}`;
  const forced = process.env.ATEN_CPU_CAPABILITY;
  if (!forced) return { name: 'kernels', status: 'ok', text };
  return {
    name: 'kernels',
    status: 'warn',
    text: `${text}, held down by ATEN_CPU_CAPABILITY=${forced}`,
    remedy: 'unset it',
  };
}

/** Two OpenMP run times in a process are two teams of threads that fight for the same cores. */
function checkOpenMp({ libraries }: Loaded): Check {
  const found = libraries.filter((path) => /^lib(gomp|iomp5|omp)[-.]/.test(basename(path)));
  if (found.length <= 1) return { name: 'openmp', status: 'ok', text: found[0] ?? 'not used by this LibTorch' };
  const remedy = 'unset LD_PRELOAD and LD_LIBRARY_PATH, so that only the one beside LibTorch is loaded';
  return { name: 'openmp', status: 'warn', text: `${found.length} run times are loaded: ${found.join(', ')}`, remedy };
}

function checkJpeg({ runtime, libraries, noJpeg }: Loaded): Check {
  const library = libraries.find((path) => /^libjpeg\./.test(basename(path)));
  if (runtime.jpeg) return { name: 'jpeg', status: 'ok', text: `${runtime.jpeg}: ${library ?? 'linked in'}` };
  const text = `no JPEG decoder, because ${noJpeg}: ImageNet and other folders of images cannot be trained on`;
  return { name: 'jpeg', status: 'warn', text, remedy: libjpegRemedy(buildCommand()) };
}

function checkCuda(libtorch: FoundLibTorch, { runtime }: Loaded): Check {
  const driver = driverVersion();
  const devices = runtime.cudaDevices.map(
    ({ index, name, memoryBytes, capability }) =>
      `cuda:${index} ${name} (${(memoryBytes / 2 ** 30).toFixed(0)} GiB, ${capability})`,
  );
  const check = (status: Check['status'], text: string, remedy?: string): Check => ({
    name: 'cuda',
    status,
    text,
    remedy,
  });
  if (libtorch.variant === 'cpu') {
    if (!driver) return check('ok', 'no GPU driver on this machine, and a CPU build of LibTorch');
    return check(
      'warn',
      `there is a GPU (driver ${driver}), but this LibTorch is a CPU build`,
      'earlybird libtorch fetch --variant cuda',
    );
  }
  if (!driver) return check('ok', 'this LibTorch can use CUDA, but there is no GPU driver on this machine');
  if (devices.length === 0) {
    return check(
      'warn',
      `driver ${driver}, but no device can be used`,
      'see nvidia-smi and CUDA_VISIBLE_DEVICES; the driver may be too old',
    );
  }
  const pluginFile = join(dirname(addonPath(libtorch)), 'earlybird_cuda.so');
  if (!runtime.cudaPlugin) {
    const why = existsSync(pluginFile) ? 'could not be loaded' : 'has not been built';
    return check(
      'warn',
      `${devices.join(', ')}; the CUDA plugin ${why}`,
      'put nvcc on PATH and run `node scripts/build.mjs --native-only --cuda ON`',
    );
  }
  return check('ok', `${devices.join(', ')}; driver ${driver}; ${pluginFile}`);
}

/** No warning: a machine that cannot be read trains as well. */
function checkEnergy({ energy }: Loaded): Check {
  return { name: 'energy', status: 'ok', text: energy.map(sourceText).join('\n') };
}

function driverVersion(): string | null {
  try {
    return readFileSync('/proc/driver/nvidia/version', 'utf8').match(/Kernel Module[^\d]*([\d.]+)/)?.[1] ?? 'unknown';
  } catch {
    return null;
  }
}
