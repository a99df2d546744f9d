import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { get, type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockFolder } from '../../src/lock';
import { type Watching, watch } from '../../src/watch/watch';
import { goTo, writeRunFolder } from '../support/run-folder';

let base: string;
let page: Watching;
const HOSTILE = '<img src=x onerror=alert(1)>';

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'earlybird-watch-server-'));
  await writeRunFolder(join(base, HOSTILE), {
    recipe: { data: '</script><script>alert(2)</script>' },
    dataset: 'folder',
  });
  await writeFile(join(base, 'secret.json'), '"secret"');
  page = await watch([join(base, HOSTILE)], { port: undefined });
});
afterAll(async () => {
  await page[Symbol.asyncDispose]();
  await rm(base, { recursive: true, force: true });
});

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** Like fetch, which neither lets a Host be given nor leaves paths as they are. */
function ask(
  path: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: object } = {},
): Promise<Answer> {
  const { hostname, port } = new URL(page.url);
  return new Promise((settle, fail) => {
    request({ hostname, port, path, method, headers: { ...headers } }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => settle({ status: response.statusCode!, headers: response.headers, body }));
    })
      .on('error', fail)
      .end();
  });
}

/** Events of the page as they come, up to one that contains `wanted`. */
function events(wanted: string): Promise<string> {
  return new Promise((settle, fail) => {
    const stream = get(`${page.url}events`, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
        if (!text.includes(wanted)) return;
        stream.destroy();
        settle(text);
      });
      response.on('end', () => fail(new Error('the stream ended')));
    });
    stream.on('error', () => {});
  });
}

test('names and recipe texts stand in the page as text, and its policy lets no other script run', async () => {
  const { status, headers, body } = await ask('/');
  expect(status).toBe(200);
  expect(body).toContain('&lt;img src=x onerror=alert(1)&gt;');
  expect(body).not.toContain('<img src=x');
  expect(body).not.toContain('<script>');
  const policy = String(headers['content-security-policy']);
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self'");
  expect(policy).not.toContain('unsafe');
  expect(body.match(/https?:\/\//g)).toBeNull();
  const figure = await ask('/runs/0/figures/learning-curves.svg');
  expect(figure.headers['content-type']).toBe('image/svg+xml');
  expect(figure.body).not.toContain('<script');
});

test.each(['evil.example', 'evil.example:8316', '127.0.0.1.evil.example', 'localhost@evil.example'])(
  'under the name %j nothing is answered',
  async (host) => {
    expect(await ask('/', { headers: { Host: host } })).toMatchObject({ status: 403 });
    expect(await ask('/events', { headers: { Host: host } })).toMatchObject({ status: 403 });
  },
);

test('a tunnel may have another port; other sites read nothing', async () => {
  expect(await ask('/', { headers: { Host: 'localhost:9999' } })).toMatchObject({ status: 200 });
  const other = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors' };
  expect(await ask('/runs/0/figures/learning-curves.csv', { headers: other })).toMatchObject({ status: 403 });
  expect((await ask('/')).headers['cross-origin-resource-policy']).toBe('same-origin');
});

test.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('%s is refused: the server only reads', async (method) => {
  expect(await ask('/', { method })).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
});

test.each([
  '/runs/0/files/../secret.json',
  '/runs/0/files/%2e%2e/secret.json',
  '/runs/0/files/..%2fsecret.json',
  '/runs/0/files//etc/passwd',
  '/runs/0/files/report/../../secret.json',
  '/runs/0/files/report/%00index.html',
  '/runs/9/files/params.json',
  '/runs/0/figures/none.svg',
  '/runs/0/figures/learning-curves.exe',
  '/runs/all/figures/learning-curves.svg',
  '/secret.json',
  '/__proto__',
  '/runs/__proto__/figures/learning-curves.svg',
])('%s is not there', async (path) => {
  const { status, body } = await ask(path);
  expect(status).toBe(404);
  expect(body).not.toContain('secret');
});

test('an address that cannot be decoded is refused', async () => {
  expect(await ask('/%E0%A4%A')).toMatchObject({ status: 400 });
});

test('files of the run are served with their size, and run nothing', async () => {
  const { status, headers, body } = await ask('/runs/0/files/metrics.jsonl');
  expect([status, Number(headers['content-length'])]).toEqual([200, body.length]);
  expect(String(headers['content-security-policy'])).not.toContain('script');
  expect(await ask('/runs/0/files/metrics.jsonl', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
});

test('a figure is saved as a table and as a picture', async () => {
  const table = await ask('/runs/0/figures/learning-curves.csv');
  const [head, ...rows] = table.body.trim().split('\n');
  expect(head).toMatch(/^run,epoch,completed,lr,train\.loss,/);
  expect(rows).toHaveLength(6);
  const picture = await ask('/runs/0/figures/distance-matrix.svg?narrow');
  expect(picture.body).toMatch(/^<svg/);
});

test('readers are told of an epoch, of a resume, of damage, and of its repair', async () => {
  const folder = join(base, HOSTILE);
  const told = events('epoch 9 of 12');
  await goTo(folder, 8);
  expect(await told).toMatch(/^event: run\ndata: \{"id":"0"/m);
  using lock = await lockFolder(folder);
  const resumed = events('epoch 5 of 12');
  await goTo(lock.folder, 4);
  expect(await resumed).toContain('training');
  const damaged = events('line 1 is not valid JSON');
  await writeFile(join(folder, 'metrics.jsonl'), '{"secret\n');
  expect(await damaged).not.toContain('secret');
  const repaired = events('epoch 7 of 12');
  await goTo(folder, 6);
  await repaired;
});

test('a second server takes another port, unless one is asked for', async () => {
  const { port } = new URL(page.url);
  await using other = await watch([base]);
  expect(new URL(other.url).port).not.toBe(port);
  await expect(watch([base], { port: Number(port) })).rejects.toMatchObject({ code: 'ERR_BUSY' });
  await expect(watch([join(base, 'missing')])).rejects.toMatchObject({ code: 'ERR_FILE' });
});

test('a signal ends it, with its readers', async () => {
  const stop = new AbortController();
  const other = await watch([base], { signal: stop.signal });
  const stream = fetch(`${other.url}events`).then((response) => response.text());
  setTimeout(() => stop.abort(), 200);
  await other.closed;
  await expect(fetch(other.url)).rejects.toThrow();
  await stream.catch(() => {});
});
