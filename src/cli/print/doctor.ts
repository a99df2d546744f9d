/** The checks of `doctor` as text, for people. */
export interface Check {
  name: string;
  status: 'ok' | 'warn' | 'fault';
  text: string;
  remedy?: string;
}

const STATUS = { ok: 'OK', warn: 'WARN', fault: 'FAULT' };
const INDENT = ' '.repeat(19);

export function doctorText(checks: readonly Check[]): string {
  return checks.map(line).join('\n');
}

function line({ name, status, text, remedy }: Check): string {
  const first = `${STATUS[status].padEnd(7)}${name.padEnd(12)}${text.replaceAll('\n', `\n${INDENT}`)}`;
  return remedy ? `${first}\n${INDENT}remedy: ${remedy}` : first;
}

/** Kernels of convolutions on the CPU as text: the measured ones, or the setting of EARLYBIRD_KERNELS. */
export function kernelsText(chosen: Readonly<Record<string, string>> | string): string {
  if (typeof chosen === 'string') return `convolutions: EARLYBIRD_KERNELS=${chosen}, nothing is measured`;
  const entries = Object.entries(chosen).sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0)
    return 'convolutions: not measured yet; the first training on the CPU does it, in about a second';
  return ['convolutions, as measured here:', ...entries.map(([name, kernel]) => `  ${name}: ${kernel}`)].join('\n');
}
