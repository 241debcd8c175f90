import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkNetworks, isAddressAllowed, readNetworks } from '../../../src/protocol/image-serving/addresses.js';
import { attempt } from './fuzz.js';

describe('isAddressAllowed', () => {
  test('no network allows all, whatever they look like', () => {
    expect([isAddressAllowed('1.2.3.4', []), isAddressAllowed('', [])]).toEqual([true, true]);
  });

  test.each([
    ['10.1.2.3', '10.0.0.0/8', true],
    ['11.1.2.3', '10.0.0.0/8', false],
    ['10.1.2.3', '10.9.9.9/8', true],
    ['10.1.2.3', '10.0.0.0/255.0.0.0', true],
    ['10.1.2.3', '10.1.2.3', true],
    ['10.1.2.4', '10.1.2.3', false],
    ['10.1.2.4', '10.1.2.3/31', false],
    ['10.1.2.2', '10.1.2.3/31', true],
    ['9.9.9.9', '0.0.0.0/0', true],
    ['::ffff:10.1.2.3', '10.0.0.0/8', true],
    ['::ffff:a01:203', '10.0.0.0/8', true],
    ['10.1.2.3', '::ffff:10.0.0.0/104', true],
    ['11.1.2.3', '::ffff:10.0.0.0/104', false],
    ['::1', '::1', true],
    ['::1', '10.0.0.0/8', false],
    ['10.0.0.1', '::/0', false],
    ['fd00::5', 'fd00::/8', true],
    ['fe00::5', 'fd00::/8', false],
    ['fe80::1%eth0', 'fe80::/10', true],
    ['', '0.0.0.0/0', false],
    ['localhost', '0.0.0.0/0', false],
    ['010.1.2.3', '0.0.0.0/0', false],
    ['10.1', '0.0.0.0/0', false],
  ])('%s in %s: %s', (address, network, isAllowed) => {
    expect(isAddressAllowed(address, [network])).toBe(isAllowed);
    expect(isAddressAllowed(address, ['192.0.2.1', network])).toBe(isAllowed);
  });

  test('masks are those of arithmetic', () => {
    const bits32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    const dotted = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
    fc.assert(
      fc.property(bits32, bits32, fc.integer({ min: 0, max: 32 }), (client, network, bits) => {
        const isSame = Math.floor(client / 2 ** (32 - bits)) === Math.floor(network / 2 ** (32 - bits));
        expect(isAddressAllowed(dotted(client), [`${dotted(network)}/${bits}`])).toBe(isSame);
      }),
    );
  });
});

describe('networks', () => {
  test.each([
    '',
    'x',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0/8',
    '256.0.0.0',
    '::/129',
    '10.0.0.0/255.0.255.0',
    '::ffff:10.0.0.0/90',
    '10.0.0.0/1e1',
  ])('%j is none', (network) => {
    const invalid = expect.objectContaining({ code: 'INVALID_OPTION', option: 'filter', value: network });
    expect(() => checkNetworks(['10.0.0.0/8', network], 'filter')).toThrow(invalid);
    expect(() => isAddressAllowed('1.1.1.1', [network])).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  });

  test('are read from a list', () => {
    expect(readNetworks(' 10.0.0.0/8, ::1,\n192.0.2.1 ')).toEqual(['10.0.0.0/8', '::1', '192.0.2.1']);
    expect(readNetworks(' ')).toEqual([]);
    expect(() => readNetworks('10.0.0.0/8;::1')).toThrow(expect.objectContaining({ option: 'clientAddressFilter' }));
  });

  test('anything else is an error of ours', () => {
    const text = fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.stringMatching(/^[0-9a-f:./%]{0,20}$/));
    fc.assert(
      fc.property(text, text, (address, network) => {
        const isAllowed = attempt(['INVALID_OPTION'], () => isAddressAllowed(address, [network]));
        expect([true, false, undefined]).toContain(isAllowed);
      }),
      { numRuns: 2000 },
    );
  });
});
