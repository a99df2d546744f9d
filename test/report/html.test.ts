import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FIGURES, matrices } from '../../src/report/figures';
import { type HtmlFigure, renderHtml } from '../../src/report/html';
import type { ReportInput } from '../../src/report/input';
import { hasFonts, renderSvg } from '../../src/report/render';
import { writeReport, writeSpec } from '../../src/report/write';
import { maskMatrix, SAMPLE } from '../support/report-sample';

const VOID = new Set(['meta', 'br', 'hr', 'img', 'link', 'input', '!doctype']);

/** Every element is closed, in order. */
function expectWellFormed(html: string): void {
  const open: string[] = [];
  for (const [, close, name, rest] of html.matchAll(/<(\/?)([!a-zA-Z][\w-]*)((?:"[^"]*"|[^">])*)>/g)) {
    if (VOID.has(name!.toLowerCase()) || rest!.endsWith('/')) continue;
    if (close) expect(open.pop()).toBe(name);
    else open.push(name!);
  }
  expect(open).toEqual([]);
}

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'earlybird-report-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

test('the headline of EB Train stands above the summary; other reports have none', () => {
  const html = renderHtml({ ...SAMPLE, trainingFlops: { ebTrain: 5e12, dense: 1e13, ratio: 0.5, epochs: 10 } }, []);
  expectWellFormed(html);
  expect(html).toMatch(/EB Train took 0\.50x the training FLOPs[^<]*<\/strong><\/p>\n<div[^>]*><table class="summary"/);
  expect(renderHtml(SAMPLE, [])).not.toContain('EB Train took');
});

test('energy: a row for each phase, reasons, and where the figures come from; nothing where none was metered', () => {
  const total = { windows: 1, seconds: 20, joules: 3000 };
  const lost = { windows: 1, seconds: 2, joules: null, reason: 'the GPU <was> lost' };
  const sources = ['GPU: NVML counter', 'CPU: not read: no tree'];
  const html = renderHtml({ ...SAMPLE, energy: { phases: { search: total, 'search/train': lost }, sources } }, []);
  expectWellFormed(html);
  expect(html).toContain('<th scope="row">search</th><td>20.0 s</td><td>3.0 kJ</td><td>150 W</td><td></td>');
  expect(html).toContain('<td>–</td><td>–</td><td>the GPU &lt;was&gt; lost</td>');
  for (const text of sources) expect(html).toContain(`<p class="note">${text}.</p>`);
  const unread = renderHtml({ ...SAMPLE, energy: { phases: { search: { ...total, joules: null } }, sources } }, []);
  expect(unread).toContain('<h2>Energy</h2>\n<p class="note">GPU');
  expect(renderHtml(SAMPLE, [])).not.toContain('<h2>Energy</h2>');
});

/** Names of the tags of a page and of their attributes, whose values may hold anything but their quotes. */
function partsOf(html: string): string[] {
  const parts = [...html.matchAll(/<([a-zA-Z][\w:-]*)((?:"[^"]*"|[^">])*)>/g)].flatMap(([, name, rest]) => {
    const attributes = rest!.replaceAll(/"[^"]*"/g, ' ').match(/[^\s=/]+/g) ?? [];
    return [`<${name}`, ...attributes];
  });
  return [...new Set(parts)];
}

const MARKUP = `"'><img src=x onerror=alert(1)></script></style></title><script>alert(2)</script>&lt;b&gt;`;
/** Fields whose texts the program writes, not people. */
const OWN = ['phase', 'compared', 'id'];

/** The value with markup behind each of its texts and in front of each key of free choice. */
function spoiled<T>(value: T): T {
  if (typeof value === 'string') return `${value}${MARKUP}` as T;
  if (value === null || typeof value !== 'object' || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map(spoiled) as T;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, OWN.includes(key) ? one : spoiled(one)]),
  ) as T;
}

/** The page, with only the figures for a screen. */
async function pageOf(input: ReportInput): Promise<string> {
  const shown: HtmlFigure[] = [];
  for (const { spec, ...figure } of FIGURES) {
    const drawing = await spec(input);
    const wide = drawing && (await renderSvg(drawing));
    if (wide) shown.push({ ...figure, saves: [{ format: 'SVG', href: input.title }], wide, narrow: wide });
  }
  expect(shown.length).toBeGreaterThan(3);
  return renderHtml(input, shown);
}

test('markup in any text of a run becomes text, in the page and in its figures', async () => {
  const more = (text: string) => ({
    provenance: { [text]: text },
    files: [text],
    energy: { phases: { [text]: { windows: 1, seconds: 20, joules: null, reason: text } }, sources: [text] },
  });
  const page = await pageOf({ ...spoiled(SAMPLE), ...more(MARKUP) });
  const plain = await pageOf({ ...SAMPLE, ...more('text') });
  expect(page.match(/alert\(2\)/g)!.length).toBeGreaterThan(20);
  expectWellFormed(page);
  const known = partsOf(plain);
  expect(partsOf(page).filter((part) => !known.includes(part))).toEqual([]);
  expect(known.filter((part) => /^(on|src|<script|<img)/.test(part))).toEqual([]);
});

test('the page forbids scripts and requests by itself, from whatever server it comes', () => {
  const [, policy] = /<meta http-equiv="Content-Security-Policy" content="([^"]*)">/.exec(renderHtml(SAMPLE, []))!;
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toMatch(/script-src|connect-src|https?:|\*/);
  // A policy holds for what follows it.
  expect(renderHtml(SAMPLE, []).indexOf('Content-Security-Policy')).toBeLessThan(
    renderHtml(SAMPLE, []).indexOf('<style'),
  );
});

describe('a written report', () => {
  let html: string;
  let written: Awaited<ReturnType<typeof writeReport>>;
  const folder = () => path.join(directory, 'report');

  beforeAll(async () => {
    written = await writeReport(folder(), SAMPLE);
    html = await readFile(written.html, 'utf8');
  });

  test('has every figure as SVG, PNG and PDF with its numbers, links them, and leaves no temporary file', async () => {
    const names = ['learning-curves', 'mask-distances', 'distance-matrix', 'kept-channels', 'drawing-epoch'];
    const kinds = (await hasFonts()) ? ['svg', 'png', 'pdf'] : ['svg'];
    const files = names.flatMap((name) => kinds.map((kind) => `${name}.${kind}`));
    expect(written.figures.map((file) => path.basename(file))).toEqual(files);
    const saved = [...files, ...names.map((name) => `${name}.csv`)];
    expect((await readdir(folder())).sort()).toEqual([...saved, 'index.html'].sort());
    for (const file of saved) expect(html).toContain(`<a href="${file}" download aria-label="Save Figure `);
  });

  test('tables of figures hold their numbers', async () => {
    const table = async (name: string) =>
      (await readFile(path.join(folder(), `${name}.csv`), 'utf8')).trim().split('\n');
    const [head, first] = await table('learning-curves');
    expect(head).toMatch(/^run,epoch,completed,lr,train\.loss,.*,test\.top1,.*,distance\.30/);
    expect(first).toMatch(/^search \(dense\),0,1,0\.1,2,/);
    const matrix = await table('distance-matrix');
    expect(matrix[0]).toBe('network,ratio,epoch,older,distance');
    expect(matrix).toHaveLength(1 + 3 * 66);
    expect(Number(matrix[1]!.split(',').at(-1))).toBeCloseTo(0.5);
    expect((await table('kept-channels'))[1]).toBe('VGG-16,0.3,feature.1.weight,64,40,0');
    expect((await table('drawing-epoch'))[1]).toBe('VGG-16,0.3,4,70,72.4');
    expect((await table('mask-distances'))[0]).toBe('network,ratio,epoch,smallest,largest');
  });

  test('is well-formed and asks nothing of the network', () => {
    expectWellFormed(html);
    expect(html).not.toMatch(/https?:|src=|<link|<script|@import|url\((?!#)/);
  });

  test('escapes what people and recipes are called', () => {
    expect(html).toContain('<title>Demo &lt;script&gt;alert(1)&lt;/script&gt;</title>');
    expect(html).toContain('&lt;/pre&gt;&lt;script&gt;alert(2)');
    expect(html).toContain('--preset &quot;demo&quot; &lt;x&gt;');
    expect(html).toContain('ticket &lt;b&gt;p=0.3&lt;/b&gt;');
  });

  test('is labelled as synthetic in its head, its table and each of its figures', () => {
    expect(html).toContain('<p class="synthetic">Synthetic data (shapes-10), not real images: 4,096 training');
    expect(html).toContain('Synthetic dataset: these numbers say nothing');
    const figures = html.match(/<figure .*?<\/figure>/gs)!;
    expect(figures).toHaveLength(5);
    for (const figure of figures) expect(figure).toContain('Synthetic data (shapes-10)');
  });

  test('lists every epoch, folded, and links the files of the run', () => {
    expect(html).toContain('<summary>search (dense): 12 epochs</summary>');
    expect(html).toContain('<tr><th scope="row">1</th><td>0.1</td><td>2.0000</td><td>10.00 %</td>');
    const page = renderHtml({ ...SAMPLE, files: ['search/EB-30-8.pth.tar', 'a "b"/c.txt'] }, []);
    expectWellFormed(page);
    expect(page).toContain('<a href="../search/EB-30-8.pth.tar">search/EB-30-8.pth.tar</a>');
    expect(page).toContain('<a href="../a%20%22b%22/c.txt">a &quot;b&quot;/c.txt</a>');
    expect(html).not.toContain('<h2>Files</h2>');
  });

  test('has a drawing for paper and one for a phone of every figure, enlarged alike', () => {
    expect(html.match(/class="on-wide"/g)).toHaveLength(5);
    expect(html.match(/class="on-narrow"/g)).toHaveLength(5);
    for (const [, width, box] of html.matchAll(/<svg[^>]* width="(\d+)"[^>]* viewBox="0 0 ([\d.]+)/g))
      expect(Number(width) / Number(box)).toBeCloseTo(1.2, 2);
  });

  test('has no name twice', () => {
    const names = [...html.matchAll(/ id="([^"]+)"/g)].map(([, name]) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const [, name] of html.matchAll(/url\(#([^)]+)\)/g)) expect(names).toContain(name);
  });

  test('is the same when written again, over the old one', async () => {
    await writeReport(folder(), SAMPLE);
    expect(await readFile(written.html, 'utf8')).toBe(html);
  });
});

test('a report of nothing still is a page', async () => {
  const empty: ReportInput = {
    ...SAMPLE,
    recipe: undefined,
    provenance: {},
    runs: [],
    matrices: [],
    channels: [],
    drawing: [],
    summary: [],
  };
  const written = await writeReport(path.join(directory, 'empty'), empty);
  expect(written.figures).toEqual([]);
  const html = await readFile(written.html, 'utf8');
  expectWellFormed(html);
  expect(html).toContain('There is nothing to draw yet.');
  expect(html).toContain('<pre>null</pre>');
});

test('names of clip paths do not meet those of other figures', () => {
  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg"><clipPath id="clip0"></clipPath><g clip-path="url(#clip0)"></g></svg>';
  const figures = ['a', 'b'].map((id) => ({ id, title: id, caption: '', saves: [], wide: svg, narrow: svg }));
  const html = renderHtml(SAMPLE, figures);
  expect(html).toContain('<clipPath id="a-clip0"></clipPath><g clip-path="url(#a-clip0)">');
  expect(html).toContain('<clipPath id="b-clip0"></clipPath><g clip-path="url(#b-clip0)">');
  expect(html).toContain('<clipPath id="b-narrow-clip0"></clipPath><g clip-path="url(#b-narrow-clip0)">');
});

describe('the matrix sheet', () => {
  const NAMELESS = { name: '', synthetic: false };

  test('is written beside its name, or not at all where there is no matrix', async () => {
    const base = path.join(directory, 'sheet');
    const { figures } = await writeSpec(base, await matrices([maskMatrix([0, 1, 2])], NAMELESS));
    expect(figures[0]).toBe(`${base}.svg`);
    expect(await writeSpec(base, await matrices([maskMatrix([])], NAMELESS))).toEqual({ figures: [], notes: [] });
  });

  test('fails with the file and the remedy where it cannot be written', async () => {
    const blocked = path.join(directory, 'file');
    await writeFile(blocked, '');
    const sheet = writeSpec(path.join(blocked, 'x'), await matrices([maskMatrix([0, 1])], NAMELESS));
    await expect(sheet).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringContaining(`${blocked} is a file`),
    });
  });
});
