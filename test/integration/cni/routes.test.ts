import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createNamedNetns, deleteNamedNetns } from '../../../src/sys/netns.ts';
import { useNetns } from '../netns-fixture.ts';
import { callPlugin, type PluginAnswer } from './plugin-fixture.ts';

/*
 * What is said of a route (mtu, advmss, priority, table, scope) gets from IPAM to the kernel and into the
 * result, whichever plugin wires the pod, and whether IPAM is one of ours or somebody's executable.
 */

const fixture = useNetns('routes');
const podName = `podwire-routes-pod-${process.pid}`;
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podwire-routes-'));
  createNamedNetns(`/run/netns/${podName}`);
  fixture.exec('ip', 'link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'up1');
  fixture.exec('ip', 'link', 'set', 'up0', 'up');
});
afterEach(() => {
  deleteNamedNetns(`/run/netns/${podName}`);
  rmSync(directory, { recursive: true, force: true });
});

const addresses = [
  { address: '10.1.2.7/24', gateway: '10.1.2.1' },
  { address: 'fd00:1::7/64', gateway: 'fd00:1::1' },
];
const routes = [
  { dst: '0.0.0.0/0', mtu: 1300, advmss: 1200, priority: 7 },
  { dst: '10.8.0.0/16', table: 77, scope: 253 },
  { dst: '10.9.0.0/16', gw: '10.1.2.1', priority: 5, table: 0 },
  { dst: 'fd00:8::/48', mtu: 1400, advmss: 1340, table: 78, priority: 9 },
];
const kernelRoutes = [
  '10.8.0.0/16 dev eth0 table 77 scope link',
  '10.9.0.0/16 via 10.1.2.1 dev eth0 metric 5',
  'default via 10.1.2.1 dev eth0 metric 7 mtu 1300 advmss 1200',
  'fd00:8::/48 via fd00:1::1 dev eth0 table 78 metric 9 mtu 1400 advmss 1340 pref medium',
];

/** Those of our destinations, whatever table they are in. */
function routesInPod(): string[] {
  const show = (family: string): string[] =>
    fixture.exec('ip', '-n', podName, family, 'route', 'show', 'table', 'all').split('\n');
  return (
    [...show('-4'), ...show('-6')]
      // Carrier is not what this is about.
      .map((line) => line.trim().replace(' linkdown', '').replaceAll(/ {2,}/g, ' '))
      .filter((line) => /^(default|10\.[89]|fd00:8)/.test(line))
      .toSorted()
  );
}

/** An executable that answers ADD in the version it is asked in. */
function installOtherIpam(answer: object): void {
  const file = join(directory, 'other-ipam');
  writeFileSync(
    file,
    `#!/bin/sh\ncat > /dev/null\n[ "$CNI_COMMAND" != ADD ] || echo '${JSON.stringify(answer)}'\n`,
  );
  chmodSync(file, 0o755);
}

function call(verb: string, type: string, ipam: object, more: object = {}): PluginAnswer {
  const config = {
    cniVersion: '1.1.0',
    name: 'net',
    type,
    bridge: 'br0',
    master: 'up0',
    ipam,
    ...more,
  };
  const env = {
    CNI_CONTAINERID: 'a',
    CNI_NETNS: `/run/netns/${podName}`,
    CNI_PATH: directory,
    PATH: process.env.PATH ?? '',
  };
  return callPlugin({ type, verb, config, env }, fixture.netns);
}

describe.each(['bridge', 'macvlan', 'ptp'])('routes of %s', (type) => {
  it.each(['static', 'host-local'])('by %s, in process', (ipamType) => {
    const ipam = {
      type: ipamType,
      addresses,
      dataDir: directory,
      ranges: addresses.map(({ address }) => {
        const subnet = address.replace('.7/', '.0/').replace('::7', '::');
        return [{ subnet, rangeStart: address.split('/')[0] }];
      }),
      routes,
    };
    const added = call('ADD', type, ipam);
    expect(added).toMatchObject({ status: 0, stderr: '' });
    expect(added.json.routes).toEqual(routes);
    expect(routesInPod()).toEqual(kernelRoutes);
    expect(call('CHECK', type, ipam, { prevResult: added.json })).toMatchObject({ status: 0 });
    expect(call('DEL', type, ipam)).toMatchObject({ status: 0 });
  });

  it.each(['0.3.1', '0.4.0', '1.0.0', '1.1.0'])('by an executable, version %s', (cniVersion) => {
    installOtherIpam({ cniVersion, ips: addresses, routes });
    const added = call('ADD', type, { type: 'other-ipam' }, { cniVersion });
    expect(added).toMatchObject({ status: 0, stderr: '', json: { routes } });
    expect(routesInPod()).toEqual(kernelRoutes);
  });

  it('by an executable of a version that knows no more than destination and gateway', () => {
    const [v4, v6] = addresses;
    installOtherIpam({
      cniVersion: '0.2.0',
      ip4: { ip: v4?.address, gateway: v4?.gateway, routes: [{ dst: '10.9.0.0/16' }] },
      ip6: { ip: v6?.address, gateway: v6?.gateway, routes: [{ dst: 'fd00:8::/48' }] },
    });
    const added = call('ADD', type, { type: 'other-ipam' }, { cniVersion: '0.2.0' });
    expect(added).toMatchObject({ status: 0, json: { ip4: { routes: [{ dst: '10.9.0.0/16' }] } } });
    expect(routesInPod()).toEqual([
      '10.9.0.0/16 via 10.1.2.1 dev eth0',
      'fd00:8::/48 via fd00:1::1 dev eth0 metric 1024 pref medium',
    ]);
  });

  it('are refused by name when they are wrong, and nothing is left', () => {
    for (const [route, message] of [
      [{ dst: '10.9.0.0/16', mtu: -1 }, 'mtu: expected a number from 0 to 4294967295, got -1'],
      [{ dst: '10.9.0.0/16', scope: 256 }, 'scope: expected a number from 0 to 255, got 256'],
      [{ dst: '10.9.0.0/16', table: 'x' }, 'table: expected a whole number, got "x"'],
      [
        { dst: '10.9.0.0/16', gw: 'fd00::1' },
        'gw: expected an address of the family of 10.9.0.0/16, got "fd00::1"',
      ],
    ] as const) {
      installOtherIpam({ cniVersion: '1.1.0', ips: addresses, routes: [route] });
      const { json } = call('ADD', type, { type: 'other-ipam' });
      expect(json).toMatchObject({ code: 7, msg: `ipam result.routes[0].${message}` });
      expect(fixture.exec('ip', '-n', podName, '-br', 'link').trim().split('\n')).toHaveLength(1);
    }
  });
});
