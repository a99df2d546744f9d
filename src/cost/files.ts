/** The files of a comparison of costs. */
import { join } from 'node:path';
import { writeFileAtomic } from '../atomic';
import { type CostTable, costLatex, costMarkdown } from '../report/cost-table';

/** Writes JSON, Markdown and LaTeX under the folder of the runs; returns their paths. */
export async function writeFiles(save: string, name: string, bench: object, table: CostTable): Promise<string[]> {
  const contents = {
    json: `${JSON.stringify(bench, null, 2)}\n`,
    md: costMarkdown(table),
    tex: costLatex(table),
  };
  const files = Object.entries(contents).map(([kind, text]) => [join(save, `${name}.${kind}`), text] as const);
  for (const [file, text] of files) await writeFileAtomic(file, text);
  return files.map(([file]) => file);
}
