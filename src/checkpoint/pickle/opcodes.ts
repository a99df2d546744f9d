/** The operations of pickle protocols 2 to 5 that data files use, by code. Names and codes: CPython's Lib/pickletools.py. */
import { refuse } from '../refuse';
import type { Item } from './item';
import type { PickleMachine } from './machine';

export const STOP = 46; // '.'

export const STEPS: Readonly<Record<number, (m: PickleMachine) => void>> = {
  // Framing
  128: protocol, // PROTO
  149: (m) => m.take(8), // FRAME, a hint for buffered readers

  // Stack
  40: (m) => m.mark(), // '(' MARK
  48: (m) => m.pop(), // '0' POP
  49: (m) => m.popMark(), // '1' POP_MARK

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

  // Text and bytes
  88: (m) => m.push(m.text(m.u32())), // 'X' BINUNICODE
  140: (m) => m.push(m.text(m.u8())), // SHORT_BINUNICODE
  141: (m) => m.push(m.text(m.u64())), // BINUNICODE8
  84: (m) => m.push(m.latin1(m.u32())), // 'T' BINSTRING, Python 2
  85: (m) => m.push(m.latin1(m.u8())), // 'U' SHORT_BINSTRING, Python 2
  66: (m) => m.push(m.raw(m.u32())), // 'B' BINBYTES
  67: (m) => m.push(m.raw(m.u8())), // 'C' SHORT_BINBYTES
  142: (m) => m.push(m.raw(m.u64())), // BINBYTES8

  // Containers
  93: (m) => m.push(m.list([])), // ']' EMPTY_LIST
  41: (m) => m.push(m.list([])), // ')' EMPTY_TUPLE
  143: (m) => m.push(m.list([])), // EMPTY_SET
  125: (m) => m.dict([]), // '}' EMPTY_DICT
  108: (m) => m.push(m.list(m.popMark())), // 'l' LIST
  116: (m) => m.push(m.list(m.popMark())), // 't' TUPLE
  133: (m) => m.push(m.list(m.popMany(1))), // TUPLE1
  134: (m) => m.push(m.list(m.popMany(2))), // TUPLE2
  135: (m) => m.push(m.list(m.popMany(3))), // TUPLE3
  100: (m) => m.dict(m.popMark()), // 'd' DICT
  97: (m) => m.append(m.popMany(1)), // 'a' APPEND
  101: (m) => m.append(m.popMark()), // 'e' APPENDS
  144: (m) => m.append(m.popMark()), // ADDITEMS
  115: (m) => m.setItems(m.popMany(2)), // 's' SETITEM
  117: (m) => m.setItems(m.popMark()), // 'u' SETITEMS

  // Objects
  99: (m) => m.global(m.line(), m.line()), // 'c' GLOBAL
  147: (m) => m.global(...(m.popMany(2) as [Item, Item])), // STACK_GLOBAL
  82: (m) => m.reduce(), // 'R' REDUCE
  98: (m) => m.build(), // 'b' BUILD
  81: (m) => m.push(m.persistentId(m.pop())), // 'Q' BINPERSID

  // Memo
  113: (m) => m.put(m.u8()), // 'q' BINPUT
  114: (m) => m.put(m.u32()), // 'r' LONG_BINPUT
  148: (m) => m.put(m.memo.size), // MEMOIZE
  104: (m) => m.get(m.u8()), // 'h' BINGET
  106: (m) => m.get(m.u32()), // 'j' LONG_BINGET
};

function protocol(m: PickleMachine): void {
  if (m.u8() > 5) refuse('its pickle protocol is newer than 5');
}
