/** The address of a host for the ranks on others. */
import type { NetworkInterfaceInfo } from 'node:os';
import { addressForOthers } from '../../src/ranks/ranks';

const card = (address: string, internal = false) =>
  ({ address, internal, family: address.includes(':') ? 'IPv6' : 'IPv4' }) as NetworkInterfaceInfo;
const cards = {
  lo: [card('127.0.0.1', true), card('::1', true)],
  eth0: [card('10.0.0.7'), card('fe80::1'), card('2001:db8::7')],
  ib0: [card('10.1.0.7')],
};
const only = { lo: cards.lo };

test.each<[string, string, string, string | undefined, typeof only, string]>([
  ['an address that others reach', '10.1.0.7', 'node1', undefined, cards, '10.1.0.7'],
  ['the name of the own host at 127.0.1.1', '127.0.1.1', 'node1', undefined, cards, '10.0.0.7'],
  ['the card that is wanted', '127.0.1.1', 'node1', 'ib0', cards, '10.1.0.7'],
  ['the name of the own host at ::1', '::1', 'node1', undefined, cards, '2001:db8::7'],
  ['a card without an address of this family', '::1', 'node1', 'ib0', cards, '10.1.0.7'],
  ['localhost', '127.0.0.1', 'localhost', undefined, cards, '127.0.0.1'],
  ['an address of the loopback', '127.0.0.1', '127.0.0.1', 'eth0', cards, '127.0.0.1'],
  ['a host without a network', '127.0.1.1', 'node1', undefined, only, '127.0.1.1'],
])('%s', (_, found, host, wanted, all, address) => expect(addressForOthers(found, host, all, wanted)).toBe(address));

test('a card that is not there is refused', () => {
  expect(() => addressForOthers('127.0.1.1', 'node1', cards, 'eth9')).toThrow(
    expect.objectContaining({
      code: 'ERR_RANKS',
      message: 'GLOO_SOCKET_IFNAME names eth9, but this host has lo, eth0, ib0: name one of these.',
    }),
  );
});
