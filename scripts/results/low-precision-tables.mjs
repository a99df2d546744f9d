// The tables of low-precision-formats.mjs, from the folders of its runs.
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(import.meta.url);
const { RunDirectory } = require('../../dist/run/directory.js');
const { difference, estimate } = require('../../dist/study/statistics.js');
const { maskDistance } = require('../../dist/ticket/mask.js');

/** Points within which two means count as equivalent (docs/study.md). */
const MARGIN = 0.5;

/** Figures of a run of `train`; `dense` alone where it has no ticket, nothing where its search is not finished. */
export async function readRun(folder) {
  const search = RunDirectory.at(join(folder, 'search'));
  const searched = await search.readJson('result.json');
  if (!searched) return { dense: null, ticket: null };
  const dense = { top1: searched.top1Last, gbitops: searched.arithmetic?.gbitops ?? null, seconds: searched.seconds };
  const result = await RunDirectory.at(folder).readJson('result.json');
  if (!result) return { dense, ticket: null };
  const { percent, completed } = result.ticket;
  const { index, rows } = await search.readMasks(percent / 100);
  const { search: searching, retrain } = result.trainingFlops.arithmetic ?? {};
  const both = (name) => (searching && retrain ? searching[name] + retrain[name] : null);
  const metrics = await search.readMetrics();
  return {
    dense,
    ticket: {
      top1: result.retrain.top1Last,
      drawn: completed,
      cut: result.prune.effective?.channels ?? null,
      gbitops: both('gbitops'),
      modelledJoules: both('modelledJoules'),
      seconds: result.summary[1].seconds,
    },
    forward: metrics.map(({ arithmetic }) => arithmetic?.forward ?? null),
    masks: { channels: index.channels, first: index.first, rows },
  };
}

/** Distances between the masks that two runs drew, and between those after as many epochs as the first one needed. */
function distances(own, other) {
  if (!own.ticket || !other?.ticket) return null;
  const at = ({ masks }, epoch) => masks.rows[epoch - masks.first];
  const between = (epoch, ofOther) => {
    const [a, b] = [at(own, epoch), at(other, ofOther)];
    return a && b ? maskDistance(a, b, own.masks.channels) : null;
  };
  const { drawn } = other.ticket;
  return { tickets: between(own.ticket.drawn, drawn), sameEpoch: between(drawn, drawn) };
}

export async function tablesOf({ rows, seeds, runs, command }) {
  const [base] = rows;
  const of = (row) => runs.filter((run) => run.row === row);
  const peer = ({ seed }) => runs.find((run) => run.row === base && run.seed === seed);
  const over = (row, value) => estimate(of(row).flatMap((run) => value(run) ?? []));
  const minus = (row, value) =>
    difference(
      of(row).flatMap((run) => {
        const [a, b] = [value(run), peer(run) && value(peer(run))];
        return a == null || b == null ? [] : [[a, b]];
      }),
      MARGIN,
    );
  const dense = (run) => run.dense?.top1;
  const ticket = (run) => run.ticket?.top1;
  const gain = (run) => (run.ticket && run.dense ? run.ticket.top1 - run.dense.top1 : null);
  const groups = rows.map((row) => ({
    row,
    n: of(row).filter((run) => run.ticket).length,
    dense: over(row, dense),
    ticket: over(row, ticket),
    drawn: of(row).map((run) => run.ticket?.drawn ?? null),
    distance: row === base ? null : over(row, (run) => distances(run, peer(run))?.tickets),
    distanceSameEpoch: row === base ? null : over(row, (run) => distances(run, peer(run))?.sameEpoch),
    gbitops: over(row, (run) => run.ticket?.gbitops),
    denseGbitops: over(row, (run) => run.dense?.gbitops),
    modelledJoules: over(row, (run) => run.ticket?.modelledJoules),
    seconds: over(row, (run) => run.ticket?.seconds),
    forward: of(row).map((run) => run.forward ?? null),
    lost:
      row === base ? null : { dense: minus(row, dense), ticket: minus(row, ticket), ticketOverDense: minus(row, gain) },
  }));
  const figures = runs.map(({ masks, ...run }) => run);
  return { json: { command, seeds, groups, runs: figures }, text: textOf({ rows, seeds, groups, command }) };
}

const missing = '–';
const number = (digits) => (value) => value.toFixed(digits);
function interval(value, show = number(2)) {
  if (!value) return missing;
  const { mean, low, high } = value;
  return low === null ? show(mean) : `${show(mean)} [${show(low)}, ${show(high)}]`;
}
const signed = (value) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`;
/** Marks a difference whose interval leaves out 0. */
const lost = (value) =>
  `${interval(value, signed)}${value && value.low !== null && (value.low > 0 || value.high < 0) ? ' *' : ''}`;

/** Rungs of the search of the first seed: "4 x3, 5 x2, 8 x25". */
function climbText(forward) {
  const [first] = forward.filter((rungs) => rungs?.some((rung) => rung !== null));
  if (!first) return null;
  const runs = [];
  for (const rung of first) {
    if (runs.at(-1)?.rung === rung) runs.at(-1).epochs++;
    else runs.push({ rung, epochs: 1 });
  }
  return runs.map(({ rung, epochs }) => `${rung} (${epochs})`).join(', ');
}

function textOf({ rows, seeds, groups, command }) {
  const [base] = rows;
  const full = groups[0];
  const share = (group) =>
    group.gbitops && full.denseGbitops ? `${(group.gbitops.mean / full.denseGbitops.mean).toFixed(3)}x` : missing;
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const climbs = groups.flatMap((group) => {
    const text = climbText(group.forward);
    return text ? [`- ${group.row}: forward passes of the search, epochs in brackets: ${text}.`] : [];
  });
  return `# Low precision: dense networks and tickets

    node scripts/results/low-precision-formats.mjs --save DIR --rows ${rows.join(',')} --seeds ${seeds.join(',')} ${command}

| format | tickets | dense top-1 (%) | ticket top-1 (%) | drawn after epochs | mask distance to ${base} | the same, after equal epochs | GBitOps | of dense ${base} | modelled (J) | seconds |
|---|---|---|---|---|---|---|---|---|---|---|
${groups
  .map((group) =>
    line([
      group.row,
      `${group.n} of ${seeds.length}`,
      interval(group.dense),
      interval(group.ticket),
      group.drawn.map((epoch) => epoch ?? missing).join(', '),
      interval(group.distance, number(3)),
      interval(group.distanceSameEpoch, number(3)),
      interval(group.gbitops && { ...group.gbitops, low: null }, number(0)),
      share(group),
      interval(group.modelledJoules && { ...group.modelledJoules, low: null }, number(2)),
      interval(group.seconds && { ...group.seconds, low: null }, number(0)),
    ]),
  )
  .join('\n')}

Means with 95 % intervals over the seeds. GBitOps, joules and seconds are of EB Train: the search up to the ticket, and its retraining.
The joules are those of multiply-adds alone, modelled by a table of 45 nm: nothing measured them.

| format | dense minus ${base} | ticket minus ${base} | how much less the ticket loses |
|---|---|---|---|
${groups
  .filter(({ row }) => row !== base)
  .map(({ row, lost: { dense, ticket, ticketOverDense } }) =>
    line([row, lost(dense), lost(ticket), lost(ticketOverDense)]),
  )
  .join('\n')}

Points of top-1, paired by seed; *: the 95 % interval leaves out 0. Above 0 in the last column a ticket bears the format better than its
dense network. Comparisons are not corrected for their number.
${climbs.length > 0 ? `\n${climbs.join('\n')}\n` : ''}`;
}
