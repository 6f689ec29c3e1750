import { describe, expect, it } from 'vitest';
import { encodeMessage } from '../../../src/dns/message/encode.ts';
import { RCODE } from '../../../src/dns/wire/constants.ts';
import { ask } from '../dns/ask.ts';
import { startCorefile } from './runtime-fixture.ts';
import { denial, records, ScriptedUpstream } from './scripted-upstream.ts';

/* What is asked of upstreams on real sockets, and what comes of what they do. */

const forwardTo = (ports: number[], options = ''): string =>
  `. {\n errors\n forward . ${ports.map((port) => `127.0.0.1:${port}`).join(' ')} {\n${options}\n }\n}`;
const hello = () => records('a.test. 60 A 192.0.2.1');

describe.each(['udp', 'tcp'] as const)('by %s', (transport) => {
  it('gives the answer of an upstream in the case it was asked in', async () => {
    await using upstream = await ScriptedUpstream.start(hello);
    await using dns = await startCorefile(forwardTo([upstream.port]));
    const answer = await ask(dns.port, transport, { name: 'A.Test', id: 4711 });
    expect(answer).toMatchObject({ id: 4711, rcode: 'NOERROR', aa: false, tc: false });
    expect(answer.answers).toEqual(['A.Test 60 A 192.0.2.1']);
    expect(upstream.asked[0]?.message.question.name).toBe('a.test.');
  });
});

describe('an upstream', () => {
  it('is asked from another port with another id each time', async () => {
    await using upstream = await ScriptedUpstream.start(hello);
    await using dns = await startCorefile(forwardTo([upstream.port]));
    for (let turn = 0; turn < 20; turn += 1) await ask(dns.port, 'udp', { name: `a${turn}.test` });
    const { asked } = upstream;
    expect(asked).toHaveLength(20);
    expect(new Set(asked.map(({ port }) => port)).size).toBeGreaterThan(15);
    expect(new Set(asked.map(({ message }) => message.id)).size).toBeGreaterThan(15);
  });

  it('is not believed with another id or to another question', async () => {
    await using upstream = await ScriptedUpstream.start(({ message, send }) => {
      const forged = { ...message, qr: true, ...records('a.test. 60 A 192.0.2.66') };
      send(encodeMessage({ ...forged, id: message.id ^ 1 }));
      send(encodeMessage({ ...forged, question: { ...message.question, name: 'b.test.' } }));
      send(encodeMessage({ ...forged, question: { ...message.question, type: 28 } }));
      send(Uint8Array.of(1, 2, 3));
      return hello();
    });
    await using dns = await startCorefile(forwardTo([upstream.port]));
    const answer = await ask(dns.port, 'udp', { name: 'a.test' });
    expect(answer.answers).toEqual(['a.test 60 A 192.0.2.1']);
  });

  it('is asked by TCP when its answer is truncated', async () => {
    const many = Array.from({ length: 100 }, (_, at) => `a.test. 60 A 192.0.2.${at}`);
    await using upstream = await ScriptedUpstream.start(({ transport }) =>
      transport === 'udp' ? { tc: true } : records(...many),
    );
    await using dns = await startCorefile(forwardTo([upstream.port]));
    const overTcp = await ask(dns.port, 'tcp', { name: 'a.test' });
    expect(overTcp.answers).toHaveLength(100);
    expect(upstream.asked.map(({ transport }) => transport)).toEqual(['udp', 'tcp']);
    const overUdp = await ask(dns.port, 'udp', { name: 'a.test' });
    expect(overUdp).toMatchObject({ tc: true, answers: [] });
  });

  it('is asked by TCP alone with force_tcp, on one connection, in any order', async () => {
    const late = Promise.withResolvers<void>();
    await using upstream = await ScriptedUpstream.start(async ({ message }) => {
      if (message.question.name === 'slow.test.') await late.promise;
      else if (message.question.name === 'fast.test.') late.resolve();
      return records(`${message.question.name} 60 A 192.0.2.1`);
    });
    await using dns = await startCorefile(forwardTo([upstream.port], 'force_tcp'));
    await ask(dns.port, 'udp', { name: 'first.test' });
    const slow = ask(dns.port, 'udp', { name: 'slow.test' });
    while (upstream.askedFor('slow.test.').length === 0) await new Promise(setImmediate);
    const fast = await ask(dns.port, 'udp', { name: 'fast.test' });
    expect(fast.answers).toEqual(['fast.test 60 A 192.0.2.1']);
    expect((await slow).answers).toEqual(['slow.test 60 A 192.0.2.1']);
    expect(new Set(upstream.asked.map(({ port }) => port)).size).toBe(1);
    expect(upstream.asked.every(({ transport }) => transport === 'tcp')).toBe(true);
  });

  it('that knows no EDNS is asked without', async () => {
    await using upstream = await ScriptedUpstream.start(({ message }) =>
      message.edns === undefined ? hello() : { rcode: RCODE.FORMERR, edns: undefined },
    );
    await using dns = await startCorefile(forwardTo([upstream.port]));
    for (const name of ['a.test', 'b.test']) await ask(dns.port, 'udp', { name });
    expect(upstream.asked.map(({ message }) => message.edns === undefined)).toEqual([
      false,
      true,
      true,
    ]);
  });

  it('that is dead costs nothing but a try, is probed, and comes back', async () => {
    await using alive = await ScriptedUpstream.start(hello);
    const dead = await ScriptedUpstream.start(hello);
    const { port } = dead;
    await dead[Symbol.asyncDispose]();
    await using dns = await startCorefile(
      forwardTo([port, alive.port], 'policy sequential\nhealth_check 20ms\nmax_fails 2'),
    );
    const answer = await ask(dns.port, 'udp', { name: 'a.test' });
    expect(answer.rcode).toBe('NOERROR');
    const failures = () => dns.metrics.total('coredns_proxy_healthcheck_failures_total');
    while (failures() < 2) await new Promise(setImmediate);
    await using back = await ScriptedUpstream.start(hello, port);
    // It counts as down, so it is first asked by a probe, then by a client.
    while (back.askedFor('.').length === 0) await new Promise(setImmediate);
    while (back.askedFor('b.test.').length === 0) await ask(dns.port, 'udp', { name: 'b.test' });
    expect(back.askedFor('.')[0]?.message.question.type).toBe(2);
  });

  it('that says SERVFAIL to clients is not ill, and to a probe not well', async () => {
    const state = { isSilent: true };
    await using upstream = await ScriptedUpstream.start(() =>
      state.isSilent ? undefined : { rcode: RCODE.SERVFAIL },
    );
    await using dns = await startCorefile(
      forwardTo([upstream.port], 'read_timeout 50ms\nhealth_check 20ms'),
    );
    state.isSilent = false;
    expect((await ask(dns.port, 'udp', { name: 'a.test' })).rcode).toBe('SERVFAIL');
    expect(upstream.askedFor('.')).toHaveLength(0);
    state.isSilent = true;
    expect((await ask(dns.port, 'udp', { name: 'b.test' })).rcode).toBe('SERVFAIL');
    state.isSilent = false;
    while (upstream.askedFor('.').length < 4) await new Promise(setImmediate);
    expect(dns.metrics.total('coredns_proxy_healthcheck_failures_total')).toBeGreaterThan(1);
  });

  it('gets the same question once, however many ask', async () => {
    const release = Promise.withResolvers<void>();
    await using upstream = await ScriptedUpstream.start(async () => {
      await release.promise;
      return hello();
    });
    await using dns = await startCorefile(forwardTo([upstream.port]));
    const all = Array.from({ length: 20 }, () => ask(dns.port, 'udp', { name: 'a.test' }));
    while (dns.metrics.total('podwire_dns_forward_coalesced_total') < 19)
      await new Promise(setImmediate);
    release.resolve();
    const answers = await Promise.all(all);
    expect(answers.every(({ rcode }) => rcode === 'NOERROR')).toBe(true);
    expect(upstream.asked).toHaveLength(1);
  });
});

describe('forward', () => {
  it('refuses what is over max_concurrent, and counts it', async () => {
    const release = Promise.withResolvers<void>();
    await using upstream = await ScriptedUpstream.start(async () => {
      await release.promise;
      return hello();
    });
    await using dns = await startCorefile(forwardTo([upstream.port], 'max_concurrent 1'));
    const first = ask(dns.port, 'udp', { name: 'a.test' });
    while (upstream.asked.length === 0) await new Promise(setImmediate);
    expect((await ask(dns.port, 'udp', { name: 'b.test' })).rcode).toBe('REFUSED');
    expect(dns.metrics.total('coredns_forward_max_concurrent_rejects_total')).toBe(1);
    release.resolve();
    expect((await first).rcode).toBe('NOERROR');
  });

  it('gives up when nobody answers, and remembers it for a moment', async () => {
    await using upstream = await ScriptedUpstream.start(() => undefined);
    await using dns = await startCorefile(
      forwardTo([upstream.port], 'read_timeout 30ms\nmax_fails 0'),
    );
    expect((await ask(dns.port, 'udp', { name: 'a.test' })).rcode).toBe('SERVFAIL');
    const tries = upstream.asked.length;
    expect(tries).toBe(2);
    expect((await ask(dns.port, 'udp', { name: 'a.test' })).rcode).toBe('SERVFAIL');
    expect(upstream.asked).toHaveLength(tries);
    expect(dns.log.join('\n')).toContain('no answer by UDP in 30 ms');
  });

  it.each(['SERVFAIL', 'REFUSED'] as const)(
    'tries another one after %s when told to',
    async (rcode) => {
      await using bad = await ScriptedUpstream.start(() => ({ rcode: RCODE[rcode] }));
      await using good = await ScriptedUpstream.start(hello);
      const options = `policy sequential\nfailover ${rcode}`;
      await using dns = await startCorefile(forwardTo([bad.port, good.port], options));
      expect((await ask(dns.port, 'udp', { name: 'a.test' })).rcode).toBe('NOERROR');
      expect(bad.asked).toHaveLength(1);
    },
  );

  it('takes turns', async () => {
    await using one = await ScriptedUpstream.start(hello);
    await using two = await ScriptedUpstream.start(hello);
    await using dns = await startCorefile(forwardTo([one.port, two.port], 'policy round_robin'));
    for (const name of ['a.test', 'b.test', 'c.test', 'd.test'])
      await ask(dns.port, 'udp', { name });
    expect([one.asked.length, two.asked.length]).toEqual([2, 2]);
  });

  it('leaves out except, and sends zones to their own upstreams', async () => {
    await using one = await ScriptedUpstream.start(hello);
    await using two = await ScriptedUpstream.start(() => denial(RCODE.NXDOMAIN, 5));
    await using dns = await startCorefile(`
      . {
        forward . 127.0.0.1:${one.port} {
          except inner.test
        }
      }
      stub.test {
        forward . 127.0.0.1:${two.port}
      }`);
    expect((await ask(dns.port, 'udp', { name: 'x.inner.test' })).rcode).toBe('REFUSED');
    expect((await ask(dns.port, 'udp', { name: 'x.stub.test' })).rcode).toBe('NXDOMAIN');
    expect((await ask(dns.port, 'udp', { name: 'x.test' })).rcode).toBe('NOERROR');
    expect([one.asked.length, two.asked.length]).toEqual([1, 1]);
  });

  it('passes types it does not know, untouched', async () => {
    const opaque = 'a.test. 60 TYPE65280 \\# 4 deadbeef';
    await using upstream = await ScriptedUpstream.start(() => records(opaque));
    await using dns = await startCorefile(forwardTo([upstream.port]));
    const answer = await ask(dns.port, 'udp', { name: 'a.test', type: 'TYPE65280' });
    expect(Buffer.from(answer.bytes).toString('hex')).toContain(
      'ff00000100' + '00003c0004deadbeef',
    );
  });
});
