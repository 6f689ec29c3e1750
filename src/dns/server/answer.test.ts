import DNS from 'dns2';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildTable } from '../table/build.ts';
import { Table } from '../table/table.ts';
import { TYPE } from '../wire/constants.ts';
import { encodeName } from '../wire/name.ts';
import { soaRdata, srvRdata } from '../wire/rdata.ts';
import { Zone } from '../zone/zone.ts';
import { Answerer, UDP_BYTES_MAX } from './answer.ts';

const zone = new Zone();
zone.addApex('cluster.local', [soaRdata({ mname: 'ns', rname: 'h', serial: 1, minimum: 5 })]);
const a = (last: number) => ({ type: TYPE.A, bytes: Uint8Array.of(10, 0, last >> 8, last & 255) });
for (const last of [1, 2]) zone.add('web.ns.svc.cluster.local', a(last));
for (let last = 0; last < 100; last += 1) zone.add('big.ns.svc.cluster.local', a(last));
zone.add('_p._tcp.web.ns.svc.cluster.local', srvRdata(0, 100, 80, 'web.ns.svc.cluster.local'));
const table = new Table(buildTable(zone, 5));

interface Query {
  name: string;
  type?: number;
  classNumber?: number;
  edns?: number;
  version?: number;
  flags?: number;
}

function encodeQuery({
  name,
  type = 1,
  classNumber = 1,
  edns,
  version = 0,
  flags = 0x0100,
}: Query): Uint8Array {
  const header = [
    0xab,
    0xcd,
    flags >> 8,
    flags & 255,
    0,
    1,
    0,
    0,
    0,
    0,
    0,
    edns === undefined ? 0 : 1,
  ];
  // encodeName puts names in lower case; a query keeps the asker's.
  const wire = encodeName(name);
  let at = 0;
  for (const label of name.replace(/\.$/, '').split('.')) {
    wire.set(new TextEncoder().encode(label), at + 1);
    at += label.length + 1;
  }
  const opt = edns === undefined ? [] : [0, 0, 41, edns >> 8, edns & 255, 0, version, 0, 0, 0, 0];
  return Uint8Array.of(...header, ...wire, 0, type, 0, classNumber, ...opt);
}

function ask(query: Query | Uint8Array, overTcp = false, from: Table | undefined = table) {
  const request = query instanceof Uint8Array ? query : encodeQuery(query);
  const reply = new Uint8Array(overTcp ? 65_535 : UDP_BYTES_MAX);
  const answerer = new Answerer();
  const length = answerer.answer(from, request, request.length, reply, overTcp);
  const bytes = reply.subarray(0, length);
  return {
    length,
    rcode: answerer.rcode,
    bytes,
    packet: length > 0 ? DNS.Packet.parse(Buffer.from(bytes)) : undefined,
  };
}

describe('Answerer', () => {
  it('answers with every address, another one first each time', () => {
    const answerer = new Answerer();
    const request = encodeQuery({ name: 'web.ns.svc.cluster.local' });
    const firsts = [0, 1].map(() => {
      const reply = new Uint8Array(UDP_BYTES_MAX);
      const length = answerer.answer(table, request, request.length, reply, false);
      const { answers } = DNS.Packet.parse(Buffer.from(reply.subarray(0, length)));
      expect(answers).toHaveLength(2);
      expect(answers.every((each) => each.ttl === 5)).toBe(true);
      return answers[0]?.address;
    });
    expect(new Set(firsts)).toEqual(new Set(['10.0.0.1', '10.0.0.2']));
  });

  it('keeps the id, the question and its case', () => {
    const { packet, bytes } = ask({ name: 'WEB.ns.SVC.cluster.Local' });
    expect(packet?.header).toMatchObject({ id: 0xabcd, qr: 1, aa: 1, rd: 1, ra: 0, rcode: 0 });
    expect(packet?.questions[0]?.name).toBe('WEB.ns.SVC.cluster.Local');
    expect(packet?.answers[0]?.name).toBe('WEB.ns.SVC.cluster.Local');
    expect(bytes[2]).toBe(0x85);
  });

  it('adds the addresses of what an SRV record names', () => {
    const { packet } = ask({ name: '_p._tcp.web.ns.svc.cluster.local', type: TYPE.SRV });
    expect(packet?.answers[0]).toMatchObject({ port: 80, target: 'web.ns.svc.cluster.local' });
    expect(packet?.additionals.map((each) => each.address)).toEqual(['10.0.0.1', '10.0.0.2']);
  });

  it.each([
    ['a name that is not there', { name: 'none.ns.svc.cluster.local' }, 3, 1],
    ['another type', { name: 'web.ns.svc.cluster.local', type: TYPE.AAAA }, 0, 1],
    ['a name between others', { name: '_tcp.web.ns.svc.cluster.local' }, 0, 1],
    ['the zone itself', { name: 'cluster.local' }, 0, 1],
    ['a name outside', { name: 'example.com' }, 5, 0],
    ['a name that only ends alike', { name: 'xcluster.local' }, 5, 0],
    ['the root', { name: '.' }, 5, 0],
    ['another class', { name: 'web.ns.svc.cluster.local', classNumber: 3 }, 5, 0],
  ])('says of %s what it is', (_, query, rcode, authorities) => {
    const { packet } = ask(query);
    expect(packet?.header.rcode).toBe(rcode);
    expect(packet?.answers).toEqual([]);
    expect(packet?.authorities).toHaveLength(authorities);
    if (authorities > 0)
      expect(packet?.authorities[0]).toMatchObject({
        name: 'cluster.local',
        type: TYPE.SOA,
        ttl: 5,
      });
  });

  it.each([
    [undefined, 12 + 30, true],
    [512, 12 + 30 + 11, true],
    [100, 12 + 30 + 11, true],
    [4096, 12 + 30 + 11, true],
  ])('cuts off at what fits (EDNS %s): no part of an rrset', (edns, length, isCut) => {
    const { packet, bytes } = ask({
      name: 'big.ns.svc.cluster.local',
      ...(edns === undefined ? {} : { edns }),
    });
    expect(packet?.header.tc).toBe(isCut ? 1 : 0);
    expect(packet?.answers).toEqual([]);
    expect(bytes.length).toBe(length);
    const overTcp = ask({ name: 'big.ns.svc.cluster.local' }, true).packet;
    expect(overTcp?.header.tc).toBe(0);
    expect(overTcp?.answers).toHaveLength(100);
  });

  it('speaks EDNS version 0 only', () => {
    const { rcode, bytes } = ask({ name: 'cluster.local', edns: 4096, version: 1 });
    expect(rcode).toBe(16);
    expect(bytes[3]).toBe(0);
    expect([...bytes.subarray(-11)]).toEqual([0, 0, 41, 4, 208, 1, 0, 0, 0, 0, 0]);
  });

  it.each([
    ['too short', Uint8Array.of(1, 2, 3), 0, 0],
    ['an answer', encodeQuery({ name: 'a', flags: 0x8000 }), 0, 0],
    ['a NOTIFY', encodeQuery({ name: 'a', flags: 0x2000 }), 12, 4],
    ['cut in the name', encodeQuery({ name: 'cluster.local' }).subarray(0, 20), 12, 1],
    [
      'a pointer as name',
      Uint8Array.of(0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1),
      12,
      1,
    ],
    [
      'two OPT records',
      Uint8Array.of(
        ...encodeQuery({ name: 'a', edns: 512 }).with(11, 2),
        0,
        0,
        41,
        2,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
      ),
      12,
      1,
    ],
  ])('answers what is %s with a header or not at all', (_, request, length, rcode) => {
    const answer = ask(request);
    expect(answer.length).toBe(length);
    if (length > 0) expect(answer.rcode).toBe(rcode);
  });

  it('fails while nothing is known', () => {
    const request = encodeQuery({ name: 'cluster.local' });
    const answerer = new Answerer();
    answerer.answer(undefined, request, request.length, new Uint8Array(512), false);
    expect(answerer.rcode).toBe(2);
  });

  it('takes any bytes, and never writes more than allowed', () => {
    const query = encodeQuery({ name: 'big.ns.svc.cluster.local', edns: 1232 });
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 600 }),
      fc.tuple(fc.nat(query.length - 1), fc.nat(255)).map(([at, value]) => query.with(at, value)),
    );
    fc.assert(
      fc.property(bytes, (request) => {
        const { length } = ask(request);
        expect(length === 0 || (length >= 12 && length <= UDP_BYTES_MAX)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
