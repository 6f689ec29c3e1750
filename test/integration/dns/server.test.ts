import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ClusterDns } from '../../../src/dns/dns.ts';
import type { Counters } from '../../../src/dns/server/counters.ts';
import { parse, type RunningDns, startDns } from './cluster-fixture.ts';

const run = promisify(execFile);

const service = (name: string, ip: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { clusterIP: ip, ports: [{ name: 'http', port: 80 }] },
  });

let running: RunningDns;
let dns: ClusterDns;

beforeEach(async () => {
  running = await startDns(parse(service('web', '10.96.0.20')));
  ({ dns } = running);
});
afterEach(() => dns.stop());

async function dig(...args: string[]): Promise<string> {
  const { stdout } = await run('dig', ['-p', `${dns.server.port}`, '+tries=1', '+time=3', ...args]);
  return stdout;
}

describe('the DNS server', () => {
  it.each([['@127.0.0.1'], ['@::1'], ['@127.0.0.1', '+tcp'], ['@127.0.0.1', '+noedns']])(
    'answers dig %s %s',
    async (...how) => {
      const short = (...what: string[]) => dig(...how, '+short', ...what);
      expect(await short('web.default.svc.cluster.local')).toBe('10.96.0.20\n');
      expect(await short('-x', '10.96.0.20')).toBe('web.default.svc.cluster.local.\n');
      expect(await short('SRV', '_http._tcp.web.default.svc.cluster.local')).toBe(
        '0 100 80 web.default.svc.cluster.local.\n',
      );
      expect(await short('TXT', 'dns-version.cluster.local')).toBe('"1.1.0"\n');
      expect(await dig(...how, 'none.default.svc.cluster.local')).toContain('status: NXDOMAIN');
      expect(await dig(...how, 'example.com')).toContain('status: REFUSED');
    },
  );

  it('follows the store at once', async () => {
    running.store.replace(parse(service('web', '10.96.0.99')));
    for (const how of [[], ['+tcp']]) {
      expect(await dig('@127.0.0.1', '+short', ...how, 'web.default.svc.cluster.local')).toBe(
        '10.96.0.99\n',
      );
    }
    expect(await dig('@127.0.0.1', '-x', '10.96.0.20')).toContain('status: NXDOMAIN');
    running.store.replace([]);
    expect(await dig('@127.0.0.1', 'web.default.svc.cluster.local')).toContain('NXDOMAIN');
  });

  it('counts queries and answers', async () => {
    await dig('@127.0.0.1', '+dnssec', 'web.default.svc.cluster.local');
    await dig('@::1', 'AAAA', 'web.default.svc.cluster.local');
    await dig('@127.0.0.1', '+tcp', 'none.default.svc.cluster.local');
    const total = (of: (counters: Counters) => number | undefined, transport = 'udp') =>
      dns.server
        .counters()
        .filter((each) => each.transport === transport)
        .reduce((sum, { counters }) => sum + (of(counters) ?? 0), 0);
    expect(total((each) => each.requests(4).get(1))).toBe(1);
    expect(total((each) => each.requests(6).get(28))).toBe(1);
    expect(total((each) => each.responses('table').get(0))).toBe(2);
    expect(total((each) => each.totals().dnssecOk)).toBe(1);
    expect(total((each) => each.durations.counts.reduce((sum, count) => sum + count, 0))).toBe(2);
    expect(total((each) => each.responses('table').get(3), 'tcp')).toBe(1);
    expect(total((each) => each.totals().kernelDrops)).toBe(0);
  });

  it('takes TCP queries in pieces and several at once, and hangs up on what is none', async () => {
    const socket = connect(dns.server.port, '127.0.0.1');
    const one = Buffer.from(
      '001f12340000000100000000000007636c7573746572056c6f63616c0000060001',
      'hex',
    );
    socket.write(Buffer.concat([one, one.subarray(0, 5)]));
    const first = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
    expect(first.readUInt16BE(2)).toBe(0x1234);
    socket.write(one.subarray(5));
    const second = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
    expect(second.equals(first)).toBe(true);
    const ended = new Promise((resolve) => socket.once('close', resolve));
    socket.write(Buffer.of(0, 3, 1, 2, 3));
    await ended;
    expect(socket.destroyed).toBe(true);
  });
});
