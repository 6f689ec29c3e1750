import { describe, expect, it } from 'vitest';
import { Addr } from '../addr.ts';
import { parseAddr } from '../parse-addr.ts';
import { ADDRESS_SPACE_V6 } from './address-space-v6.ts';
import { ADDRESS_CLASSES } from './class.ts';
import { classify } from './classify.ts';
import { MULTICAST_V4 } from './multicast-v4.ts';
import { MULTICAST_V6 } from './multicast-v6.ts';
import { SPECIAL_V4 } from './special-v4.ts';
import { SPECIAL_V6 } from './special-v6.ts';

const of = (text: string) => classify(parseAddr(text));

describe('the classes of IPv4', () => {
  it.each([
    ['0.0.0.0', undefined, undefined],
    ['0.255.255.255', undefined, undefined],
    ['1.0.0.0', 'A', 8],
    ['126.255.255.255', 'A', 8],
    ['127.0.0.0', undefined, undefined],
    ['127.255.255.255', undefined, undefined],
    ['128.0.0.0', 'B', 16],
    ['191.255.255.255', 'B', 16],
    ['192.0.0.0', 'C', 24],
    ['223.255.255.255', 'C', 24],
    ['224.0.0.0', 'D', undefined],
    ['239.255.255.255', 'D', undefined],
    ['240.0.0.0', 'E', undefined],
    ['255.255.255.255', 'E', undefined],
    ['::1', undefined, undefined],
  ])('%s is of class %s', (text, addressClass, classPrefixBits) => {
    expect(of(text)).toMatchObject({ addressClass, classPrefixBits });
  });

  it('are told apart by the first octet alone, for all of them', () => {
    for (let octet = 0; octet < 256; octet += 1) {
      const addr = Addr.v4(octet << 24);
      const row = ADDRESS_CLASSES.find(({ prefix }) => prefix.contains(addr));
      const isGiven = octet !== 0 && octet !== 127;
      expect(classify(addr).addressClass).toBe(isGiven ? row?.addressClass : undefined);
    }
  });
});

describe('classify', () => {
  it.each([
    ['0.0.0.0', 'unspecified', ['This host on this network', 'This network'], false],
    ['0.1.2.3', 'this-network', ['This network'], false],
    ['9.255.255.255', 'global', [], true],
    ['10.0.0.0', 'private', ['Private-Use'], false],
    ['10.255.255.255', 'private', ['Private-Use'], false],
    ['11.0.0.0', 'global', [], true],
    ['100.64.0.1', 'shared', ['Shared Address Space'], false],
    ['127.8.8.8', 'loopback', ['Loopback'], false],
    ['169.254.1.1', 'link-local', ['Link Local'], false],
    ['172.15.255.255', 'global', [], true],
    ['172.16.0.0', 'private', ['Private-Use'], false],
    ['172.31.255.255', 'private', ['Private-Use'], false],
    ['172.32.0.0', 'global', [], true],
    ['192.168.0.1', 'private', ['Private-Use'], false],
    ['192.0.0.9', 'anycast', ['Port Control Protocol Anycast', 'IETF Protocol Assignments'], true],
    [
      '224.0.0.1',
      'multicast',
      ['All Systems on this Subnet', 'Local Network Control Block', 'Multicast'],
      false,
    ],
    ['224.0.1.1', 'multicast', ['NTP', 'Internetwork Control Block', 'Multicast'], true],
    ['224.0.2.0', 'multicast', ['AD-HOC Block I', 'Multicast'], true],
    ['224.4.255.255', 'multicast', ['AD-HOC Block II', 'Multicast'], true],
    ['224.5.0.0', 'multicast', ['Reserved', 'Multicast'], false],
    ['233.252.0.1', 'documentation', ['MCAST-TEST-NET', 'AD-HOC Block III', 'Multicast'], false],
    ['240.0.0.1', 'reserved', ['Reserved'], false],
    ['255.255.255.255', 'broadcast', ['Limited Broadcast', 'Reserved'], false],
    ['8.8.8.8', 'global', [], true],
    ['::', 'unspecified', ['Unspecified Address', 'Reserved by IETF'], false],
    ['fd00::1', 'unique-local', ['Unique-Local'], false],
    ['2606:4700::1', 'global', ['Global Unicast'], true],
    ['2001:db8::1', 'documentation', ['Documentation', 'Global Unicast'], false],
    ['fe80::1%eth0', 'link-local', ['Link-Local Unicast'], false],
    ['fec0::1', 'site-local', ['Deprecated (previously Site-Local)'], false],
    ['4000::', 'reserved', ['Reserved by IETF'], false],
    ['ff02::1', 'multicast', ['All Nodes on this link', 'Multicast'], false],
    ['ff02::1:ff00:1', 'multicast', ['Solicited-Node Address', 'Multicast'], false],
    ['ff0e::db8:0:1', 'documentation', ['Documentation', 'Multicast'], false],
    [
      'ff3e::1',
      'multicast',
      ['Source-Specific Multicast', 'Unicast-Prefix-based', 'Multicast'],
      true,
    ],
  ])('%s is %s: %j', (text, kind, names, isGlobal) => {
    const seen = of(text);
    expect(seen.blocks.map((block) => block.name)).toEqual(names);
    expect(seen).toMatchObject({ kind, isGlobal });
  });

  it.each([
    ['224.0.0.251', 'link-local'],
    ['224.0.1.1', 'global'],
    ['239.1.2.3', 'admin-local'],
    ['239.192.0.1', 'organization-local'],
    ['239.195.255.255', 'organization-local'],
    ['239.255.255.250', 'realm-local'],
    ['235.0.0.1', 'unassigned'],
    ['ff00::1', 'reserved'],
    ['ff01::1', 'interface-local'],
    ['ff12::1', 'link-local'],
    ['ff03::1', 'realm-local'],
    ['ff04::1', 'admin-local'],
    ['ff35::1', 'site-local'],
    ['ff06::1', 'unassigned'],
    ['ff08::1', 'organization-local'],
    ['fffe::1', 'global'],
    ['ff0f::1', 'reserved'],
    ['fe80::1', undefined],
    ['10.0.0.1', undefined],
  ])('multicast to %s reaches %s', (text, scope) => {
    expect(of(text).scope).toBe(scope);
  });

  it.each([
    ['::ffff:10.1.2.3', 'mapped', '10.1.2.3', false],
    ['::10.1.2.3', 'compatible', '10.1.2.3', false],
    ['64:ff9b::8.8.8.8', 'nat64', '8.8.8.8', true],
    ['2002:0a01:0203::1', '6to4', '10.1.2.3', false],
    ['2002:808:808::1', '6to4', '8.8.8.8', true],
    // RFC 4380 4: client and port are inverted, so f7f7:f7f7 is 8.8.8.8.
    ['2001:0:102:304:0:ffff:f7f7:f7f7', 'teredo', '8.8.8.8', true],
    ['fe80::5efe:10.1.2.3', 'isatap', '10.1.2.3', false],
    ['2001:470::200:5efe:8.8.8.8', 'isatap', '8.8.8.8', true],
  ])('%s holds IPv4: %s %s', (text, embedding, addr, isGlobal) => {
    const seen = of(text);
    expect(seen.embedded?.embedding).toBe(embedding);
    expect(seen.embedded?.addr.toString()).toBe(addr);
    expect(seen.isGlobal).toBe(isGlobal);
  });

  it('finds the server and the port in Teredo (the example of RFC 4380 is inverted the same way)', () => {
    const { embedded } = of('2001:0:4136:e378:8000:63bf:3fff:fdd2');
    expect(embedded?.addr.toString()).toBe('192.0.2.45');
    expect(embedded?.teredo?.server.toString()).toBe('65.54.227.120');
    expect(embedded?.teredo?.port).toBe(40_000);
  });

  it.each(['::', '::1', '10.0.0.1', '2001:db8::1', 'ff02::200:5efe:10.1.2.3'])(
    '%s holds no IPv4',
    (text) => {
      expect(of(text).embedded).toBeUndefined();
    },
  );

  it('gives one value for all addresses of the same blocks', () => {
    expect(of('10.0.0.1')).toBe(of('10.200.3.4'));
    expect(of('2606::1')).toBe(of('2607::1'));
    expect(of('2001:db8::1')).toBe(of('2001:db8:ffff::1'));
  });
});

describe('the tables', () => {
  const all = [...SPECIAL_V4, ...SPECIAL_V6, ...MULTICAST_V4, ...MULTICAST_V6, ...ADDRESS_SPACE_V6];

  it('hold whole networks, each once', () => {
    for (const { prefix } of all) expect(`${prefix.masked()}`).toBe(`${prefix}`);
    expect(new Set(all.map(({ prefix }) => prefix.key)).size).toBe(all.length);
  });

  it.each(all)('$prefix is found at both its ends and not beside them', (block) => {
    const { prefix } = block;
    expect(classify(prefix.first()).blocks).toContain(block);
    expect(classify(prefix.last()).blocks).toContain(block);
    for (const beside of [prefix.first().prev(), prefix.last().next()]) {
      if (beside !== undefined) expect(classify(beside).blocks).not.toContain(block);
    }
  });

  it('say more of every multicast /16 than that it is one', () => {
    const blocks = MULTICAST_V4.filter(({ prefix }) => prefix.bits > 4);
    for (let first = 0xe0000000; first < 0xf0000000; first += 0x10000) {
      const addr = Addr.v4(first);
      expect(blocks.filter(({ prefix }) => prefix.contains(addr)).length).toBeGreaterThan(0);
    }
  });
});
