import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseManifest } from '../../../src/cluster/manifests/parse.ts';
import { Store } from '../../../src/cluster/store.ts';
import { ClusterDns } from '../../../src/dns/dns.ts';

const run = promisify(execFile);

const service = (name: string, ip: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { clusterIP: ip, ports: [{ name: 'http', port: 80 }] },
  });

let store: Store;
let dns: ClusterDns;
let published: () => void = () => {};

beforeEach(async () => {
  store = new Store();
  store.replace(parseManifest('f', service('web', '10.96.0.20')).objects);
  dns = await ClusterDns.start(store, {
    address: '::',
    port: 0,
    workers: 2,
    clusterDomain: 'cluster.local',
    ttlSeconds: 5,
    onFailure: (error) => {
      throw error;
    },
    onPublish: () => published(),
  });
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

  it('follows the store', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    published = resolve;
    store.replace(parseManifest('f', service('web', '10.96.0.99')).objects);
    await promise;
    for (const how of [[], ['+tcp']]) {
      expect(await dig('@127.0.0.1', '+short', ...how, 'web.default.svc.cluster.local')).toBe(
        '10.96.0.99\n',
      );
    }
  });

  it('counts its answers', async () => {
    await dig('@127.0.0.1', 'web.default.svc.cluster.local');
    await dig('@127.0.0.1', '+tcp', 'none.default.svc.cluster.local');
    const { udp, tcp, dropped } = dns.server.stats();
    expect(udp.get(0)).toBe(1);
    expect(tcp.get(3)).toBe(1);
    expect(dropped).toBe(0);
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
