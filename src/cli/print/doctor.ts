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
