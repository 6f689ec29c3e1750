import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Netns } from '../../../src/sys/netns.ts';
import { ask, startEcho } from './echo-server.ts';
import { entriesOf, type Json, NODES, success, useOverlay } from './vxlan-fixture.ts';

/* The vxlan plugin: ADD, and pods of several nodes that talk. */

const fixture = useOverlay('vxlan');
const { node, config, call, reaches, inPod, overlay, podPath, path } = fixture;

/** Runs a program on the first node and gives its output. */
const exec = (file: string, ...args: string[]): string => node(1).exec(file, ...args);
const device = (): string => exec('ip', '-d', 'link', 'show', 'vxlan.1');
const ifindex = (): string => exec('ip', '-o', 'link', 'show', 'vxlan.1').split(':')[0] ?? '';
const hasDevice = (): boolean => exec('ip', '-br', 'link').includes('vxlan');

/** A pod on every node. */
function addAll(more: Json = {}): void {
  for (const each of NODES) {
    const { status, stdout } = call(each, 'ADD', config(each, more));
    expect(status, stdout).toBe(0);
  }
}

describe.each([4, 6] as const)('vxlan over IPv%s', (family) => {
  const overhead = family === 4 ? 50 : 70;
  const mtu = 1500 - overhead;
  const overUnderlay = (each: 1 | 2 | 3): Json =>
    config(each, {
      local: family === 4 ? `192.0.2.${each}` : `2001:db8::${each}`,
      peers: NODES.flatMap((other) => entriesOf(other, family)),
    });

  it('lets all pods reach all others with the largest packet there is, and no larger one', () => {
    for (const each of NODES) {
      const { status, json, stderr } = call(each, 'ADD', overUnderlay(each));
      expect([status, stderr]).toEqual([0, '']);
      expect(json.ips).toEqual([
        { interface: 2, address: `10.244.${each}.2/24`, gateway: `10.244.${each}.1` },
        { interface: 2, address: `fd00:244:0:${each}::2/64`, gateway: `fd00:244:0:${each}::1` },
      ]);
      const checked = call(each, 'CHECK', { ...overUnderlay(each), prevResult: json });
      expect(checked).toMatchObject(success);
    }
    expect(device()).toContain(`mtu ${mtu} `);
    for (const [from, to] of [
      [1, 2],
      [2, 3],
      [3, 1],
    ] as const) {
      const targets = [`10.244.${to}.2`, `fd00:244:0:${to}::2`] as const;
      expect(reaches(from, '-M', 'do', '-s', `${mtu - 28}`, targets[0])).toBe(true);
      expect(reaches(from, '-M', 'do', '-s', `${mtu - 48}`, targets[1])).toBe(true);
      expect(inPod(from, 'ping', '-c1', '-M', 'do', '-s', `${mtu - 27}`, targets[0])).toContain(
        `mtu=${mtu}`,
      );
      // A node reaches the pods of others, too, and they it.
      for (const target of targets) {
        expect(node(from).exec('ping', '-c1', '-W2', target)).toContain('1 received');
      }
    }
  });

  it('carries TCP, under the own address of the pod', async () => {
    for (const each of [1, 2] as const) call(each, 'ADD', overUnderlay(each));
    using server = Netns.open(podPath(2));
    using client = Netns.open(podPath(1));
    for (const [inner, to, from] of [
      [4, '10.244.2.2', '10.244.1.2'],
      [6, 'fd00:244:0:2::2', 'fd00:244:0:1::2'],
    ] as const) {
      await using _echo = await startEcho(server, 'web', 'tcp', inner, 8080);
      expect(ask(client, 'tcp', to, 8080)).toBe(`web ${from}`);
    }
  });
});

describe('vxlan ADD', () => {
  it('makes the device and what leads to each peer, marked as ours', () => {
    call(1, 'ADD', config(1));
    const text = device();
    expect(text).toMatch(/vxlan id 1 local 192.0.2.1 dev up0 .*dstport 8472 .*nolearning/);
    expect(text).toContain('link/ether 02:01:c0:00:02:01');
    expect(text).toContain('alias podwire:overlay');
    const patterns = [2, 3].flatMap((peer) => [
      new RegExp(`^unicast 10.244.${peer}.0/24 via 10.244.${peer}.0 .*onlink`),
      new RegExp(`^unicast fd00:244:0:${peer}::/64 via fd00:244:0:${peer}:: .*onlink`),
      new RegExp(`^10.244.${peer}.0 lladdr 02:01:c0:00:02:0${peer} .*PERMANENT proto 112`),
      new RegExp(`^fd00:244:0:${peer}:: lladdr 02:01:c0:00:02:0${peer} .*PERMANENT proto 112`),
      new RegExp(`^02:01:c0:00:02:0${peer} dst 192.0.2.${peer} self extern_learn permanent`),
    ]);
    const found = overlay(1);
    expect(patterns.filter((pattern) => !found.some((line) => pattern.test(line)))).toEqual([]);
    expect(found).toHaveLength(patterns.length);
    expect(exec('ip', '-br', 'addr', 'show', 'vxlan.1')).toMatch(
      /10.244.1.0\/32 .*fd00:244:0:1::\/128/,
    );
  });

  it.each(['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'])('answers in version %s', (cniVersion) => {
    const { status, json } = call(1, 'ADD', config(1, { cniVersion }));
    expect(status).toBe(0);
    expect(json).toMatchObject({
      cniVersion,
      interfaces: [{ name: 'br0' }, {}, { name: 'eth0', sandbox: podPath(1) }],
      ips: [
        { interface: 2, address: '10.244.1.2/24' },
        { interface: 2, address: 'fd00:244:0:1::2/64' },
      ],
      routes: [
        { dst: '0.0.0.0/0', gw: '10.244.1.1' },
        { dst: '::/0', gw: 'fd00:244:0:1::1' },
      ],
    });
    const [ip] = json.ips as object[];
    expect('version' in (ip ?? {})).toBe(cniVersion.startsWith('0.'));
    expect('dns' in json).toBe(cniVersion.startsWith('0.'));
    expect(call(1, 'DEL', config(1, { cniVersion, prevResult: json }))).toMatchObject(success);
  });

  it.each(['0.1.0', '0.2.0', ''])('answers in version "%s"', (cniVersion) => {
    expect(call(1, 'ADD', config(1, { cniVersion })).json).toEqual({
      cniVersion: cniVersion || '0.1.0',
      ip4: {
        ip: '10.244.1.2/24',
        gateway: '10.244.1.1',
        routes: [{ dst: '0.0.0.0/0', gw: '10.244.1.1' }],
      },
      ip6: {
        ip: 'fd00:244:0:1::2/64',
        gateway: 'fd00:244:0:1::1',
        routes: [{ dst: '::/0', gw: 'fd00:244:0:1::1' }],
      },
      dns: {},
    });
    expect(call(1, 'DEL', config(1, { cniVersion }))).toMatchObject(success);
  });

  it('passes what is of bridge on to it', () => {
    const mac = '0a:00:00:00:00:07';
    const more = { bridge: 'pods', hairpinMode: true, isDefaultGateway: false, mac, MTU: 1400 };
    const { json } = call(1, 'ADD', config(1, more));
    expect(json.interfaces).toMatchObject([{ name: 'pods' }, {}, { name: 'eth0', mac }]);
    expect(json.routes).toBe(undefined);
    expect(inPod(1, 'ip', 'link', 'show', 'eth0')).toContain('mtu 1400');
    expect(device()).toContain('mtu 1400');
    const ports = exec('bridge', '-d', 'link', 'show');
    expect(ports).toContain('hairpin on');
    const { status } = call(2, 'ADD', config(2, { isGateway: false }));
    expect(status).toBe(0);
    expect(node(2).exec('ip', '-br', 'addr', 'show', 'br0')).not.toContain('10.244.2.1');
  });

  it('finds underlay and address by the default route, by link or by address', () => {
    const underlays: [Json, RegExp][] = [
      [{ local: '', master: 'up0' }, /local 192.0.2.1 dev up0/],
      [{ local: '2001:db8::1', peers: [] }, /local 2001:db8::1 dev up0/],
      [{ local: '192.0.2.1', master: 'lo', mtu: 1400 }, /local 192.0.2.1 dev lo/],
    ];
    for (const [more, expected] of underlays) {
      expect(call(1, 'ADD', config(1, more)).json.msg).toBe(undefined);
      expect(device()).toMatch(expected);
      call(1, 'DEL', config(1));
    }
    exec('ip', '-6', 'route', 'add', 'default', 'via', '2001:db8::2');
    expect(call(1, 'ADD', config(1, { local: '', peers: [] })).status).toBe(0);
    expect(device()).toContain('local 2001:db8::1 dev up0');
    call(1, 'DEL', config(1));
    exec('ip', 'route', 'add', 'default', 'via', '192.0.2.2');
    expect(call(1, 'ADD', config(1, { local: '' })).status).toBe(0);
    expect(device()).toContain('local 192.0.2.1 dev up0');
  });

  it('takes the MAC addresses that a list of all nodes names, its own too', () => {
    const peers = NODES.flatMap((each) =>
      entriesOf(each).map((entry) => ({ ...entry, mac: `0a:00:00:00:00:0${each}` })),
    );
    addAll({ peers });
    expect(device()).toContain('link/ether 0a:00:00:00:00:01');
    expect(reaches(1, '10.244.3.2')).toBe(true);
    expect(reaches(3, 'fd00:244:0:2::2')).toBe(true);
  });

  it('mixes with a node that has what flannel makes', () => {
    const mac = '0a:00:00:00:00:02';
    expect(
      call(1, 'ADD', config(1, { peers: entriesOf(2).map((each) => ({ ...each, mac })) })).status,
    ).toBe(0);
    const flannel = (...args: string[]): string => node(2).exec(...(args as [string, ...string[]]));
    const options = 'id 1 dstport 8472 local 192.0.2.2 dev up0 nolearning';
    for (const command of [
      `ip link add flannel.1 address ${mac} mtu 1450 type vxlan ${options}`,
      'ip addr add 10.244.2.0/32 dev flannel.1',
      'ip link set flannel.1 up',
      'ip neigh add 10.244.1.0 lladdr 02:01:c0:00:02:01 dev flannel.1 nud permanent',
      'bridge fdb add 02:01:c0:00:02:01 dev flannel.1 dst 192.0.2.1 self permanent',
      'ip route add 10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink',
      'ip addr add 10.244.2.1/24 dev lo',
    ]) {
      flannel(...command.split(' '));
    }
    expect(reaches(1, '-M', 'do', '-s', '1422', '10.244.2.1')).toBe(true);
    expect(flannel('ping', '-c1', '-W2', '-I', '10.244.2.0', '10.244.1.2')).toContain('1 received');
  });

  it('takes subnets from where they are said, and gives peers of its own families alone', () => {
    const { dataDir } = config(1).ipam as { dataDir: string };
    const flat = { type: 'host-local', dataDir, subnet: '10.244.1.0/24' };
    expect(call(1, 'ADD', config(1, { ipam: flat })).status).toBe(0);
    expect(overlay(1).filter((line) => line.includes('fd00'))).toEqual([]);
    expect(overlay(1)).toHaveLength(6);
    const narrow = config(1, { subnets: ['10.244.1.0/25'] });
    expect(call(1, 'ADD', narrow, { CNI_IFNAME: 'eth1' }).status).toBe(0);
    expect(exec('ip', '-br', 'addr', 'show', 'vxlan.1')).toContain('10.244.1.0/32');
    const ipRanges = [[{ subnet: '10.245.1.0/24' }]];
    const ipam = { type: 'host-local', dataDir };
    const capable = config(1, { ipam, runtimeConfig: { ipRanges }, forceAddress: true });
    expect(call(1, 'ADD', capable, { CNI_IFNAME: 'eth2' }).status).toBe(0);
    const addresses = exec('ip', '-br', 'addr', 'show', 'vxlan.1');
    expect(addresses).toContain('10.245.1.0/32');
    // The node has that subnet no longer.
    expect(addresses).not.toContain('10.244.1.0/32');
    // The list of all nodes has this one, too.
    const listed = config(1, { ipam: {} });
    expect(call(1, 'ADD', listed, { CNI_IFNAME: 'eth3' }).status).toBe(0);
    expect(exec('ip', '-br', 'addr', 'show', 'vxlan.1')).toMatch(/10.244.1.0.*fd00:244:0:1::/);
  });

  it('reads peers from a lease file, and changes nothing while it can not be read', () => {
    const leaseFile = path('leases.json');
    const wanted = config(1, { peers: [], leaseFile });
    const retry = { code: 11, msg: expect.stringContaining(`leaseFile: expected`) };
    const isMissing = { ...retry, details: expect.stringContaining('ENOENT') };
    expect(call(1, 'ADD', wanted).json).toMatchObject(isMissing);
    expect(hasDevice()).toBe(false);
    const leases = JSON.stringify({ peers: NODES.flatMap((each) => entriesOf(each)) });
    writeFileSync(leaseFile, leases);
    expect(call(1, 'ADD', wanted).status).toBe(0);
    const before = overlay(1);
    expect(before).toHaveLength(10);
    const env = { CNI_CONTAINERID: 'b', CNI_IFNAME: 'eth1' };
    for (const torn of ['', leases.slice(0, 100), '[]', '\u0000\u0000']) {
      writeFileSync(leaseFile, torn);
      expect(call(1, 'ADD', wanted, env).json).toMatchObject(retry);
      expect(call(1, 'GC', wanted).json).toMatchObject(retry);
      expect(call(1, 'STATUS', wanted).json).toMatchObject({ ...retry, code: 50 });
      expect(overlay(1)).toEqual(before);
    }
    writeFileSync(leaseFile, ' '.repeat((16 << 20) + 1));
    expect(call(1, 'ADD', wanted, env).json).toMatchObject({
      ...retry,
      details: 'expected at most 16777216 bytes',
    });
    execFileSync('mkfifo', [path('fifo')]);
    const fifo = config(1, { peers: [], leaseFile: path('fifo') });
    expect(call(1, 'ADD', fifo, env).json.details).toBe('expected a regular file');
    writeFileSync(leaseFile, JSON.stringify({ peers: [{ subnet: 'x', endpoint: 'y' }] }));
    expect(call(1, 'ADD', wanted, env).json).toMatchObject({
      code: 7,
      msg: `${leaseFile}.peers[0].subnet: expected an IP prefix such as 10.1.0.0/16, got "x"`,
    });
    writeFileSync(leaseFile, JSON.stringify({ peers: entriesOf(2) }));
    expect(call(1, 'ADD', wanted, env).status).toBe(0);
    expect(overlay(1)).toHaveLength(5);
  });

  it('removes what leads to a peer that left, and nothing that others made', () => {
    call(1, 'ADD', config(1));
    exec('ip', 'route', 'add', '10.77.0.0/16', 'dev', 'vxlan.1');
    exec('ip', 'neigh', 'add', '10.77.0.1', 'lladdr', '0a:00:00:00:00:77', 'dev', 'vxlan.1');
    exec('bridge', 'fdb', 'add', '0a:00:00:00:00:77', 'dev', 'vxlan.1', 'dst', '192.0.2.77');
    const peers = entriesOf(3);
    expect(call(1, 'ADD', config(1, { peers }), { CNI_IFNAME: 'eth1' }).status).toBe(0);
    const left = overlay(1);
    expect(left.filter((line) => /10.244.2|0:2::|02:02\b/.test(line))).toEqual([]);
    expect(left.filter((line) => line.includes(':77'))).toHaveLength(2);
    expect(left).toHaveLength(7);
    expect(exec('ip', 'route')).toContain('10.77.0.0/16 dev vxlan.1');
    expect(call(1, 'CHECK', config(1, { peers, prevResult: {} })).json.msg).toContain('prevResult');
  });

  it('mends whatever was lost', () => {
    call(1, 'ADD', config(1));
    call(2, 'ADD', config(2));
    const before = overlay(1);
    const first = ifindex();
    let count = 0;
    const mended = (): void => {
      count += 1;
      const { status, stdout } = call(1, 'ADD', config(1), { CNI_IFNAME: `eth${count}` });
      expect(status, stdout).toBe(0);
      expect(overlay(1)).toEqual(before);
      expect(reaches(1, '10.244.2.2')).toBe(true);
      expect(reaches(1, 'fd00:244:0:2::2')).toBe(true);
    };
    exec('ip', 'neigh', 'flush', 'dev', 'vxlan.1', 'nud', 'permanent');
    exec('ip', 'route', 'del', '10.244.2.0/24');
    exec('bridge', 'fdb', 'del', '02:01:c0:00:02:02', 'dev', 'vxlan.1');
    exec('ip', 'link', 'set', 'vxlan.1', 'mtu', '1300', 'address', '0a:00:00:00:00:09');
    mended();
    exec('ip', 'link', 'set', 'vxlan.1', 'down');
    mended();
    exec('ip', 'addr', 'flush', 'dev', 'vxlan.1');
    exec('ip', 'neigh', 'replace', '10.244.2.0', 'lladdr', '0a:00:00:00:00:09', 'dev', 'vxlan.1');
    exec('bridge', 'fdb', 'replace', '02:01:c0:00:02:02', 'dev', 'vxlan.1', 'dst', '192.0.2.9');
    mended();
    expect(ifindex()).toBe(first);
    exec('ip', 'link', 'del', 'vxlan.1');
    mended();
  });

  it('makes the device anew when it has to be another, and pods keep working', () => {
    addAll();
    for (const more of [{ port: 4789 }, { id: 7 }, { id: 7, port: 4790 }]) {
      for (const each of NODES) {
        const env = { CNI_CONTAINERID: `c${JSON.stringify(more).length}`, CNI_IFNAME: 'eth1' };
        expect(call(each, 'ADD', config(each, more), env).status).toBe(0);
        expect(call(each, 'DEL', config(each, more), env)).toMatchObject(success);
      }
      expect(reaches(1, '10.244.2.2')).toBe(true);
      expect(reaches(2, 'fd00:244:0:3::2')).toBe(true);
      const [only, ...others] = exec('ip', '-d', '-o', 'link', 'show', 'type', 'vxlan')
        .trimEnd()
        .split('\n');
      expect(others).toEqual([]);
      expect(only).toContain(`vxlan.${more.id ?? 1}`);
      expect(only).toContain(`dstport ${more.port ?? 8472}`);
    }
    exec('ip', 'addr', 'add', '192.0.2.11/24', 'dev', 'up0');
    const moved = config(1, { id: 7, port: 4790, local: '192.0.2.11' });
    expect(call(1, 'ADD', moved, { CNI_IFNAME: 'eth1' }).json.code).toBe(7);
    const peers = [...entriesOf(2), ...entriesOf(3)];
    expect(call(1, 'ADD', { ...moved, peers }, { CNI_IFNAME: 'eth1' }).status).toBe(0);
    expect(exec('ip', '-d', 'link', 'show', 'vxlan.7')).toContain('local 192.0.2.11');
  });

  it('follows the MTU of the underlay', () => {
    call(1, 'ADD', config(1));
    expect(device()).toContain('mtu 1450 ');
    for (const [underlay, expected] of [
      [1400, 1350],
      [9000, 8950],
    ] as const) {
      exec('ip', 'link', 'set', 'up0', 'mtu', `${underlay}`);
      const env = { CNI_IFNAME: `eth${underlay}` };
      expect(call(1, 'ADD', config(1), env).status).toBe(0);
      expect(device()).toContain(`mtu ${expected} `);
      expect(inPod(1, 'ip', 'link', 'show', `eth${underlay}`)).toContain(`mtu ${expected} `);
    }
  });

  it('wires a pod without addresses where there is no IPAM', () => {
    const bare = config(1, { ipam: {}, subnets: ['10.244.1.0/24'] });
    const { status, json } = call(1, 'ADD', bare);
    expect(status).toBe(0);
    expect(json.ips).toBe(undefined);
    expect(overlay(1)).toHaveLength(6);
    expect(call(1, 'CHECK', { ...bare, prevResult: json })).toMatchObject(success);
    expect(call(1, 'DEL', bare)).toMatchObject(success);
  });
});

describe.each(['nftables', 'iptables'])('vxlan with ipMasq by %s', (ipMasqBackend) => {
  it('leaves packets between nodes as they are, and hides pods from everyone else', async () => {
    const network = ['10.244.0.0/16', 'fd00:244::/48'];
    addAll({ ipMasq: true, ipMasqBackend, network });
    using server = Netns.open(podPath(2));
    using client = Netns.open(podPath(1));
    for (const [family, pod, outside, seen, hidden] of [
      [4, '10.244.2.2', '192.0.2.3', '10.244.1.2', '192.0.2.1'],
      [6, 'fd00:244:0:2::2', '2001:db8::3', 'fd00:244:0:1::2', '2001:db8::1'],
    ] as const) {
      await using _pod = await startEcho(server, 'pod', 'tcp', family, 8080);
      await using _host = await startEcho(node(3).netns, 'host', 'tcp', family, 8081);
      expect(ask(client, 'tcp', pod, 8080)).toBe(`pod ${seen}`);
      expect(ask(client, 'tcp', outside, 8081)).toBe(`host ${hidden}`);
    }
    const masquerading = config(1, { ipMasq: true, ipMasqBackend, network });
    const { json } = call(1, 'ADD', masquerading, { CNI_IFNAME: 'eth1' });
    const env = { CNI_IFNAME: 'eth1' };
    const checking = { ...masquerading, prevResult: json };
    expect(call(1, 'CHECK', checking, env)).toMatchObject(success);
    exec('nft', 'flush', 'ruleset');
    expect(call(1, 'CHECK', checking, env).json.msg).toContain('missing masquerade rule');
    for (const CNI_IFNAME of ['eth0', 'eth1']) {
      expect(call(1, 'DEL', config(1), { CNI_IFNAME })).toMatchObject(success);
    }
    expect(exec('nft', 'list', 'ruleset')).not.toMatch(/10\.244\.1|CNI-[0-9a-f]{24}/);
  });
});
