/** Formats numbers, with a dash for missing ones, and escapes text for HTML. */

export const MISSING = '–';

const UNITS = [
  { size: 1e15, suffix: 'P' },
  { size: 1e12, suffix: 'T' },
  { size: 1e9, suffix: 'G' },
  { size: 1e6, suffix: 'M' },
  { size: 1e3, suffix: 'K' },
];

/** Formats a number of parameters: 14723136 -> "14.72 M". */
export function formatParameters(value: number | null | undefined): string {
  return quantity(value, 1);
}

/** Formats FLOPs: 628862976 -> "0.63 G". The papers quote them in billions, down to a tenth of one. */
export function formatFlops(value: number | null | undefined): string {
  return quantity(value, 0.1);
}

/** Formats 1e9 bit operations: 1234.5 -> "1.23 T". */
export function formatBitOps(giga: number | null | undefined): string {
  return quantity(giga == null ? giga : giga * 1e9, 0.1, [{ size: 1e18, suffix: 'E' }, ...UNITS]);
}

export function formatSeconds(value: number | null | undefined): string {
  return known(value) ? `${grouped(value, value < 100 ? 1 : 0)} s` : MISSING;
}

/** Formats seconds: 5400 -> "1 h 30 min". */
export function formatDuration(seconds: number | null | undefined): string {
  if (!known(seconds)) return MISSING;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return `${Math.round(seconds)} s`;
  if (minutes < 60) return `${minutes} min`;
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  return hours < 48 ? `${hours} h ${rest} min` : `${(hours / 24).toFixed(1)} days`;
}

export function formatJoules(value: number | null | undefined): string {
  if (!known(value)) return MISSING;
  return value >= 1e3 ? `${grouped(value / 1e3, value < 1e5 ? 1 : 0)} kJ` : `${grouped(value, value < 100 ? 1 : 0)} J`;
}

export function formatWatts(value: number | null | undefined): string {
  return known(value) ? `${grouped(value, value < 100 ? 1 : 0)} W` : MISSING;
}

export function formatPercent(value: number | null | undefined): string {
  return known(value) ? `${value.toFixed(2)} %` : MISSING;
}

/** Formats a difference to a hundredth, with its sign: -1.5 -> "−1.50". */
export function formatSigned(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`;
}

/** Formats a share of the dense run's value, "0.62x"; empty where there is nothing to compare. */
export function formatRatio(value: number | null | undefined, dense: number | null | undefined): string {
  return known(value) && known(dense) && dense > 0 ? `${(value / dense).toFixed(2)}x` : '';
}

/** Formats a number in the largest unit of which there is at least `least`. */
function quantity(value: number | null | undefined, least: number, units = UNITS): string {
  if (!known(value)) return MISSING;
  const unit = units.find(({ size }) => Math.abs(value) >= least * size);
  return unit ? `${(value / unit.size).toFixed(2)} ${unit.suffix}` : String(value);
}

function grouped(value: number, digits: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function known(value: number | null | undefined): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Escapes text for use inside an HTML element or a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}
