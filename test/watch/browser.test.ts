/** The page of `watch` in Chromium (EARLYBIRD_CHROMIUM, or where Debian has it). */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { lockFolder } from '../../src/lock';
import { type Watching, watch } from '../../src/watch/watch';
import { goTo, writeRunFolder } from '../support/run-folder';

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const program = process.env.EARLYBIRD_CHROMIUM ?? places.find((path) => existsSync(path));
if (!program) console.warn(`skipped: there is no Chromium at ${places.join(', ')}; EARLYBIRD_CHROMIUM names one`);
const withBrowser = program ? describe : describe.skip;

withBrowser('in a browser', () => {
  let base: string;
  let served: Watching;
  let browser: Browser;
  /** The page's error messages, which include refused scripts and styles. */
  const complaints: string[] = [];

  beforeAll(async () => {
    base = await mkdtemp(join(tmpdir(), 'earlybird-watch-browser-'));
    await writeRunFolder(join(base, 'one'), { completed: 5 });
    await writeRunFolder(join(base, 'two <b>'), { completed: 8 });
    served = await watch([join(base, 'one'), join(base, 'two <b>')], { share: 1 });
    browser = await chromium.launch({ executablePath: program!, args: ['--no-sandbox'] });
  });
  afterAll(async () => {
    await browser.close();
    await served[Symbol.asyncDispose]();
    await rm(base, { recursive: true, force: true });
    expect(complaints).toEqual([]);
  });

  async function opened(options: BrowserContextOptions = {}): Promise<Page> {
    const page = await (await browser.newContext(options)).newPage();
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(served.url);
    return page;
  }

  /** Shows the figures of the first run and waits until they are drawn. */
  async function figuresOf(page: Page) {
    await page.locator('#run-0 summary').click();
    const pictures = page.locator('#run-0 img');
    for (const picture of await pictures.all()) await picture.scrollIntoViewIfNeeded();
    await page.waitForFunction("[...document.querySelectorAll('#run-0 img')].every((image) => image.naturalWidth > 0)");
    return pictures;
  }

  test('runs stand side by side, with one figure of both', async () => {
    const page = await opened({ viewport: { width: 1400, height: 900 } });
    const [one, two] = await Promise.all(['#run-0', '#run-1'].map((id) => page.locator(id).boundingBox()));
    expect(one!.y).toBe(two!.y);
    expect(one!.x + one!.width).toBeLessThan(two!.x);
    expect(await page.locator('#run-1 h1').textContent()).toBe('two <b>');
    expect(await page.locator('#run-all figure').count()).toBe(3);
    await page.context().close();
  });

  test('an epoch comes in by itself: numbers and figures, while focus and what is open stay', async () => {
    const page = await opened();
    const pictures = await figuresOf(page);
    const before = await pictures.first().getAttribute('src');
    await page.locator('#run-0 .save a').first().focus();
    using lock = await lockFolder(join(base, 'one'));
    await goTo(lock.folder, 6);
    await page.getByText('search: epoch 7 of 12').waitFor();
    expect(await page.locator('#run-0 .state').textContent()).toBe('training');
    await page.waitForFunction(`document.querySelector('#run-0 img').getAttribute('src') !== '${before}'`);
    expect(await page.evaluate('document.activeElement.textContent')).toBe('SVG');
    expect(await page.locator('#run-0 details').getAttribute('open')).toBe('');
    await page.context().close();
  });

  test('the keyboard reaches the runs and folds their figures', async () => {
    const page = await opened();
    await page.keyboard.press('Tab');
    expect(await page.evaluate("document.activeElement.getAttribute('href')")).toBe('#run-0');
    await page.keyboard.press('Enter');
    for (let presses = 0; presses < 6; presses++) {
      await page.keyboard.press('Tab');
      if (await page.evaluate("document.activeElement.matches('#run-0 summary')")) break;
    }
    const details = page.locator('#run-0 details');
    expect(await details.getAttribute('open')).toBeNull();
    await page.keyboard.press('Enter');
    expect(await details.getAttribute('open')).toBe('');
    const outline = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle');
    expect(outline).toBe('solid');
    await page.context().close();
  });

  test('on a phone nothing is wider than the screen, and figures have their narrow form', async () => {
    const page = await opened({ viewport: { width: 360, height: 740 }, isMobile: true, deviceScaleFactor: 2 });
    await figuresOf(page);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
    expect(await page.evaluate("document.querySelector('#run-0 img').currentSrc")).toContain('narrow');
    await page.context().close();
  });

  test('dark where the reader wants it dark', async () => {
    const page = await opened({ colorScheme: 'dark' });
    const style = (name: string) => page.evaluate(`getComputedStyle(document.body).${name}`);
    expect(await style('color')).toBe('rgb(230, 237, 243)');
    expect(await style('backgroundColor')).toBe('rgb(13, 17, 23)');
    await page.context().close();
  });

  test('a figure is saved as SVG, PNG and CSV', async () => {
    const page = await opened();
    await figuresOf(page);
    for (const name of ['SVG', 'CSV']) {
      const download = page.waitForEvent('download');
      await page.locator('#run-0 .save a', { hasText: name }).first().click();
      expect((await download).suggestedFilename()).toBe(`learning-curves.${name.toLowerCase()}`);
    }
    await page.context().close();
  });

  test('it says when the server is gone', async () => {
    await using other = await watch([join(base, 'one')]);
    const page = await (await browser.newContext()).newPage();
    await page.goto(other.url);
    await page.waitForResponse(/events/);
    await other[Symbol.asyncDispose]();
    await page.getByText('No connection to earlybird watch').waitFor();
    await page.context().close();
  });

  test('damage in a folder reaches the page as a sentence', async () => {
    const page = await opened();
    await writeFile(join(base, 'two <b>', 'metrics.jsonl'), '<script>secret</script>\n');
    await page.getByText('is damaged: line 1 is not valid JSON').waitFor();
    expect(await page.content()).not.toContain('secret');
    await page.context().close();
  });
});
