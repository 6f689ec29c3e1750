import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createNamedNetns, deleteNamedNetns } from '../../../src/sys/netns.ts';
import { useBridge } from './bridge-fixture.ts';
import { callPlugin, type PluginAnswer, startPlugin } from './plugin-fixture.ts';

const fixture = useBridge('bridge');
const { call, config, ip, node, podIp, podPath, veths } = fixture;

describe('bridge ADD', () => {
  it('wires the pod, and says what it made', () => {
    const answer = call('ADD', config({ mtu: 1400, mac: '0a:00:00:00:00:07', hairpinMode: true }));
    expect(answer.stderr).toBe('');
    expect(answer.status).toBe(0);
    const [veth] = veths();
    const links = ip('addr');
    const bridge = links.find((link) => link.ifname === 'br0');
    expect(answer.json).toEqual({
      cniVersion: '1.1.0',
      interfaces: [
        { name: 'br0', mac: bridge?.address },
        { name: veth, mac: links.find((link) => link.ifname === veth)?.address },
        { name: 'eth0', mac: '0a:00:00:00:00:07', sandbox: podPath },
      ],
      ips: [
        { interface: 2, address: '10.1.2.2/24', gateway: '10.1.2.1' },
        { interface: 2, address: 'fd00:1::2/64', gateway: 'fd00:1::1' },
      ],
      routes: [
        { dst: '0.0.0.0/0', gw: '10.1.2.1' },
        { dst: '::/0', gw: 'fd00:1::1' },
      ],
    });
    expect(bridge?.addr_info).toContainEqual(
      expect.objectContaining({ local: '10.1.2.1', prefixlen: 24 }),
    );
    expect(bridge?.addr_info).toContainEqual(
      expect.objectContaining({ local: 'fd00:1::1', prefixlen: 64 }),
    );
    expect(links.find((link) => link.ifname === veth)?.master).toBe('br0');
    const [eth0] = podIp('addr', 'show', 'eth0');
    expect(eth0?.flags).toContain('UP');
    expect([bridge?.mtu, eth0?.mtu]).toEqual([1400, 1400]);
    expect(eth0?.addr_info).toContainEqual(
      expect.objectContaining({ local: '10.1.2.2', prefixlen: 24 }),
    );
    expect(podIp('route')).toContainEqual(
      expect.objectContaining({ dst: 'default', gateway: '10.1.2.1' }),
    );
    expect(node.exec('cat', '/proc/sys/net/ipv4/ip_forward')).toBe('1\n');
  });

  it('finishes a bridge that another ADD was killed while making', () => {
    node.exec('ip', 'link', 'add', 'br0', 'type', 'bridge');
    expect(call('ADD', config()).status).toBe(0);
    const dad = node.exec('cat', '/proc/sys/net/ipv6/conf/br0/accept_dad');
    expect(dad).toBe('0\n');
  });

  it('lets the pod reach its gateway in both families', () => {
    call('ADD', config());
    for (const gateway of ['10.1.2.1', 'fd00:1::1']) {
      expect(
        node.exec('ip', 'netns', 'exec', fixture.podName, 'ping', '-c1', '-W2', gateway),
      ).toContain('1 received');
    }
  });

  it.each(['0.2.0', ''])('answers in version "%s"', (cniVersion) => {
    expect(call('ADD', config({ cniVersion })).json).toEqual({
      cniVersion: cniVersion || '0.1.0',
      ip4: {
        ip: '10.1.2.2/24',
        gateway: '10.1.2.1',
        routes: [{ dst: '0.0.0.0/0', gw: '10.1.2.1' }],
      },
      ip6: {
        ip: 'fd00:1::2/64',
        gateway: 'fd00:1::1',
        routes: [{ dst: '::/0', gw: 'fd00:1::1' }],
      },
      dns: {},
    });
    expect(call('DEL', config({ cniVersion })).status).toBe(0);
  });

  it('needs no IPAM for an interface without addresses', () => {
    const answer = call('ADD', { ...config(), ipam: {} });
    expect(answer.json.ips).toBeUndefined();
    expect(podIp('link', 'show', 'eth0')[0]?.flags).toContain('UP');
    expect(call('DEL', { ...config(), ipam: {} }).status).toBe(0);
  });

  it('takes the MAC address of the runtime before that of args, CNI_ARGS and the configuration', () => {
    const wishes: [object, Record<string, string>, number][] = [
      [{ mac: '06:00:00:00:00:01' }, {}, 1],
      [{}, { CNI_ARGS: 'MAC=06:00:00:00:00:02' }, 2],
      [{ args: { cni: { mac: '06:00:00:00:00:03' } } }, {}, 3],
      [{ runtimeConfig: { mac: '06:00:00:00:00:04' } }, {}, 4],
    ];
    let more = {};
    let env = {};
    for (const [wish, args, last] of wishes) {
      more = { ...more, ...wish };
      env = { ...env, ...args };
      const mac = `06:00:00:00:00:0${last}`;
      expect(call('ADD', config(more), env).json.interfaces).toMatchObject([{}, {}, { mac }]);
      expect(podIp('link', 'show', 'eth0')[0]?.address).toBe(mac);
      expect(call('DEL', config(more), env).status).toBe(0);
    }
  });

  it.each([
    ['10.0.0.1/8', '10.1.0.0/16', ['10.1.0.1/16']],
    ['2001:db8:1::1/48', '2001:db8:1:2::/64', ['2001:db8:1:2::1/64']],
    ['2001:db8:1:2::1/64', 'fd00:1234::/64', ['2001:db8:1:2::1/64', 'fd00:1234::1/64']],
    ['10.1.0.1/16', '10.1.0.0/16', ['10.1.0.1/16']],
  ])('with %s on the bridge and pods in %s has %j', (there, subnet, expected) => {
    node.exec('ip', 'link', 'add', 'br0', 'type', 'bridge');
    node.exec('ip', 'addr', 'add', there, 'dev', 'br0');
    const addresses = (): string[] =>
      (ip('addr', 'show', 'br0')[0]?.addr_info ?? [])
        .map(({ local, prefixlen }) => `${local}/${prefixlen}`)
        .filter((text) => !text.startsWith('fe80:'));
    if (!expected.includes(there)) {
      expect(call('ADD', config({}, { subnet })).json.msg).toBe(
        `failed to set bridge addr: "br0" already has an IP address different from ${expected[0]}`,
      );
      expect(addresses()).toEqual([there]);
    }
    expect(call('ADD', config({ forceAddress: true }, { subnet })).status).toBe(0);
    expect(addresses().toSorted()).toEqual(expected);
  });

  it('gives a bridge an address of its own that lost it with its last port', () => {
    node.exec('ip', 'link', 'add', 'br0', 'type', 'bridge');
    node.exec('ip', 'link', 'add', 'p', 'type', 'veth', 'peer', 'name', 'q');
    node.exec('ip', 'link', 'set', 'p', 'master', 'br0');
    node.exec('ip', 'link', 'del', 'p');
    expect(ip('link', 'show', 'br0')[0]?.address).toBe('00:00:00:00:00:00');
    const { status, json } = call('ADD', config());
    expect(status).toBe(0);
    const address = ip('link', 'show', 'br0')[0]?.address ?? '';
    expect(address).toMatch(/^.[26ae]:/);
    expect(json.interfaces).toMatchObject([{ mac: address }, {}, {}]);
    expect(call('DEL', config()).status).toBe(0);
    expect(ip('link', 'show', 'br0')[0]?.address).toBe(address);
  });

  it('adds no second default route to one that IPAM gave without a gateway', () => {
    const ipam = { subnet: '10.1.2.0/24', routes: [{ dst: '0.0.0.0/0' }] };
    // The reference adds the same route twice, and fails.
    expect(call('ADD', config({}, ipam)).json.routes).toEqual([{ dst: '0.0.0.0/0' }]);
    expect(fixture.inPod('ip', 'route', 'show', 'default').trim()).toBe(
      'default via 10.1.2.1 dev eth0',
    );
  });

  it('keeps isolated pods apart, and lets them reach their gateway', () => {
    const path = `/run/netns/podwire-bridge-other-${process.pid}`;
    createNamedNetns(path);
    try {
      const isolated = config({ portIsolation: true });
      expect(call('ADD', isolated).status).toBe(0);
      expect(call('ADD', isolated, { CNI_CONTAINERID: 'b', CNI_NETNS: path }).status).toBe(0);
      const ping = (target: string): string =>
        fixture.inPod('sh', '-c', `ping -c1 -W1 ${target} || true`);
      expect(ping('10.1.2.1')).toContain('1 received');
      expect(ping('10.1.2.3')).toContain('0 received');
    } finally {
      deleteNamedNetns(path);
    }
  });
});

describe('bridge STATUS', () => {
  it('is well before there is a bridge, and after', () => {
    const conf = config({ ipMasq: true, macspoofchk: true });
    for (const verb of ['STATUS', 'ADD', 'STATUS']) {
      expect([verb, call(verb, conf).status]).toEqual([verb, 0]);
    }
  });

  it('says that the name is taken', () => {
    node.exec('ip', 'link', 'add', 'br0', 'type', 'veth', 'peer', 'name', 'x');
    expect(call('STATUS', config()).json).toEqual({
      code: 50,
      msg: '"br0" already exists but is not a bridge',
    });
  });

  it('passes on what IPAM says', () => {
    const other = { code: 999, msg: expect.stringContaining('failed to find plugin "nowhere"') };
    expect(call('STATUS', config({ ipam: { type: 'nowhere' } })).json).toMatchObject(other);
  });
});

describe('two hundred pods at once', () => {
  const paths = Array.from(
    { length: 200 },
    (_, index) => `/run/netns/podwire-many-${process.pid}-${index}`,
  );
  beforeEach(() => paths.forEach(createNamedNetns));
  afterEach(() => paths.forEach(deleteNamedNetns));

  it('get addresses of their own, and leave nothing but the lock and the last address', async () => {
    const conf = config({}, { ranges: [[{ subnet: '10.1.0.0/16' }]] });
    const all = (verb: string): Promise<PluginAnswer[]> =>
      Promise.all(
        paths.map((path, index) => {
          const env = { CNI_CONTAINERID: `pod-${index}`, CNI_NETNS: path };
          return startPlugin({ type: 'bridge', verb, config: conf, env }, node.netns);
        }),
      );
    const added = await all('ADD');
    expect(added.filter(({ status }) => status !== 0)).toEqual([]);
    const given = added.map(({ json }) => (json.ips as { address: string }[])[0]?.address);
    expect(new Set(given).size).toBe(200);
    expect(veths()).toHaveLength(200);
    const removed = await all('DEL');
    expect(removed.filter(({ status }) => status !== 0)).toEqual([]);
    expect(veths()).toEqual([]);
    expect(readdirSync(join(fixture.dataDir(), 'net')).sort()).toEqual([
      'last_reserved_ip.0',
      'lock',
    ]);
  }, 180_000);
});

describe('loopback', () => {
  it('goes up and down', () => {
    const conf = { cniVersion: '1.0.0', name: 'net', type: 'loopback' };
    const loopback = (verb: string): PluginAnswer =>
      callPlugin(
        { type: 'loopback', verb, config: conf, env: { CNI_CONTAINERID: 'a', CNI_NETNS: podPath } },
        node.netns,
      );
    expect(loopback('ADD').json).toEqual({
      cniVersion: '1.0.0',
      interfaces: [{ name: 'lo', mac: '00:00:00:00:00:00', sandbox: podPath }],
      ips: [
        { interface: 0, address: '127.0.0.1/8' },
        { interface: 0, address: '::1/128' },
      ],
    });
    expect(loopback('CHECK').status).toBe(0);
    expect(loopback('DEL').status).toBe(0);
    expect(podIp('link', 'show', 'lo')[0]?.flags).not.toContain('UP');
    expect(loopback('CHECK').json.msg).toBe('loopback interface is down');
  });
});
