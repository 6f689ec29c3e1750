import { describe, expect, it } from 'vitest';
import { classify } from './classify.ts';
import { parseAddr } from './parse-addr.ts';
import { parsePrefix } from './prefix.ts';
import { SPECIAL_V4, SPECIAL_V6 } from './special-purpose.ts';

describe('classify', () => {
  it.each([
    ['1.0.0.0', 'A', 8],
    ['126.255.255.255', 'A', 8],
    ['128.0.0.0', 'B', 16],
    ['191.255.255.255', 'B', 16],
    ['192.0.0.0', 'C', 24],
    ['223.255.255.255', 'C', 24],
    ['224.0.0.0', 'D', undefined],
    ['239.255.255.255', 'D', undefined],
    ['240.0.0.0', 'E', undefined],
    ['255.255.255.255', 'E', undefined],
    ['0.0.0.0', undefined, undefined],
    ['127.0.0.1', undefined, undefined],
    ['::1', undefined, undefined],
  ])('%s is of class %s', (text, addressClass, classPrefixBits) => {
    expect(classify(parseAddr(text))).toMatchObject({ addressClass, classPrefixBits });
  });

  it.each([
    ['0.0.0.0', ['unspecified, default route', 'this network'], false],
    ['10.1.2.3', ['private'], false],
    ['172.31.255.255', ['private'], false],
    ['172.32.0.0', [], true],
    ['192.168.0.1', ['private'], false],
    ['169.254.1.1', ['link-local (APIPA)'], false],
    ['127.8.8.8', ['loopback'], false],
    [
      '224.0.0.1',
      ['all hosts on this subnet', 'multicast, local network control', 'multicast'],
      false,
    ],
    ['255.255.255.255', ['limited broadcast', 'reserved'], false],
    ['192.0.0.9', ['port control protocol anycast', 'IETF protocol assignments'], true],
    ['8.8.8.8', [], true],
    ['fd00::1', ['unique local'], false],
    ['2606:4700::1', [], true],
    ['ff02::1', ['all nodes on this link', 'multicast, link-local scope', 'multicast'], false],
  ])('%s is %j', (text, names, isGlobal) => {
    const { special, isGlobal: seen } = classify(parseAddr(text));
    expect(special.map((block) => block.name)).toEqual(names);
    expect(seen).toBe(isGlobal);
  });

  it('has tables of well-formed, distinct networks', () => {
    for (const table of [SPECIAL_V4, SPECIAL_V6]) {
      const prefixes = table.map(({ prefix }) => parsePrefix(prefix));
      expect(prefixes.map((prefix) => `${prefix.masked()}`)).toEqual(
        table.map(({ prefix }) => prefix),
      );
      expect(new Set(table.map(({ prefix }) => prefix)).size).toBe(table.length);
    }
  });
});
