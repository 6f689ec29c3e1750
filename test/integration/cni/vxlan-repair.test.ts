import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { RouteConnection } from '../../../src/netlink/route/connection.ts';
import { linkByName, linkList } from '../../../src/netlink/route/link.ts';
import { neighList } from '../../../src/netlink/route/neigh.ts';
import { routeList } from '../../../src/netlink/route/route.ts';
import { CNI_BIN } from './plugin-fixture.ts';
import { entriesOf, type Json, NODES, success, useOverlay } from './vxlan-fixture.ts';

/* The vxlan plugin where something is wrong, was lost, or is no longer wanted. */

const fixture = useOverlay('vxrep');
const { node, config, call, start, reaches, inPod, overlay, reservations, path, podPath } = fixture;

/** Runs a program on the first node and gives its output. */
const exec = (file: string, ...args: string[]): string => node(1).exec(file, ...args);
const hasDevice = (): boolean => exec('ip', '-br', 'link').includes('vxlan');
const veths = (): string[] =>
  exec('ip', '-br', 'link', 'show', 'type', 'veth')
    .split('\n')
    .filter((line) => line.startsWith('veth'));

describe('vxlan refuses', () => {
  const peer = (more: Json): Json => ({ peers: [{ ...entriesOf(2)[0], ...more }] });
  it.each([
    ['id', { id: 16_777_216 }, 'id: expected a number from 1 to 16777215, got 16777216'],
    ['id', { id: 0 }, 'id: expected a number from 1 to 16777215, got 0'],
    ['id', { id: '1' }, 'id: expected a whole number, got "1"'],
    ['port', { port: 65_536 }, 'port: expected a number from 1 to 65535, got 65536'],
    ['local', { local: '192.0.2' }, 'local: expected an IP address, got "192.0.2"'],
    ['master', { master: 7 }, 'master: expected a string, got 7'],
    [
      'master',
      { master: 'x'.repeat(16) },
      'master: expected the name of a link, at most 15 bytes, got "xxxxxxxxxxxxxxxx"',
    ],
    ['mtu', { mtu: -1 }, 'mtu: expected a size in bytes, got -1'],
    ['mtu', { mtu: 1451 }, 'mtu: expected a size from 1280 to 1450, got 1451'],
    ['mtu', { mtu: 1279 }, 'mtu: expected a size from 1280 to 1450, got 1279'],
    [
      'subnets',
      { subnets: ['10.244.1.0'] },
      'subnets[0]: expected an IP prefix such as 10.1.0.0/16, got "10.244.1.0"',
    ],
    ['subnets', { subnets: [''] }, 'subnets[0]: expected an IP prefix such as 10.1.0.0/16, got ""'],
    [
      'subnets',
      { subnets: ['10.244.1.1/24'] },
      'subnets[0]: expected a prefix without host bits such as 10.244.1.0/24, got "10.244.1.1/24"',
    ],
    [
      'subnets',
      { ipam: {} },
      'subnets: expected the subnets of this node, unless ipam has the ranges of host-local, got nothing',
    ],
    ['peers', { peers: {} }, 'peers: expected a list, got {}'],
    [
      'peers',
      { peers: Array.from({ length: 20_001 }, () => ({})) },
      'peers: expected at most 20000 peers, got 20001',
    ],
    ['peers', { peers: ['x'] }, 'peers[0]: expected an object, got "x"'],
    ['subnet', { peers: [{}] }, 'peers[0].subnet: expected an IP prefix, got nothing'],
    [
      'subnet',
      peer({ subnet: '10.9.0.1/24' }),
      'peers[0].subnet: expected a prefix without host bits such as 10.9.0.0/24, got "10.9.0.1/24"',
    ],
    [
      'endpoint',
      peer({ endpoint: undefined }),
      'peers[0].endpoint: expected an IP address, got nothing',
    ],
    [
      'endpoint',
      peer({ endpoint: 'node-2' }),
      'peers[0].endpoint: expected an IP address, got "node-2"',
    ],
    [
      'endpoint',
      peer({ endpoint: 'fe80::1%up0' }),
      'peers[0].endpoint: expected an IP address, got "fe80::1%up0"',
    ],
    [
      'mac',
      peer({ mac: '01:00:5e:00:00:01' }),
      'peers[0].mac: expected a MAC address of one device, got "01:00:5e:00:00:01"',
    ],
    ['mac', peer({ mac: 'x' }), 'peers[0].mac: expected a MAC address of one device, got "x"'],
    [
      'leaseFile',
      { leaseFile: '/run/x' },
      'leaseFile: expected either this or peers, got "/run/x"',
    ],
    ['leaseFile', { leaseFile: 'x', peers: [] }, 'leaseFile: expected an absolute path, got "x"'],
    [
      'network',
      { network: ['10.244.0.0/23'] },
      'network: expected the networks of all nodes, with subnet 10.244.2.0/24 of peer 192.0.2.2, got ["10.244.0.0/23"]',
    ],
    [
      'network',
      { network: ['10.9.0.0/16'] },
      'network: expected the networks of all nodes, with subnet 10.244.1.0/24 of this node, got ["10.9.0.0/16"]',
    ],
    [
      'network',
      { ipMasq: true },
      'network: expected the networks of all nodes, with subnet 10.244.1.0/24 of this node, which ipMasq leaves alone, got nothing',
    ],
    ['ipMasqBackend', { ipMasqBackend: 'x' }, 'unknown ipmasq backend "x"'],
    ['isGateway', { isGateway: 1 }, 'isGateway: expected true or false, got 1'],
    [
      'isDefaultGateway',
      { isDefaultGateway: 'x' },
      'isDefaultGateway: expected true or false, got "x"',
    ],
    ['hairpinMode', { hairpinMode: 1 }, 'hairpinMode: expected true or false, got 1'],
    [
      'a peer inside a subnet of the node',
      peer({ subnet: '10.244.1.128/25' }),
      'subnet 10.244.1.0/24 of this node overlaps subnet 10.244.1.128/25 of peer 192.0.2.2',
    ],
    [
      'peers that overlap',
      { peers: [...entriesOf(2), { subnet: '10.244.0.0/22', endpoint: '192.0.2.3' }] },
      'subnet 10.244.0.0/22 of peer 192.0.2.3 overlaps subnet 10.244.1.0/24 of this node',
    ],
    [
      'a peer twice',
      { peers: [...entriesOf(2), ...entriesOf(2)] },
      'subnet 10.244.2.0/24 of peer 192.0.2.2 overlaps subnet 10.244.2.0/24 of peer 192.0.2.2',
    ],
    [
      'a tunnel into itself',
      peer({ subnet: '192.0.2.0/24' }),
      'subnet 192.0.2.0/24 of peer 192.0.2.2 overlaps the address 192.0.2.1 of a node',
    ],
    [
      'an endpoint of the other family',
      peer({ endpoint: '2001:db8::2' }),
      'endpoint 2001:db8::2 is of another family than the local address 192.0.2.1',
    ],
    [
      'one MAC address at two endpoints',
      {
        peers: [2, 3].map((each) => ({ ...entriesOf(each as 2 | 3)[0], mac: '0a:00:00:00:00:01' })),
      },
      'peers 192.0.2.2 and 192.0.2.3 have one MAC address 0a:00:00:00:00:01',
    ],
    [
      'two MAC addresses of one endpoint',
      { peers: entriesOf(2).map((entry, at) => ({ ...entry, mac: `0a:00:00:00:00:0${at}` })) },
      'peer 192.0.2.2 has two MAC addresses, 0a:00:00:00:00:00 and 0a:00:00:00:00:01',
    ],
  ])('a wrong %s: %j', (_, wrong, msg) => {
    expect(call(1, 'ADD', config(1, wrong))).toMatchObject({ status: 1, json: { code: 7, msg } });
    expect(reservations(1)).toEqual([]);
    expect(veths()).toEqual([]);
    // What is of bridge is seen when the overlay is there already.
    expect(hasDevice()).toBe('hairpinMode' in wrong);
  });

  it.each([
    [{ local: '192.0.2.77' }, 'no link has the address 192.0.2.77'],
    [{ local: '', master: 'none' }, 'no link is called "none"'],
    [{ local: '' }, 'neither local nor master is given, and there is no default route'],
    [{ local: '', master: 'bare' }, '"bare" has no address that others can send to'],
    [
      { local: '198.51.100.1' },
      '198.51.100.1 is on "lo", and no master says which link to leave by',
    ],
  ])('an underlay that is not there: %j', (wrong, why) => {
    exec('ip', 'addr', 'add', '198.51.100.1/32', 'dev', 'lo');
    exec('ip', 'link', 'add', 'bare', 'type', 'bridge');
    const msg = `underlay not found: ${why}`;
    expect(call(1, 'ADD', config(1, wrong))).toMatchObject({ status: 1, json: { code: 999, msg } });
    expect(call(1, 'STATUS', config(1, wrong))).toMatchObject({
      status: 1,
      json: { code: 50, msg },
    });
    expect(hasDevice()).toBe(false);
  });

  it('an underlay too small for IPv6', () => {
    exec('ip', 'link', 'set', 'up0', 'mtu', '1329');
    const msg = 'underlay "up0" has MTU 1329, expected 1330';
    expect(call(1, 'ADD', config(1)).json).toEqual({ code: 7, msg });
    const { dataDir } = config(1).ipam as { dataDir: string };
    const ipam = { type: 'host-local', dataDir, subnet: '10.244.1.0/24' };
    expect(call(1, 'ADD', config(1, { ipam })).status).toBe(0);
  });

  it('to take what is of others', () => {
    const refusal = (msg: string): object => ({ status: 1, json: { code: 999, msg } });
    const vxlan = ['type', 'vxlan', 'id', '9', 'dstport', '4789'];
    exec('ip', 'link', 'add', 'vxlan.1', ...vxlan);
    const isForeign = '"vxlan.1" already exists, and is a vxlan and not ours';
    expect(call(1, 'ADD', config(1))).toMatchObject(refusal(isForeign));
    expect(call(1, 'GC', config(1))).toMatchObject(refusal(isForeign));
    expect(call(1, 'STATUS', config(1)).json).toMatchObject({ code: 50, msg: isForeign });
    expect(exec('ip', '-d', 'link', 'show', 'vxlan.1')).toContain('vxlan id 9');
    exec('ip', 'link', 'del', 'vxlan.1');
    exec('ip', 'link', 'add', 'vxlan.1', 'type', 'bridge');
    const isBridge = '"vxlan.1" already exists, and is a bridge and not ours';
    expect(call(1, 'ADD', config(1))).toMatchObject(refusal(isBridge));
    exec('ip', 'link', 'del', 'vxlan.1');
    exec('ip', 'link', 'add', 'flannel.1', 'type', 'vxlan', 'id', '1', 'dstport', '8472');
    const isTaken = 'id 1 on port 8472 is taken by "flannel.1"';
    expect(call(1, 'ADD', config(1))).toMatchObject(refusal(isTaken));
    exec('ip', 'link', 'del', 'flannel.1');
    exec('ip', 'route', 'add', '10.244.2.0/24', 'via', '192.0.2.3', 'proto', 'bird');
    const isRouted = 'route 10.244.2.0/24 already exists, on "up0" by protocol 12';
    expect(call(1, 'ADD', config(1))).toMatchObject(refusal(isRouted));
    expect(exec('ip', 'route')).toContain('10.244.2.0/24 via 192.0.2.3 dev up0');
    exec('ip', 'route', 'del', '10.244.2.0/24');
    expect(call(1, 'ADD', config(1)).status).toBe(0);
    const other = config(1, { name: 'other' });
    const isOthers = '"vxlan.1" already exists, and is a vxlan and of "podwire:overlay"';
    expect(call(1, 'ADD', other, { CNI_IFNAME: 'eth1' })).toMatchObject(refusal(isOthers));
  });
});

describe('vxlan ADD that fails', () => {
  it.each<[string, Json, string]>([
    [
      'no address is left',
      { ranges: [[{ subnet: '10.244.1.0/24', rangeStart: '10.244.1.9', rangeEnd: '10.244.1.9' }]] },
      'no IP addresses available in range set: 10.244.1.9-10.244.1.9',
    ],
    ['IPAM is not installed', { type: 'none', subnet: '10.244.1.0/24' }, 'failed to find plugin'],
  ])('leaves nothing of the pod when %s', (_, ipam, msg) => {
    const limited = config(1, { ipam: { ...(config(1).ipam as Json), ...ipam } });
    call(1, 'ADD', limited, { CNI_CONTAINERID: 'first', CNI_IFNAME: 'eth9' });
    const before = [veths(), reservations(1), overlay(1)];
    const { status, json } = call(1, 'ADD', limited);
    expect(status).toBe(1);
    expect(json.msg).toContain(msg);
    expect([veths(), reservations(1), overlay(1)]).toEqual(before);
    expect(inPod(1, 'ip', '-br', 'link')).not.toContain('eth0');
  });
});

describe('vxlan CHECK', () => {
  const set = (...args: string[]): string => exec('ip', 'link', 'set', 'vxlan.1', ...args);
  const remake = (...args: string[]): void => {
    const group = exec('ip', '-d', '-o', 'link', 'show', 'vxlan.1').match(/group (\w+)/)?.[1] ?? '';
    exec('ip', 'link', 'del', 'vxlan.1');
    exec('ip', 'link', 'add', 'vxlan.1', 'group', group, 'type', 'vxlan', ...args);
  };
  const sysctl = (name: string, value: string): string =>
    exec('sh', '-c', `echo ${value} > /proc/sys/${name}`);
  const own = ['id', '1', 'dstport', '8472', 'local', '192.0.2.1', 'dev', 'up0', 'nolearning'];
  const ownBut = (index: number, value: string): string[] => own.with(index, value);

  it.each<[string, () => unknown, string]>([
    ['no device', () => exec('ip', 'link', 'del', 'vxlan.1'), 'vxlan device "vxlan.1" not found'],
    ['another id', () => remake(...ownBut(1, '2')), '"vxlan.1" has id 2, expected 1'],
    ['another port', () => remake(...ownBut(3, '4789')), '"vxlan.1" has port 4789, expected 8472'],
    [
      'another local address',
      () => remake(...ownBut(5, '192.0.2.9')),
      '"vxlan.1" has local address 192.0.2.9, expected 192.0.2.1',
    ],
    ['another underlay', () => remake(...ownBut(7, 'br0')), '"vxlan.1" has underlay link index '],
    ['learning', () => remake(...own.slice(0, -1)), '"vxlan.1" has learning true, expected false'],
    [
      'a default peer',
      () => remake(...own, 'remote', '192.0.2.3'),
      '"vxlan.1" has default peer 192.0.2.3, expected none',
    ],
    [
      'external control',
      () => remake('dstport', '8472', 'external', 'local', '192.0.2.1', 'dev', 'up0', 'nolearning'),
      '"vxlan.1" has id ',
    ],
    [
      'another MAC address',
      () => set('address', '0a:00:00:00:00:09'),
      '"vxlan.1" has MAC 0a:00:00:00:00:09, expected 02:01:c0:00:02:01',
    ],
    ['another MTU', () => set('mtu', '1300'), '"vxlan.1" has MTU 1300, expected 1450'],
    [
      'an underlay that shrank',
      () => exec('ip', 'link', 'set', 'up0', 'mtu', '1400'),
      '"vxlan.1" has MTU 1450, expected 1350',
    ],
    ['no alias', () => set('alias', ''), '"vxlan.1" has alias none, expected podwire:overlay'],
    ['a device that is down', () => set('down'), '"vxlan.1" has state down, expected up'],
    [
      'no forwarding',
      () => sysctl('net/ipv4/ip_forward', '0'),
      'net/ipv4/ip_forward is 0, expected 1',
    ],
    [
      'no forwarding of IPv6',
      () => sysctl('net/ipv6/conf/all/forwarding', '0'),
      'net/ipv6/conf/all/forwarding is 0, expected 1',
    ],
    [
      'no IPv6',
      () => sysctl('net/ipv6/conf/vxlan.1/disable_ipv6', '1'),
      'net/ipv6/conf/vxlan.1/disable_ipv6 is 1, expected 0',
    ],
    [
      'no address',
      () => exec('ip', 'addr', 'del', '10.244.1.0/32', 'dev', 'vxlan.1'),
      'expected address 10.244.1.0/32 on "vxlan.1"',
    ],
    [
      'no neighbour',
      () => exec('ip', 'neigh', 'del', 'fd00:244:0:2::', 'dev', 'vxlan.1'),
      'expected neighbour fd00:244:0:2:: with 02:01:c0:00:02:02 on "vxlan.1"',
    ],
    [
      'another neighbour',
      () =>
        exec(
          'ip',
          'neigh',
          'replace',
          '10.244.2.0',
          'lladdr',
          '0a:00:00:00:00:09',
          'dev',
          'vxlan.1',
        ),
      'expected neighbour 10.244.2.0 with 02:01:c0:00:02:02 on "vxlan.1"',
    ],
    [
      'no FDB entry',
      () => exec('bridge', 'fdb', 'del', '02:01:c0:00:02:02', 'dev', 'vxlan.1'),
      'expected FDB entry 02:01:c0:00:02:02 at 192.0.2.2 on "vxlan.1"',
    ],
    [
      'another endpoint',
      () =>
        exec('bridge', 'fdb', 'replace', '02:01:c0:00:02:03', 'dev', 'vxlan.1', 'dst', '192.0.2.9'),
      'expected FDB entry 02:01:c0:00:02:03 at 192.0.2.3 on "vxlan.1"',
    ],
    [
      'no route',
      () => exec('ip', 'route', 'del', '10.244.3.0/24'),
      'expected route 10.244.3.0/24 via 10.244.3.0 on "vxlan.1"',
    ],
    [
      'another route',
      () => {
        exec('ip', '-6', 'route', 'del', 'fd00:244:0:3::/64');
        exec('ip', '-6', 'route', 'add', 'fd00:244:0:3::/64', 'via', '2001:db8::3');
      },
      'expected route fd00:244:0:3::/64 via fd00:244:0:3:: on "vxlan.1"',
    ],
    [
      'a pod off the bridge',
      () => exec('ip', 'link', 'set', veths()[0]?.split('@')[0] ?? '', 'nomaster'),
      'is not a port of "br0"',
    ],
    [
      'a pod without its address',
      () => inPod(1, 'ip', 'addr', 'del', '10.244.1.2/24', 'dev', 'eth0'),
      'expected address 10.244.1.2/24 on "eth0"',
    ],
    [
      'a pod without reservation',
      () => rmSync(path('node-1'), { recursive: true }),
      'Failed to find address',
    ],
  ])('says that there is %s', (_, tamper, msg) => {
    const { json } = call(1, 'ADD', config(1));
    const checked = config(1, { prevResult: json });
    expect(call(1, 'CHECK', checked)).toMatchObject(success);
    tamper();
    const answer = call(1, 'CHECK', checked);
    expect(answer.status).toBe(1);
    expect(answer.json.msg).toContain(msg);
  });

  it('needs to know what ADD said', () => {
    call(1, 'ADD', config(1));
    expect(call(1, 'CHECK', config(1)).json).toEqual({
      code: 7,
      msg: 'Required prevResult missing',
    });
  });
});

describe('vxlan GC', () => {
  it('removes what leads to peers that left, devices of before, and attachments, but nothing else', () => {
    const first = call(1, 'ADD', config(1));
    expect(first.status).toBe(0);
    expect(call(1, 'ADD', config(1), { CNI_IFNAME: 'eth1' }).status).toBe(0);
    exec('ip', 'route', 'add', '10.77.0.0/16', 'dev', 'vxlan.1');
    exec('bridge', 'fdb', 'add', '0a:00:00:00:00:77', 'dev', 'vxlan.1', 'dst', '192.0.2.77');
    const peers = entriesOf(3);
    const valid = { 'cni.dev/valid-attachments': [{ containerID: 'a', ifname: 'eth1' }] };
    expect(call(1, 'GC', config(1, { peers, ...valid }))).toMatchObject(success);
    expect(overlay(1)).toHaveLength(6);
    expect(overlay(1).join('\n')).not.toContain('10.244.2.0');
    expect(exec('ip', 'route')).toContain('10.77.0.0/16 dev vxlan.1');
    expect(reservations(1)).toEqual(['10.244.1.3', 'fd00:244:0:1::3']);
    expect(inPod(1, 'ip', '-br', 'link')).not.toContain('eth0');
    // Only ADD adds: a peer that came is not GC's to program.
    expect(call(1, 'GC', config(1, valid))).toMatchObject(success);
    expect(overlay(1)).toHaveLength(6);
    expect(call(1, 'GC', config(1, { id: 7, peers, ...valid }))).toMatchObject(success);
    expect(hasDevice()).toBe(false);
  });

  it('forwards to bridge and IPAM although the peers can not be read', () => {
    const leaseFile = path('leases.json');
    call(1, 'ADD', config(1));
    const before = overlay(1);
    const gone = call(1, 'GC', config(1, { peers: [], leaseFile }));
    expect(gone).toMatchObject({ status: 1, json: { code: 11 } });
    expect(overlay(1)).toEqual(before);
    expect(reservations(1)).toEqual([]);
    expect(veths()).toEqual([]);
  });
});

describe('vxlan DEL', () => {
  it.each(['there', 'empty', 'missing', 'a plain file'])(
    'frees the pod when the namespace is %s, and leaves the overlay',
    (state) => {
      const network = ['10.244.0.0/16', 'fd00:244::/48'];
      expect(call(1, 'ADD', config(1, { ipMasq: true, network })).status).toBe(0);
      const before = overlay(1);
      const env: Record<string, string> = {};
      if (state === 'empty') env.CNI_NETNS = '';
      if (state === 'missing') env.CNI_NETNS = '/run/netns/podwire-none';
      if (state === 'a plain file') {
        env.CNI_NETNS = path('plain');
        writeFileSync(env.CNI_NETNS, '');
      }
      for (let round = 0; round < 2; round += 1) {
        expect(call(1, 'DEL', config(1), env)).toMatchObject(success);
      }
      expect(reservations(1)).toEqual([]);
      expect(veths()).toEqual([]);
      expect(exec('nft', 'list', 'ruleset')).not.toMatch(/10\.244\.1|fd00:244:0:1/);
      expect(overlay(1)).toEqual(before);
    },
  );

  it('frees the pod whatever else is gone or wrong by then', () => {
    const wrong = { id: -1, leaseFile: 'none', network: 7, local: '192.0.2.77', peers: 'x' };
    for (const lose of [
      () => inPod(1, 'ip', 'link', 'del', 'eth0'),
      () => exec('ip', 'link', 'del', 'vxlan.1'),
      () => exec('ip', 'link', 'del', 'br0'),
    ]) {
      expect(call(1, 'ADD', config(1)).status).toBe(0);
      lose();
      expect(call(1, 'DEL', config(1, wrong))).toMatchObject(success);
      expect(reservations(1)).toEqual([]);
      expect(veths()).toEqual([]);
      expect(inPod(1, 'ip', '-br', 'link')).not.toContain('eth0');
    }
    exec('ip', 'link', 'del', 'up0');
    expect(call(1, 'DEL', config(1, wrong))).toMatchObject(success);
  });
});

describe('vxlan STATUS', () => {
  it('is ready when ADD could be served', () => {
    expect(call(1, 'STATUS', config(1))).toMatchObject(success);
    const ipam = { type: 'none', subnet: '10.244.1.0/24' };
    expect(call(1, 'STATUS', config(1, { ipam })).status).toBe(1);
    expect(hasDevice()).toBe(false);
  });
});

describe('vxlan ADD beside others', () => {
  it('wires eight pods at once, and has one whole overlay', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, at) =>
        start(1, 'ADD', config(1), { CNI_CONTAINERID: `c${at}`, CNI_IFNAME: `eth${at}` }),
      ),
    );
    expect(answers.filter(({ status }) => status !== 0)).toEqual([]);
    expect(new Set(answers.map(({ json }) => (json.ips as Json[])[0]?.address)).size).toBe(8);
    expect(overlay(1)).toHaveLength(10);
    expect(exec('ip', '-d', 'link', 'show', 'vxlan.1')).toContain('alias podwire:overlay');
    for (const [at, { json }] of answers.entries()) {
      const env = { CNI_CONTAINERID: `c${at}`, CNI_IFNAME: `eth${at}` };
      expect(call(1, 'CHECK', config(1, { prevResult: json }), env)).toMatchObject(success);
    }
  });

  it('ends with what one of them wants where they want different things', async () => {
    const wishes = [{ port: 4789 }, { port: 8472 }, { id: 7 }, { peers: entriesOf(2) }];
    const answers = await Promise.all(
      wishes.map((more, at) =>
        start(1, 'ADD', config(1, more), { CNI_CONTAINERID: `c${at}`, CNI_IFNAME: `eth${at}` }),
      ),
    );
    expect(answers.map(({ status, stdout }) => (status === 0 ? '' : stdout))).toEqual(
      wishes.map(() => ''),
    );
    using connection = RouteConnection.open(node(1).netns);
    expect(linkList(connection, { kind: 'vxlan' })).toHaveLength(1);
    expect(call(1, 'ADD', config(1), { CNI_IFNAME: 'eth9' }).status).toBe(0);
    expect(overlay(1)).toHaveLength(10);
  });

  it.each<[string, (connection: RouteConnection) => boolean]>([
    ['the device', (host) => linkByName(host, 'vxlan.1') !== undefined],
    ['an address', (host) => linkByName(host, 'vxlan.1')?.up === true],
    [
      'a neighbour',
      (host) => neighList(host, { family: 4 }).some(({ state }) => state === 'permanent'),
    ],
    ['a route', (host) => routeList(host, 4, { protocol: 112 }).length > 0],
    ['all routes', (host) => routeList(host, 6, { protocol: 112 }).length === 2],
    ['the bridge', (host) => linkByName(host, 'br0') !== undefined],
    [
      'the pod',
      (host) => linkList(host, { kind: 'veth' }).some(({ name }) => name.startsWith('veth')),
    ],
  ])('is whole again after one was killed when there was %s', async (_, isThere) => {
    const env = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'a', CNI_IFNAME: 'eth0' };
    const child = node(1).netns.run(() =>
      spawn(join(CNI_BIN, 'vxlan'), [], {
        env: { ...env, CNI_PATH: CNI_BIN, CNI_NETNS: podPath(1) },
        stdio: ['pipe', 'ignore', 'ignore'],
      }),
    );
    const ended = once(child, 'exit');
    using connection = RouteConnection.open(node(1).netns);
    const text = JSON.stringify(config(1));
    child.stdin.end(text);
    // The kernel is asked without a pause, for there are microseconds between the steps.
    const deadline = performance.now() + 20_000;
    do {
      await new Promise(setImmediate);
    } while (!isThere(connection) && performance.now() < deadline);
    child.kill('SIGKILL');
    await ended;
    expect(call(1, 'DEL', config(1))).toMatchObject(success);
    expect(reservations(1)).toEqual([]);
    expect(veths()).toEqual([]);
    for (const each of NODES) {
      const { status, stdout } = call(each, 'ADD', config(each));
      expect(status, stdout).toBe(0);
    }
    expect(overlay(1)).toHaveLength(10);
    expect(exec('ip', '-d', 'link', 'show', 'vxlan.1')).toContain('alias podwire:overlay');
    expect(reaches(1, '10.244.2.2')).toBe(true);
    expect(reaches(3, 'fd00:244:0:1::2')).toBe(true);
  });
});
