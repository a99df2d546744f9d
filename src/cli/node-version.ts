/**
 * Refuses a Node that is too old, before anything is loaded that it cannot run. Imports nothing, and uses only syntax
 * that old versions understand.
 */

/** Oldest version of Node that can run this program, as in "engines" of package.json. */
const NODE_NEEDED = '20.19';

/** Remedy for a version that is too old. */
export const NODE_REMEDY = `install Node ${NODE_NEEDED} or newer`;

/** True for a version such as "20.19.0" that can run this program. */
export function runsOnNode(version: string): boolean {
  const [major, minor] = version.split('.').map(Number) as [number, number];
  const [neededMajor, neededMinor] = NODE_NEEDED.split('.').map(Number) as [number, number];
  return major > neededMajor || (major === neededMajor && minor >= neededMinor);
}

const words = process.argv.slice(2);
if (!runsOnNode(process.versions.node)) {
  const code = 'ERR_NODE';
  const message = `This is Node ${process.versions.node} (${process.execPath}): ${NODE_REMEDY}.`;
  const json = words.indexOf('--json') >= 0;
  process.stderr.write(
    json ? `${JSON.stringify({ error: { code, message } })}\n` : `earlybird: ${message} [${code}]\n`,
  );
  process.exit(1);
}
