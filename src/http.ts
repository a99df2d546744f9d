/**
 * A GET request as a stream, through the proxies of the environment and across redirects. Only https is taken, except
 * from this machine itself. In Node 20 neither fetch nor the agents read HTTPS_PROXY.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import { isIP, type Socket } from 'node:net';
import * as tls from 'node:tls';
import { EarlybirdError } from './errors';

export interface GetOptions {
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Milliseconds without data after which a connection is given up. Default 60,000. */
  idleTimeoutMs?: number;
  /** Source of HTTPS_PROXY, ALL_PROXY and NO_PROXY (either case). Default process.env. */
  env?: NodeJS.ProcessEnv;
}

const MAX_REDIRECTS = 10;

/**
 * Sends the request and resolves with the first answer that is not a redirect; its body is still to be read (or destroyed).
 * Rejects with ERR_DOWNLOAD for addresses, redirects and proxies that cannot work, with Node's own error when the network fails,
 * and with `signal.reason` when aborted.
 */
export async function httpGet(address: string, options: GetOptions = {}): Promise<http.IncomingMessage> {
  let url = parseHttpUrl(address, address);
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const response = await getOnce(url, options);
    const location = response.headers.location;
    if (!location || ![301, 302, 303, 307, 308].includes(response.statusCode ?? 0)) return response;
    response.destroy();
    const next = parseHttpUrl(URL.canParse(location, url.href) ? new URL(location, url).href : location, address);
    // A redirect from elsewhere must not reach servers of this machine.
    if (url.protocol === 'https:' && next.protocol === 'http:')
      throw new EarlybirdError(
        'ERR_DOWNLOAD',
        `${redact(address)} redirects from https to the unencrypted ${redact(next)}, which is refused: find an https address.`,
      );
    url = next;
  }
  throw new EarlybirdError(
    'ERR_DOWNLOAD',
    `${redact(address)} redirects more than ${MAX_REDIRECTS} times; check the address.`,
  );
}

/** The proxy for an https address by the usual variables; null for a direct connection, as to this machine itself. */
export function proxyFor(url: URL, env: NodeJS.ProcessEnv = process.env): URL | null {
  const read = (name: string) => env[name.toLowerCase()] || env[name.toUpperCase()] || '';
  if (url.protocol === 'http:' || isExcluded(url, read('no_proxy'))) return null;
  const value = read('https_proxy') || read('all_proxy');
  if (!value) return null;
  const text = value.includes('://') ? value : `http://${value}`;
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new EarlybirdError(
      'ERR_DOWNLOAD',
      'The proxy named in the environment (HTTPS_PROXY or ALL_PROXY) is not an http:// or https:// address; correct or unset it.',
    );
  return new URL(text);
}

/**
 * True where NO_PROXY excludes the address: a list of host names (with their subdomains), each with an optional port;
 * `*` matches every host.
 */
function isExcluded(url: URL, list: string): boolean {
  return list
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((entry) => {
      if (entry === '*') return true;
      const [, name = '', port] = /^(\[.*\]|[^:]*)(?::(\d+))?$/.exec(entry) ?? [];
      if (port && Number(port) !== portOf(url)) return false;
      const host = name.replace(/^\*?\./, '').toLowerCase();
      return host !== '' && (url.hostname === host || url.hostname.endsWith(`.${host}`));
    });
}

async function getOnce(url: URL, options: GetOptions): Promise<http.IncomingMessage> {
  const { signal, idleTimeoutMs = 60_000 } = options;
  signal?.throwIfAborted();
  const headers = { 'user-agent': 'earlybird', 'accept-encoding': 'identity', ...options.headers };
  const proxy = proxyFor(url, options.env);
  let request: http.ClientRequest;
  if (!proxy) {
    request = (url.protocol === 'https:' ? https : http).request(url, { headers, agent: false, signal });
  } else {
    const socket = await openTunnel(proxy, url, idleTimeoutMs, signal);
    const host = bareHost(url);
    const createConnection = () => tls.connect({ socket, host, servername: isIP(host) ? '' : host });
    request = https.request(url, { headers: { ...headers, connection: 'close' }, createConnection, signal });
  }
  return send(request, 'response', url, idleTimeoutMs, signal).then(([response]) => response);
}

/** Asks the proxy for a raw connection to the host of `url`. */
async function openTunnel(proxy: URL, url: URL, idleTimeoutMs: number, signal?: AbortSignal): Promise<Socket> {
  const target = `${url.hostname}:${portOf(url)}`;
  const request = requestTo(proxy, {
    method: 'CONNECT',
    path: target,
    headers: { host: target, ...proxyHeaders(proxy) },
    signal,
  });
  const [response, socket] = await send(request, 'connect', proxy, idleTimeoutMs, signal);
  if (response.statusCode === 200) return socket;
  socket.destroy();
  throw new EarlybirdError(
    'ERR_DOWNLOAD',
    `The proxy ${redact(proxy)} refused a connection to ${target} (HTTP ${response.statusCode}); correct HTTPS_PROXY or add the host to NO_PROXY.`,
  );
}

function requestTo(proxy: URL, options: http.RequestOptions): http.ClientRequest {
  const library = proxy.protocol === 'https:' ? https : http;
  return library.request({ host: bareHost(proxy), port: portOf(proxy), agent: false, ...options });
}

/** Ends the request and waits for its answer. The idle timeout stays on the socket, so it covers the body too. */
function send(
  request: http.ClientRequest,
  event: 'response' | 'connect',
  url: URL,
  idleTimeoutMs: number,
  signal?: AbortSignal,
): Promise<[http.IncomingMessage, Socket]> {
  return new Promise((resolve, reject) => {
    request.setTimeout(idleTimeoutMs, () => {
      const error = new Error(`nothing arrived from ${redact(url)} for ${idleTimeoutMs / 1000} s`);
      request.destroy(Object.assign(error, { code: 'ETIMEDOUT' }));
    });
    request.once(event, (response: http.IncomingMessage, socket: Socket) => resolve([response, socket]));
    request.on('error', (error) => reject(signal?.aborted ? signal.reason : error));
    request.end();
  });
}

function proxyHeaders(proxy: URL): Record<string, string> {
  if (!proxy.username) return {};
  const user = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(user).toString('base64')}` };
}

function parseHttpUrl(text: string, asked: string): URL {
  const via = text === asked ? '' : ` (reached from ${redact(asked)})`;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:')
    throw new EarlybirdError(
      'ERR_DOWNLOAD',
      `"${url?.username ? redact(url) : text}"${via} is not an https address; correct it.`,
    );
  if (url.protocol === 'http:' && !isThisMachine(url))
    throw new EarlybirdError(
      'ERR_DOWNLOAD',
      `${redact(url)}${via} is not encrypted, so that anybody on the way could change what it gives: use an https address, or fetch the file by other means and name it.`,
    );
  return url;
}

/** True for this machine: data that does not leave it needs no encryption. */
function isThisMachine({ hostname }: URL): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

function portOf(url: URL): number {
  return Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
}

function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

/** An address for messages, without user name, password and query, which may be secret; a text that is no address as it is. */
export function redact(address: URL | string): string {
  if (!URL.canParse(String(address))) return String(address);
  const { protocol, host, pathname } = new URL(address);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}
