/** Converts the metrics of a run to values for TensorBoard. */

import type { MaskMatrix } from '../report/input';
import { matrixPixels } from '../report/matrix-image';
import type { EpochMetrics } from '../run/metrics';
import { ratioKey } from '../run/names';
import { signalsOf } from '../ticket/watch';
import { encodeHparams, type SummaryValue } from './messages';

/** Scalars of one step. */
export interface Step {
  step: number;
  values: SummaryValue[];
}

/** Scalars of an epoch after it, and of the detector before it. */
export function stepsOf(line: EpochMetrics): Step[] {
  const { epoch, completed, lr, train, test, swa, seconds, imagesPerSecond, joules, signals, arithmetic } = line;
  const seen = signals ? 'detector signal' : 'mask distance';
  const before = Object.entries(signalsOf(line)).map(([key, value]) => scalar(`${seen}/p ${key} %`, value));
  const after = [
    scalar('loss/train', train.loss),
    scalar('loss/test', test.loss),
    scalar('top-1/train', train.top1),
    scalar('top-1/test', test.top1),
    scalar('top-5/test', test.top5),
    scalar('loss/swa', swa?.loss),
    scalar('top-1/swa', swa?.top1),
    scalar('top-5/swa', swa?.top5),
    scalar('learning rate', lr),
    scalar('images per second', imagesPerSecond),
    scalar('seconds/train', seconds.train),
    scalar('seconds/test', seconds.evaluate),
    scalar('joules', joules),
    scalar('bits/activations', arithmetic?.bits.activate),
    scalar('gigabit operations', arithmetic?.gbitops),
  ];
  return [
    { step: epoch, values: before.flat() },
    { step: completed, values: after.flat() },
  ].filter(({ values }) => values.length > 0);
}

/** A scalar; empty for a value that is missing or not finite. */
function scalar(tag: string, value: number | null | undefined): SummaryValue[] {
  return typeof value === 'number' && Number.isFinite(value) ? [{ tag, simpleValue: value }] : [];
}

/** Least side in pixels that a small matrix is enlarged to. */
const SIDE = 320;
const RGB = 3;

/** A matrix in its current state, in the colours of the figures. */
export async function matrixValue(matrix: MaskMatrix): Promise<SummaryValue> {
  const { default: sharp } = await import('sharp');
  const { width, height, rgba } = await matrixPixels(matrix);
  const side = width * Math.max(1, Math.floor(SIDE / width));
  const png = await sharp(rgba, { raw: { width, height, channels: 4 } })
    .flatten({ background: '#ffffff' })
    .resize(side, side, { kernel: 'nearest' })
    .png()
    .toBuffer();
  const image = { height: side, width: side, colorspace: RGB, encodedImageString: png };
  return { tag: `mask distances/p ${ratioKey(matrix.ratio)} %`, image };
}

const METRICS = ['top-1/test', 'loss/test', 'top-1/train', 'loss/train'];

/** The recipe as hyper-parameters, which TensorBoard compares over runs. */
export async function hparamsValues(recipe: Record<string, unknown>, time: number): Promise<SummaryValue[]> {
  const entries = Object.entries(recipe).filter(([, value]) => value !== undefined && value !== null);
  const hparams = Object.fromEntries(entries.map(([name, value]) => [name, hparamOf(value)]));
  const experiment = {
    timeCreatedSecs: time,
    hparamInfos: entries.map(([name, value]) => ({ name, type: typeOf(value) })),
    metricInfos: METRICS.map((tag) => ({ name: { group: '', tag } })),
  };
  return [
    await hparamsValue('experiment', { experiment }),
    await hparamsValue('session_start_info', { sessionStartInfo: { hparams, startTimeSecs: time } }),
  ];
}

/** Value that marks the run as successfully ended. */
export const endValue = (time: number): Promise<SummaryValue> =>
  hparamsValue('session_end_info', { sessionEndInfo: { status: 1, endTimeSecs: time } });

async function hparamsValue(name: string, data: object): Promise<SummaryValue> {
  const content = await encodeHparams(data);
  return { tag: `_hparams_/${name}`, metadata: { pluginData: { pluginName: 'hparams', content } } };
}

function hparamOf(value: unknown): object {
  if (typeof value === 'number') return { numberValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return { stringValue: Array.isArray(value) ? value.join(' ') : String(value) };
}

/** Type of a value in hparams' enumeration DataType: string, bool, float64. */
function typeOf(value: unknown): number {
  return typeof value === 'number' ? 3 : typeof value === 'boolean' ? 2 : 1;
}
