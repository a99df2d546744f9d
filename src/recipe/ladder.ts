/**
 * Ladders of formats of forward passes, from coarse to fine, for each kind of format. Formats of gradients, errors and
 * momentum stay the same.
 */
import { EarlybirdError } from '../errors';
import type { MxFormat } from '../native/types/mx';
import type { NumberFormat, NumberFormats } from '../native/types/number-formats';
import { elementBits } from './operands';
import { FORMAT_BITS } from './precision';

export interface Rung {
  /** Name of the rung: "5", or "mxfp4". */
  name: string;
  formats: NumberFormats;
}

/** A kind of format that has several widths for forward passes. */
interface Kind {
  isOf(format: NumberFormat): boolean;
  /** Names of the default rungs, from coarse to fine. */
  names: readonly string[];
  /** Bits of an element; undefined for a name that is no format of this kind. */
  bits(name: string): number | undefined;
  /**
   * The formats `top` with the forward passes of a rung. `lower` returns the rung's format where that is lower than the
   * given one.
   */
  at(top: NumberFormats, name: string, lower: (format: NumberFormat) => NumberFormat): NumberFormats;
  /** Allowed names in words. */
  allowed: string;
}

/**
 * Weights keep their word length between steps, and so do gammas, which could not rank channels with few bits. Only the
 * weights of convolutions as operands become shorter.
 */
const blockFloat: Kind = {
  isOf: (format) => typeof format === 'number' && format !== -1,
  names: Array.from({ length: 21 }, (_, i) => String(i + 2)),
  bits: (name) => (/^([2-9]|1\d|2[0-2])$/.test(name) ? Number(name) : undefined),
  at: (top, name, lower) => ({
    ...top,
    activate: lower(top.activate),
    ...(lower(top.weight) === top.weight ? {} : { forwardWeight: Number(name) }),
  }),
  allowed: 'word lengths from 2 to 22',
};

const mx: Kind = {
  isOf: (format) => typeof format === 'string',
  names: ['mxfp4', 'mxfp6-e2m3', 'mxfp8-e4m3'],
  bits: (name) => (name !== 'bfp8' && Object.hasOwn(FORMAT_BITS, name) ? elementBits(name as MxFormat) : undefined),
  at: (top, _, lower) => ({
    ...top,
    activate: lower(top.activate),
    // Weights without a full-precision copy would lose their values.
    weight: top.roundedWeights ? top.weight : lower(top.weight),
  }),
  allowed: 'MX formats or nvfp4',
};

const KINDS: readonly Kind[] = [mx, blockFloat];

/**
 * The ladder up to `top`, from the names of the rungs below it or a choice by bits. Throws ERR_RECIPE for a ladder that
 * does not rise to `top`, and where forward passes are not rounded.
 */
export function rungsOf(top: NumberFormats, below: readonly string[] | { isIn(bits: number): boolean }): Rung[] {
  const kind = KINDS.find((one) => one.isOf(top.activate));
  if (!kind) {
    throw new EarlybirdError(
      'ERR_RECIPE',
      '--precision-schedule changes the bits of forward passes, and what convolutions read is not rounded: give --format or --wl-activate.',
    );
  }
  const widthOf = (format: string | number) => kind.bits(String(format)) ?? Number.POSITIVE_INFINITY;
  const last = String(top.activate);
  const limit = widthOf(last);
  const names =
    'isIn' in below ? kind.names.filter((name) => widthOf(name) < limit && below.isIn(widthOf(name))) : below;
  const rises = names.every((name, i) => widthOf(name) < (i + 1 < names.length ? widthOf(names[i + 1]!) : limit));
  if (!rises) {
    throw new EarlybirdError(
      'ERR_RECIPE',
      `--precision-ladder ${names.join(' ')} is not possible: give ${kind.allowed}, each with more bits than the one before, below ${last}.`,
    );
  }
  const rung = (name: string): Rung => {
    const own = (typeof top.activate === 'number' ? Number(name) : name) as NumberFormat;
    const lower = (format: NumberFormat) => (kind.isOf(format) && widthOf(own) < widthOf(format) ? own : format);
    return { name, formats: kind.at(top, name, lower) };
  };
  return [...names.map(rung), { name: last, formats: top }];
}

/** Name of a rung for people: "5 bits", "mxfp4". */
export const rungText = (name: string): string => (/^\d+$/.test(name) ? `${name} bits` : name);

export const ladderText = (ladder: readonly Rung[]): string => ladder.map(({ name }) => name).join(' ');
