/** The code that ran, by V8: precise block coverage of the modules of dist/ and of the parsers that they use. */
import { Session } from 'node:inspector';

const WATCHED = /\/dist\/|\/node_modules\/(hyparquet|hyparquet-compressors|yaml|tar-stream)\//;

/** Make it before the modules are loaded: V8 counts blocks only in code that it compiles afterwards. */
export class Coverage {
  #session = new Session();
  /** For each function, 1 for each character that ran. */
  #seen = new Map();

  constructor() {
    this.#session.connect();
    this.#post('Profiler.enable');
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Forgets everything that is known. */
  restart() {
    this.#seen.clear();
  }

  /** Leaves out the code that ran since the last call. */
  forget() {
    this.#take();
  }

  /** True where code ran since the last call that `mark` has not counted before. */
  isNew() {
    return this.#paint(false) > 0;
  }

  /** The number of characters that ran since the last call for the first time; from now on they are known. */
  mark() {
    return this.#paint(true);
  }

  #take() {
    return this.#post('Profiler.takePreciseCoverage').result.filter(({ url }) => WATCHED.test(url));
  }

  #paint(keep) {
    let fresh = 0;
    for (const { scriptId, functions } of this.#take()) {
      for (const { ranges } of functions) {
        const { startOffset: start, endOffset: end, count } = ranges[0];
        if (count === 0) continue;
        const seen = this.#seenOf(`${scriptId}:${start}:${end}`, end - start);
        // Inner ranges come later and replace the count of their part.
        const ran = new Uint8Array(end - start);
        for (const { startOffset, endOffset, count } of ranges)
          ran.fill(count > 0 ? 1 : 0, startOffset - start, endOffset - start);
        for (let i = 0; i < ran.length; i++) {
          if (ran[i] === 0 || seen[i] === 1) continue;
          fresh++;
          if (keep) seen[i] = 1;
        }
      }
    }
    return fresh;
  }

  #seenOf(key, length) {
    if (!this.#seen.has(key)) this.#seen.set(key, new Uint8Array(length));
    return this.#seen.get(key);
  }

  #post(method, params) {
    let answer;
    this.#session.post(method, params, (error, result) => {
      if (error) throw new Error(error.message);
      answer = result;
    });
    return answer;
  }
}
