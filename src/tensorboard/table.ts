/** The metrics of runs as one table. */
import { EarlybirdError } from '../errors';
import { metricsRow, type Row } from '../report/figure-data';
import { findRuns } from '../watch/find';
import { RunReader } from '../watch/read';

/**
 * One row for each epoch of each run in and under the folders. Throws ERR_FILE where a run cannot be read, or there is
 * none.
 */
export async function metricsRows(folders: readonly string[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const found of await findRuns(folders)) {
    const { problem, stages } = await new RunReader(found, () => {}).read();
    if (problem !== undefined) throw new EarlybirdError('ERR_FILE', `${found.folder}: ${problem}`);
    for (const { name, metrics } of stages) {
      rows.push(...metrics.map((line) => ({ run: found.name, stage: name, ...metricsRow(line) })));
    }
  }
  if (rows.length === 0) {
    throw new EarlybirdError('ERR_FILE', `${folders.join(', ')} holds no run with an epoch: give folders of runs.`);
  }
  return rows;
}
