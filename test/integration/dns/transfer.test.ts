import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Acl } from '../../../src/dns/server/acl.ts';
import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import { parsePrefix } from '../../../src/ipaddr/prefix.ts';
import { ask } from './ask.ts';
import { objectsOf, parse, startDns } from './cluster-fixture.ts';

/* Zone transfers (RFC 5936, RFC 1995), read by dig; and answers while and after things change. */

const SVC1 = 'svc1.testns.svc.cluster.local';
const allowed = { transfer: Acl.of([parsePrefix('127.0.0.0/8')]) };

async function transfer(
  port: number,
  zone: string,
  type: string,
  server = '127.0.0.1',
): Promise<string[]> {
  const args = [
    '-p',
    `${port}`,
    `@${server}`,
    '+noall',
    '+answer',
    '+comments',
    '+tries=1',
    '+time=5',
    zone,
    type,
  ];
  const { stdout } = await promisify(execFile)('dig', args);
  return stdout
    .split('\n')
    .filter((line) => line !== '' && (!line.startsWith(';') || line.includes('failed')));
}

describe('a transfer', () => {
  it('begins and ends with SOA, has NS once for each Service, and its addresses', async () => {
    const localAddresses = ['192.0.2.53', '192.0.2.54'].map(parseAddr);
    await using dns = await startDns(objectsOf('names'), { localAddresses }, allowed);
    const lines = await transfer(dns.port, 'cluster.local', 'AXFR');
    expect(lines[0]).toMatch(/^cluster\.local\.\s+5\s+IN\s+SOA\s+ns\.dns\.cluster\.local\./);
    expect(lines.at(-1)).toBe(lines[0]);
    const having = (pattern: RegExp) => lines.filter((line) => pattern.test(line));
    expect(having(/\sNS\s/)).toHaveLength(1);
    expect(having(/^ns\.dns\.\S+\s+5\s+IN\s+A\s/)).toHaveLength(2);
    expect(having(/^svc1\.testns\.svc\.\S+\s+5\s+IN\s+A\s+10\.0\.0\.1$/)).toHaveLength(1);
    expect(having(/^_http\._tcp\.hdls1\.\S+\s+5\s+IN\s+SRV\s+0 16 80 dup-name\./)).toHaveLength(1);
    expect(having(/^external\.\S+\s+5\s+IN\s+CNAME\s+ext\.interwebs\.test\.$/)).toHaveLength(1);
    expect(having(/^dns-version\.\S+\s+28800\s+IN\s+TXT\s+"1\.1\.0"$/)).toHaveLength(1);
    expect(having(/svc-unready/)).toEqual([]);
  });

  it('by IXFR is a single SOA for who has it all, and everything for who has less', async () => {
    await using dns = await startDns(objectsOf('names'), {}, allowed);
    const [soa = ''] = await transfer(dns.port, 'cluster.local', 'SOA');
    const serial = Number(soa.split(/\s+/)[6]);
    expect(await transfer(dns.port, 'cluster.local', `IXFR=${serial}`)).toEqual([soa]);
    expect(
      (await transfer(dns.port, 'cluster.local', `IXFR=${serial - 1}`)).length,
    ).toBeGreaterThan(20);
    dns.store.replace(objectsOf('names').slice(1));
    const [newer = ''] = await transfer(dns.port, 'cluster.local', 'SOA');
    // One more, or the time of the change where that is later.
    const next = Number(newer.split(/\s+/)[6]);
    expect(next).toBeGreaterThan(serial);
    expect(next).toBeLessThanOrEqual(Math.max(serial + 1, Math.floor(Date.now() / 1000)));
    expect((await transfer(dns.port, 'cluster.local', `IXFR=${serial}`)).length).toBeGreaterThan(
      20,
    );
  });

  it('is for those who may, and of zones there are', async () => {
    await using dns = await startDns(objectsOf('names'), {}, allowed);
    expect(await transfer(dns.port, 'cluster.local', 'AXFR', '::1')).toEqual([
      '; Transfer failed.',
    ]);
    expect(await transfer(dns.port, 'example.com', 'AXFR')).toEqual(['; Transfer failed.']);
    expect(await transfer(dns.port, 'svc.cluster.local', 'AXFR')).toEqual(['; Transfer failed.']);
  });

  it('of ten thousand Services is whole', async () => {
    const services = Array.from({ length: 10_000 }, (_, index) => ({
      kind: 'Service' as const,
      metadata: { name: `s${index}`, namespace: 'many', labels: {}, annotations: {} },
      type: 'ClusterIP' as const,
      clusterIPs: [`10.1.${index >> 8}.${index & 255}`],
      ports: [],
    }));
    await using dns = await startDns(services, {}, allowed);
    const lines = await transfer(dns.port, 'cluster.local', 'AXFR');
    expect(new Set(lines.filter((line) => /^s\d+\.many\./.test(line))).size).toBe(10_000);
    const backwards = await transfer(dns.port, 'in-addr.arpa', 'AXFR');
    expect(
      backwards.filter((line) =>
        /\sPTR\ss\d+\.many\./.test(line.replace(/\s+/g, ' ').replace(' PTR ', '\tPTR\t')),
      ),
    ).toHaveLength(10_000);
  });
});

describe('what is known', () => {
  it('is answered while the rest is not: SERVFAIL, not NXDOMAIN', async () => {
    await using dns = await startDns(objectsOf('names'));
    dns.store.isComplete = false;
    for (const transport of ['udp', 'tcp'] as const) {
      expect((await ask(dns.port, transport, { name: SVC1 })).answers).toHaveLength(1);
      expect((await ask(dns.port, transport, { name: SVC1, type: 'TXT' })).rcode).toBe('NOERROR');
      expect(
        (await ask(dns.port, transport, { name: 'svc0.testns.svc.cluster.local', edns: {} })).rcode,
      ).toBe('SERVFAIL');
      expect(
        (await ask(dns.port, transport, { name: '9.9.9.10.in-addr.arpa', type: 'PTR' })).rcode,
      ).toBe('SERVFAIL');
    }
    dns.store.isComplete = true;
    expect((await ask(dns.port, 'udp', { name: 'svc0.testns.svc.cluster.local' })).rcode).toBe(
      'NXDOMAIN',
    );
  });

  it('changes with the objects, name by name, at once', async () => {
    await using dns = await startDns(objectsOf('names'), { pods: 'insecure' });
    const before = dns.store.size;
    const added = parse(
      [
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name: 'new-svc', namespace: 'fresh' },
          spec: { clusterIP: 'None', ports: [{ name: 'p', port: 1 }] },
        },
        {
          apiVersion: 'discovery.k8s.io/v1',
          kind: 'EndpointSlice',
          addressType: 'IPv4',
          endpoints: [{ addresses: ['172.17.0.222'] }],
          ports: [{ name: 'p', port: 1 }],
          metadata: {
            name: 'new-svc',
            namespace: 'fresh',
            labels: { 'kubernetes.io/service-name': 'new-svc' },
          },
        },
      ]
        .map((each) => JSON.stringify(each))
        .join('\n---\n'),
    );
    const rcode = async (name: string) =>
      (await ask(dns.port, 'udp', { name: `${name}.cluster.local` })).rcode;
    const names = [
      'new-svc.fresh.svc',
      '172-17-0-222.new-svc.fresh.svc',
      'fresh.svc',
      '1-2-3-4.fresh.pod',
      '_tcp.new-svc.fresh.svc',
    ];
    for (const name of names) expect(await rcode(name)).toBe('NXDOMAIN');
    dns.store.replace([...objectsOf('names'), ...added]);
    expect(dns.store.size).toBe(before + 2);
    for (const name of names) expect(await rcode(name)).toBe('NOERROR');
    expect(
      (await ask(dns.port, 'udp', { name: '222.0.17.172.in-addr.arpa', type: 'PTR' })).answers,
    ).toEqual(['222.0.17.172.in-addr.arpa 5 PTR 172-17-0-222.new-svc.fresh.svc.cluster.local']);
    dns.store.replace(objectsOf('names'));
    for (const name of names) expect(await rcode(name)).toBe('NXDOMAIN');
    expect(
      (await ask(dns.port, 'udp', { name: '222.0.17.172.in-addr.arpa', type: 'PTR' })).rcode,
    ).toBe('NXDOMAIN');
  });

  it('never goes missing while it changes', async () => {
    await using dns = await startDns(objectsOf('names'));
    const other = (address: string) =>
      objectsOf('names').map((object) =>
        object.kind === 'Service' &&
        object.metadata.name === 'svc1' &&
        object.metadata.namespace === 'testns'
          ? { ...object, clusterIPs: [address] }
          : object,
      );
    let isDone = false;
    const seen = new Set<string>();
    const asking = (async () => {
      while (!isDone) {
        const answer = await ask(dns.port, 'udp', { name: SVC1 });
        expect(answer.rcode).toBe('NOERROR');
        for (const record of answer.answers) seen.add(record);
      }
    })();
    for (let round = 0; round < 500; round += 1) {
      dns.store.replace(other(round % 2 === 0 ? '10.0.0.1' : '10.0.0.77'));
      if (round % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    isDone = true;
    await asking;
    expect([...seen].every((record) => /10\.0\.0\.(1|77)$/.test(record))).toBe(true);
    expect(seen.size).toBeGreaterThan(0);
  });
});
