import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SPEC_VERSIONS } from '../../../src/cni/protocol/version.ts';
import { createNamedNetns, deleteNamedNetns } from '../../../src/sys/netns.ts';
import { useNetns } from '../netns-fixture.ts';
import { callPlugin, type PluginAnswer } from './plugin-fixture.ts';

/* ptp by its executable: real namespaces, real packets. */

const fixture = useNetns('ptp');
const podName = `podwire-ptp-pod-${process.pid}`;
const podPath = `/run/netns/${podName}`;
let dataDir: string;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'podwire-ptp-'));
  createNamedNetns(podPath);
});
afterEach(() => {
  deleteNamedNetns(podPath);
  rmSync(dataDir, { recursive: true, force: true });
});

const hostLocal = (more: object = {}): Record<string, unknown> => ({
  type: 'host-local',
  dataDir,
  ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: '2001:db8:1::/66' }]],
  routes: [{ dst: '0.0.0.0/0' }, { dst: '192.168.0.0/16' }, { dst: '::/0' }],
  ...more,
});

const config = (more: object = {}): Record<string, unknown> => ({
  cniVersion: '1.1.0',
  name: 'net',
  type: 'ptp',
  ipam: hostLocal(),
  ...more,
});

function call(verb: string, conf: object, env: Record<string, string> = {}): PluginAnswer {
  const base = { CNI_CONTAINERID: 'a', CNI_NETNS: podPath, PATH: process.env.PATH ?? '' };
  return callPlugin({ type: 'ptp', verb, config: conf, env: { ...base, ...env } }, fixture.netns);
}

const success = { status: 0, stdout: '', stderr: '' };
const lines = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('fe80::'));
const onNode = (...args: string[]): string => fixture.exec('ip', ...args);
const inPod = (...args: string[]): string => fixture.exec('ip', 'netns', 'exec', podName, ...args);
const podRoutes = (family: '-4' | '-6'): string[] => lines(inPod('ip', family, 'route'));
const nodeRoutes = (family: '-4' | '-6'): string[] =>
  lines(onNode(family, 'route')).map((line) => line.replace(/veth[0-9a-f]{8}/, 'veth'));
const hostEnds = (): string[] =>
  (JSON.parse(onNode('-j', 'link', 'show', 'type', 'veth')) as { ifname: string }[]).map(
    ({ ifname }) => ifname,
  );
const reservations = (): string[] =>
  existsSync(join(dataDir, 'net'))
    ? readdirSync(join(dataDir, 'net')).filter((file) => !/^(lock|last)/.test(file))
    : [];
const rules = (): string[] =>
  lines(fixture.exec('nft', 'list', 'ruleset')).filter((line) =>
    /10\.1\.2\.|CNI-[0-9a-f]/.test(line),
  );
const ping = (target: string): string => inPod('ping', '-c1', '-W2', target);

/** Nothing that ADD makes is there. */
function expectNothingLeft(): void {
  expect(hostEnds()).toEqual([]);
  expect(nodeRoutes('-4')).toEqual([]);
  expect(reservations()).toEqual([]);
  expect(rules()).toEqual([]);
}

describe.each(SPEC_VERSIONS)('ptp, version %s', (cniVersion) => {
  const hasCheck = cniVersion >= '0.4.0';

  it.each(['nftables', 'iptables'])('wires a pod, masqueraded by %s', (ipMasqBackend) => {
    const dns = {
      nameservers: ['10.1.2.123'],
      domain: 'some.domain.test',
      search: ['search.test'],
      options: ['option1:foo'],
    };
    const ipam = { type: 'host-local', dataDir, subnet: '10.1.2.0/24' };
    const conf = config({ cniVersion, ipMasq: true, ipMasqBackend, mtu: 5000, ipam, dns });
    const added = call('ADD', conf, { CNI_IFNAME: 'ptp0' });
    expect(added).toMatchObject({ status: 0, stderr: '', json: { cniVersion, dns } });
    if (cniVersion >= '0.3.0') {
      expect(added.json.interfaces).toEqual([
        { name: expect.stringMatching(/^veth/), mac: expect.stringMatching(/^.{17}$/) },
        { name: 'ptp0', mac: expect.stringMatching(/^.{17}$/), sandbox: podPath },
      ]);
      expect(added.json.ips).toMatchObject([
        { address: '10.1.2.2/24', gateway: '10.1.2.1', interface: 1 },
      ]);
    }
    expect(ping('10.1.2.1')).toContain('1 received');
    expect(inPod('ip', 'link', 'show', 'ptp0')).toContain('mtu 5000');
    expect(rules()).not.toEqual([]);
    const checked = call('CHECK', { ...conf, prevResult: added.json }, { CNI_IFNAME: 'ptp0' });
    if (hasCheck) expect(checked).toMatchObject(success);
    else expect(checked.json.msg).toBe('config version does not allow CHECK');
    expect(call('DEL', conf, { CNI_IFNAME: 'ptp0' })).toMatchObject(success);
    expectNothingLeft();
  });

  it('wires both families', () => {
    const added = call('ADD', config({ cniVersion }));
    expect(added).toMatchObject({ status: 0, stderr: '' });
    expect(ping('10.1.2.1')).toContain('1 received');
    // At once: nobody waits for duplicate address detection.
    expect(ping('2001:db8:1::1')).toContain('1 received');
    expect(podRoutes('-4')).toEqual([
      'default via 10.1.2.1 dev eth0',
      '10.1.2.0/24 via 10.1.2.1 dev eth0 src 10.1.2.2',
      '10.1.2.1 dev eth0 scope link src 10.1.2.2',
      '192.168.0.0/16 via 10.1.2.1 dev eth0',
    ]);
    expect(podRoutes('-6').toSorted()).toEqual([
      '2001:db8:1::/66 via 2001:db8:1::1 dev eth0 src 2001:db8:1::2 metric 1024 pref medium',
      '2001:db8:1::1 dev eth0 src 2001:db8:1::2 metric 1024 pref medium',
      'default via 2001:db8:1::1 dev eth0 metric 1024 pref medium',
    ]);
    expect(nodeRoutes('-4')).toEqual(['10.1.2.2 dev veth scope host']);
    expect(nodeRoutes('-6')).toContain('2001:db8:1::2 dev veth metric 1024 pref medium');
    expect(fixture.exec('cat', '/proc/sys/net/ipv4/ip_forward')).toBe('1\n');
    expect(fixture.exec('cat', '/proc/sys/net/ipv6/conf/all/forwarding')).toBe('1\n');
    expect(call('DEL', config({ cniVersion }))).toMatchObject(success);
    expectNothingLeft();
  });
});

describe('ptp', () => {
  it('takes dns from IPAM unless it has any field of its own', () => {
    const resolvConf = join(dataDir, 'resolv.conf');
    writeFileSync(resolvConf, 'nameserver 192.0.2.1\ndomain a.example\nsearch b.example\n');
    const ipam = hostLocal({ resolvConf });
    const dnsOf = (dns?: object): unknown => {
      const { json } = call('ADD', config({ ipam, dns }));
      call('DEL', config({ ipam }));
      return json.dns;
    };
    const given = { nameservers: ['192.0.2.1'], domain: 'a.example', search: ['b.example'] };
    expect(dnsOf()).toEqual(given);
    expect(dnsOf({})).toEqual(given);
    for (const own of [
      { nameservers: ['192.0.2.9'] },
      { domain: 'own.example' },
      { search: ['own.example'] },
      { options: ['ndots:5'] },
    ]) {
      expect(dnsOf(own)).toEqual(own);
    }
    for (const field of ['nameservers', 'search', 'options']) {
      expect(dnsOf({ [field]: [] })).toBeUndefined();
    }
  });

  it('lets pods reach each other through the node', () => {
    const other = `podwire-ptp-other-${process.pid}`;
    createNamedNetns(`/run/netns/${other}`);
    try {
      call('ADD', config());
      const env = { CNI_CONTAINERID: 'b', CNI_NETNS: `/run/netns/${other}` };
      expect(call('ADD', config(), env).status).toBe(0);
      expect(ping('10.1.2.3')).toContain('1 received');
      expect(ping('2001:db8:1::3')).toContain('1 received');
    } finally {
      deleteNamedNetns(`/run/netns/${other}`);
    }
  });

  it('takes several addresses of one prefix, and one without a prefix', () => {
    const ipam = {
      type: 'static',
      addresses: [
        { address: '10.1.2.3/24', gateway: '10.1.2.1' },
        { address: '10.1.2.4/24', gateway: '10.1.2.1' },
        { address: '10.7.0.9/32', gateway: '169.254.1.1' },
        { address: 'fd00::3/64', gateway: 'fd00::1' },
        { address: 'fd00::4/64', gateway: 'fd00::1' },
        { address: 'fd00:7::9/128', gateway: 'fd00:9::1' },
      ],
      routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1', mtu: 1300, advmss: 1200 }],
    };
    const added = call('ADD', config({ ipam }));
    expect(added).toMatchObject({ status: 0, stderr: '' });
    expect(podRoutes('-4')).toEqual([
      'default via 169.254.1.1 dev eth0 mtu 1300 advmss 1200',
      '10.1.2.0/24 via 10.1.2.1 dev eth0 src 10.1.2.3',
      '10.1.2.1 dev eth0 scope link src 10.1.2.3',
      '169.254.1.1 dev eth0 scope link src 10.7.0.9',
    ]);
    for (const address of ['10.1.2.3', '10.1.2.4', '10.7.0.9', 'fd00::4', 'fd00:7::9']) {
      expect(fixture.exec('ping', '-c1', '-W2', address)).toContain('1 received');
    }
    expect(ping('169.254.1.1')).toContain('1 received');
    expect(call('CHECK', config({ ipam, prevResult: added.json }))).toMatchObject(success);
  });

  it('has a MAC address, an owner and a detection that were asked for', () => {
    expect(call('ADD', config({ enabledad: true })).status).toBe(0);
    expect(inPod('ip', '-6', 'addr', 'show', 'dev', 'eth0')).not.toContain('tentative');
    const [veth = ''] = hostEnds();
    expect(onNode('link', 'show', veth)).toContain('alias podwire:net:a:eth0');
  });

  it.each([
    [{ ipam: undefined }, 'no plugin name provided'],
    [{ ipam: {} }, 'no plugin name provided'],
    [{ ipam: { type: 'ptp' } }, 'ipam.type: expected an IPAM plugin, got "ptp"'],
    [{ mtu: -1 }, 'mtu: expected a size in bytes, got -1'],
    [{ mtu: '1500' }, 'mtu: expected a whole number, got "1500"'],
    [{ ipMasq: 'yes' }, 'ipMasq: expected true or false, got "yes"'],
    [{ ipMasqBackend: 'x' }, 'unknown ipmasq backend "x"'],
    [{ dns: { search: 'x' } }, 'dns.search: expected a list, got "x"'],
  ])('refuses %j, and has nothing to do for it in DEL', (more, msg) => {
    for (const verb of ['ADD', 'STATUS']) {
      expect(call(verb, config(more)).json).toMatchObject({ code: 7, msg });
    }
    expectNothingLeft();
    if ((more as { ipam?: { type?: string } }).ipam?.type !== 'ptp') {
      expect(call('DEL', config(more))).toMatchObject(success);
    }
  });
});

describe('ptp ADD that fails', () => {
  const fails = (more: object, msg: string, details?: string): void => {
    const { json } = call('ADD', config(more));
    const error = { ...json, msg: String(json.msg).replace(/veth[0-9a-f]{8}/, 'veth') };
    expect(error).toMatchObject({ code: 999, msg, ...(details === undefined ? {} : { details }) });
  };

  it('leaves nothing when the range is exhausted', () => {
    const ipam = hostLocal({ ranges: [[{ subnet: '10.1.2.0/30', rangeEnd: '10.1.2.1' }]] });
    const text = 'no IP addresses available in range set: 10.1.2.1-10.1.2.1';
    fails({ ipam }, `failed to allocate for range 0: ${text}`);
    expectNothingLeft();
    expect(lines(inPod('ip', '-br', 'link'))).toHaveLength(1);
  });

  it('leaves nothing when IPAM says no gateway, or no address', () => {
    const ipam = { type: 'static', addresses: [{ address: '10.1.2.3/24' }] };
    fails(
      { ipam },
      'IPAM plugin returned no gateway for 10.1.2.3/24',
      'expected another address of its family, which the node answers by, got none',
    );
    const own = [{ address: '10.1.2.3/24', gateway: '10.1.2.3' }];
    fails({ ipam: { ...ipam, addresses: own } }, 'IPAM plugin returned no gateway for 10.1.2.3/24');
    fails({ ipam: { type: 'static' } }, 'IPAM plugin returned missing IP config');
    expectNothingLeft();
  });

  it('leaves nothing when a route is refused by the kernel', () => {
    fails(
      { ipMasq: true, ipam: hostLocal({ routes: [{ dst: '0.0.0.0/0', gw: '192.0.2.1' }] }) },
      'prepend route 0.0.0.0/0 via 192.0.2.1: ENETUNREACH',
      'Nexthop has invalid gateway',
    );
    expectNothingLeft();
  });

  it('names who has the address on this node, and leaves that alone', () => {
    onNode('link', 'add', 'other0', 'type', 'veth', 'peer', 'name', 'other1');
    onNode('link', 'set', 'other0', 'up');
    onNode('route', 'add', '10.1.2.2', 'dev', 'other0');
    fails({}, '10.1.2.2 is in use on this node', 'there is a route to it by other0');
    expect(nodeRoutes('-4')).toEqual([expect.stringContaining('10.1.2.2 dev other0')]);
    expect(reservations()).toEqual([]);
    // The next address is free.
    expect(call('ADD', config())).toMatchObject({ status: 0 });
  });

  it('leaves the interface that is there', () => {
    inPod('ip', 'link', 'add', 'eth0', 'type', 'bridge');
    fails({}, 'container veth name ("eth0") peer provided ("veth") already exists');
    expect(inPod('ip', '-br', 'link')).toContain('eth0');
    expectNothingLeft();
  });

  it('leaves nothing for a version that cannot tell of it', () => {
    const { json } = call('ADD', config({ cniVersion: '0.2.0', ipam: { type: 'static' } }));
    expect(json.msg).toBe('IPAM plugin returned missing IP config');
    expectNothingLeft();
  });
});

describe('ptp DEL', () => {
  it.each(['there', 'empty', 'missing', 'a plain file', 'there, without the interface'])(
    'frees everything, twice, when the namespace is %s',
    (state) => {
      const masqueraded = config({ ipMasq: true });
      expect(call('ADD', masqueraded).status).toBe(0);
      expect(rules()).not.toEqual([]);
      const env: Record<string, string> = {};
      if (state === 'empty') env.CNI_NETNS = '';
      if (state === 'missing') env.CNI_NETNS = '/run/netns/podwire-none';
      if (state === 'a plain file') {
        env.CNI_NETNS = join(dataDir, 'plain');
        writeFileSync(env.CNI_NETNS, '');
      }
      if (state.includes('without')) inPod('ip', 'link', 'del', 'eth0');
      for (let round = 0; round < 2; round += 1) {
        // The configuration may have lost `ipMasq` in between.
        expect(call('DEL', config(), env)).toMatchObject(success);
        expectNothingLeft();
      }
      expect(lines(inPod('ip', '-br', 'link'))).toHaveLength(1);
    },
  );

  it('frees everything when the namespace is gone, and takes a prevResult that is torn', () => {
    call('ADD', config({ ipMasq: true, ipMasqBackend: 'iptables' }));
    deleteNamedNetns(podPath);
    try {
      expect(call('DEL', config({ prevResult: { ips: 'x' } }))).toMatchObject(success);
      expectNothingLeft();
    } finally {
      createNamedNetns(podPath);
    }
  });

  it('leaves others alone', () => {
    call('ADD', config({ ipMasq: true }));
    const own = [hostEnds(), reservations(), rules(), nodeRoutes('-4')];
    call('ADD', config({ ipMasq: true }), { CNI_IFNAME: 'eth1' });
    expect(hostEnds()).toHaveLength(2);
    call('DEL', config(), { CNI_IFNAME: 'eth1' });
    expect([hostEnds(), reservations(), rules(), nodeRoutes('-4')]).toEqual(own);
  });
});

describe('ptp CHECK, GC and STATUS', () => {
  it('names what is not as ADD left it', () => {
    const { json } = call('ADD', config({ ipMasq: true }));
    const check = (prevResult: unknown = json): unknown =>
      call('CHECK', config({ ipMasq: true, prevResult })).json.msg;
    expect(check()).toBeUndefined();
    expect(call('CHECK', config()).json).toMatchObject({
      code: 7,
      msg: 'ptp: Required prevResult missing',
    });
    const [veth = ''] = hostEnds();
    const interfaces = json.interfaces as { name: string; mac: string }[];
    expect(check({ ...json, interfaces: interfaces.slice(1) })).toBe(
      'the other end of "eth0" is not in prevResult, which has no interface of the host',
    );
    const mac = '02:00:00:00:00:01';
    const other = { ...json, interfaces: interfaces.map((each) => ({ ...each, mac })) };
    expect(check(other)).toMatch(/^interface "eth0" has MAC .*, expected 02:00:00:00:00:01$/);
    const steps: readonly (readonly [() => void, string])[] = [
      [
        () =>
          fixture.exec('nft', 'flush', 'chain', 'inet', 'cni_plugins_masquerade', 'masq_checks'),
        'missing masquerade rule',
      ],
      [
        () => fixture.exec('sysctl', '-qw', 'net.ipv4.ip_forward=0'),
        'expected net/ipv4/ip_forward to be 1, got 0',
      ],
      [() => onNode('route', 'del', '10.1.2.2'), `expected route 10.1.2.2/32 on "${veth}"`],
      [
        () => onNode('addr', 'del', '10.1.2.1/32', 'dev', veth),
        `expected address 10.1.2.1/32 on "${veth}"`,
      ],
      [() => inPod('ip', 'route', 'del', '192.168.0.0/16'), 'expected route 192.168.0.0/16'],
      [() => inPod('ip', 'route', 'del', '10.1.2.0/24'), 'expected route 10.1.2.0/24'],
      [
        () => inPod('ip', 'addr', 'del', '10.1.2.2/24', 'dev', 'eth0'),
        'expected address 10.1.2.2/24 on "eth0"',
      ],
      [() => inPod('ip', 'link', 'del', 'eth0'), 'interface "eth0" not found'],
    ];
    for (const [damage, message] of steps) {
      damage();
      expect(check()).toContain(message);
    }
  });

  it('holds IPAM to it', () => {
    const { json } = call('ADD', config());
    rmSync(join(dataDir, 'net', '10.1.2.2'));
    rmSync(join(dataDir, 'net', '2001:db8:1::2'));
    expect(call('CHECK', config({ prevResult: json })).json.msg).toBe(
      'host-local: Failed to find address added by container a',
    );
  });

  it('collects what no valid attachment has, of its own network', () => {
    const masqueraded = config({ ipMasq: true });
    call('ADD', masqueraded);
    const own = [hostEnds(), reservations(), rules(), nodeRoutes('-4')];
    call('ADD', masqueraded, { CNI_CONTAINERID: 'b', CNI_IFNAME: 'eth1' });
    const valid = [{ containerID: 'a', ifname: 'eth0' }];
    const gc = (more: object): PluginAnswer => call('GC', config(more));
    expect(gc({ name: 'other' })).toMatchObject(success);
    expect(hostEnds()).toHaveLength(2);
    expect(gc({ 'cni.dev/valid-attachments': valid })).toMatchObject(success);
    expect([hostEnds(), reservations(), rules(), nodeRoutes('-4')]).toEqual(own);
    expect(gc({})).toMatchObject(success);
    expectNothingLeft();
  });

  it('asks IPAM whether it can serve', () => {
    expect(call('STATUS', config({ ipMasq: true }))).toMatchObject(success);
    const { json } = call('STATUS', config({ ipam: { type: 'none-such' } }));
    expect(json.msg).toContain('failed to find plugin "none-such" in path');
  });
});
