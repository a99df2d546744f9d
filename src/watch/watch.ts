/** `watch`: a page on this machine that shows runs while they train. */
import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EarlybirdError, systemCode } from '../errors';
import { renderSvg } from '../report/render';
import { requireFolder } from '../run/directory';
import { Board } from './board';
import { Pace } from './pace';
import type { Section } from './page';
import { createWatchServer } from './server';

/** Arguments of {@link watch}. */
export interface WatchOptions {
  /** Port on 127.0.0.1. When absent 8316 is used, or any free port where that is taken. */
  port?: number | undefined;
  /**
   * Share of one core, 0 to 1, beyond which figures are delayed; the first ones come at once. Default 0.008, which
   * makes a hundredth with the reading of folders.
   */
  share?: number;
  /** Signal that ends the server. */
  signal?: AbortSignal;
}

/** A page that is served. */
export interface Watching extends AsyncDisposable {
  /** Address of the page. */
  url: string;
  /** Promise that settles once the server has ended. */
  closed: Promise<void>;
}

const PORT = 8316;
const ADDRESS = '127.0.0.1';
/** Milliseconds between two reads of the runs; SEARCH: between two searches for new ones. */
const LOOK = 2000;
const SEARCH = 5000;
/** Milliseconds without news after which a connection sends a sign of life, so that a browser notices its end. */
const SILENCE = 15_000;
/** Limit of the bytes that wait for a reader. */
const MOST_UNREAD = 2 ** 22;

/**
 * Serves a page that shows the runs in and under `folders` while they train: curves, mask distances, detectors,
 * throughput, time left, energy. It only reads their folders, and only while somebody looks.
 *
 * @throws ERR_FILE where a folder is missing, ERR_BUSY where the port is taken
 *
 * @example
 * await using page = await watch(['runs/vgg']);
 * console.log(page.url); // http://127.0.0.1:8316/
 */
export async function watch(
  folders: readonly string[],
  { port, share = 0.008, signal }: WatchOptions = {},
): Promise<Watching> {
  for (const folder of folders) requireFolder(folder);
  await warmUp();
  const board = new Board(folders, new Pace(share));
  const readers = new Readers(board);
  const server = createWatchServer(
    board,
    () => readers.look(),
    (response) => readers.add(response),
  );
  await listen(server, port);
  const close = () => {
    readers.end();
    server.close();
    server.closeAllConnections();
  };
  const closed = new Promise<void>((settle) => server.once('close', settle));
  if (signal?.aborted) close();
  signal?.addEventListener('abort', close, { once: true });
  const url = `http://${ADDRESS}:${(server.address() as AddressInfo).port}/`;
  return {
    url,
    closed,
    [Symbol.asyncDispose]: async () => {
      close();
      await closed;
    },
  };
}

/** Loads the libraries of figures before their time counts against the pace. */
const warmUp = () => renderSvg({ data: { values: [] }, mark: 'point' });

/** Connections of the readers of the page, with the sections last sent to them. */
class Readers {
  private readonly responses = new Set<ServerResponse>();
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | null = null;
  private searched = Number.NEGATIVE_INFINITY;
  private spoken = Date.now();
  private told = new Map<string, Section>();

  constructor(private readonly board: Board) {}

  add(response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    response.write(': hello\n\n');
    // The reader may have a page from before its connection was lost.
    for (const section of this.told.values()) response.write(eventOf(section));
    this.responses.add(response);
    response.on('close', () => this.responses.delete(response));
    this.timer ??= setInterval(() => {
      // A failure is ignored, as the next look may succeed.
      this.tick().catch(() => {});
    }, LOOK);
  }

  end(): void {
    clearInterval(this.timer);
    for (const response of this.responses) response.end();
  }

  /** Brings the board up to date; calls do not overlap. */
  look(): Promise<void> {
    this.looking ??= this.update().finally(() => {
      this.looking = null;
    });
    return this.looking;
  }

  private async update(): Promise<void> {
    if (Date.now() - this.searched >= SEARCH) {
      this.searched = Date.now();
      if (await this.board.find()) this.say('event: runs\ndata:\n\n');
    }
    await this.board.refresh();
  }

  private async tick(): Promise<void> {
    if (this.responses.size === 0) {
      clearInterval(this.timer);
      this.timer = undefined;
      return;
    }
    await this.look();
    for (const section of this.board.sections) {
      const before = this.told.get(section.id);
      const parts = (['head', 'facts', 'figures'] as const).filter((part) => section[part] !== before?.[part]);
      if (parts.length > 0) this.say(eventOf(section, parts));
      this.told.set(section.id, section);
    }
    if (Date.now() - this.spoken > SILENCE) this.say(':\n\n');
  }

  private say(text: string): void {
    this.spoken = Date.now();
    for (const response of this.responses) {
      // A reader that no longer takes data loses its connection, so that its data does not fill the memory.
      if (response.writableLength > MOST_UNREAD) response.destroy();
      else response.write(text);
    }
  }
}

function eventOf(section: Section, parts: (keyof Section)[] = ['head', 'facts', 'figures']): string {
  const data = Object.fromEntries((['id', ...parts] as const).map((part) => [part, section[part]]));
  // JSON.stringify writes no line ends, which would end the event.
  return `event: run\ndata: ${JSON.stringify(data)}\n\n`;
}

async function listen(server: Server, port: number | undefined): Promise<void> {
  const on = (number: number) =>
    new Promise<void>((settle, fail) => {
      server.once('error', fail);
      server.listen(number, ADDRESS, () => {
        server.off('error', fail);
        settle();
      });
    });
  try {
    await on(port ?? PORT);
  } catch (error) {
    if (systemCode(error) === 'EADDRINUSE' && port === undefined) return on(0);
    throw new EarlybirdError(
      'ERR_BUSY',
      `Port ${port ?? PORT} of ${ADDRESS} cannot be used (${systemCode(error)}): give another --port.`,
    );
  }
}
