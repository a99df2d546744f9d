/**
 * The built-in set: 32x32 colour pictures of ten kinds of figure, for a machine without data.
 *
 * A class is a form, texture or arrangement. Colour, place, size and angle are random for every picture, as are a shaded background,
 * strokes and dots, and noise. No class depends on left and right, so the usual flip keeps labels true. A linear classifier on the
 * pixels stays below 25 %; a small VGG learns the set within minutes on two cores. A picture depends only on (seed, set, index).
 */
import { setImmediate as breathe } from 'node:timers/promises';
import type { ImageSet } from './dataset';
import { KNOWN } from './known';
import { Random } from './random';

/** Functions of Math, looked up once, as every access to a global is slow in jest's sandbox. */
const { abs, ceil, cos, floor, max, min, PI, round, sin, sqrt } = Math;

const { size: SIZE, counts: COUNTS } = KNOWN.synthetic;

/**
 * A figure as a function: the distance in pixels of the point (x, y) from a figure of radius r, negative inside. Only
 * the sign and the slope near the edge matter, so the cheap "distance to the farthest side" replaces the true distance.
 */
type Figure = (x: number, y: number, r: number) => number;

const disc: Figure = (x, y, r) => length(x, y) - r;
const square: Figure = (x, y, r) => max(abs(x), abs(y)) - 0.85 * r;
const STROKE = 1.5;

interface Kind {
  name: string;
  figures: Figure[];
  /** Paint of a point of the figure, 0 or 1, in a pattern of the given half period; plain when absent. */
  paint?: (x: number, y: number, period: number) => number;
}

const KINDS: Kind[] = [
  { name: 'disc', figures: [disc] },
  { name: 'ring', figures: [(x, y, r) => abs(disc(x, y, r - STROKE)) - STROKE] },
  { name: 'square', figures: [square] },
  { name: 'frame', figures: [(x, y, r) => abs(square(x, y, r) + STROKE) - STROKE] },
  { name: 'triangle', figures: [(x, y, r) => sidesOut(3, x, y)[0]! - 0.6 * r] },
  // The star is the pentagon and its five tips: points inside at least four of a pentagon's five sides.
  { name: 'star', figures: [(x, y, r) => sidesOut(5, x, y)[1]! - 0.42 * r] },
  {
    name: 'cross',
    figures: [(x, y, r) => min(box(x, y, r, 0.3 * r), box(x, y, 0.3 * r, r))],
  },
  { name: 'pair', figures: [(x, y, r) => disc(abs(x) - 0.6 * r, y, 0.45 * r)] },
  { name: 'stripes', figures: [disc, square], paint: (x, _, period) => floor(x / period) & 1 },
  {
    name: 'checks',
    figures: [disc, square],
    paint: (x, y, period) => (floor(x / period) + floor(y / period)) & 1,
  },
];

export const SYNTHETIC_CLASSES = KINDS.map((kind) => kind.name);

/** Labels of a whole set before limiting. The classes take turns, so every class has the same share. */
export function syntheticLabels(split: 'train' | 'test'): Int32Array {
  return Int32Array.from({ length: COUNTS[split] }, (_, index) => index % KINDS.length);
}

/** Draws the pictures with the given indexes into a set of shape (indexes.length, 32, 32, 3). */
export async function drawSynthetic(
  split: 'train' | 'test',
  seed: number,
  indexes: Int32Array,
  signal?: AbortSignal,
): Promise<ImageSet> {
  const all = syntheticLabels(split);
  const canvas = new Float32Array(SIZE * SIZE * 3);
  // Clamped arrays round to the nearest whole number from 0 to 255.
  const images = new Uint8ClampedArray(indexes.length * canvas.length);
  const labels = Int32Array.from(indexes, (index) => all[index]!);
  for (let i = 0; i < indexes.length; i++) {
    const random = new Random(seed, split === 'train' ? 1 : 2, indexes[i]!);
    drawPicture(KINDS[labels[i]!]!, random, canvas);
    images.set(canvas, i * canvas.length);
    if (i % 64 === 63) await breathe(undefined, { signal }).catch(() => signal?.throwIfAborted());
  }
  return { images: new Uint8Array(images.buffer), labels, count: indexes.length };
}

type Colour = [number, number, number];
type Point = [number, number];

/** A picture being painted, (32, 32, 3): RGB from 0 to 255, not yet rounded. */
type Canvas = Float32Array;

function drawPicture(kind: Kind, random: Random, canvas: Canvas): void {
  const ground = randomColour(random, DARK);
  paintGround(canvas, ground, random);
  for (let strokes = random.below(3); strokes > 0; strokes--) paintStrayStroke(canvas, random);
  paintFigure(canvas, kind, ground, random);
  for (let dots = 1 + random.below(3); dots > 0; dots--) paintStrayDot(canvas, random);
  addNoise(canvas, random);
}

/** Paints one colour that turns by up to a third into another one across the picture. */
function paintGround(canvas: Canvas, ground: Colour, random: Random): void {
  for (let at = 0; at < canvas.length; at++) canvas[at] = ground[at % 3]!;
  const [gx, gy] = randomDirection(random);
  const ramp = (x: number, y: number) => 0.33 * min(1, max(0, 0.5 + (gx * x + gy * y) / SIZE));
  paint(canvas, [0, 0], SIZE, ramp, [randomColour(random, DARK)]);
}

function paintFigure(canvas: Canvas, kind: Kind, ground: Colour, random: Random): void {
  const figure = kind.figures[random.below(kind.figures.length)]!;
  const [cos, sin] = randomDirection(random);
  const r = random.between(6, 11);
  const centre: Point = [random.between(-6, 6), random.between(-6, 6)];
  const stretch = random.between(0.8, 1.25);
  const period = random.between(2.2, 3.4);
  const first = colourAwayFrom(random, ground, LIGHT);
  const second = colourAwayFrom(random, first, DARK);
  const along = (x: number, y: number) => (cos * (x - centre[0]) + sin * (y - centre[1])) * stretch;
  const across = (x: number, y: number) => cos * (y - centre[1]) - sin * (x - centre[0]);
  const cover = (x: number, y: number) => edge(figure(along(x, y), across(x, y), r));
  const choose = (x: number, y: number) => kind.paint?.(along(x, y), across(x, y), period) ?? 0;
  paint(canvas, centre, 1.6 * r, cover, [first, second], choose);
}

/** Paints a straight line somewhere in the background. */
function paintStrayStroke(canvas: Canvas, random: Random): void {
  const [nx, ny] = randomDirection(random);
  const offset = random.between(-14, 14);
  const half = random.between(0.4, 1.2);
  const cover = (x: number, y: number) => edge(abs(nx * x + ny * y - offset) - half);
  paint(canvas, [0, 0], SIZE, cover, [randomColour(random, DARK)]);
}

/** Paints a small dot in front of everything. */
function paintStrayDot(canvas: Canvas, random: Random): void {
  const centre: Point = [random.between(-15, 15), random.between(-15, 15)];
  const r = random.between(0.8, 2.4);
  paint(canvas, centre, r + 1, (x, y) => edge(disc(x - centre[0], y - centre[1], r)), [randomColour(random, ANY)]);
}

/** Lays a colour over every pixel within `reach` (in rows and columns) of the centre, as opaque as `cover` (0 to 1) says there. */
function paint(
  canvas: Canvas,
  [cx, cy]: Point,
  reach: number,
  cover: (x: number, y: number) => number,
  colours: Colour[],
  choose: (x: number, y: number) => number = () => 0,
): void {
  const middle = SIZE / 2;
  const first = (centre: number) => max(0, floor(middle + centre - reach));
  const last = (centre: number) => min(SIZE - 1, ceil(middle + centre + reach));
  for (let row = first(cy); row <= last(cy); row++) {
    for (let column = first(cx); column <= last(cx); column++) {
      const x = column - middle + 0.5;
      const y = row - middle + 0.5;
      const share = cover(x, y);
      if (share <= 0) continue;
      const colour = colours[choose(x, y)]!;
      const at = (row * SIZE + column) * 3;
      for (let channel = 0; channel < 3; channel++)
        canvas[at + channel]! += (colour[channel]! - canvas[at + channel]!) * share;
    }
  }
}

function addNoise(canvas: Canvas, random: Random): void {
  const deviation = random.between(10, 30);
  for (let at = 0; at < canvas.length; at++) canvas[at]! += deviation * random.bell();
}

/** Opacity of a soft edge one pixel wide. */
function edge(distance: number): number {
  return min(1, max(0, 0.5 - distance));
}

/** Lowest and highest value of a channel. Figures tend to be lighter than the ground, or nothing would be learnt for minutes. */
type Range = [number, number];
const DARK: Range = [0, 190];
const LIGHT: Range = [65, 255];
const ANY: Range = [0, 255];

function randomColour(random: Random, [low, high]: Range): Colour {
  return [random.between(low, high), random.between(low, high), random.between(low, high)];
}

/** A colour that stands out from another. */
function colourAwayFrom(random: Random, other: Colour, range: Range): Colour {
  for (;;) {
    const colour = randomColour(random, range);
    if (colour.reduce((sum, value, i) => sum + abs(value - other[i]!), 0) > 180) return colour;
  }
}

/**
 * Directions around the circle, as [cos, sin]. They are rounded, because the last bit of Math.sin differs between
 * JavaScript engines, and the pictures must not.
 */
const DIRECTIONS = circle(256);
const POLYGON_NORMALS: Record<number, Point[]> = { 3: circle(3), 5: circle(5) };

function circle(count: number): Point[] {
  const rounded = (value: number) => round(value * 65536) / 65536;
  return Array.from({ length: count }, (_, i) => {
    const angle = (2 * PI * i) / count;
    return [rounded(cos(angle)), rounded(sin(angle))];
  });
}

function randomDirection(random: Random): Point {
  return DIRECTIONS[random.below(DIRECTIONS.length)]!;
}

/** The largest and second largest distance of (x, y) along the outward normals of a regular polygon. */
function sidesOut(sides: number, x: number, y: number): Point {
  let [first, second] = [-1e9, -1e9];
  for (const [nx, ny] of POLYGON_NORMALS[sides]!) {
    const out = nx * x + ny * y;
    if (out > first) [first, second] = [out, first];
    else if (out > second) second = out;
  }
  return [first, second];
}

function box(x: number, y: number, halfWidth: number, halfHeight: number): number {
  return max(abs(x) - halfWidth, abs(y) - halfHeight);
}

/** Length of a vector by the square root, as Math.hypot is not rounded alike everywhere. */
function length(x: number, y: number): number {
  return sqrt(x * x + y * y);
}
