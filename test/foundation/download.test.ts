import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import * as net from 'node:net';
import * as os from 'node:os';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { transformFileSync } from '@swc/core';
import { type DownloadOptions, download } from '../../src/download';
import { proxyFor } from '../../src/http';

const BODY = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31 + (i >> 8)) & 255));
const MD5 = createHash('md5').update(BODY).digest('hex');
const SHA256 = createHash('sha256').update(BODY).digest('hex');

let folder: string;
let file: string;
let closers: (() => void)[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'eb-download-'));
  file = path.join(folder, 'deep', 'data.bin');
});
afterEach(() => {
  for (const close of closers) close();
  closers = [];
  rmSync(folder, { recursive: true, force: true });
});

/** A server on the loopback; returns its address and the requests it saw. */
async function serve(handler: (request: http.IncomingMessage, response: http.ServerResponse, count: number) => void) {
  const seen: http.IncomingMessage[] = [];
  const server = http.createServer((request, response) => handler(request, response, seen.push(request)));
  return { seen, server, url: await listen(server) };
}

async function listen(server: net.Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket: net.Socket) => sockets.add(socket));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

/** Answers like a real file server, sending no more than `cut` bytes before it drops the connection. */
function sendBody(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  cut = Number.POSITIVE_INFINITY,
  ranges = true,
) {
  const start = ranges ? Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0;
  const rest = BODY.subarray(start);
  response.writeHead(start > 0 ? 206 : 200, {
    'content-length': rest.length,
    etag: '"one"',
    ...(start > 0 ? { 'content-range': `bytes ${start}-${BODY.length - 1}/${BODY.length}` } : {}),
  });
  if (cut >= rest.length) response.end(rest);
  else response.write(rest.subarray(0, cut), () => setTimeout(() => response.destroy(), 500));
}

const get = (url: string, more: Partial<DownloadOptions> = {}) =>
  download({ url, file, env: {}, retryDelayMs: 5, ...more });

test('fetches a file, checks it, and does not fetch it again', async () => {
  const { url, seen } = await serve((request, response) => sendBody(request, response));
  const progress: [number, number | null][] = [];
  const onProgress = (done: number, total: number | null) => progress.push([done, total]);
  const first = await get(url, { bytes: BODY.length, md5: MD5, sha256: SHA256, onProgress });
  expect(first).toEqual({ file, bytes: BODY.length, fetched: BODY.length });
  expect(readFileSync(file).equals(BODY)).toBe(true);
  expect(progress.at(-1)).toEqual([BODY.length, BODY.length]);
  expect(existsSync(`${file}.part`) || existsSync(`${file}.part.tag`)).toBe(false);
  expect(await get(url, { md5: MD5 })).toMatchObject({ fetched: 0 });
  expect(seen).toHaveLength(1);
});

test.each([{ md5: MD5 }, {}])('goes on where a cut connection stopped (%p)', async (checks) => {
  const { url, seen } = await serve((request, response, count) =>
    sendBody(request, response, count < 3 ? 100_000 : undefined),
  );
  expect(await get(url, checks)).toMatchObject({ fetched: BODY.length });
  expect(seen.map((request) => request.headers.range)).toEqual([undefined, 'bytes=100000-', 'bytes=200000-']);
  expect(seen[1]?.headers['if-range']).toBe('"one"');
  expect(readFileSync(file).equals(BODY)).toBe(true);
});

test('a later call continues the part of an earlier one', async () => {
  const { url, seen } = await serve((request, response, count) =>
    sendBody(request, response, count === 1 ? 1000 : undefined),
  );
  await expect(get(url, { attempts: 1 })).rejects.toMatchObject({
    code: 'ERR_DOWNLOAD',
    message: expect.stringContaining('1000 bytes are kept'),
  });
  expect(existsSync(file)).toBe(false);
  expect(await get(url)).toMatchObject({ fetched: BODY.length - 1000 });
  expect(seen[1]?.headers.range).toBe('bytes=1000-');
});

test('a part that was whole when the process died is only checked', async () => {
  const { url, seen } = await serve((request, response) => sendBody(request, response));
  mkdirSync(path.dirname(file));
  writeFileSync(`${file}.part`, BODY);
  expect(await get(url, { bytes: BODY.length, md5: MD5 })).toMatchObject({ fetched: 0 });
  expect(seen).toHaveLength(0);
});

test('starts over with a server that knows no ranges', async () => {
  const { url } = await serve((request, response, count) =>
    sendBody(request, response, count === 1 ? 50_000 : undefined, false),
  );
  await get(url, { sha256: SHA256 });
  expect(readFileSync(file).equals(BODY)).toBe(true);
});

/** Writes the files that an interrupted call leaves. */
function leavePart(bytes: Uint8Array, tag?: object) {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(`${file}.part`, bytes);
  if (tag) writeFileSync(`${file}.part.tag`, JSON.stringify(tag));
}

test('starts over when the server cannot satisfy the range', async () => {
  const { url, seen } = await serve((request, response) => {
    if (!request.headers.range) return sendBody(request, response);
    response.writeHead(416, { 'content-range': `bytes */${BODY.length}` }).end();
  });
  leavePart(Buffer.alloc(5), { validator: '"one"', total: BODY.length });
  await get(url, { md5: MD5 });
  expect(readFileSync(file).equals(BODY)).toBe(true);
  expect(seen.map((request) => request.headers.range)).toEqual(['bytes=5-', undefined]);
});

test.each<[string, object | undefined, number]>([
  ['without a tag', undefined, 1],
  ['longer than the file', { validator: '"one"', total: 900 }, 1],
  ['of a file of another length', { validator: '"one"', total: BODY.length + 1 }, 2],
  ['of another version, which the server overlooks', { validator: '"other"', total: BODY.length }, 2],
  ['with a damaged tag', { validator: 7 }, 1],
])('a part %s is not gone on with', async (_, tag, requests) => {
  const { url, seen } = await serve((request, response) => sendBody(request, response));
  leavePart(Buffer.alloc(1000), tag);
  expect(await get(url)).toMatchObject({ bytes: BODY.length });
  expect(readFileSync(file).equals(BODY)).toBe(true);
  expect(seen).toHaveLength(requests);
});

test('a server without tags is asked for the whole file each time', async () => {
  const { url, seen } = await serve((_request, response, count) => {
    response.writeHead(200, { 'content-length': BODY.length });
    if (count > 1) response.end(BODY);
    else response.write(BODY.subarray(0, 1000), () => setTimeout(() => response.destroy(), 500));
  });
  await get(url, { md5: MD5 });
  expect(seen.map((request) => request.headers.range)).toEqual([undefined, undefined]);
  expect(readFileSync(file).equals(BODY)).toBe(true);
});

test.each([
  ['says that it has', { 'content-length': BODY.length }],
  ['sends, without saying how much,', {}],
])('a server that %s more than is accepted is left', async (_, headers) => {
  const { url } = await serve((_request, response) => response.writeHead(200, headers).end(BODY));
  const message = expect.stringContaining('gives more than 1000 bytes');
  await expect(get(url, { maxBytes: 1000 })).rejects.toMatchObject({ code: 'ERR_DOWNLOAD', message });
  expect(existsSync(file) || existsSync(`${file}.part`)).toBe(false);
});

test('removes a file with a wrong checksum and says so', async () => {
  const { url } = await serve((request, response) => sendBody(request, response));
  await expect(get(url, { md5: '0'.repeat(32) })).rejects.toMatchObject({
    code: 'ERR_DOWNLOAD',
    message: expect.stringMatching(/md5 is \w+ instead of 0+; it was removed, so try again/),
  });
  expect(existsSync(file) || existsSync(`${file}.part`)).toBe(false);
});

test('refuses a file of another length before fetching it', async () => {
  const { url } = await serve((request, response) => sendBody(request, response));
  await expect(get(url, { bytes: 7 })).rejects.toMatchObject({
    code: 'ERR_DOWNLOAD',
    message: expect.stringContaining('offers 300000 bytes where 7 were expected'),
  });
});

test('does not retry a 404, but does retry a 503', async () => {
  const missing = await serve((_, response) => response.writeHead(404).end());
  await expect(get(missing.url)).rejects.toMatchObject({
    code: 'ERR_DOWNLOAD',
    message: expect.stringContaining('HTTP 404'),
  });
  expect(missing.seen).toHaveLength(1);
  const busy = await serve((request, response, count) =>
    count < 3 ? response.writeHead(503).end() : sendBody(request, response),
  );
  expect(await get(busy.url)).toMatchObject({ fetched: BODY.length });
});

test('follows redirects, but not for ever', async () => {
  const { url } = await serve((request, response) =>
    request.url === '/file' ? sendBody(request, response) : response.writeHead(302, { location: '/file' }).end(),
  );
  await get(`${url}/start`, { md5: MD5 });
  const loop = await serve((_, response) => response.writeHead(302, { location: '/again' }).end());
  await expect(get(loop.url, { file: `${file}2` })).rejects.toMatchObject({ code: 'ERR_DOWNLOAD' });
});

test('gives up a silent connection', async () => {
  const { url } = await serve((_, response) => response.writeHead(200, { 'content-length': 10 }).flushHeaders());
  await expect(get(url, { idleTimeoutMs: 30, attempts: 2 })).rejects.toMatchObject({ code: 'ERR_DOWNLOAD' });
});

test('stops at once with the reason of the signal and keeps the part', async () => {
  const controller = new AbortController();
  const { url } = await serve((_, response) => {
    response.writeHead(200, { 'content-length': BODY.length, etag: '"one"' }).write(BODY.subarray(0, 1000));
    setTimeout(() => controller.abort(new Error('enough')), 500);
  });
  await expect(get(url, { signal: controller.signal })).rejects.toThrow('enough');
  expect(readFileSync(`${file}.part`)).toHaveLength(1000);
});

test('names the folder when the disk is at fault, and the address when that is', async () => {
  writeFileSync(path.join(folder, 'deep'), 'a file, not a folder');
  await expect(get('http://127.0.0.1:1/')).rejects.toMatchObject({ code: 'ERR_FILE' });
  await expect(get('ftp://host/x', { file: path.join(folder, 'x') })).rejects.toMatchObject({ code: 'ERR_DOWNLOAD' });
});

test.each(['http://data.invalid/set.bin', 'http://10.0.0.1/set.bin', 'http://127.0.0.1.data.invalid/set.bin'])(
  'refuses %s, which is not encrypted, before it connects',
  async (url) => {
    const proxy = await serve((request, response) => sendBody(request, response));
    const env = { http_proxy: proxy.url, all_proxy: proxy.url };
    const message = expect.stringContaining(`${url} is not encrypted`);
    await expect(get(url, { env, md5: MD5 })).rejects.toMatchObject({ code: 'ERR_DOWNLOAD', message });
    expect(proxy.seen).toHaveLength(0);
  },
);

test.each([
  ['http://data.invalid/set.bin', 'is not encrypted'],
  ['ftp://data.invalid/set.bin', 'is not an https address'],
  ['http://[broken', 'is not an https address'],
])('refuses a redirect to %s', async (location, why) => {
  const { url } = await serve((_, response) => response.writeHead(302, { location }).end());
  await expect(get(url)).rejects.toMatchObject({ code: 'ERR_DOWNLOAD', message: expect.stringContaining(why) });
});

test.each<[string, http.RequestListener, Partial<DownloadOptions>]>([
  ['HTTP 404', (_, response) => response.writeHead(404).end(), {}],
  ['HTTP 503', (_, response) => response.writeHead(503).end(), { attempts: 1 }],
  ['more than 9 bytes', (_, response) => response.end(BODY), { maxBytes: 9 }],
  ['where 7 were expected', (request, response) => sendBody(request, response), { bytes: 7 }],
  ['md5 is', (_, response) => response.end(BODY), { md5: '0'.repeat(32) }],
  ['not encrypted', (_, response) => response.writeHead(302, { location: 'http://data.invalid/' }).end(), {}],
  ['redirects more than', (_, response) => response.writeHead(302, { location: '?again' }).end(), {}],
])('an address is named without its password: %s', async (why, handler, more) => {
  const { url } = await serve(handler);
  const address = `${url.replace('//', '//ann:secret@')}/set.bin?token=secret`;
  const failure = await get(address, more).catch((error) => error);
  expect(failure).toMatchObject({ code: 'ERR_DOWNLOAD', message: expect.stringContaining(why) });
  expect(failure.message).toContain(`${url}/set.bin`);
  expect(failure.message).not.toContain('secret');
});

test('a proxy that refuses the tunnel is named without its password', async () => {
  const proxy = await serve(() => undefined);
  proxy.server.on('connect', (_, socket: net.Socket) => socket.end('HTTP/1.1 407 No\r\n\r\n'));
  const env = { https_proxy: proxy.url.replace('//', '//ann:secret@') };
  const failure = await get('https://data.invalid/set.bin', { env }).catch((error) => error);
  expect(failure).toMatchObject({ code: 'ERR_DOWNLOAD', message: expect.stringContaining('HTTP 407') });
  expect(failure.message).not.toContain('secret');
});

test('tunnels https through CONNECT and verifies the certificate', async () => {
  const key = path.join(folder, 'key.pem');
  const cert = path.join(folder, 'cert.pem');
  try {
    const subject = ['-subj', '/CN=data.invalid', '-addext', 'subjectAltName=DNS:data.invalid'];
    const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    execFileSync('openssl', [...kind, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  } catch {
    return console.warn('skipped: no openssl command to make a certificate with');
  }
  const server = https.createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
    if (request.url === '/set.bin') sendBody(request, response);
    else response.writeHead(302, { location: proxy.url }).end();
  });
  const port = new URL(await listen(server)).port;
  const targets: (string | undefined)[] = [];
  const proxy = await serve(() => undefined);
  proxy.server.on('connect', (request: http.IncomingMessage, socket: net.Socket) => {
    targets.push(request.url);
    const upstream = net.connect(Number(port), '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
    upstream.on('error', () => socket.destroy()).pipe(socket);
    socket.on('error', () => upstream.destroy()).pipe(upstream);
  });
  const env = { HTTPS_PROXY: proxy.url };
  await expect(get('https://data.invalid/set.bin', { env, attempts: 1 })).rejects.toThrow('self-signed certificate');

  // A process trusts extra certificates only from its start on, so the good case needs a process of its own.
  for (const name of ['errors', 'folder', 'atomic', 'http', 'download']) {
    const options = { jsc: { parser: { syntax: 'typescript' } }, module: { type: 'commonjs' }, swcrc: false } as const;
    writeFileSync(
      path.join(folder, `${name}.js`),
      transformFileSync(`${__dirname}/../../src/${name}.ts`, options).code,
    );
  }
  const script = `const { download } = require('./download');
    const get = (name) => download({ url: 'https://data.invalid/' + name, file: name, md5: '${MD5}' });
    get('set.bin').then(console.log).then(() => get('elsewhere')).catch(({ message }) => console.log(message));`;
  const child = {
    cwd: folder,
    env: { ...process.env, ...env, https_proxy: proxy.url, NO_PROXY: '', no_proxy: '', NODE_EXTRA_CA_CERTS: cert },
  };
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], child);
  expect(stdout).toContain(`fetched: ${BODY.length}`);
  // The other address leads from https to a server of this machine.
  expect(stdout).toContain(`redirects from https to the unencrypted ${proxy.url}, which is refused`);
  expect(targets).toEqual(Array(3).fill('data.invalid:443'));
  expect(proxy.seen).toHaveLength(0);
});

test('reads the proxy variables as other tools do', () => {
  const env = { HTTPS_PROXY: 'proxy:3128', no_proxy: 'localhost, .corp.example,*.intra.example,plain.example:8443' };
  const via = (url: string) => proxyFor(new URL(url), env)?.href ?? null;
  expect(via('https://far.example/x')).toBe('http://proxy:3128/');
  expect(via('http://127.0.0.1/x')).toBeNull();
  expect(via('https://localhost/')).toBeNull();
  expect(via('https://corp.example/')).toBeNull();
  expect(via('https://a.b.corp.example/')).toBeNull();
  expect(via('https://notcorp.example/')).not.toBeNull();
  expect(via('https://x.intra.example/')).toBeNull();
  expect(via('https://plain.example/')).not.toBeNull();
  expect(via('https://plain.example:8443/')).toBeNull();
  expect(proxyFor(new URL('https://a/'), { all_proxy: 'http://p:1' })?.port).toBe('1');
  expect(proxyFor(new URL('https://a/'), { all_proxy: 'http://p:1', NO_PROXY: '*' })).toBeNull();
  expect(() => proxyFor(new URL('https://a/'), { all_proxy: 'socks5://p:1' })).toThrow(/not an http/);
});
