import { execFileSync } from 'node:child_process';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import {
  destinationAdd,
  destinationDel,
  destinationList,
  destinationUpdate,
  IpvsConnection,
  infoGet,
  serviceAdd,
  serviceDel,
  serviceFlush,
  serviceGet,
  serviceList,
  serviceUpdate,
  statisticsReset,
  timeoutsGet,
  timeoutsSet,
} from '../../../src/netlink/ipvs/connection.ts';
import type { DestinationSpec } from '../../../src/netlink/ipvs/destination.ts';
import type { ServiceSpec } from '../../../src/netlink/ipvs/service.ts';
import { useNetns } from '../../integration/netns-fixture.ts';

const fixture = useNetns('ipvs');
const vip = { address: parseAddr('10.96.0.20'), protocol: 6, port: 80 } as const;
const vip6 = { address: parseAddr('fd00:96::20'), protocol: 6, port: 80 } as const;

/** The kernel loads IPVS and its schedulers when they are asked for, but not what tells SIP apart. */
beforeAll(() => {
  execFileSync('modprobe', ['-a', 'ip_vs', 'ip_vs_pe_sip']);
});

/** The kernel takes a destination only when it has a way to it. */
beforeEach(() => {
  fixture.exec('ip', 'link', 'add', 'pods', 'type', 'dummy');
  fixture.exec('ip', 'addr', 'add', '10.244.0.1/24', 'dev', 'pods');
  fixture.exec('ip', 'addr', 'add', 'fd00:244::1/64', 'dev', 'pods', 'nodad');
  fixture.exec('ip', 'link', 'set', 'pods', 'up');
});

/** A service in the words of ipvsadm-save(8), and in ours. */
const SERVICES: readonly (readonly [string, ServiceSpec])[] = [
  ['-t 10.96.0.20:80 -s rr', { ...vip, scheduler: 'rr' }],
  ['-u 10.96.0.10:53 -s wrr', { ...vip, ...udp('10.96.0.10', 53), scheduler: 'wrr' }],
  ['--sctp-service 10.96.0.20:7 -s lc', { ...vip, protocol: 132, port: 7, scheduler: 'lc' }],
  ['-u 10.96.0.10:53 -s rr -o', { ...udp('10.96.0.10', 53), scheduler: 'rr', flags: ['ops'] }],
  ['-t [fd00:96::20]:80 -s wlc', { ...vip6, scheduler: 'wlc' }],
  ['-f 7 -s rr', { family: 4, mark: 7, scheduler: 'rr' }],
  ['-f 8 -6 -s rr', { family: 6, mark: 8, scheduler: 'rr' }],
  [
    '-t 10.96.0.20:80 -s rr -p 600',
    { ...vip, scheduler: 'rr', persistence: { timeoutSeconds: 600 } },
  ],
  [
    '-t 10.96.0.20:80 -s rr -p 600 -M 255.255.255.0',
    { ...vip, scheduler: 'rr', persistence: { timeoutSeconds: 600, clientBits: 24 } },
  ],
  [
    '-t [fd00:96::20]:80 -s rr -p 600 -M 64',
    { ...vip6, scheduler: 'rr', persistence: { timeoutSeconds: 600, clientBits: 64 } },
  ],
  [
    '-t 10.96.0.20:0 -s rr -p 60',
    { ...vip, port: 0, scheduler: 'rr', persistence: { timeoutSeconds: 60 } },
  ],
  [
    '-t 10.96.0.20:80 -s sh -b sh-fallback,sh-port',
    { ...vip, scheduler: 'sh', flags: ['flag-1', 'flag-2'] },
  ],
  ['-t 10.96.0.20:80 -s mh -b mh-port', { ...vip, scheduler: 'mh', flags: ['flag-2'] }],
  [
    '-u 10.96.0.10:5060 -s rr -p 60 --pe sip -o',
    {
      ...udp('10.96.0.10', 5060),
      scheduler: 'rr',
      flags: ['ops'],
      persistence: { timeoutSeconds: 60 },
      persistenceEngine: 'sip',
    },
  ],
];

/** A destination of a service of port 80 in the words of ipvsadm(8), and in ours. */
const DESTINATIONS: readonly (readonly [string, 4 | 6, DestinationSpec])[] = [
  ['-r 10.244.0.2:80 -m -w 1', 4, { ...end('10.244.0.2'), weight: 1, forwarding: 'masquerade' }],
  [
    '-r 10.244.0.2:8080 -m -w 0',
    4,
    { ...end('10.244.0.2', 8080), weight: 0, forwarding: 'masquerade' },
  ],
  [
    '-r 10.244.0.2:80 -g -w 65535',
    4,
    { ...end('10.244.0.2'), weight: 65_535, forwarding: 'route' },
  ],
  [
    '-r 10.244.0.2:80 -m -w 1 -x 100 -y 50',
    4,
    {
      ...end('10.244.0.2'),
      weight: 1,
      forwarding: 'masquerade',
      thresholds: { upper: 100, lower: 50 },
    },
  ],
  [
    '-r 10.244.0.2:80 -i -w 1',
    4,
    {
      ...end('10.244.0.2'),
      weight: 1,
      forwarding: 'tunnel',
      tunnel: { type: 'ipip', checksum: 'none' },
    },
  ],
  [
    '-r 10.244.0.2:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum',
    4,
    {
      ...end('10.244.0.2'),
      weight: 1,
      forwarding: 'tunnel',
      tunnel: { type: 'gue', port: 6080, checksum: 'checksum' },
    },
  ],
  [
    '-r 10.244.0.2:80 -i -w 1 --tun-type gre',
    4,
    {
      ...end('10.244.0.2'),
      weight: 1,
      forwarding: 'tunnel',
      tunnel: { type: 'gre', checksum: 'none' },
    },
  ],
  [
    '-r [fd00:244::2]:80 -m -w 3',
    6,
    { ...end('fd00:244::2'), weight: 3, forwarding: 'masquerade' },
  ],
  [
    '-r [fd00:244::2]:80 -i -w 3',
    4,
    {
      ...end('fd00:244::2'),
      weight: 3,
      forwarding: 'tunnel',
      tunnel: { type: 'ipip', checksum: 'none' },
    },
  ],
];

function udp(address: string, port: number) {
  return { address: parseAddr(address), protocol: 17, port } as const;
}

function end(address: string, port = 80) {
  return { address: parseAddr(address), port } as const;
}

/** Everything there is, as ipvsadm(8) prints it. */
const saved = (): string => fixture.exec('ipvsadm', '-S', '-n');
const noConnections = { activeConnections: 0, inactiveConnections: 0, persistentConnections: 0 };

describe('a service', () => {
  it.each(SERVICES)('%s', (text, service) => {
    using connection = IpvsConnection.open(fixture.netns);
    fixture.exec('ipvsadm', '-A', ...text.split(' '));
    const theirs = saved();
    const expected = { ...service, statistics: expect.any(Object) };
    expect(serviceList(connection)).toEqual([expected]);
    expect(serviceGet(connection, service)).toEqual(expected);
    expect(serviceDel(connection, service)).toBe(true);
    expect(serviceDel(connection, service)).toBe(false);
    expect(serviceGet(connection, service)).toBeUndefined();
    expect(saved()).toBe('');

    expect(serviceAdd(connection, service)).toBe(true);
    expect(serviceAdd(connection, service)).toBe(false);
    expect(saved()).toBe(theirs);
    expect(serviceList(connection)).toEqual([expected]);
    serviceFlush(connection);
    expect(serviceList(connection)).toEqual([]);
  });

  it('is changed in place', () => {
    using connection = IpvsConnection.open(fixture.netns);
    const changed: ServiceSpec = {
      ...vip,
      scheduler: 'wrr',
      persistence: { timeoutSeconds: 77, clientBits: 16 },
    };
    expect(serviceUpdate(connection, changed)).toBe(false);
    serviceAdd(connection, { ...vip, scheduler: 'rr' });
    destinationAdd(connection, vip, { ...end('10.244.0.2'), weight: 1 });
    expect(serviceUpdate(connection, changed)).toBe(true);
    expect(saved()).toBe(
      '-A -t 10.96.0.20:80 -s wrr -p 77 -M 255.255.0.0\n' +
        '-a -t 10.96.0.20:80 -r 10.244.0.2:80 -m -w 1\n',
    );
    serviceUpdate(connection, { ...vip, scheduler: 'rr' });
    expect(serviceGet(connection, vip)).toEqual({
      ...vip,
      scheduler: 'rr',
      statistics: expect.any(Object),
    });
  });

  it('is refused by name when there is no such scheduler', () => {
    using connection = IpvsConnection.open(fixture.netns);
    expect(() => serviceAdd(connection, { ...vip, scheduler: 'no-such' })).toThrow(
      /^add service 10\.96\.0\.20:80 protocol 6: ENOENT/,
    );
    expect(() => serviceAdd(connection, { ...vip6, scheduler: 'no-such' })).toThrow(
      /^add service \[fd00:96::20\]:80 protocol 6: ENOENT/,
    );
  });
});

describe('a destination', () => {
  it.each(DESTINATIONS)('%s of IPv%i', (text, family, destination) => {
    using connection = IpvsConnection.open(fixture.netns);
    const service = family === 4 ? vip : vip6;
    const where = family === 4 ? '10.96.0.20:80' : '[fd00:96::20]:80';
    serviceAdd(connection, { ...service, scheduler: 'rr' });
    fixture.exec('ipvsadm', '-a', '-t', where, ...text.split(' '));
    const theirs = saved();
    const expected = { ...destination, ...noConnections, statistics: expect.any(Object) };
    expect(destinationList(connection, service)).toEqual([expected]);
    expect(destinationDel(connection, service, destination)).toBe(true);
    expect(destinationDel(connection, service, destination)).toBe(false);
    expect(destinationUpdate(connection, service, destination)).toBe(false);
    expect(destinationList(connection, service)).toEqual([]);

    expect(destinationAdd(connection, service, destination)).toBe(true);
    expect(destinationAdd(connection, service, destination)).toBe(false);
    expect(saved()).toBe(theirs);
    expect(destinationList(connection, service)).toEqual([expected]);
  });

  it('is drained by its weight', () => {
    using connection = IpvsConnection.open(fixture.netns);
    serviceAdd(connection, { ...vip, scheduler: 'rr' });
    const ends = [2, 3, 4].map((last) => end(`10.244.0.${last}`));
    for (const each of ends) destinationAdd(connection, vip, { ...each, weight: 1 });
    const [drained = end('10.244.0.2')] = ends;
    expect(destinationUpdate(connection, vip, { ...drained, weight: 0 })).toBe(true);
    const weights = destinationList(connection, vip).map(({ address, weight }) => [
      `${address}`,
      weight,
    ]);
    expect(new Map(weights as [string, number][])).toEqual(
      new Map([
        ['10.244.0.2', 0],
        ['10.244.0.3', 1],
        ['10.244.0.4', 1],
      ]),
    );
    expect(saved()).toContain('-a -t 10.96.0.20:80 -r 10.244.0.2:80 -m -w 0\n');
  });

  it('of a service that is not there is refused, and such a service has none', () => {
    using connection = IpvsConnection.open(fixture.netns);
    expect(() => destinationAdd(connection, vip, { ...end('10.244.0.2'), weight: 1 })).toThrow(
      'add destination 10.244.0.2:80 of service 10.96.0.20:80 protocol 6: ESRCH',
    );
    expect(destinationList(connection, vip)).toEqual([]);
  });
});

describe('connections', () => {
  it('are counted as ipvsadm(8) prints it, until they are reset', async () => {
    using connection = IpvsConnection.open(fixture.netns);
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    fixture.exec('ip', 'addr', 'add', '10.96.0.10/32', 'dev', 'lo');
    const name = udp('10.96.0.10', 53);
    serviceAdd(connection, { ...name, scheduler: 'rr' });
    destinationAdd(connection, name, { ...end('10.244.0.2', 53), weight: 1 });
    // Each from a port of its own. Where they go to, a link without another end, they are lost.
    for (let sent = 0; sent < 3; sent += 1) {
      fixture.exec('bash', '-c', 'echo hello > /dev/udp/10.96.0.10/53');
    }
    expect(destinationList(connection, name)[0]?.inactiveConnections).toBe(3);
    // The kernel adds up what its processors counted every two seconds.
    const [service, destination] = await vi.waitFor(
      () => {
        const both = [serviceGet(connection, name), destinationList(connection, name)[0]] as const;
        expect(both.map((each) => each?.statistics.connections)).toEqual([3n, 3n]);
        return both;
      },
      { timeout: 30_000, interval: 200 },
    );
    // Headers of IP and UDP (RFC 791, RFC 768) before the 6 octets.
    expect(service?.statistics.inBytes).toBe(3n * 34n);
    const rows = fixture.exec('ipvsadm', '-L', '-n', '--stats', '--exact').split('\n').slice(3);
    for (const [row = '', each] of [
      [rows[0], service],
      [rows[1], destination],
    ] as const) {
      const numbers = row.trim().split(/\s+/).slice(2).map(BigInt);
      const counted = each?.statistics;
      expect(numbers).toEqual([
        counted?.connections,
        counted?.inPackets,
        counted?.outPackets,
        counted?.inBytes,
        counted?.outBytes,
      ]);
    }
    statisticsReset(connection, name);
    expect(serviceGet(connection, name)?.statistics.connections).toBe(0n);
    statisticsReset(connection);
    expect(destinationList(connection, name)[0]?.statistics.connections).toBe(0n);
  });
});

describe('IPVS as a whole', () => {
  it('has timeouts, which can be changed one by one', () => {
    using connection = IpvsConnection.open(fixture.netns);
    const before = timeoutsGet(connection);
    timeoutsSet(connection, { tcpSeconds: 1000, tcpFinSeconds: 100, udpSeconds: 200 });
    const text = (): string => fixture.exec('ipvsadm', '-L', '--timeout').trim();
    expect(text()).toBe('Timeout (tcp tcpfin udp): 1000 100 200');
    timeoutsSet(connection, { udpSeconds: 300 });
    expect(timeoutsGet(connection)).toEqual({
      tcpSeconds: 1000,
      tcpFinSeconds: 100,
      udpSeconds: 300,
    });
    expect(text()).toBe('Timeout (tcp tcpfin udp): 1000 100 300');
    timeoutsSet(connection, before);
  });

  it('says its version and the size of its table', () => {
    using connection = IpvsConnection.open(fixture.netns);
    const { version, connectionTableSize } = infoGet(connection);
    expect(fixture.exec('ipvsadm', '-L', '-n')).toContain(
      `IP Virtual Server version ${version} (size=${connectionTableSize})`,
    );
  });
});
