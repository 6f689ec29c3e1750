import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Addr } from '../../ipaddr/addr.ts';
import { parseAddr } from '../../ipaddr/parse-addr.ts';
import { formatName } from '../wire/name.ts';
import type { PlannedName } from '../zone/names.ts';
import { backNames } from './address-tree.ts';
import { TableFullError } from './arena.ts';
import { relativeName } from './entry.ts';
import { emptyRrset, Table } from './table.ts';
import { TableWriter } from './writer.ts';

const TABLE_BYTES = 8 << 20;

function open(sizeBytes = TABLE_BYTES) {
  const writer = new TableWriter(sizeBytes);
  const table = new Table({
    memory: writer.memory,
    zones: [],
    home: new Uint8Array(1),
    fallthrough: [],
    podsEcho: false,
  });
  return { writer, table };
}

function entryOf(table: Table, name: string): number {
  const wire = relativeName(name);
  return table.find(0, wire, 0, wire.length);
}

function addressesAt(table: Table, name: string): string[] {
  const entry = entryOf(table, name);
  const rrset = emptyRrset();
  if (entry === 0 || !table.rrset(entry, 1, rrset)) return [];
  return Array.from({ length: rrset.count }, (_, index) => {
    const at = rrset.start + index * 4;
    return `${Addr.fromBytes(table.bytes.slice(at, at + 4))}`;
  });
}

function backNamesOf(table: Table, addr: Addr): string[] {
  const octets = addr.toBytes();
  const leaf = table.findAddress(octets, octets.length);
  if (leaf === 0) return [];
  return backNames(table.bytes, leaf)
    .map(({ start, lengthBytes }) =>
      formatName(Uint8Array.of(...table.bytes.subarray(start, start + lengthBytes), 0)),
    )
    .sort();
}

/** A Service with one address, and endpoints by host. */
function planned(own: string, address: string, hosts: Readonly<Record<string, string>>) {
  const names: PlannedName[] = [
    { name: own, addresses: [parseAddr(address)], reverse: 'service' },
    { name: `_tcp.${own}` },
  ];
  for (const [host, text] of Object.entries(hosts)) {
    names.push({ name: `${host}.${own}`, addresses: [parseAddr(text)], reverse: 'endpoint' });
  }
  return names;
}

describe('TableWriter', () => {
  it('gives what was put there, and takes away what no longer is', () => {
    const { writer, table } = open();
    const first = planned('web.ns.svc', '10.0.0.1', { a: '10.1.0.1', b: '10.1.0.2' });
    expect(writer.setService('cluster', 'web.ns.svc', first)).toBe(false);
    writer.publish(1);
    expect(addressesAt(table, 'web.ns.svc')).toEqual(['10.0.0.1']);
    expect(addressesAt(table, 'b.web.ns.svc')).toEqual(['10.1.0.2']);
    expect(entryOf(table, '_tcp.web.ns.svc')).toBeGreaterThan(0);
    expect(backNamesOf(table, parseAddr('10.1.0.2'))).toEqual(['b.web.ns.svc']);

    const second = planned('web.ns.svc', '10.0.0.2', { a: '10.1.0.1', c: '10.1.0.3' });
    expect(writer.setService('cluster', 'web.ns.svc', second)).toBe(true);
    writer.publish(2);
    expect(addressesAt(table, 'web.ns.svc')).toEqual(['10.0.0.2']);
    expect(entryOf(table, 'b.web.ns.svc')).toBe(0);
    expect(backNamesOf(table, parseAddr('10.1.0.2'))).toEqual([]);
    expect(backNamesOf(table, parseAddr('10.0.0.1'))).toEqual([]);
    expect(backNamesOf(table, parseAddr('10.1.0.3'))).toEqual(['c.web.ns.svc']);

    writer.setService('cluster', 'web.ns.svc', []);
    writer.publish(3);
    expect(entryOf(table, 'web.ns.svc')).toBe(0);
    expect(writer.nameCount).toBe(0);
  });

  it('keeps an address two Services share until both are gone', () => {
    const { writer, table } = open();
    for (const own of ['one.ns.svc', 'two.ns.svc']) {
      writer.setService('cluster', own, planned(own, '10.0.0.9', { e: '10.1.0.1' }));
    }
    expect(backNamesOf(table, parseAddr('10.1.0.1'))).toEqual(['e.one.ns.svc', 'e.two.ns.svc']);
    writer.setService('cluster', 'one.ns.svc', []);
    expect(backNamesOf(table, parseAddr('10.1.0.1'))).toEqual(['e.two.ns.svc']);
    writer.setService('cluster', 'two.ns.svc', []);
    expect(backNamesOf(table, parseAddr('10.1.0.1'))).toEqual([]);
  });

  it('is the same after any changes as one written at once, and no larger for it', () => {
    const change = fc.record({
      service: fc.nat(5),
      address: fc.nat(3),
      hosts: fc.dictionary(
        fc.constantFrom('a', 'b', 'c'),
        fc.constantFrom('10.1.0.1', '10.1.128.2', '172.16.0.1'),
      ),
      isGone: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        const { writer, table } = open();
        const last = new Map<string, PlannedName[]>();
        for (const { service, address, hosts, isGone } of changes) {
          const own = `s${service}.ns.svc`;
          const names = isGone ? [] : planned(own, `10.0.0.${address}`, hosts);
          writer.setService('cluster', own, names);
          writer.publish(1);
          last.set(own, names);
        }
        const fresh = open();
        for (const [own, names] of last) fresh.writer.setService('cluster', own, names);
        fresh.writer.publish(1);
        expect(writer.nameCount).toBe(fresh.writer.nameCount);
        expect(writer.usedBytes).toBe(fresh.writer.usedBytes);
        for (const own of last.keys()) {
          for (const name of [own, ...['a', 'b', 'c'].map((host) => `${host}.${own}`)]) {
            expect(addressesAt(table, name)).toEqual(addressesAt(fresh.table, name));
          }
        }
        for (const text of ['10.0.0.0', '10.0.0.3', '10.1.0.1', '10.1.128.2', '172.16.0.1']) {
          const addr = parseAddr(text);
          expect(backNamesOf(table, addr)).toEqual(backNamesOf(fresh.table, addr));
          for (let bits = 0; bits <= 32; bits += 4) {
            const octets = addr.toBytes();
            const has = table.hasPrefix(octets, bits, 4);
            expect(has).toBe(fresh.table.hasPrefix(octets, bits, 4));
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it('finds an address by every prefix it has, and no other', () => {
    const { writer, table } = open();
    writer.setService(
      'cluster',
      'w.n.svc',
      planned('w.n.svc', 'fd00::1:2', { a: '10.1.2.3', b: 'fd00:1::' }),
    );
    const has = (text: string, bits: number) => {
      const addr = parseAddr(text);
      return table.hasPrefix(addr.toBytes(), bits, addr.family);
    };
    for (let bits = 0; bits <= 128; bits += 4) expect(has('fd00::1:2', bits)).toBe(true);
    expect(has('fd00:2::', 32)).toBe(false);
    expect(has('fd00:2::', 28)).toBe(true);
    expect(has('10.1.3.0', 24)).toBe(false);
    expect(has('10.1.0.0', 16)).toBe(true);
    expect(has('11.0.0.0', 8)).toBe(false);
  });

  it('uses no block again while a reader may look at it', () => {
    const { writer, table } = open();
    const names = (last: number) => planned('web.ns.svc', `10.0.0.${last}`, {});
    writer.setService('cluster', 'web.ns.svc', names(1));
    writer.publish(1);
    table.enter(3);
    const seen = entryOf(table, 'web.ns.svc');
    const before = table.bytes.slice(seen, seen + 64);
    for (let last = 2; last < 50; last += 1) {
      writer.setService('cluster', 'web.ns.svc', names(last));
      writer.publish(last);
    }
    expect(table.bytes.slice(seen, seen + 64)).toEqual(before);
    const whileReading = writer.usedBytes;
    table.leave(3);
    writer.publish(50);
    expect(writer.usedBytes).toBeLessThan(whileReading);
  });

  it('says when it is full, and goes on with what it has', () => {
    const { writer, table } = open(16 << 10);
    const fill = () => {
      for (let index = 0; index < 1000; index += 1) {
        const own = `service-${index}.ns.svc`;
        writer.setService('cluster', own, planned(own, `10.0.${index >> 8}.${index & 255}`, {}));
      }
    };
    expect(fill).toThrow(TableFullError);
    expect(addressesAt(table, 'service-0.ns.svc')).toEqual(['10.0.0.0']);
  });
});
