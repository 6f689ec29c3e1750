import { describe, expect, it } from 'vitest';
import { entriesOf, type Json, useOverlay } from './vxlan-fixture.ts';

/* What the vxlan plugin refuses: values of its fields, peers that disagree, and what is of others. */

const fixture = useOverlay('vxref', [1]);
const { node, config, call, reservations, hostEnds } = fixture;

/** Runs a program on the node and gives its output. */
const exec = (file: string, ...args: string[]): string => node(1).exec(file, ...args);
const hasDevice = (): boolean => exec('ip', '-br', 'link').includes('vxlan');

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
      { ipam: {}, peers: entriesOf(2) },
      'subnets: expected the subnets of this node, unless ranges of ipam or peers have them, got nothing',
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
      'network: expected the networks of all nodes, with subnet 10.244.1.0/24 of peer 192.0.2.1, got ["10.9.0.0/16"]',
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
    expect(hostEnds(1)).toEqual([]);
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
