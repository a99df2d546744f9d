#!/usr/bin/env node
// Judges the parts that gpu.sh measured by the project's targets for a GPU.
//   node scripts/bench/targets.mjs PARTS [OUT]
// Reads PARTS/status.tsv (name, exit code or "-", seconds) and PARTS/*.json; any other result in PARTS, such as
// full-cifar.json, is a part as well. Prints a table and writes it to OUT/<date>-<device>.md, with all parts to .json.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

// Each figure is "part path.in.its.result". The worst of several counts, and all are needed.
const training = (work, model, reference, best, [share, measure, atLeast]) => [
  { work, measure: 'against peer reference', from: [`reference-${model} ratios.reference`], atLeast: reference },
  {
    work,
    measure: 'against the best of peer tuned and compiled',
    from: [`step-${model} ratios.tuned`, `compiled-${model} ratios.compiled`],
    atLeast: best,
  },
  { work, measure, from: [`profile-${model} shares.${share}`], atLeast, unit: '%' },
];
const detection = (model) => ({
  work: `masks of three ratios, distances, detection: ${model}`,
  measure: 'share of the epoch',
  from: [`detect-${model} share`],
  below: 0.001,
  unit: '%',
});
const TICKET = 'VGG-16 ticket at p = 0.5, widths rounded to 8';
const besidePeer = (field) => [`ticket-vgg16 ${field}.tuned`, `ticket-compiled-vgg16 ${field}.compiled`];
const TARGETS = [
  ...training('VGG-16 on CIFAR, batch 256', 'vgg16', 15, 1.15, ['roofline', 'share of the roofline', 0.4]),
  ...training('PreResNet-101 on CIFAR, batch 256', 'preresnet101', 8, 1.3, [
    'traffic',
    'share of the traffic bound',
    0.5,
  ]),
  ...training('ResNet-18 at 224, batch 256', 'resnet18', 3, 1.05, ['roofline', 'share of the roofline']),
  ...training('ResNet-50 at 224, batch 256', 'resnet50', 3, 1.05, ['roofline', 'share of the roofline']),
  detection('vgg16'),
  detection('preresnet101'),
  { work: TICKET, measure: "against the peer's same ticket", from: besidePeer('ratios'), atLeast: 1 },
  { work: TICKET, measure: 'step time ratio over FLOPs ratio', from: ['ticket-vgg16 overFlops'], below: 1.25 },
  { work: TICKET, measure: "step time ratio over the peer's", from: besidePeer('overPeer'), below: 1 },
  {
    work: 'full VGG-16 search, three prunings and retrainings, matrices, report',
    measure: 'seconds of scripts/bench/full-cifar.sh',
    from: ['full-cifar seconds'],
    below: 480,
    unit: 's',
  },
];
// The sizes that the targets are for; figures of others are shown and not judged.
const SIZES = { batchSize: 256, epochs: 160, quick: false };
const OURS = 'earlybird';

const at = (value, path) => path.split('.').reduce((part, key) => part?.[key], value);

function shown(value, unit = 'x') {
  if (unit === '%') return `${Number((100 * value).toPrecision(3))} %`;
  return unit === 's' ? `${value.toFixed(0)} s` : `${value.toFixed(2)}x`;
}

function judge({ work, measure, from, atLeast, below, unit }, results) {
  const found = from.flatMap((figure) => {
    const [part, path] = figure.split(' ');
    const value = at(results[part], path);
    return Number.isFinite(value) ? [{ value, mode: path.split('.').at(-1), result: results[part] }] : [];
  });
  const worst = found.reduce(
    (a, b) => ((below === undefined ? b.value < a.value : b.value > a.value) ? b : a),
    found[0],
  );
  const bound = atLeast ?? below;
  const sign = atLeast === undefined ? '<' : '>=';
  return {
    work,
    measure,
    target: bound === undefined ? 'none' : `${sign} ${shown(bound, unit)}`,
    figure: worst ? shown(worst.value, unit) : '-',
    ...(worst ? circumstances(worst) : { dtype: '-', rounds: '-' }),
    verdict: worst ? verdictOf(worst.value, found, from.length, { atLeast, below }) : 'no figure',
  };
}

function verdictOf(figure, found, wanted, { atLeast = -Infinity, below = Infinity }) {
  const other = Object.entries(SIZES).find(([key, size]) => found.some(({ result }) => (result[key] ?? size) !== size));
  if (other) return `other ${other[0]}`;
  if (atLeast === -Infinity && below === Infinity) return 'not judged';
  if (figure < atLeast || figure >= below) return 'missed';
  return found.length === wanted ? 'met' : `met, ${found.map(({ mode }) => mode).join(' and ')} only`;
}

// The number formats of ours and of the peer; the rounds, and the lowest and highest ratio of two of their runs.
function circumstances({ mode, result }) {
  const dtypeOf = (system) => at(result, `systems.${system}.runs.0.dtype`) ?? at(result, `systems.${system}.dtype`);
  const dtypes = [dtypeOf(OURS) ?? result.precision, dtypeOf(mode)].filter(Boolean);
  const [ours, theirs] = [OURS, mode].map((system) => at(result, `systems.${system}.imagesPerSecond`));
  const spread =
    result.rounds > 1 && ours && theirs ? `, ${shown(ours.low / theirs.high)} to ${shown(ours.high / theirs.low)}` : '';
  return { dtype: dtypes.join(' / ') || '-', rounds: result.rounds ? `${result.rounds}${spread}` : '-' };
}

const read = (path) => (existsSync(path) ? readFileSync(path, 'utf8').trim() : '');

// A part that prints no JSON, such as a test run, has its text as the result.
function readResult(path) {
  const text = read(path);
  try {
    return JSON.parse(text);
  } catch {
    return text || null;
  }
}

function readParts(folder) {
  const listed = read(join(folder, 'status.tsv'))
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [name, status, seconds] = line.split('\t');
      const done = status === '0';
      return {
        name,
        status: status === '-' ? null : Number(status),
        seconds: Number(seconds),
        result: done ? readResult(join(folder, `${name}.json`)) : null,
        ...(done
          ? {}
          : {
              failure: read(join(folder, `${name}.log`))
                .split('\n')
                .at(-1),
            }),
      };
    });
  const beside = readdirSync(folder)
    .sort()
    .flatMap((file) => {
      const name = file.replace(/\.json$/, '');
      if (name === file || listed.some((part) => part.name === name)) return [];
      const result = readResult(join(folder, file));
      // The reports of earlier calls lie in PARTS where OUT is not given.
      return typeof result !== 'object' || result.targets
        ? []
        : [{ name, status: 0, seconds: result.seconds ?? 0, result }];
    });
  return [...listed, ...beside];
}

// The machine of all parts. Loaders do not ask for the GPU, so that a part that does comes first.
function machineOf(parts) {
  const machines = parts.flatMap(({ result }) => result?.machine ?? []).sort((a, b) => !!b.gpu - !!a.gpu);
  const [first] = machines;
  if (!first) fail('no part succeeded: read the .log files');
  const other = machines.find(({ fingerprint, gpu }) => gpu && fingerprint !== first.fingerprint);
  if (other) fail(`parts of ${nameOf(first)} and of ${nameOf(other)}: measure all on one machine`);
  return first;
}
const nameOf = ({ gpu, cpu }) => gpu?.name ?? cpu.model;

const row = (...cells) => `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
const rule = (columns) => `|${'---|'.repeat(columns)}`;

function statusText({ status }) {
  if (status === null) return 'not run';
  if (status === 0) return 'done';
  return status === 124 || status === 137 ? 'ran out of its time' : `failed (${status})`; // asked to end, or killed
}

function fail(why) {
  console.error(`targets.mjs: ${why}`);
  process.exit(1);
}

const [folder, out = folder] = process.argv.slice(2);
if (!folder || !existsSync(join(folder, 'status.tsv'))) fail('give the folder of the parts that gpu.sh wrote');
const parts = readParts(folder);
const machine = machineOf(parts);
const results = Object.fromEntries(parts.map(({ name, result }) => [name, result]));
const targets = TARGETS.map((target) => judge(target, results));
const table = [
  row('work', 'measure', 'target', 'figure', 'dtype: ours / peer', 'rounds, spread', ''),
  rule(7),
  ...targets.map((target) => row(...Object.values(target))),
].join('\n');
const markdown = `# ${nameOf(machine)}, ${machine.date.slice(0, 10)}

    scripts/bench/gpu.sh

Ratios are of one run on this machine: ours over the peer in images a second, above 1 where ours is faster.

${table}

## Parts

${[
  row('part', '', 'seconds', 'why not'),
  rule(4),
  ...parts.map((part) => row(part.name, statusText(part), part.seconds, part.failure ?? '')),
].join('\n')}

## Machine

\`\`\`json
${JSON.stringify(machine, null, 1)}
\`\`\`
`;
mkdirSync(out, { recursive: true });
const name = `${machine.date.slice(0, 10)}-${nameOf(machine)
  .toLowerCase()
  .replaceAll(/[^a-z0-9]+/g, '-')}`;
const files = { json: join(out, `${name}.json`), markdown: join(out, `${name}.md`) };
writeFileSync(files.json, `${JSON.stringify({ machine, targets, parts }, null, 1)}\n`);
writeFileSync(files.markdown, markdown);
console.log(`${table}\nwritten: ${files.json}, ${files.markdown}`);
