import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createNamedNetns, deleteNamedNetns } from '../../../src/sys/netns.ts';
import { useNetns } from '../netns-fixture.ts';
import { callPlugin, type PluginAnswer, startPlugin } from './plugin-fixture.ts';

const fixture = useNetns('node');
const podPath = `/run/netns/podwire-pod-${process.pid}`;
const podName = `podwire-pod-${process.pid}`;
let dataDir: string;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'podwire-bridge-'));
  createNamedNetns(podPath);
});
afterEach(() => {
  deleteNamedNetns(podPath);
  rmSync(dataDir, { recursive: true, force: true });
});

const ranges = [[{ subnet: '10.1.2.0/24' }], [{ subnet: 'fd00:1::/64' }]];

const config = (more: object = {}, ipam: object = { ranges }): Record<string, unknown> => ({
  cniVersion: '1.1.0',
  name: 'net',
  type: 'bridge',
  bridge: 'br0',
  isDefaultGateway: true,
  ipam: { type: 'host-local', dataDir, ...ipam },
  ...more,
});

function call(verb: string, conf: object, env: Record<string, string> = {}): PluginAnswer {
  const base = { CNI_CONTAINERID: 'a', CNI_NETNS: podPath };
  return callPlugin(
    { type: 'bridge', verb, config: conf, env: { ...base, ...env } },
    fixture.netns,
  );
}

interface IpLink {
  ifname: string;
  address: string;
  master?: string;
  mtu: number;
  flags: string[];
  addr_info: { local: string; prefixlen: number }[];
}

const node = (...args: string[]): IpLink[] =>
  JSON.parse(fixture.exec('ip', '-j', ...args)) as IpLink[];
const pod = (...args: string[]): IpLink[] =>
  JSON.parse(fixture.exec('ip', '-n', podName, '-j', ...args)) as IpLink[];
const reservations = (): string[] =>
  existsSync(join(dataDir, 'net'))
    ? readdirSync(join(dataDir, 'net')).filter((file) => !/^(lock|last)/.test(file))
    : [];
const veths = (): string[] =>
  node('link')
    .map((link) => link.ifname)
    .filter((name) => name.startsWith('veth'));

describe('bridge ADD', () => {
  it('wires the pod, and says what it made', () => {
    const answer = call('ADD', config({ mtu: 1400, mac: '0a:00:00:00:00:07', hairpinMode: true }));
    expect(answer.stderr).toBe('');
    expect(answer.status).toBe(0);
    const [veth] = veths();
    const links = node('addr');
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
    const [eth0] = pod('addr', 'show', 'eth0');
    expect(eth0?.flags).toContain('UP');
    expect([bridge?.mtu, eth0?.mtu]).toEqual([1400, 1400]);
    expect(eth0?.addr_info).toContainEqual(
      expect.objectContaining({ local: '10.1.2.2', prefixlen: 24 }),
    );
    expect(pod('route')).toContainEqual(
      expect.objectContaining({ dst: 'default', gateway: '10.1.2.1' }),
    );
    expect(fixture.exec('cat', '/proc/sys/net/ipv4/ip_forward')).toBe('1\n');
  });

  it('finishes a bridge that another ADD was killed while making', () => {
    fixture.exec('ip', 'link', 'add', 'br0', 'type', 'bridge');
    expect(call('ADD', config()).status).toBe(0);
    const dad = fixture.exec('cat', '/proc/sys/net/ipv6/conf/br0/accept_dad');
    expect(dad).toBe('0\n');
  });

  it('lets the pod reach its gateway in both families', () => {
    call('ADD', config());
    for (const gateway of ['10.1.2.1', 'fd00:1::1']) {
      expect(fixture.exec('ip', 'netns', 'exec', podName, 'ping', '-c1', '-W2', gateway)).toContain(
        '1 received',
      );
    }
  });

  it.each(['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'])('answers in version %s', (cniVersion) => {
    const { json } = call('ADD', config({ cniVersion }));
    expect(json.cniVersion).toBe(cniVersion);
    const [ip] = json.ips as object[];
    expect('version' in (ip ?? {})).toBe(cniVersion.startsWith('0.'));
    expect('dns' in json).toBe(cniVersion.startsWith('0.'));
    expect(call('DEL', config({ cniVersion })).status).toBe(0);
  });

  it.each(['0.1.0', '0.2.0', ''])('answers in version "%s"', (cniVersion) => {
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

  it('takes back what version 0.2.0 cannot tell of', () => {
    const conf = { ...config({ cniVersion: '0.2.0' }), ipam: {} };
    expect(call('ADD', conf).json.msg).toBe('cannot convert: no valid IP addresses');
    expect(veths()).toEqual([]);
    expect(pod('link').map((link) => link.ifname)).toEqual(['lo']);
  });

  it('needs no IPAM for an interface without addresses', () => {
    const answer = call('ADD', { ...config(), ipam: {} });
    expect(answer.json.ips).toBeUndefined();
    expect(pod('link', 'show', 'eth0')[0]?.flags).toContain('UP');
    expect(call('DEL', { ...config(), ipam: {} }).status).toBe(0);
  });

  it.each([
    [
      'the pool is empty',
      {},
      { subnet: '10.1.2.0/30', rangeStart: '10.1.2.1', rangeEnd: '10.1.2.1' },
      'no IP addresses available',
    ],
    [
      'IPAM does not exist',
      { ipam: { type: 'nowhere' } },
      {},
      'failed to find plugin "nowhere" in path',
    ],
    [
      'a route cannot be',
      {},
      { ranges, routes: [{ dst: '192.0.2.0/24', gw: '203.0.113.1' }] },
      'ENETUNREACH',
    ],
    [
      'the bridge has another address',
      {},
      { subnet: '10.9.0.0/16' },
      'already has an IP address different from 10.9.0.1/16',
    ],
  ])('leaves nothing when %s', (what, more, ipam, message) => {
    if (what.startsWith('the bridge')) {
      fixture.exec('ip', 'link', 'add', 'br0', 'type', 'bridge');
      fixture.exec('ip', 'addr', 'add', '10.8.0.1/16', 'dev', 'br0');
    }
    const answer = call('ADD', config(more, ipam));
    expect(answer.status).toBe(1);
    expect(answer.json.msg).toContain(message);
    expect(veths()).toEqual([]);
    expect(pod('link').map((link) => link.ifname)).toEqual(['lo']);
    expect(reservations()).toEqual([]);
  });

  it('refuses an interface that is there, and keeps it', () => {
    call('ADD', config());
    const answer = call('ADD', config(), { CNI_CONTAINERID: 'b' });
    expect(answer.json.msg).toBe('container veth name provided (eth0) already exists');
    expect(veths()).toHaveLength(1);
    expect(reservations()).toEqual(['10.1.2.2', 'fd00:1::2']);
  });

  it('refuses a link of another kind, and bad configurations', () => {
    fixture.exec('ip', 'link', 'add', 'br0', 'type', 'veth', 'peer', 'name', 'x');
    expect(call('ADD', config()).json.msg).toBe('"br0" already exists but is not a bridge');
    expect(call('ADD', config({ ipMasqBackend: 'x' })).json).toEqual({
      code: 7,
      msg: 'unknown ipmasq backend "x"',
      details: 'ipMasqBackend: expected nftables or iptables',
    });
    expect(call('ADD', config({ hairpinMode: true, promiscMode: true })).json.code).toBe(7);
  });

  it.each([
    [{ vlan: -100 }, 'invalid VLAN ID -100 (must be between 0 and 4094)'],
    [{ vlan: 5000 }, 'invalid VLAN ID 5000 (must be between 0 and 4094)'],
    [
      { vlanTrunk: [{ minID: 5 }] },
      'minID and maxID should be configured simultaneously, maxID is missing',
    ],
    [
      { vlanTrunk: [{ maxID: 5 }] },
      'minID and maxID should be configured simultaneously, minID is missing',
    ],
    [{ vlanTrunk: [{ minID: 0, maxID: 5 }] }, 'incorrect trunk minID parameter'],
    [{ vlanTrunk: [{ minID: 5, maxID: 4095 }] }, 'incorrect trunk maxID parameter'],
    [{ vlanTrunk: [{ minID: 9, maxID: 5 }] }, 'minID is greater than maxID in trunk parameter'],
    [{ vlanTrunk: [{ id: 0 }] }, 'incorrect trunk id parameter'],
    [{ vlanTrunk: 5 }, 'vlanTrunk: expected a list, got 5'],
    [
      { disableContainerInterface: true },
      'cannot use IPAM when DisableContainerInterface flag is set',
    ],
  ])('refuses %j', (more, msg) => {
    expect(call('ADD', config(more)).json).toMatchObject({ code: 7, msg });
    expect(veths()).toEqual([]);
  });

  it('leaves the interface down when it is told to', () => {
    const conf = { ...config({ disableContainerInterface: true }), ipam: {} };
    expect(call('ADD', conf).status).toBe(0);
    expect(pod('link', 'show', 'eth0')[0]?.flags).not.toContain('UP');
    expect(call('DEL', conf).status).toBe(0);
  });

  it('replaces the gateway when it is told to', () => {
    fixture.exec('ip', 'link', 'add', 'br0', 'type', 'bridge');
    fixture.exec('ip', 'addr', 'add', '10.8.0.1/16', 'dev', 'br0');
    expect(call('ADD', config({ forceAddress: true })).status).toBe(0);
    const local = node('addr', 'show', 'br0')[0]?.addr_info.map((info) => info.local);
    expect(local).toContain('10.1.2.1');
    expect(local).not.toContain('10.8.0.1');
  });
});

describe('bridge DEL', () => {
  it.each(['there', 'empty', 'missing', 'a plain file'])(
    'frees everything when the namespace is %s',
    (state) => {
      call('ADD', config());
      const env: Record<string, string> = {};
      const file = join(dataDir, 'plain');
      if (state === 'empty') env.CNI_NETNS = '';
      if (state === 'missing') env.CNI_NETNS = '/run/netns/podwire-none';
      if (state === 'a plain file') {
        writeFileSync(file, '');
        env.CNI_NETNS = file;
      }
      for (let round = 0; round < 2; round += 1) {
        expect(call('DEL', config(), env)).toMatchObject({ status: 0, stdout: '', stderr: '' });
      }
      expect(reservations()).toEqual([]);
      if (state === 'there') expect(veths()).toEqual([]);
    },
  );
});

describe('bridge CHECK', () => {
  it('holds while nothing changed, and names what did', () => {
    const prevResult = call('ADD', config()).json;
    const check = (): unknown => call('CHECK', config({ prevResult })).json.msg;
    expect(call('CHECK', config({ prevResult }))).toMatchObject({ status: 0, stdout: '' });
    expect(call('CHECK', config()).json.msg).toBe('Required prevResult missing');
    fixture.exec('ip', '-n', podName, 'route', 'del', 'default');
    expect(check()).toBe('expected route 0.0.0.0/0 via 10.1.2.1');
    fixture.exec('ip', '-n', podName, 'addr', 'del', '10.1.2.2/24', 'dev', 'eth0');
    expect(check()).toBe('expected address 10.1.2.2/24 on "eth0"');
    const [veth = ''] = veths();
    fixture.exec('ip', 'link', 'set', veth, 'nomaster');
    expect(check()).toBe(`interface "${veth}" is not a port of "br0"`);
    fixture.exec('ip', 'link', 'del', 'br0');
    expect(check()).toBe('bridge "br0" not found');
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
          return startPlugin({ type: 'bridge', verb, config: conf, env }, fixture.netns);
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
    expect(readdirSync(join(dataDir, 'net')).sort()).toEqual(['last_reserved_ip.0', 'lock']);
  }, 180_000);
});

describe('loopback', () => {
  it('goes up and down', () => {
    const conf = { cniVersion: '1.0.0', name: 'net', type: 'loopback' };
    const loopback = (verb: string): PluginAnswer =>
      callPlugin(
        { type: 'loopback', verb, config: conf, env: { CNI_CONTAINERID: 'a', CNI_NETNS: podPath } },
        fixture.netns,
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
    expect(pod('link', 'show', 'lo')[0]?.flags).not.toContain('UP');
    expect(loopback('CHECK').json.msg).toBe('loopback interface is down');
  });
});
