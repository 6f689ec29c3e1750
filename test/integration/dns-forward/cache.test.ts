import { createSocket } from 'node:dgram';
import { describe, expect, it } from 'vitest';
import { RCODE } from '../../../src/dns/wire/constants.ts';
import { type Answer, ask } from '../dns/ask.ts';
import { type RunningCorefile, startCorefile } from './runtime-fixture.ts';
import { denial, records, type Script, ScriptedUpstream } from './scripted-upstream.ts';

/* What is kept of answers, how long, and for whom; the clock is the test's. */

const EDNS_DO = 0x8000;
const hello = () => records('a.test. 60 A 192.0.2.1');

async function start(
  script: Script,
  options = '',
  shares = false,
): Promise<AsyncDisposable & { upstream: ScriptedUpstream; dns: RunningCorefile }> {
  const upstream = await ScriptedUpstream.start(script);
  const dns = await startCorefile(
    `. {
      loadbalance
      cache ${options}
      forward . 127.0.0.1:${upstream.port} {
        read_timeout 100ms
        max_fails 0
      }
    }`,
    { shares },
  );
  return {
    upstream,
    dns,
    async [Symbol.asyncDispose]() {
      await dns[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

/** A UDP port nobody has now. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

const udp = (dns: RunningCorefile, name: string): Promise<Answer> => ask(dns.port, 'udp', { name });

describe('the cache', () => {
  it('keeps an answer for its TTL, which counts down, in whatever case it is asked for', async () => {
    await using run = await start(hello);
    const { upstream, dns } = run;
    await udp(dns, 'a.test');
    dns.clock.aheadMs = 20_000;
    expect((await udp(dns, 'A.TEST')).answers).toEqual(['A.TEST 40 A 192.0.2.1']);
    expect(upstream.asked).toHaveLength(1);
    dns.clock.aheadMs = 61_000;
    expect((await udp(dns, 'a.test')).answers).toEqual(['a.test 60 A 192.0.2.1']);
    expect(upstream.asked).toHaveLength(2);
  });

  it('caps TTLs, those of the first answer as well', async () => {
    await using run = await start(() => records('a.test. 3601 MX 1 b.test.'));
    const answer = await ask(run.dns.port, 'udp', { name: 'a.test', type: 'MX' });
    expect(answer.answers[0]).toContain('a.test 3600 MX');
    await using short = await start(hello, '30');
    expect((await udp(short.dns, 'a.test')).answers).toEqual(['a.test 30 A 192.0.2.1']);
    short.dns.clock.aheadMs = 31_000;
    await udp(short.dns, 'a.test');
    expect(short.upstream.asked).toHaveLength(2);
  });

  it('keeps denials as long as the SOA says (RFC 2308), and none without', async () => {
    await using run = await start(({ message }) =>
      message.question.name === 'bare.test.' ? { rcode: 3 } : denial(RCODE.NXDOMAIN, 10),
    );
    const { upstream, dns } = run;
    for (const name of ['none.test', 'none.test', 'bare.test', 'bare.test']) await udp(dns, name);
    expect(upstream.askedFor('none.test.')).toHaveLength(1);
    expect(upstream.askedFor('bare.test.')).toHaveLength(2);
    dns.clock.aheadMs = 11_000;
    expect((await udp(dns, 'none.test')).rcode).toBe('NXDOMAIN');
    expect(upstream.askedFor('none.test.')).toHaveLength(2);
  });

  it('does not keep what is truncated', async () => {
    await using run = await start(() => ({ ...hello(), tc: true }));
    for (let turn = 0; turn < 2; turn += 1) expect((await udp(run.dns, 'a.test')).tc).toBe(true);
    expect(run.upstream.asked.filter(({ transport }) => transport === 'udp')).toHaveLength(2);
  });

  it('does not keep what was signed until a time that is gone by', async () => {
    // RFC 4034 section 3.1: of A, algorithm 8, two labels, 60 s, until then, from 1970 on, by the root.
    const signed = (until: string) =>
      records(
        'a.test. 60 A 192.0.2.1',
        `a.test. 60 RRSIG \\# 20 000108020000003c${until}00000000000000ff`,
      );
    for (const [until, asked] of [
      ['00000001', 2],
      ['7fffffff', 1],
    ] as const) {
      await using run = await start(() => signed(until));
      for (let turn = 0; turn < 2; turn += 1) {
        expect((await udp(run.dns, 'a.test')).answers).toHaveLength(2);
      }
      expect(run.upstream.asked).toHaveLength(asked);
    }
  });

  it('keeps a SERVFAIL for seconds, and never in place of what is good', async () => {
    const state = { fails: true };
    await using run = await start(() => (state.fails ? { rcode: RCODE.SERVFAIL } : hello()));
    const { upstream, dns } = run;
    for (let turn = 0; turn < 3; turn += 1)
      expect((await udp(dns, 'a.test')).rcode).toBe('SERVFAIL');
    expect(upstream.asked).toHaveLength(1);
    dns.clock.aheadMs = 5_001;
    state.fails = false;
    expect((await udp(dns, 'a.test')).rcode).toBe('NOERROR');
    state.fails = true;
    dns.clock.aheadMs = 30_000;
    expect((await udp(dns, 'a.test')).rcode).toBe('NOERROR');
    expect(upstream.asked).toHaveLength(2);
  });

  it('keeps answers with DO and CD apart, and gives AD to those who asked for it', async () => {
    await using run = await start(({ message }) => ({
      ...records(`a.test. 60 TXT "${message.edns?.dnssecOk} ${message.cd}"`),
      ad: true,
    }));
    const { upstream, dns } = run;
    const text = async (flags?: number): Promise<Answer> =>
      ask(dns.port, 'udp', {
        name: 'a.test',
        type: 'TXT',
        ...(flags === undefined ? {} : { edns: { flags } }),
      });
    for (let turn = 0; turn < 2; turn += 1) {
      const plain = await text();
      expect(Buffer.from(plain.bytes).toString('latin1')).toContain('false false');
      expect((plain.bytes[3] ?? 0) & 0x20).toBe(0);
      const signed = await text(EDNS_DO);
      expect(Buffer.from(signed.bytes).toString('latin1')).toContain('true false');
      expect((signed.bytes[3] ?? 0) & 0x20).toBe(0x20);
    }
    expect(upstream.asked).toHaveLength(2);
  });

  it('gives what expired while nobody answers, and asks once', async () => {
    const state = { isSilent: false };
    await using run = await start(
      () => (state.isSilent ? undefined : hello()),
      '{\n serve_stale 1h immediate 30s 10s\n}',
    );
    const { upstream, dns } = run;
    await udp(dns, 'a.test');
    state.isSilent = true;
    dns.clock.aheadMs = 100_000;
    for (let turn = 0; turn < 3; turn += 1) {
      expect((await udp(dns, 'a.test')).answers).toEqual(['a.test 30 A 192.0.2.1']);
    }
    expect(upstream.asked.length).toBe(2);
    expect(dns.metrics.total('coredns_cache_served_stale_total')).toBe(3);
    dns.clock.aheadMs = 4_000_000;
    expect((await udp(dns, 'a.test')).rcode).toBe('SERVFAIL');
  });

  it('waits for a new answer first with verify', async () => {
    const state = { address: '192.0.2.1' };
    const script: Script = () => records(`a.test. 60 A ${state.address}`);
    await using run = await start(script, '{\n serve_stale 1h verify 0 30s\n}');
    await udp(run.dns, 'a.test');
    run.dns.clock.aheadMs = 100_000;
    state.address = '192.0.2.2';
    expect((await udp(run.dns, 'a.test')).answers).toEqual(['a.test 60 A 192.0.2.2']);
    run.upstream.script = () => ({ rcode: RCODE.SERVFAIL });
    run.dns.clock.aheadMs = 200_000;
    expect((await udp(run.dns, 'a.test')).answers).toEqual(['a.test 30 A 192.0.2.2']);
  });

  it('asks again before what is popular expires', async () => {
    await using run = await start(hello, '{\n prefetch 2 1m 20%\n}');
    const { upstream, dns } = run;
    for (let turn = 0; turn < 3; turn += 1) await udp(dns, 'a.test');
    dns.clock.aheadMs = 50_000;
    expect((await udp(dns, 'a.test')).answers).toEqual(['a.test 10 A 192.0.2.1']);
    while (dns.metrics.total('coredns_cache_prefetch_total') < 1) await new Promise(setImmediate);
    while (upstream.asked.length < 2) await new Promise(setImmediate);
    const fresh = async (): Promise<boolean> =>
      (await udp(dns, 'a.test')).answers[0] === 'a.test 60 A 192.0.2.1';
    while (!(await fresh())) await new Promise(setImmediate);
    expect(upstream.asked).toHaveLength(2);
  });

  it('counts', async () => {
    await using run = await start(hello);
    for (let turn = 0; turn < 3; turn += 1) await udp(run.dns, 'a.test');
    const { metrics } = run.dns;
    expect(metrics.total('coredns_cache_requests_total')).toBe(3);
    expect(metrics.total('coredns_cache_misses_total')).toBe(1);
    expect(metrics.total('coredns_cache_hits_total', 'type=success')).toBe(2);
    expect(metrics.total('coredns_cache_entries', 'type=success')).toBe(1);
  });
});

describe('threads', () => {
  it('answer from the shared cache, in the case asked, with another record first each time', async () => {
    await using run = await start(
      () => records('a.test. 60 A 192.0.2.1', 'a.test. 60 A 192.0.2.2'),
      '',
      true,
    );
    const { upstream, dns } = run;
    await udp(dns, 'a.test');
    const before = dns.metrics.total('coredns_cache_requests_total');
    const firsts = new Set<string | undefined>();
    for (let turn = 0; turn < 40; turn += 1) {
      const answer = await udp(dns, 'A.test');
      expect(answer).toMatchObject({ rcode: 'NOERROR', tc: false, opt: undefined });
      expect([...answer.answers].sort()).toHaveLength(2);
      expect(answer.answers.every((each) => each.startsWith('A.test '))).toBe(true);
      firsts.add(answer.answers[0]?.split(' ').at(-1));
    }
    expect(firsts).toEqual(new Set(['192.0.2.1', '192.0.2.2']));
    // None of them came to the plugins.
    expect(dns.metrics.total('coredns_cache_requests_total')).toBe(before);
    expect(upstream.asked).toHaveLength(1);
    const withEdns = await ask(dns.port, 'udp', { name: 'a.test', edns: {} });
    expect(withEdns.answers).toHaveLength(2);
    expect(withEdns.opt).toMatchObject({ sizeBytes: 1232, flags: 0 });
  });

  it('answer on every port of a block from one cache, counted for the port that was asked', async () => {
    await using upstream = await ScriptedUpstream.start(hello);
    const other = await freePort();
    await using dns = await startCorefile(
      `. .:${other} {
        cache
        prometheus 127.0.0.1:0
        forward . 127.0.0.1:${upstream.port}
      }`,
      { shares: true },
    );
    const { metrics } = dns;
    const counted = (name: Parameters<typeof metrics.total>[0]) => [
      metrics.total(name, 'server=dns://:0'),
      metrics.total(name, `server=dns://:${other}`),
    ];
    await udp(dns, 'a.test');
    // Over TCP queries come to the plugins.
    expect((await ask(other, 'tcp', { name: 'a.test' })).answers).toHaveLength(1);
    expect(counted('coredns_cache_misses_total')).toEqual([1, 0]);
    expect(counted('coredns_cache_hits_total')).toEqual([0, 1]);
    expect(counted('coredns_dns_requests_total')).toEqual([1, 1]);
    expect((await ask(other, 'udp', { name: 'A.test' })).answers).toHaveLength(1);
    expect((await udp(dns, 'a.test')).answers).toHaveLength(1);
    expect(counted('coredns_cache_requests_total')).toEqual([1, 1]);
    expect(upstream.asked).toHaveLength(1);
  });

  it('leave to the plugins what they must not answer', async () => {
    await using run = await start(hello, '', true);
    const { dns } = run;
    await udp(dns, 'a.test');
    const before = dns.metrics.total('coredns_cache_requests_total');
    await ask(dns.port, 'udp', { name: 'a.test', edns: { flags: EDNS_DO } });
    await ask(dns.port, 'udp', { name: 'a.test', type: 'AAAA' });
    expect(dns.metrics.total('coredns_cache_requests_total')).toBe(before + 2);
  });
});
