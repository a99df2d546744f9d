/** The server of the page. It serves this machine only, only reads, and answers only the paths that `routes` names. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Board } from './board';
import { SAVED_AS, type SavedAs } from './drawings';
import { openServed } from './files';
import { EVENTS_PATH, renderPage, SCRIPT_PATH, STYLE_PATH } from './page';
import { SCRIPT } from './script';
import { WATCH_STYLE } from './style';

/**
 * Matches the allowed host names, so that a page elsewhere that has its own name point to this machine gets nothing.
 */
const HOST = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/i;

const PAGE_POLICY =
  "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/** Content policy for files of a folder, which may hold anything, so they run nothing and load nothing. */
const FILE_POLICY =
  "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS = {
  'Cache-Control': 'no-store',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

const FIGURE = /^\/runs\/(\w+)\/figures\/([\w-]+)\.(\w+)$/;
const FILE = /^\/runs\/(\d+)\/files\/(.+)$/;
const TYPES: Record<SavedAs, string> = {
  svg: 'image/svg+xml',
  png: 'image/png',
  csv: 'text/csv; charset=utf-8',
};
const HTML = 'text/html; charset=utf-8';

/** Takes the connections of readers that want updates; true once it has one. */
type Follow = (response: ServerResponse) => void;

/** Makes the server. `before` brings the board up to date for the first reader. */
export function createWatchServer(board: Board, before: () => Promise<void>, follow: Follow): Server {
  const server = createServer((request, response) => {
    answer(request, response).catch(() => {
      if (response.headersSent) response.destroy();
      else send(response, 500, 'text/plain', 'This cannot be shown.\n');
    });
  });
  server.maxConnections = 64;
  return server;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', headers, url = '/' } = request;
    if (!HOST.test(headers.host ?? '')) return refuse(response, 403);
    if (!['GET', 'HEAD'].includes(method)) return refuse(response.setHeader('Allow', 'GET, HEAD'), 405);
    // Another site may link here, but must not read anything.
    if (headers['sec-fetch-site'] === 'cross-site' && headers['sec-fetch-mode'] !== 'navigate') {
      return refuse(response, 403);
    }
    const path = url.split('?')[0]!;
    const query = url.slice(path.length);
    const pathname = decoded(path);
    if (pathname === null) return refuse(response, 400);
    if (pathname === '/') {
      await before();
      return send(response, 200, HTML, renderPage(board.sections, board));
    }
    if (pathname === STYLE_PATH) return send(response, 200, 'text/css; charset=utf-8', WATCH_STYLE);
    if (pathname === SCRIPT_PATH) return send(response, 200, 'text/javascript; charset=utf-8', SCRIPT);
    if (pathname === EVENTS_PATH && method === 'GET') return follow(response);
    const [, run = '', name = '', format = ''] = FIGURE.exec(pathname) ?? [];
    if (name) return figure(response, run, name, format, query.includes('narrow'));
    const [, owner = '', file = ''] = FILE.exec(pathname) ?? [];
    return file ? serveFile(response, method, owner, file) : refuse(response, 404);
  }

  async function figure(response: ServerResponse, run: string, name: string, format: string, narrow: boolean) {
    const known = SAVED_AS.find((one) => one === format);
    const bytes = known && (await board.drawingsOf(run)?.draw(name, known, narrow));
    return bytes ? send(response, 200, TYPES[known], bytes, FILE_POLICY) : refuse(response, 404);
  }

  async function serveFile(response: ServerResponse, method: string, run: string, path: string) {
    const folder = board.folderOf(run);
    const file = folder === null ? null : await openServed(folder, path);
    if (!file) return refuse(response, 404);
    response.writeHead(200, {
      ...HEADERS,
      'Content-Type': file.type,
      'Content-Length': file.size,
      'Content-Security-Policy': FILE_POLICY,
    });
    if (method === 'HEAD') {
      await file.handle.close();
      response.end();
      return;
    }
    const stream = file.handle.createReadStream({ end: Math.max(0, file.size - 1) });
    stream.on('error', () => response.destroy());
    response.on('close', () => stream.destroy());
    stream.pipe(response);
  }
}

function decoded(path: string): string | null {
  try {
    return decodeURIComponent(path);
  } catch {
    return null;
  }
}

function send(
  response: ServerResponse,
  status: number,
  type: string,
  body: string | Uint8Array,
  policy = PAGE_POLICY,
): void {
  response.writeHead(status, { ...HEADERS, 'Content-Type': type, 'Content-Security-Policy': policy });
  response.end(body);
}

const REASONS: Record<number, string> = {
  400: 'This address cannot be read.',
  403: 'Only pages of this server may read it, under the name 127.0.0.1 or localhost.',
  404: 'There is no such page.',
  405: 'This server only reads.',
};

function refuse(response: ServerResponse, status: keyof typeof REASONS): void {
  send(response, status, 'text/plain; charset=utf-8', `${REASONS[status]}\n`);
}
