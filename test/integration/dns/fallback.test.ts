import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { Fallback, QueryContext } from '../../../src/dns/server/fallback.ts';
import { Routes } from '../../../src/dns/server/routes.ts';
import { TCP_LIMITS } from '../../../src/dns/server/tcp-limits.ts';
import { ask, askTcp, askUdp, decodeAnswer, encodeQuery } from './ask.ts';
import { objectsOf, startDns } from './cluster-fixture.ts';

/* What the table can't answer goes to somebody else, and comes back the way it came. */

const SVC1 = 'svc1.testns.svc.cluster.local';
const EXTERNAL = 'external.testns.svc.cluster.local';

/** An answer of `count` A records to whatever was asked. */
function replyTo(request: Uint8Array, count: number): Uint8Array {
  const question = Buffer.from(request).indexOf(0, 12) + 5;
  const head = Buffer.from(request.subarray(0, question));
  head[2] = 0x81;
  head[3] = 0x80;
  head.writeUInt16BE(count, 6);
  head.writeUInt16BE(0, 10);
  const record = Buffer.from('c00c000100010000001e0004c0000201', 'hex');
  return Buffer.concat([head, ...Array.from({ length: count }, () => record)]);
}

/** A fallback that remembers what it was asked. */
function remembering(count = 1) {
  const asked: { name: string; context: QueryContext }[] = [];
  const fallback: Fallback = async (request, context) => {
    const end = request.indexOf(0, 12);
    asked.push({ name: Buffer.from(request.subarray(13, end)).toString('latin1'), context });
    return replyTo(request, count);
  };
  return { asked, fallback };
}

/** Every name is somebody else's. */
const allOthers = () =>
  new Routes({ tables: [], routes: [{ zone: Uint8Array.of(0), table: undefined }] });

describe.each(['udp', 'tcp'] as const)('over %s somebody else', (transport) => {
  it('is asked for names of others, with who asked and where', async () => {
    const { asked, fallback } = remembering();
    await using dns = await startDns(objectsOf('names'), {}, { fallback });
    const answer = await ask(dns.port, transport, { name: 'example.com', id: 77 });
    expect(answer).toMatchObject({
      rcode: 'NOERROR',
      id: 77,
      answers: ['example.com 30 A 192.0.2.1'],
    });
    expect(asked).toHaveLength(1);
    const [{ name, context } = {}] = asked;
    expect(name).toContain('example');
    expect(context?.transport).toBe(transport);
    expect(`${context?.client}`).toBe('127.0.0.1');
    expect(`${context?.local}`).toBe('127.0.0.1');
    expect(context?.clientPort).toBeGreaterThan(0);
  });

  it('is asked for external names, and not for ours', async () => {
    const { asked, fallback } = remembering();
    await using dns = await startDns(objectsOf('names'), {}, { fallback });
    expect((await ask(dns.port, transport, { name: EXTERNAL })).answers).toEqual([
      `${EXTERNAL} 30 A 192.0.2.1`,
    ]);
    expect(asked).toHaveLength(1);
    expect((await ask(dns.port, transport, { name: EXTERNAL, type: 'CNAME' })).answers).toEqual([
      `${EXTERNAL} 5 CNAME ext.interwebs.test`,
    ]);
    expect((await ask(dns.port, transport, { name: SVC1 })).aa).toBe(true);
    expect((await ask(dns.port, transport, { name: 'svc0.testns.svc.cluster.local' })).rcode).toBe(
      'NXDOMAIN',
    );
    expect(asked).toHaveLength(1);
  });

  it('is asked for what is not there where the zone falls through', async () => {
    const { asked, fallback } = remembering();
    await using dns = await startDns(
      objectsOf('names'),
      { fallthrough: ['svc.cluster.local'] },
      { fallback },
    );
    expect((await ask(dns.port, transport, { name: 'f.b.svc.cluster.local' })).rcode).toBe(
      'NOERROR',
    );
    expect(asked).toHaveLength(1);
    expect((await ask(dns.port, transport, { name: 'f.b.cluster.local' })).rcode).toBe('NXDOMAIN');
    expect((await ask(dns.port, transport, { name: SVC1, type: 'TXT' })).answers).toEqual([]);
    expect(asked).toHaveLength(1);
  });

  it('is asked for everything, where that is wanted', async () => {
    const { asked, fallback } = remembering();
    await using dns = await startDns(objectsOf('names'), {}, { fallback, routes: allOthers });
    expect((await ask(dns.port, transport, { name: SVC1 })).answers).toEqual([
      `${SVC1} 30 A 192.0.2.1`,
    ]);
    expect(asked).toHaveLength(1);
  });

  it('may fail: SERVFAIL; or not answer', async () => {
    await using dns = await startDns(
      objectsOf('names'),
      {},
      {
        tcpLimits: { ...TCP_LIMITS, idleTimeoutMs: 200 },
        fallback: async (request) => {
          if (Buffer.from(request).includes('silent')) return undefined;
          throw new Error('no upstream');
        },
      },
    );
    expect((await ask(dns.port, transport, { name: 'example.com' })).rcode).toBe('SERVFAIL');
    const late = ask(dns.port, transport, { name: 'silent.example.com' });
    await expect(late).rejects.toThrow();
  });
});

describe('a query that is too long to be handed over', () => {
  it('is answered as if there were nobody', async () => {
    const { asked, fallback } = remembering();
    await using dns = await startDns(objectsOf('names'), {}, { fallback });
    const options = Buffer.concat([Buffer.of(0, 100, 4, 76), Buffer.alloc(1100)]);
    const answer = await ask(dns.port, 'udp', { name: 'example.com', edns: { options } });
    expect(answer.rcode).toBe('REFUSED');
    expect(asked).toEqual([]);
  });
});

describe('an answer of somebody else', () => {
  it('is cut to what the client takes, by whole rrsets', async () => {
    const { fallback } = remembering(100);
    await using dns = await startDns(objectsOf('names'), {}, { fallback });
    const cut = await ask(dns.port, 'udp', { name: 'example.com', edns: {} });
    expect(cut).toMatchObject({ tc: true, answers: [], rcode: 'NOERROR' });
    const whole = await ask(dns.port, 'tcp', { name: 'example.com' });
    expect(whole.tc).toBe(false);
    expect(whole.answers).toHaveLength(100);
  });

  it.each(['127.0.0.1', '127.5.5.5', '::1'])(
    'to a query to %s leaves from there',
    async (address) => {
      const { fallback } = remembering();
      await using dns = await startDns(objectsOf('names'), {}, { fallback });
      const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
      socket.send(encodeQuery({ name: 'example.com' }), dns.port, address);
      const [, from] = (await once(socket, 'message')) as [Buffer, { address: string }];
      expect(from.address).toBe(address);
      socket.close();
    },
  );

  it('may be late over TCP: others are answered before it', async () => {
    const { promise: others, resolve } = Promise.withResolvers<void>();
    await using dns = await startDns(
      objectsOf('names'),
      {},
      {
        fallback: async (request) => {
          await others;
          return replyTo(request, 1);
        },
      },
    );
    const slow = encodeQuery({ name: 'example.com', id: 1 });
    const quick = Array.from({ length: 19 }, (_, index) =>
      encodeQuery({ name: SVC1, id: index + 2 }),
    );
    setTimeout(resolve, 200);
    const replies = await askTcp(dns.port, [slow, ...quick]);
    expect(replies.map((reply) => reply.readUInt16BE(0))).toEqual([
      ...quick.map((_, index) => index + 2),
      1,
    ]);
  });
});

describe('too many queries for somebody else', () => {
  it('wait in a queue, are dropped beyond it and counted; ours are answered meanwhile', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const replies = new Set<number>();
    let turn = 0;
    await using dns = await startDns(
      objectsOf('names'),
      {},
      {
        workers: 1,
        fallback: async (request) => {
          await released;
          // Some at a time, for the client's buffer is small.
          turn += 1;
          for (const own = turn; own - replies.size > 50; ) await new Promise(setImmediate);
          return replyTo(request, 1);
        },
      },
    );
    const client = createSocket('udp4');
    client.on('message', (reply: Buffer) => replies.add(reply.readUInt16BE(0)));
    const total = 3000;
    for (let id = 1; id <= total; id += 1) {
      client.send(encodeQuery({ name: 'example.com', id }), dns.port, '127.0.0.1');
      if (id % 50 === 0) await askUdp(dns.port, encodeQuery({ name: SVC1 }));
    }
    const answer = decodeAnswer(await askUdp(dns.port, encodeQuery({ name: SVC1 })));
    expect(answer.answers).toHaveLength(1);
    const own = dns.dns.server.counters().find(({ zone }) => zone === '');
    const { handovers, handoverDrops } = own?.counters.totals() ?? {};
    expect((handovers ?? 0) + (handoverDrops ?? 0)).toBe(total);
    // 1000 may be in flight, 512 wait.
    expect(handovers).toBe(1512);
    release();
    while (replies.size < 1512)
      await once(client, 'message', { signal: AbortSignal.timeout(5000) });
    client.close();
  });
});

describe('stopping', () => {
  it('answers what was accepted: over UDP, handed over, and over TCP', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const handed: number[] = [];
    const dns = await startDns(
      objectsOf('names'),
      {},
      {
        workers: 1,
        fallback: async (request) => {
          handed.push(request.length);
          await released;
          return replyTo(request, 1);
        },
      },
    );
    const tcp = askTcp(dns.port, [encodeQuery({ name: 'slow.example', id: 9 })]);
    const client = createSocket('udp4').bind(0, '127.0.0.1');
    await once(client, 'listening');
    client.setRecvBufferSize(4 << 20);
    const replies = new Set<number>();
    client.on('message', (reply: Buffer) => replies.add(reply.readUInt16BE(0)));
    client.send(encodeQuery({ name: 'slow.example', id: 60_000 }), dns.port, '127.0.0.1');
    while (handed.length < 2) await new Promise((resolve) => setImmediate(resolve));
    const total = 2000;
    const sent = Array.from(
      { length: total },
      (_, index) =>
        new Promise((resolve) =>
          client.send(encodeQuery({ name: SVC1, id: index + 1 }), dns.port, '127.0.0.1', resolve),
        ),
    );
    await Promise.all(sent);
    const stopped = dns.dns.stop();
    release();
    await stopped;
    expect((await tcp)[0]?.readUInt16BE(0)).toBe(9);
    while (replies.size < total + 1)
      await once(client, 'message', { signal: AbortSignal.timeout(3000) });
    expect(replies.has(60_000)).toBe(true);
    client.close();
    const late = askUdp(dns.port, encodeQuery({ name: SVC1 }));
    await expect(late).rejects.toThrow();
  });
});
