/** Compiles tables with pdflatex, where there is one. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PAGE = '\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n\\input{table}\n\\end{document}\n';

const there = spawnSync('pdflatex', ['--version']).status === 0;

/** A test that pdflatex makes a page of a table; skipped, with the reason, where it is not installed. */
export function testLatex(name: string, table: () => string | Promise<string>): void {
  if (!there) console.warn(`skipped: ${name}: there is no pdflatex on this machine`);
  (there ? test : test.skip)(name, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'eb-latex-'));
    try {
      writeFileSync(join(folder, 'table.tex'), await table());
      writeFileSync(join(folder, 'page.tex'), PAGE);
      const { status, stdout } = spawnSync('pdflatex', ['-interaction=nonstopmode', '-halt-on-error', 'page.tex'], {
        cwd: folder,
        encoding: 'utf8',
      });
      expect(status === 0 ? '' : stdout).toBe('');
      expect(existsSync(join(folder, 'page.pdf'))).toBe(true);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
