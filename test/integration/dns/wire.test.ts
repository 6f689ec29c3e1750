import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Acl } from '../../../src/dns/server/acl.ts';
import { TCP_LIMITS } from '../../../src/dns/server/tcp-limits.ts';
import { parsePrefix } from '../../../src/ipaddr/prefix.ts';
import { ask, askTcp, askUdp, decodeAnswer, encodeQuery, framed, readMessages } from './ask.ts';
import { objectsOf, parse, type RunningDns, startDns } from './cluster-fixture.ts';

/* How questions are put and answers given (RFC 1035, 6891, 7766, 7873, 8482, 8906, 9619). */

const SVC1 = 'svc1.testns.svc.cluster.local';
const BIG = 'big.testns.svc.cluster.local';
const HUGE = 'huge.testns.svc.cluster.local';
const SLICE_ENDPOINTS_MAX = 1000;

/** A headless Service with `count` endpoints, in slices as large as they may be. */
function headless(name: string, count: number): string {
  const documents = [
    {
      apiVersion: 'v1',
      kind: 'Service',
      spec: { clusterIP: 'None', ports: [{ name: 'http', port: 80 }] },
      metadata: { name, namespace: 'testns' },
    },
    ...Array.from({ length: Math.ceil(count / SLICE_ENDPOINTS_MAX) }, (_, slice) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: `${name}-${slice}`,
        namespace: 'testns',
        labels: { 'kubernetes.io/service-name': name },
      },
      addressType: 'IPv4',
      endpoints: Array.from(
        { length: Math.min(SLICE_ENDPOINTS_MAX, count - slice * SLICE_ENDPOINTS_MAX) },
        (_, index) => ({
          addresses: [`10.${20 + slice}.${index >> 8}.${index & 255}`],
        }),
      ),
      ports: [{ name: 'http', port: 80 }],
    })),
  ];
  return documents.map((document) => JSON.stringify(document)).join('\n---\n');
}

let server: RunningDns;
beforeAll(async () => {
  server = await startDns(
    [
      ...objectsOf('names'),
      ...parse(headless('mid', 6)),
      ...parse(headless('big', 100)),
      ...parse(headless('huge', 5000)),
    ],
    {},
    {
      answerer: {
        cookieSecret: Buffer.alloc(16, 7),
        nsid: 'node-1',
        chaosVersion: 'podwire',
        tcpIdleMs: 10_000,
      },
    },
  );
});
afterAll(() => server.dns.stop());

/** A query whose header's octets are replaced: `[offset, value]`. */
function patched(query: Parameters<typeof encodeQuery>[0], ...octets: [number, number][]): Buffer {
  const message = encodeQuery(query);
  for (const [at, value] of octets) message[at] = value;
  return message;
}

const option = (code: number, ...data: number[]) => Buffer.of(0, code, 0, data.length, ...data);

/** The data of one option of an answer. */
function optionOf(data: Uint8Array | undefined, code: number): Uint8Array | undefined {
  for (let at = 0; data !== undefined && at + 4 <= data.length; ) {
    const size = ((data[at + 2] ?? 0) << 8) | (data[at + 3] ?? 0);
    if (data[at + 1] === code) return data.subarray(at + 4, at + 4 + size);
    at += 4 + size;
  }
  return undefined;
}

describe('sizes', () => {
  it.each([
    ['without EDNS', undefined, 512],
    ['of 100 octets, which are 512', { sizeBytes: 100 }, 512],
    ['of 0 octets', { sizeBytes: 0 }, 512],
    ['of 1232', { sizeBytes: 1232 }, 1232],
    ['of 4096, which are 1232', { sizeBytes: 4096 }, 1232],
  ])('a client %s gets no part of an rrset, and TC', async (_, edns, limit) => {
    const answer = await ask(server.port, 'udp', {
      name: BIG,
      ...(edns === undefined ? {} : { edns }),
    });
    expect(answer).toMatchObject({ rcode: 'NOERROR', tc: true, answers: [] });
    expect(answer.bytes.length).toBeLessThanOrEqual(limit);
  });

  it('all of it goes over TCP, another one first each time', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => ask(server.port, 'tcp', { name: BIG })));
    for (const answer of answers) {
      expect(answer.tc).toBe(false);
      expect(new Set(answer.answers).size).toBe(100);
    }
    expect(new Set(answers.map(({ answers: [first] }) => first)).size).toBeGreaterThan(1);
  });

  it.each(['A', 'SRV'])(
    '%s of 5000 endpoints is a part of them over TCP, not always the same',
    async (type) => {
      const name = type === 'A' ? HUGE : `_http._tcp.${HUGE}`;
      const [one, other] = await Promise.all(
        [1, 2].map(() => ask(server.port, 'tcp', { name, type })),
      );
      for (const answer of [one, other]) {
        expect(answer).toMatchObject({ rcode: 'NOERROR', tc: false });
        expect(answer?.bytes.length).toBeGreaterThan(60_000);
        expect(new Set(answer?.answers).size).toBe(answer?.answers.length);
      }
      expect(one?.answers[0]).not.toBe(other?.answers[0]);
    },
  );

  it('addresses of targets are left out where they do not fit, without TC', async () => {
    const name = '_http._tcp.mid.testns.svc.cluster.local';
    const answer = await ask(server.port, 'udp', { name, type: 'SRV', edns: { sizeBytes: 512 } });
    expect(answer.tc).toBe(false);
    expect(answer.answers).toHaveLength(6);
    expect(answer.additional.length).toBeLessThan(6);
    expect(answer.bytes.length).toBeLessThanOrEqual(512);
  });

  it('owners are pointers to the question', async () => {
    const { bytes, answers } = await ask(server.port, 'udp', {
      name: 'hdls1.testns.svc.cluster.local',
    });
    const first = 12 + 'hdls1.testns.svc.cluster.local'.length + 2 + 4;
    for (let index = 0; index < answers.length; index += 1) {
      expect([...bytes.subarray(first + index * 16, first + index * 16 + 2)]).toEqual([0xc0, 12]);
    }
    expect(bytes.length).toBe(first + answers.length * 16);
  });
});

describe.each(['udp', 'tcp'] as const)('EDNS over %s', (transport) => {
  it('is answered by OPT as the last record, of our own size, with DO and no other flag', async () => {
    const answer = await ask(server.port, transport, {
      name: SVC1,
      edns: { sizeBytes: 4096, flags: 0xc001 },
    });
    expect(answer.opt).toMatchObject({ sizeBytes: 1232, flags: 0x8000 });
    expect(answer.opt?.data).toHaveLength(0);
    expect((await ask(server.port, transport, { name: SVC1 })).opt).toBeUndefined();
  });

  it('knows version 0 only', async () => {
    const answer = await ask(server.port, transport, { name: SVC1, edns: { version: 1 } });
    expect(answer).toMatchObject({ rcode: 'BADVERS', answers: [], aa: false });
    expect(answer.opt).toBeDefined();
  });

  it('ignores options and never repeats them', async () => {
    const options = Buffer.concat([
      option(100, 1, 2, 3),
      option(12, 0, 0),
      option(9),
      option(8, 0, 1, 24, 0, 192, 0, 2),
    ]);
    const answer = await ask(server.port, transport, { name: SVC1, edns: { options } });
    expect(answer).toMatchObject({ rcode: 'NOERROR' });
    expect(answer.opt?.data).toHaveLength(0);
  });

  it('says who answers, where that is asked (NSID)', async () => {
    const answer = await ask(server.port, transport, { name: SVC1, edns: { options: option(3) } });
    expect(Buffer.from(optionOf(answer.opt?.data, 3) ?? []).toString()).toBe('node-1');
  });

  it('gives the time a connection may idle over TCP alone', async () => {
    const answer = await ask(server.port, transport, { name: SVC1, edns: { options: option(11) } });
    const keepalive = optionOf(answer.opt?.data, 11);
    expect(keepalive === undefined ? undefined : [...keepalive]).toEqual(
      transport === 'tcp' ? [0, 100] : undefined,
    );
  });

  it('makes a server cookie, knows it again, and never echoes', async () => {
    const client = [1, 2, 3, 4, 5, 6, 7, 8];
    const first = await ask(server.port, transport, {
      name: SVC1,
      edns: { options: option(10, ...client) },
    });
    const cookie = optionOf(first.opt?.data, 10) ?? new Uint8Array();
    expect(cookie).toHaveLength(24);
    expect([...cookie.subarray(0, 12)]).toEqual([...client, 1, 0, 0, 0]);
    const again = await ask(server.port, transport, {
      name: SVC1,
      edns: { options: option(10, ...cookie) },
    });
    expect(optionOf(again.opt?.data, 10)).toEqual(cookie);
    const forged = [...client, 1, ...Buffer.alloc(15, 9)];
    const other = await ask(server.port, transport, {
      name: SVC1,
      edns: { options: option(10, ...forged) },
    });
    expect(other.rcode).toBe('NOERROR');
    expect([...(optionOf(other.opt?.data, 10) ?? [])]).not.toEqual(forged);
  });

  it('tells why: nobody else is asked for names of others', async () => {
    const answer = await ask(server.port, transport, { name: 'example.com', edns: {} });
    expect(answer.rcode).toBe('REFUSED');
    expect([...(optionOf(answer.opt?.data, 15) ?? [])]).toEqual([0, 20]);
  });

  it('tells that the cluster is away, as long as it is, to those who speak EDNS', async () => {
    await using dns = await startDns(objectsOf('names'));
    const error = async (name: string) => {
      const answer = await ask(dns.port, transport, { name, edns: {} });
      return [answer.rcode, ...(optionOf(answer.opt?.data, 15) ?? [])];
    };
    expect(await error(SVC1)).toEqual(['NOERROR']);
    const part = dns.store.part();
    dns.store.markStale(part, true);
    expect(await error(SVC1)).toEqual(['NOERROR', 0, 3]);
    expect(await error('testns.svc.cluster.local')).toEqual(['NOERROR', 0, 3]);
    expect(await error('svc0.testns.svc.cluster.local')).toEqual(['NXDOMAIN', 0, 19]);
    expect(await error('example.com')).toEqual(['REFUSED', 0, 20]);
    const plain = await ask(dns.port, transport, { name: SVC1 });
    expect(plain).toMatchObject({ rcode: 'NOERROR', opt: undefined });
    expect(plain.answers).toHaveLength(1);
    dns.store.markStale(part, false);
    expect(await error(SVC1)).toEqual(['NOERROR']);
  });

  it.each([
    ['a cookie of 5 octets', option(10, 1, 2, 3, 4, 5)],
    ['an option that is longer than the record', Buffer.of(0, 10, 0, 99, 1)],
  ])('finds %s wrong', async (_, options) => {
    const answer = await ask(server.port, transport, { name: SVC1, edns: { options } });
    expect(answer.rcode).toBe('FORMERR');
  });
});

describe('headers', () => {
  it('are repeated in id, RD and CD; AD and Z are not', async () => {
    const reply = await askUdp(
      server.port,
      patched({ name: SVC1, id: 0xabcd }, [2, 0x01], [3, 0x70]),
    );
    expect(reply.readUInt16BE(0)).toBe(0xabcd);
    expect([reply[2], reply[3]]).toEqual([0x85, 0x10]);
  });

  it.each([1, 2, 4, 5, 6, 15])(
    'with opcode %d: not implemented, without a word more',
    async (opcode) => {
      for (const edns of [undefined, {}]) {
        const query = { name: SVC1, ...(edns === undefined ? {} : { edns }) };
        const reply = await askUdp(server.port, patched(query, [2, opcode << 3]));
        expect(reply).toHaveLength(12);
        expect([reply[2], (reply[3] ?? 0) & 15]).toEqual([0x80 | (opcode << 3), 4]);
      }
    },
  );

  it.each([
    ['no question', patched({ name: SVC1 }, [5, 0])],
    ['two questions', patched({ name: SVC1 }, [5, 2])],
    [
      '65535 of everything',
      patched(
        { name: SVC1 },
        ...[4, 5, 6, 7, 8, 9, 10, 11].map((at): [number, number] => [at, 255]),
      ),
    ],
    ['a record that is not there', patched({ name: SVC1 }, [7, 1])],
    [
      'two OPT records',
      Buffer.concat([
        patched({ name: SVC1, edns: {} }, [11, 2]),
        encodeQuery({ name: '.', edns: {} }).subarray(-11),
      ]),
    ],
    ['OPT as an answer', patched({ name: SVC1, edns: {} }, [7, 1], [11, 0])],
    ['a question that ends early', encodeQuery({ name: SVC1 }).subarray(0, 30)],
    [
      'a name that is a pointer to itself',
      Buffer.concat([patched({ name: '.' }).subarray(0, 12), Buffer.of(0xc0, 12, 0, 1, 0, 1)]),
    ],
    [
      'a label of 64 octets',
      Buffer.concat([
        patched({ name: '.' }).subarray(0, 12),
        Buffer.of(64),
        Buffer.alloc(64, 97),
        Buffer.of(0, 0, 1, 0, 1),
      ]),
    ],
    [
      'a name of 256 octets',
      Buffer.concat([
        patched({ name: '.' }).subarray(0, 12),
        ...[0, 1, 2, 3].map(() => Buffer.concat([Buffer.of(63), Buffer.alloc(63, 97)])),
        Buffer.of(0, 0, 1, 0, 1),
      ]),
    ],
  ])('with %s: a format error, and no more', async (_, message) => {
    const reply = await askUdp(server.port, message);
    expect(reply).toHaveLength(12);
    expect((reply[3] ?? 0) & 15).toBe(1);
  });

  it.each([
    ['an answer', patched({ name: SVC1 }, [2, 0x81])],
    ['eleven octets', encodeQuery({ name: SVC1 }).subarray(0, 11)],
    ['nothing', Buffer.alloc(0)],
  ])('of %s get no reply', async (_, message) => {
    const socket = createSocket('udp4');
    const replies: number[] = [];
    socket.on('message', (reply: Buffer) => replies.push(reply.readUInt16BE(0)));
    socket.send(message, server.port, '127.0.0.1');
    // Sockets are served in order, so when the second is answered the first was looked at.
    socket.send(encodeQuery({ name: SVC1, id: 7 }), server.port, '127.0.0.1');
    await once(socket, 'message');
    expect(replies).toEqual([7]);
    socket.close();
  });

  it('without a question, but with a cookie, get a cookie (RFC 7873 section 5.4)', async () => {
    const client = option(10, 1, 2, 3, 4, 5, 6, 7, 8);
    const query = encodeQuery({ name: '.', edns: { options: client } });
    const message = Buffer.concat([query.subarray(0, 12), query.subarray(17)]);
    message[5] = 0;
    const answer = decodeAnswer(await askUdp(server.port, message));
    expect(answer.rcode).toBe('NOERROR');
    expect(optionOf(answer.opt?.data, 10)).toHaveLength(24);
  });
});

describe.each(['udp', 'tcp'] as const)('classes and types over %s', (transport) => {
  it.each([
    ['CH, version.bind', 'version.bind', 3, 'TXT', 'NOERROR'],
    ['CH, any other name', SVC1, 3, 'TXT', 'REFUSED'],
    ['HS', SVC1, 4, 'A', 'REFUSED'],
    ['none', SVC1, 254, 'A', 'REFUSED'],
    ['any', SVC1, 255, 'A', 'NOERROR'],
  ])('class %s', async (_, name, classNumber, type, rcode) => {
    const answer = await ask(server.port, transport, { name, classNumber, type });
    expect(answer.rcode).toBe(rcode);
    if (rcode === 'NOERROR') expect(answer.answers).toHaveLength(1);
  });

  it('ANY gives one rrset (RFC 8482)', async () => {
    expect((await ask(server.port, transport, { name: SVC1, type: 'ANY' })).answers).toEqual([
      `${SVC1} 5 A 10.0.0.1`,
    ]);
    const between = await ask(server.port, transport, { name: `_tcp.${SVC1}`, type: 'ANY' });
    expect(between).toMatchObject({ rcode: 'NOERROR', answers: [] });
  });

  it.each([
    ['OPT', 'TYPE41'],
    ['TKEY', 'TYPE249'],
    ['TSIG', 'TYPE250'],
  ])('%s is no question', async (_, type) => {
    expect((await ask(server.port, transport, { name: SVC1, type })).rcode).toBe('FORMERR');
  });

  it.each(['AXFR', 'IXFR'])('%s is refused to who may not', async (type) => {
    expect((await ask(server.port, transport, { name: 'cluster.local', type })).rcode).toBe(
      'REFUSED',
    );
    expect((await ask(server.port, transport, { name: 'example.com', type })).rcode).toBe(
      'NOTAUTH',
    );
  });
});

describe('TCP', () => {
  const query = (id: number) => framed(encodeQuery({ name: SVC1, id }));

  it('answers many queries of one connection', async () => {
    const ids = Array.from({ length: 500 }, (_, index) => index + 1);
    const replies = await askTcp(
      server.port,
      ids.map((id) => encodeQuery({ name: SVC1, id })),
    );
    expect(replies.map((reply) => reply.readUInt16BE(0))).toEqual(ids);
  });

  it('answers what comes octet by octet, and after the client has ended', async () => {
    const socket = connect({
      port: server.port,
      host: '127.0.0.1',
      noDelay: true,
      allowHalfOpen: true,
    });
    for (const octet of query(5)) {
      await new Promise((resolve) => socket.write(Buffer.of(octet), resolve));
      await delay(0);
    }
    socket.end(query(6));
    const replies = await readMessages(socket, Number.POSITIVE_INFINITY);
    expect(replies.map((reply) => reply.readUInt16BE(0))).toEqual([5, 6]);
  });

  it.each([
    ['a length of 0', Buffer.of(0, 0)],
    ['what is no query', Buffer.of(0, 3, 1, 2, 3)],
  ])('hangs up on %s', async (_, data) => {
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(data);
    await once(socket, 'close');
  });

  it('keeps a silent connection for the idle time, a message begun for less, and no more of one client than its share', async () => {
    await using own = await startDns(
      objectsOf('names'),
      {},
      {
        tcpLimits: {
          ...TCP_LIMITS,
          idleTimeoutMs: 600,
          messageTimeoutMs: 200,
          connectionsPerClientMax: 3,
        },
      },
    );
    const open = async (data: Buffer) => {
      const socket = connect(own.port, '127.0.0.1');
      socket.on('error', () => {});
      const start = performance.now();
      await once(socket, 'connect');
      if (data.length > 0) socket.write(data);
      const closed = once(socket, 'close').then(() => performance.now() - start);
      socket.resume();
      return { socket, closed };
    };
    const silent = await open(Buffer.alloc(0));
    const begun = await open(Buffer.of(0, 99, 1));
    const drip = await open(Buffer.of(0));
    const dripping = setInterval(() => drip.socket.write(Buffer.of(0)), 50);
    const tooMany = await open(Buffer.alloc(0));
    await tooMany.closed;
    expect(own.dns.server.refusedConnections).toBe(1);
    expect(await begun.closed).toBeGreaterThanOrEqual(190);
    await drip.closed;
    clearInterval(dripping);
    expect(await silent.closed).toBeGreaterThanOrEqual(590);
    // And there is room again.
    expect((await ask(own.port, 'tcp', { name: SVC1 })).rcode).toBe('NOERROR');
  });
});

describe('access', () => {
  it('is for those who may', async () => {
    await using own = await startDns(
      objectsOf('names'),
      {},
      { allow: Acl.of([parsePrefix('127.0.0.0/31')]) },
    );
    for (const transport of ['udp', 'tcp'] as const) {
      expect((await ask(own.port, transport, { name: SVC1 })).rcode).toBe('NOERROR');
    }
    const refused = decodeAnswer(
      await askUdp(own.port, encodeQuery({ name: SVC1, edns: {} }), '::1'),
    );
    expect(refused.rcode).toBe('REFUSED');
    expect([...(optionOf(refused.opt?.data, 15) ?? [])]).toEqual([0, 18]);
  });
});

describe('the address asked', () => {
  it.each(['127.0.0.1', '127.3.2.1', '::1'])('%s is the one that answers', async (address) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.send(encodeQuery({ name: SVC1 }), server.port, address);
    const [, from] = (await once(socket, 'message')) as [Buffer, { address: string }];
    expect(from.address).toBe(address);
    socket.close();
  });
});
