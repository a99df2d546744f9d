/** Changes of good files, the same for the same seed. */

/** A small generator of uniform integers (mulberry32). */
export function randomOf(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return Math.floor((((z ^ (z >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const NUMBERS = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];
const DIGITS = '0 -1 1e999 2147483648 4294967296 9007199254740993 18446744073709551615 NaN null'.split(' ');

/** One to four changes; `tokens` are texts that mean something to the parser, `others` files to take pieces of. */
export function mutate(bytes, random, others, tokens) {
  let result = Buffer.from(bytes);
  for (let times = 1 + random(4); times > 0; times--) result = change(result, random, others, tokens);
  return result;
}

function change(bytes, random, others, tokens) {
  const token = () => (tokens.length > 0 ? tokens[random(tokens.length)] : Buffer.from(DIGITS[random(DIGITS.length)]));
  if (bytes.length < 8) return Buffer.concat([bytes, token()]);
  const at = random(bytes.length);
  const spliced = (piece, end) => Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(end)]);
  switch (random(10)) {
    case 0: // a flipped bit
      bytes[at] ^= 1 << random(8);
      return bytes;
    case 1: // another byte
      bytes[at] = random(256);
      return bytes;
    case 2: // cut off
      return bytes.subarray(0, at);
    case 3: // a token inserted
      return spliced(token(), at);
    case 4: // a token written over other bytes
      token().copy(bytes, at);
      return bytes;
    case 5: // a telling number
      bytes.writeUInt32LE(NUMBERS[random(NUMBERS.length)], Math.min(at, bytes.length - 4));
      return bytes;
    case 6: // a piece repeated
      return Buffer.concat([bytes.subarray(0, at + 1 + random(64)), bytes.subarray(at)]);
    case 7: // a piece taken out
      return spliced(Buffer.alloc(0), at + 1 + random(64));
    case 8: // a number in digits
      return otherDigits(bytes, at, random);
    default: {
      // a piece of another file
      const other = others[random(others.length)];
      const from = random(other.length);
      return spliced(other.subarray(from, from + 1 + random(200)), at + random(64));
    }
  }
}

/** The first run of digits from `at` on becomes another number. */
function otherDigits(bytes, at, random) {
  const isDigit = (byte) => byte >= 0x30 && byte <= 0x39;
  let from = at;
  while (from < bytes.length && from < at + 256 && !isDigit(bytes[from])) from++;
  let to = from;
  while (to < bytes.length && isDigit(bytes[to])) to++;
  const digits = Buffer.from(DIGITS[random(DIGITS.length)]);
  return Buffer.concat([bytes.subarray(0, from), digits, bytes.subarray(to)]);
}
