/**
 * The operations of pickle protocols 0 to 5 that data files use, by code. Names and codes are those of CPython's
 * Lib/pickletools.py.
 */
import { refuse, SAVE_WEIGHTS } from '../refuse';
import { type Item, narrow } from './item';
import type { PickleMachine } from './machine';

export const STOP = 46; // '.'

const LONGEST_LINE = Number.MAX_SAFE_INTEGER;

export const STEPS: Readonly<Record<number, (m: PickleMachine) => void>> = {
  // Framing
  128: protocol, // PROTO
  149: (m) => m.take(8), // FRAME, a hint for buffered readers

  // Stack
  40: (m) => m.mark(), // '(' MARK
  48: (m) => m.pop(), // '0' POP
  49: (m) => m.popMark(), // '1' POP_MARK
  50: (m) => m.duplicate(), // '2' DUP

  // Constants and numbers
  78: (m) => m.push(null), // 'N' NONE
  136: (m) => m.push(true), // NEWTRUE
  137: (m) => m.push(false), // NEWFALSE
  74: (m) => m.push(m.view.getInt32(m.take(4), true)), // 'J' BININT
  75: (m) => m.push(m.u8()), // 'K' BININT1
  77: (m) => m.push(m.view.getUint16(m.take(2), true)), // 'M' BININT2
  138: (m) => m.push(m.long(m.u8())), // LONG1
  139: (m) => m.push(m.long(m.u32())), // LONG4
  71: (m) => m.push(m.view.getFloat64(m.take(8))), // 'G' BINFLOAT, big-endian

  73: (m) => m.push(integerLine(m.line())), // 'I' INT, protocol 0
  76: (m) => m.push(integerLine(m.line().replace(/L$/, ''))), // 'L' LONG
  70: (m) => m.push(floatLine(m.line())), // 'F' FLOAT

  // Text and bytes
  83: (m) => m.push(quoted(m.line(LONGEST_LINE))), // 'S' STRING, protocol 0
  86: (m) => m.push(unescaped(m.line(LONGEST_LINE))), // 'V' UNICODE
  88: (m) => m.push(m.text(m.u32())), // 'X' BINUNICODE
  140: (m) => m.push(m.text(m.u8())), // SHORT_BINUNICODE
  141: (m) => m.push(m.text(m.u64())), // BINUNICODE8
  84: (m) => m.push(m.latin1(m.u32())), // 'T' BINSTRING, Python 2
  85: (m) => m.push(m.latin1(m.u8())), // 'U' SHORT_BINSTRING, Python 2
  66: (m) => m.push(m.raw(m.u32())), // 'B' BINBYTES
  67: (m) => m.push(m.raw(m.u8())), // 'C' SHORT_BINBYTES
  142: (m) => m.push(m.raw(m.u64())), // BINBYTES8
  150: (m) => m.push(m.raw(m.u64())), // BYTEARRAY8

  // Containers
  93: (m) => m.push(m.list([])), // ']' EMPTY_LIST
  41: (m) => m.push(m.tuple([])), // ')' EMPTY_TUPLE
  143: (m) => m.push(m.list([])), // EMPTY_SET
  145: (m) => m.push(m.tuple(m.popMark())), // FROZENSET
  125: (m) => m.dict([]), // '}' EMPTY_DICT
  108: (m) => m.push(m.list(m.popMark())), // 'l' LIST
  116: (m) => m.push(m.tuple(m.popMark())), // 't' TUPLE
  133: (m) => m.push(m.tuple(m.popMany(1))), // TUPLE1
  134: (m) => m.push(m.tuple(m.popMany(2))), // TUPLE2
  135: (m) => m.push(m.tuple(m.popMany(3))), // TUPLE3
  100: (m) => m.dict(m.popMark()), // 'd' DICT
  97: (m) => m.append(m.popMany(1)), // 'a' APPEND
  101: (m) => m.append(m.popMark()), // 'e' APPENDS
  144: (m) => m.append(m.popMark()), // ADDITEMS
  115: (m) => m.setItems(m.popMany(2)), // 's' SETITEM
  117: (m) => m.setItems(m.popMark()), // 'u' SETITEMS

  // Objects
  99: (m) => m.global(m.line(), m.line()), // 'c' GLOBAL
  147: (m) => m.global(...(m.popMany(2) as [Item, Item])), // STACK_GLOBAL
  82: (m) => m.call(...(m.popMany(2) as [Item, Item])), // 'R' REDUCE
  98: (m) => m.build(), // 'b' BUILD
  129: (m) => m.newObject(...(m.popMany(2) as [Item, Item])), // NEWOBJ
  146: newObjectWithNames, // NEWOBJ_EX
  105: instance, // 'i' INST, protocol 0
  111: object, // 'o' OBJ
  80: persistentLine, // 'P' PERSID, protocol 0
  81: (m) => m.push(m.persistentId(m.pop())), // 'Q' BINPERSID

  // Memo
  112: (m) => m.put(index(m.line())), // 'p' PUT, protocol 0
  103: (m) => m.get(index(m.line())), // 'g' GET
  113: (m) => m.put(m.u8()), // 'q' BINPUT
  114: (m) => m.put(m.u32()), // 'r' LONG_BINPUT
  148: (m) => m.put(m.memo.size), // MEMOIZE
  104: (m) => m.get(m.u8()), // 'h' BINGET
  106: (m) => m.get(m.u32()), // 'j' LONG_BINGET
};

function protocol(m: PickleMachine): void {
  if (m.u8() > 5) refuse('its pickle protocol is newer than 5');
}

function newObjectWithNames(m: PickleMachine): void {
  const [type, args] = m.popMany(3);
  m.newObject(type!, args!);
}

function instance(m: PickleMachine): void {
  m.global(m.line(), m.line());
  const type = m.pop();
  m.newObject(type, m.list(m.popMark()));
}

function object(m: PickleMachine): void {
  const [type, ...args] = m.popMark();
  if (type === undefined) refuse('its pickle makes an object of no class');
  m.newObject(type, m.list(args));
}

/** Refuses what torch.save makes with protocol 0, which torch.load cannot read either. */
function persistentLine(): never {
  refuse('its tensors are named by text (pickle protocol 0), which PyTorch itself does not read', SAVE_WEIGHTS);
}

/** Reads an integer, or a boolean of protocol 0. */
function integerLine(text: string): Item {
  if (text === '00' || text === '01') return text === '01';
  if (!/^-?\d{1,620}$/.test(text)) refuse('it holds an integer that cannot be read');
  return narrow(BigInt(text));
}

function floatLine(text: string): number {
  const value =
    { inf: Number.POSITIVE_INFINITY, '-inf': Number.NEGATIVE_INFINITY, nan: Number.NaN }[text] ?? Number(text);
  if (text === '' || (Number.isNaN(value) && text !== 'nan')) refuse('it holds a number that cannot be read');
  return value;
}

function index(text: string): number {
  if (!/^\d{1,10}$/.test(text)) refuse('its pickle refers to something it never stored');
  return Number(text);
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '\\': '\\', "'": "'", '"': '"' };

/** Reads text as Python prints it, as in protocol 0 and Python 2. */
function quoted(text: string): string {
  const inner = /^'(.*)'$|^"(.*)"$/s.exec(text) ?? refuse('it holds text without quotes');
  return (inner[1] ?? inner[2]!).replace(/\\(x[\da-f]{2}|.)/g, (whole, code: string) =>
    code.length === 3 ? String.fromCharCode(Number.parseInt(code.slice(1), 16)) : (ESCAPES[code] ?? whole),
  );
}

/** Reads text of protocol 0, which is Latin-1 with other characters as \\uXXXX or \\UXXXXXXXX. */
function unescaped(text: string): string {
  return text.replace(/\\u([\da-fA-F]{4})|\\U00([\da-fA-F]{6})/g, (_, short?: string, long?: string) => {
    const code = Number.parseInt(short ?? long!, 16);
    return code > 0x10ffff ? refuse('it holds text beyond Unicode') : String.fromCodePoint(code);
  });
}
