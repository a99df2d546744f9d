#!/usr/bin/env node
// Makes bench/peer/.venv, the Python environment of the PyTorch peers, and says which peers have what they need.
//   node scripts/bench/peers.mjs [--cpu | --cuda] [--python PROGRAM] [--verbose]
// Without --cpu or --cuda a GPU decides. Can be run again at any time.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import util from 'node:util';
import { follow, heartbeat, reportFailure, root, run, StepError } from '../build.mjs';

const FOLDER = join(root, 'bench', 'peer');
const PYTHON = join(FOLDER, '.venv', 'bin', 'python3');
/** The purpose of a requirement, and the module that shows that it works. */
const PACKAGES = {
  torch: { module: 'torch', use: 'peer_train, peer_quant, peer_ops' },
  pillow: { module: 'PIL', use: 'peer_loader: pillow, draft; image folders of peer_train' },
  torchvision: { module: 'torchvision.io', use: 'peer_loader: torchvision; transforms of peer_train reference' },
  simplejpeg: { module: 'simplejpeg', use: 'peer_loader: simplejpeg' },
  'nvidia-dali-cuda130': { module: 'nvidia.dali', use: 'peer_loader: dali' },
  'nvidia-ml-py': { module: 'pynvml', use: 'energy counter of a GPU' },
};

async function main() {
  const { values } = util.parseArgs({
    options: {
      cpu: { type: 'boolean', default: false },
      cuda: { type: 'boolean', default: false },
      python: { type: 'string', default: process.env.PYTHON ?? 'python3' },
      verbose: { type: 'boolean', default: false },
    },
  });
  const cuda = values.cuda || (!values.cpu && succeeds('nvidia-smi', ['-L']));
  makeEnvironment(values.python);

  const file = join(FOLDER, cuda ? 'requirements.txt' : 'requirements-cpu.txt');
  const { required, optional } = requirementsOf(file);
  say(`installing ${required.join(' ')}${cuda ? ' (5 GB with the libraries of CUDA)' : ''}`);
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-input'];
  const beat = heartbeat();
  await follow(PYTHON, [...pip, ...required], 'pip could not install the packages that the peers need', {
    verbose: values.verbose,
    remedy: 'check the network and the package index of pip (the output above names the package), then run this again',
  }).finally(beat.stop);
  for (const requirement of optional) {
    say(`installing ${requirement}`);
    // The constraints keep pip from replacing PyTorch by the release that an optional package prefers.
    const constraints = ['--constraint', file];
    const { status, stdout, stderr } = call(PYTHON, [...pip, ...constraints, requirement]);
    if (values.verbose) process.stderr.write(stdout);
    if (status !== 0) say(`  ${requirement} is left out: ${lastLine(stderr)}`);
  }
  report([...required, ...optional]);
}

function makeEnvironment(python) {
  if (succeeds(PYTHON, ['-c', ''])) return;
  const supported = 'import sys; sys.exit(sys.version_info < (3, 11))';
  if (!succeeds(python, ['-c', supported])) {
    throw new StepError(
      `${python} is not there or older than 3.11`,
      'install Python 3.11 or newer, or name one: npm run bench:peers -- --python PROGRAM',
    );
  }
  say(`making bench/peer/.venv with ${python}`);
  run(python, ['-m', 'venv', '--clear', join(FOLDER, '.venv')], `${python} could not make a virtual environment`, {
    remedy: 'install the venv module of that Python (Debian: python3-venv), then run this again',
  });
}

/** The lines of a requirements file, before and after the comment that opens the optional ones. */
function requirementsOf(file) {
  const parts = readFileSync(file, 'utf8').split(/^# Optional.*$/m);
  const [required, optional] = parts.map((part) => part.split('\n').filter((line) => /^\w/.test(line)));
  return { required, optional };
}

/** Imports every package, since an installed one may be built for another PyTorch. */
function report(requirements) {
  for (const requirement of requirements) {
    const [name] = requirement.split('==');
    if (!PACKAGES[name]) continue;
    const { module, use } = PACKAGES[name];
    const { status, stderr } = call(PYTHON, ['-c', `import ${module}`]);
    say(`${status === 0 ? 'ready  ' : 'missing'} ${use}${status === 0 ? '' : ` (${name}: ${lastLine(stderr)})`}`);
  }
}

function call(command, args) {
  return spawnSync(command, args, { cwd: FOLDER, encoding: 'utf8', maxBuffer: 1 << 28 });
}

function succeeds(command, args) {
  return call(command, args).status === 0;
}

function lastLine(text) {
  return text.trim().split('\n').at(-1);
}

function say(text) {
  process.stderr.write(`${text}\n`);
}

reportFailure('bench:peers', main);
