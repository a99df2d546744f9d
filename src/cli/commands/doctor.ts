/** `earlybird doctor`: lists what was found on this machine, and how to repair what is wrong. */
import { existsSync, readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { availableCores, quotaText } from '../../cores';
import { sourceText } from '../../energy/file';
import { kernelMode, readMeasured } from '../../engine/kernels';
import { type FoundLibTorch, searchLibTorch, unsupported } from '../../libtorch/find';
import { libjpegRemedy } from '../../libtorch/libjpeg';
import { addonPath } from '../../native/addon';
import { type ProbeResult, probeAddon } from '../../native/probe';
import { buildCommand, cudaRemedy, programCommand } from '../../package';
import { placeOf } from '../../ranks/place';
import { defineCommand } from '../command';
import { NODE_REMEDY, runsOnNode } from '../node-version';
import { type Check, doctorText, kernelsText } from '../print/doctor';

type Loaded = Extract<ProbeResult, { ok: true }>;
type Finding = Omit<Check, 'name'>;
const good = (text: string): Finding => ({ status: 'ok', text });
const warning = (text: string, remedy: string): Finding => ({ status: 'warn', text, remedy });
const fault = (text: string, remedy: string): Finding => ({ status: 'fault', text, remedy });

export const doctor = defineCommand({
  options: z.strictObject({}),
  examples: [
    ['earlybird doctor', 'what is there, and a remedy for what is not'],
    ['earlybird doctor --json', 'for bug reports'],
  ],
  run: () => {
    const checks = Array.from(examine(), ([name, finding]): Check => ({ name, ...finding }));
    if (checks.some(({ status }) => status === 'fault')) process.exitCode = 1;
    return checks;
  },
  print: doctorText,
});

/** Runs all checks, each after those that it builds on; stops at the first fault that makes the rest pointless. */
function* examine(): Generator<[name: string, Finding]> {
  yield ['node', checkNode()];
  yield ['system', checkSystem()];
  yield ['processor', checkProcessor()];
  yield ['ranks', checkRanks()];
  const libtorch = checkLibTorch();
  yield ['libtorch', libtorch];
  if (!libtorch.found) return;
  const addon = checkAddon(libtorch.found);
  yield ['addon', addon];
  if (addon.status === 'fault') return;
  const probe = probeAddon();
  yield ['load', checkLoad(probe)];
  if (!probe.ok) return;
  yield ['threads', checkThreads(probe)];
  yield ['kernels', checkKernels(probe)];
  yield ['openmp', checkOpenMp(probe)];
  yield ['jpeg', checkJpeg(probe)];
  yield ['cuda', checkCuda(libtorch.found, probe)];
  // Unreadable energy is no warning, as such a machine trains just as well.
  yield ['energy', good(probe.energy.map(sourceText).join('\n'))];
}

function checkNode(): Finding {
  const text = `${process.version}, Node-API ${process.versions.napi}, ${process.execPath}`;
  return runsOnNode(process.versions.node) ? good(text) : fault(text, NODE_REMEDY);
}

function checkSystem(): Finding {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  const glibc = header.glibcVersionRuntime;
  const text = `${process.platform} ${process.arch}, ${glibc ? `glibc ${glibc}` : 'no glibc'}`;
  if (process.platform === 'linux' && glibc) return good(text);
  return fault(
    text,
    'LibTorch and earlybird need Linux with glibc: use another machine, a container (not Alpine) or WSL 2',
  );
}

function checkProcessor(): Finding {
  const gigabytes = (totalmem() / 2 ** 30).toFixed(0);
  const { allowed, quota } = availableCores();
  const cores = `${allowed} cores${quota === null ? '' : `, quota ${quotaText(quota)}`}`;
  return good(`${cpus()[0]?.model.trim() ?? 'unknown'}, ${cores}, ${gigabytes} GiB`);
}

function checkRanks(): Finding {
  try {
    const place = placeOf(process.env);
    if (!place) return good('none: this process is on its own');
    const { rank, size, localRank, localSize, host, port, by } = place;
    return good(
      `rank ${rank} of ${size}, ${localRank} of ${localSize} on this host, meeting at ${host}:${port} (${by})`,
    );
  } catch (error) {
    return fault((error as Error).message, 'as the message says');
  }
}

function checkLibTorch(): Finding & { found?: FoundLibTorch } {
  try {
    const { found, attempts } = searchLibTorch();
    if (!found) {
      const tried = attempts.map(({ source, where, why }) => `\n${source}: ${where}: ${why}`).join('');
      return fault(
        `none was found${tried}`,
        `${programCommand('libtorch fetch')}, or set LIBTORCH to the folder of one you have`,
      );
    }
    const reason = unsupported(found);
    if (reason) return fault(reason, programCommand('libtorch fetch'));
    return { ...good(`${found.version} (${found.variant}), by ${found.source}: ${found.root}`), found };
  } catch (error) {
    return fault((error as Error).message, 'as the message says');
  }
}

function checkAddon(libtorch: FoundLibTorch): Finding {
  try {
    return good(addonPath(libtorch));
  } catch (error) {
    return fault((error as Error).message, buildCommand());
  }
}

function checkLoad(probe: ProbeResult): Finding {
  if (probe.ok)
    return good(`built against LibTorch ${probe.builtAgainst}, ${probe.loaded} loaded, ${probe.seconds.toFixed(2)} s`);
  const text = probe.detail ? `${probe.message}\n${probe.detail.trim()}` : probe.message;
  return fault(text, `${buildCommand()}, or point LIBTORCH at another LibTorch`);
}

function checkThreads({ runtime }: Loaded): Finding {
  const { allowed, quota, usable: cores } = availableCores();
  const within = quota === null ? '' : ` with a quota of ${quotaText(quota)}`;
  const text = `${runtime.threads} compute ${runtime.threads === 1 ? 'thread' : 'threads'} on ${allowed} cores${within}`;
  return runtime.threads <= cores ? good(text) : warning(text, `set OMP_NUM_THREADS or --threads to ${cores} or fewer`);
}

function checkKernels({ runtime, loaded }: Loaded): Finding {
  const chosen = kernelMode() === 'auto' ? readMeasured({ loaded }).kernels : kernelMode();
  const instructions = `${runtime.cpuCapability} kernels, bf16 ${runtime.bf16 ? 'in hardware' : 'as float32 arithmetic on rounded numbers'}`;
  const forced = process.env.ATEN_CPU_CAPABILITY;
  const text = `${instructions}\n${kernelsText(chosen)}`;
  return forced ? warning(`${text}, limited by ATEN_CPU_CAPABILITY=${forced}`, 'unset it') : good(text);
}

/** Warns of two OpenMP run times in a process, whose teams of threads compete for the same cores. */
function checkOpenMp({ libraries }: Loaded): Finding {
  const found = libraries.filter((path) => /^lib(gomp|iomp5|omp)[-.]/.test(basename(path)));
  if (found.length <= 1) return good(found[0] ?? 'not used by this LibTorch');
  return warning(
    `${found.length} run times are loaded: ${found.join(', ')}`,
    'unset LD_PRELOAD and LD_LIBRARY_PATH, so that only the one beside LibTorch is loaded',
  );
}

function checkJpeg({ runtime, libraries, noJpeg }: Loaded): Finding {
  const library = libraries.find((path) => /^libjpeg\./.test(basename(path)));
  if (runtime.jpeg) return good(`${runtime.jpeg}: ${library ?? 'linked in'}`);
  return warning(
    `no JPEG decoder, because ${noJpeg}: ImageNet and other folders of images cannot be trained on`,
    libjpegRemedy(buildCommand()),
  );
}

function checkCuda(libtorch: FoundLibTorch, { runtime }: Loaded): Finding {
  const driver = driverVersion();
  if (!driver) {
    const build = libtorch.variant === 'cpu' ? 'a CPU build of LibTorch' : 'a LibTorch that can use CUDA';
    return good(`no GPU driver on this machine, and ${build}`);
  }
  if (libtorch.variant === 'cpu')
    return warning(`there is a GPU (driver ${driver}), but this LibTorch is a CPU build`, cudaRemedy());
  const devices = runtime.cudaDevices.map(
    ({ index, name, memoryBytes, capability }) =>
      `cuda:${index} ${name} (${(memoryBytes / 2 ** 30).toFixed(0)} GiB, ${capability})`,
  );
  if (devices.length === 0)
    return warning(
      `driver ${driver}, but no device can be used`,
      'see nvidia-smi and CUDA_VISIBLE_DEVICES; the driver may be too old',
    );
  const plugin = join(dirname(addonPath(libtorch)), 'earlybird_cuda.so');
  if (runtime.cudaPlugin) return good(`${devices.join(', ')}; driver ${driver}; ${plugin}`);
  return warning(
    `${devices.join(', ')}; the CUDA plugin ${existsSync(plugin) ? 'could not be loaded' : 'has not been built'}`,
    `put nvcc on PATH and run \`${buildCommand('--cuda ON')}\``,
  );
}

function driverVersion(): string | null {
  try {
    return readFileSync('/proc/driver/nvidia/version', 'utf8').match(/Kernel Module[^\d]*([\d.]+)/)?.[1] ?? 'unknown';
  } catch {
    return null;
  }
}
