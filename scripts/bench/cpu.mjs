#!/usr/bin/env node
// The training steps of a CPU beside the PyTorch peer, judged by the project's targets for processors with AVX-512 and
// bfloat16 instructions; on others the figures stand beside them without a verdict.
//   node scripts/bench/cpu.mjs [--out DIR] [--only NAME,NAME] [--rounds N] [FLAGS OF bench step, such as --python PROGRAM]
// Writes OUT/parts/<name>.json, and OUT/<date>-<processor>.md and .json. Parts that are there are not measured again; those of
// other machines or other releases of LibTorch or PyTorch are refused. One that fails is named, and the rest goes on. Nothing else
// may run on the machine.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const main = join(root, 'dist', 'cli', 'main.js');

// A part is one command. Targets are [path in its result, sign, bound].
const NETWORKS = [
  { model: 'vgg16', batch: 64, steps: 6, fp32: 1.8, bf16: 1.4, memory: 0.75 },
  { model: 'resnet18', batch: 16, steps: 4, fp32: 1.7, bf16: 1.4, memory: 0.85 },
  { model: 'preresnet101', batch: 64, steps: 4, fp32: 1.8, bf16: 1.9, memory: 0.75 },
  { model: 'resnet50', batch: 8, steps: 3, fp32: 1.3, bf16: 1.3, memory: 0.85 },
];
const TICKETS = {
  preresnet101: {
    fp32: [
      ['systems.earlybird.stepRatio', '<=', 0.6],
      ['best', '>=', 2],
    ],
    bf16: [
      ['systems.earlybird.stepRatio', '<=', 0.65],
      ['best', '>=', 4],
    ],
  },
  vgg16: { fp32: [['overFlops', '<=', 1.12]], bf16: [['overFlops', '<=', 1.15]] },
  resnet18: { fp32: [['overFlops', '<=', 1.12]], bf16: [['overFlops', '<=', 1.15]] },
};
const LOW_PRECISION = [
  ['ratios.lowPrecisionOverFp32', '<=', 0.6],
  ['ratios.lowPrecisionOverBf16', '<=', 1.05],
];

const step = ({ model, batch, steps }, precision) => [
  'step',
  '--model',
  model,
  '--batch-size',
  batch,
  '--steps',
  steps,
  '--warmup',
  1,
  '--precision',
  precision,
];
const PARTS = NETWORKS.flatMap((network) =>
  ['fp32', 'bf16'].flatMap((precision) => {
    const beside = ['--modes', 'reference', 'tuned', 'compiled'];
    const tickets = TICKETS[network.model]?.[precision];
    return [
      {
        name: `${network.model}-${precision}`,
        words: [...step(network, precision), ...beside],
        targets: [
          ['best', '>=', network[precision]],
          ['memoryRatios.tuned', '<=', network.memory],
        ],
      },
      ...(tickets
        ? [
            {
              name: `${network.model}-ticket-${precision}`,
              words: [...step(network, precision), '--ticket', 0.5, '--modes', 'tuned', 'compiled'],
              targets: tickets,
            },
          ]
        : []),
    ];
  }),
).concat(
  ['vgg16', 'preresnet101'].map((model) => ({
    name: `${model}-low-precision`,
    words: [
      ...step(
        NETWORKS.find((network) => network.model === model),
        'fp32',
      ),
      '--low-precision',
      '--peer',
      'none',
    ],
    targets: LOW_PRECISION,
  })),
);

const at = (value, path) => path.split('.').reduce((part, key) => part?.[key], value);
const read = (path) => JSON.parse(readFileSync(path, 'utf8'));

const options = { out: 'bench-results', only: '', rounds: '3' };
const flags = process.argv.slice(2);
for (const name of Object.keys(options)) {
  const i = flags.indexOf(`--${name}`);
  if (i < 0) continue;
  [, options[name]] = flags.splice(i, 2);
  if (options[name] === undefined) fail(`--${name} needs a value`);
}
const folder = join(options.out, 'parts');
mkdirSync(folder, { recursive: true });

const results = {};
const failures = {};
for (const { name, words } of PARTS) {
  const path = join(folder, `${name}.json`);
  if (!existsSync(path)) {
    if (options.only && !options.only.split(',').includes(name)) continue;
    console.error(`cpu.mjs: ${name}`);
    const command = [
      main,
      'bench',
      ...words,
      '--device',
      'cpu',
      '--rounds',
      options.rounds,
      ...flags,
      '--json',
      '--quiet',
    ].map(String);
    const done = spawnSync(process.execPath, command, { encoding: 'utf8', maxBuffer: 1 << 28 });
    if (done.status !== 0) {
      failures[name] = done.stderr.trim().split('\n').at(-1) || `it ended with ${done.status ?? done.signal}`;
      console.error(`cpu.mjs: ${name}: ${failures[name]}`);
      continue;
    }
    // A kill leaves no half of a part, which the next call would take.
    writeFileSync(`${path}.new`, done.stdout);
    renameSync(`${path}.new`, path);
  }
  results[name] = read(path);
}
const machines = Object.values(results).map(({ machine }) => machine);
const [machine] = machines;
if (!machine) fail('no part has a result');
if (machines.some(({ fingerprint }) => fingerprint !== machine.fingerprint))
  fail(`${folder} has parts of several machines`);

// Parts of an earlier call may be of other releases. Those with --ticket do not name the peer's.
const releases = Object.entries(results)
  .flatMap(([part, { machine, systems }]) => [
    { part, program: 'LibTorch', version: machine.versions.libtorch },
    ...Object.values(systems)
      .flatMap(({ runs }) => runs ?? [])
      .map(({ versions }) => ({ part, program: 'PyTorch', version: versions?.torch })),
  ])
  .filter(({ version }) => version);
for (const { part, program, version } of releases) {
  const first = releases.find((release) => release.program === program);
  if (version !== first.version)
    fail(
      `${first.part} was measured with ${program} ${first.version}, but ${part} with ${version}: remove one of the two files from ${folder} and run this again`,
    );
}

function fail(why) {
  console.error(`cpu.mjs: ${why}`);
  process.exit(1);
}

const row = (...cells) => `| ${cells.join(' | ')} |`;
const number = (value) => (Number.isFinite(value) ? value.toFixed(2) : '-');
// A mode that failed in its first round; the figures of one that failed later are those of fewer rounds.
const hasNone = ({ imagesPerSecond, ticket, stepMs }) => !imagesPerSecond && !ticket && !stepMs;
const judged = machine.cpu.instructionSets?.includes('avx512_bf16') ?? false;
function verdict(part, path, value, sign, bound) {
  if (!judged) return '-';
  if (sign === '>=' ? value < bound : value > bound) return 'missed';
  // The best of fewer modes is easier to beat.
  const failed = Object.entries(results[part].systems).filter(([mode, run]) => mode !== 'reference' && hasNone(run));
  return path === 'best' && failed.length > 0 ? `met, without ${failed.map(([mode]) => mode).join(' and ')}` : 'met';
}

const speeds = Object.entries(results).flatMap(([name, { systems }]) =>
  Object.entries(systems).flatMap(([system, { imagesPerSecond, dense, ticket, stepMs, runs, dtype, failure }]) => {
    if (hasNone({ imagesPerSecond, ticket, stepMs })) return [row(name, system, dtype ?? '-', `no figure: ${failure}`)];
    const cells = imagesPerSecond
      ? [
          `${imagesPerSecond.median.toFixed(1)} (${imagesPerSecond.low.toFixed(1)} to ${imagesPerSecond.high.toFixed(1)}) images/s`,
        ]
      : dense && ticket
        ? [`dense ${dense.median.toFixed(0)} ms, ticket ${ticket.median.toFixed(0)} ms`]
        : stepMs
          ? [`${stepMs.median.toFixed(0)} ms`]
          : [];
    return cells.map((cell) => row(name, system, dtype ?? runs?.[0]?.dtype ?? '-', cell));
  }),
);
const targets = PARTS.flatMap(({ name, targets: wanted }) =>
  wanted.map(([path, sign, bound]) => {
    const value = at(results[name], path);
    return row(
      name,
      path,
      `${sign} ${bound}`,
      number(value),
      Number.isFinite(value) ? verdict(name, path, value, sign, bound) : (failures[name] ?? 'not measured'),
    );
  }),
);
const commands = Object.values(results).map((result) => `    ${result.machine.commandLine}`);
const commitOf = (name) => results[name].machine.versions.commit ?? 'one that was not recorded';
const builds = [...new Set(Object.keys(results).map(commitOf))].map((commit) => {
  const names = Object.keys(results).filter((name) => commitOf(name) === commit);
  return `${commit} (${names.join(', ')})`;
});
const day = machine.date.slice(0, 10);
const markdown = `# ${machine.cpu.model}, ${day}

    node scripts/bench/cpu.mjs

${machine.cpu.model}, ${machine.cpu.cores} cores, ${machine.cpu.memoryGiB} GiB, Linux ${machine.kernel}; instruction sets ${(machine.cpu.instructionSets ?? []).join(' ')};
LibTorch ${machine.versions.libtorch}, Node ${machine.versions.node}, ${machine.threads} threads. ${builds.length > 1 ? `Parts of several commits: ${builds.join('; ')}. ` : ''}${judged ? '' : 'The targets are those of processors with bfloat16 instructions, which this one lacks.'}

| part | figure | target | measured | |
|---|---|---|---|---|
${targets.join('\n')}

\`best\` is images a second over the best mode of the peer, \`overFlops\` the step ratio over the FLOPs ratio.

| part | program | dtype | |
|---|---|---|---|
${speeds.join('\n')}

Each part by itself:

${commands.join('\n')}
`;
const base = join(options.out, `${day}-${machine.cpu.model.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`);
writeFileSync(`${base}.json`, JSON.stringify({ machine, parts: results, failures }, null, 1));
writeFileSync(`${base}.md`, markdown);
console.log(markdown);
