import { describe, expect, it } from 'vitest';
import { SPEC_VERSIONS } from '../../../src/cni/protocol/version.ts';
import { createNamedNetns, deleteNamedNetns } from '../../../src/sys/netns.ts';
import { useNetns } from '../netns-fixture.ts';
import { callPlugin, type PluginAnswer } from './plugin-fixture.ts';

/* static by its executable, and inside bridge. */

const two = [
  { address: '10.10.0.1/24', gateway: '10.10.0.254' },
  { address: '3ffe:ffff:0:1ff::1/64', gateway: '3ffe:ffff::1' },
];
const routes = [
  { dst: '0.0.0.0/0' },
  { dst: '192.168.0.0/16', gw: '10.10.5.1' },
  { dst: '3ffe:ffff:0:1ff::1/64' },
];
const dns = { nameservers: ['192.0.2.53'], domain: 'example.com', search: ['example.com'] };

const config = (ipam: object | undefined, more: object = {}): Record<string, unknown> => ({
  cniVersion: '1.1.0',
  name: 'net',
  type: 'ipvlan',
  master: 'none',
  ...(ipam === undefined ? {} : { ipam: { type: 'static', ...ipam } }),
  ...more,
});

function call(verb: string, conf: object, env: Record<string, string> = {}): PluginAnswer {
  const base = { CNI_CONTAINERID: 'dummy', CNI_NETNS: '/run/netns/podwire-none' };
  return callPlugin({ type: 'static', verb, config: conf, env: { ...base, ...env } });
}

const addresses = ({ json }: PluginAnswer): unknown =>
  (json.ips as { address: string }[] | undefined)?.map(({ address }) => address) ?? json.msg;

describe.each(SPEC_VERSIONS)('static, version %s', (cniVersion) => {
  const isOld = cniVersion === '0.1.0' || cniVersion === '0.2.0';
  const given = (answer: PluginAnswer): unknown =>
    isOld
      ? ['ip4', 'ip6'].flatMap((key) => (answer.json[key] as { ip: string } | undefined)?.ip ?? [])
      : addresses(answer);

  it('gives addresses, routes and dns', () => {
    const conf = config({ addresses: two, routes, dns }, { cniVersion });
    const answer = call('ADD', conf);
    expect(answer).toMatchObject({ status: 0, stderr: '' });
    expect(given(answer)).toEqual(two.map(({ address }) => address));
    expect(answer.json.dns).toEqual(dns);
    if (isOld) {
      expect(answer.json.ip4).toEqual({
        ip: '10.10.0.1/24',
        gateway: '10.10.0.254',
        routes: routes.slice(0, 2),
      });
    } else {
      const versions = { '0': ['4', '6'], '1': [undefined, undefined] }[cniVersion[0] as '0' | '1'];
      expect(answer.json.ips).toEqual(two.map((ip, at) => ({ ...ip, version: versions[at] })));
      expect(answer.json.routes).toEqual(routes);
    }
    expect(call('DEL', conf)).toMatchObject({ status: 0, stdout: '' });
    expect(call('DEL', conf, { CNI_CONTAINERID: 'unknown', CNI_NETNS: '' }).status).toBe(0);
  });

  it('takes addresses and gateways from CNI_ARGS', () => {
    const env = { CNI_ARGS: 'IP=10.10.0.1/24;GATEWAY=10.10.0.254' };
    const answer = call('ADD', config({ routes, dns }, { cniVersion }), env);
    expect(given(answer)).toEqual(['10.10.0.1/24']);
    expect(answer.stdout).toContain('"gateway": "10.10.0.254"');
  });

  it('takes several from CNI_ARGS, where a result has room for them', () => {
    const env = { CNI_ARGS: 'IgnoreUnknown=1;IP=10.10.0.1/24, 11.11.0.1/24;GATEWAY=10.10.0.254' };
    const answer = call('ADD', config({}, { cniVersion }), env);
    const text = `CNI version ${cniVersion} does not support more than 1 address per family`;
    if (isOld) expect(answer.json).toEqual({ code: 7, msg: text });
    else {
      expect(answer.json.ips).toMatchObject([
        { address: '10.10.0.1/24', gateway: '10.10.0.254' },
        { address: '11.11.0.1/24' },
      ]);
    }
  });

  it('has runtimeConfig before args before CNI_ARGS and the configuration', () => {
    const entries = (last: number): string[] => [
      `10.10.0.${last}/24`,
      `3ffe:ffff:0:1ff::${last}/64`,
    ];
    const env = { CNI_ARGS: 'IP=10.10.0.3/24;GATEWAY=10.10.0.254' };
    const args = { args: { cni: { ips: entries(2) } } };
    const ipam = { addresses: [{ address: '3ffe:ffff:0:1ff::4/64' }] };
    // Capabilities arrive in whatever case a runtime writes them.
    const runtime = { RuntimeConfig: { ips: entries(1) } };
    expect(given(call('ADD', config(ipam, { cniVersion, ...args, ...runtime }), env))).toEqual(
      entries(1),
    );
    expect(given(call('ADD', config(ipam, { cniVersion, ...args }), env))).toEqual(entries(2));
    const both = given(call('ADD', config(ipam, { cniVersion }), env)) as string[];
    expect(both.toSorted()).toEqual(['10.10.0.3/24', '3ffe:ffff:0:1ff::4/64']);
  });

  it.each([
    [
      config({ addresses: [{ address: '10.10.0.1' }] }),
      '',
      "the 'address' field is expected to be in CIDR notation, got: '10.10.0.1'",
      'ipam.addresses[0].address: expected an address and prefix length such as 10.1.2.3/24, got "10.10.0.1"',
    ],
    [
      config({}),
      'IP=10.10.0.1',
      "the 'ip' field is expected to be in CIDR notation, got: '10.10.0.1'",
      'IP of CNI_ARGS: expected an address and prefix length such as 10.1.2.3/24',
    ],
    [
      config({}, { args: { cni: { ips: ['10.10.0.1'] } } }),
      '',
      "an entry in the 'ips' field is NOT in CIDR notation, got: '10.10.0.1'",
      'args.cni.ips[0]: expected an address and prefix length such as 10.1.2.3/24',
    ],
    [
      config({}, { RuntimeConfig: { ips: ['10.10.0.1'] } }),
      '',
      "an entry in the 'ips' field is NOT in CIDR notation, got: '10.10.0.1'",
      'runtimeConfig.ips[0]: expected an address and prefix length such as 10.1.2.3/24',
    ],
  ])('refuses what is no prefix: %j %s', (conf, CNI_ARGS, msg, details) => {
    const answer = call('ADD', { ...conf, cniVersion }, { CNI_ARGS });
    expect(answer).toMatchObject({ status: 1, json: { code: 7, msg, details } });
  });

  it.each([
    [{}, 'IP=10.10.0.1/24;GATEWAY=10.10.0.254'],
    [{ runtimeConfig: { ips: ['10.10.0.1/24'] } }, ''],
  ])('needs ipam: %j %s', (more, CNI_ARGS) => {
    const { json } = call('ADD', config(undefined, { cniVersion, ...more }), { CNI_ARGS });
    expect(json).toEqual({ code: 7, msg: "IPAM config missing 'ipam' key" });
  });
});

describe('static', () => {
  it('keeps routes of one destination, and all that is said of a route', () => {
    const several = [
      { dst: '10.9.0.0/16', gw: '10.10.0.7' },
      { dst: '10.9.0.0/16', gw: '10.10.0.8', priority: 5, mtu: 1300, advmss: 1200 },
      { dst: '10.8.0.0/16', table: 7, scope: 253 },
    ];
    const answer = call('ADD', config({ addresses: two, routes: several }));
    expect(answer.json.routes).toEqual(several);
  });

  it.each([
    [{ addresses: 'x' }, 'ipam.addresses: expected a list, got "x"'],
    [{ addresses: ['x'] }, 'ipam.addresses[0]: expected an object, got "x"'],
    [
      { addresses: [{ address: '10.1.2.3/24', gateway: 'x' }] },
      'ipam.addresses[0].gateway: expected an IP address, got "x"',
    ],
    [
      { addresses: [{ address: '10.1.2.3/24', gateway: 'fd00::1' }] },
      'ipam.addresses[0].gateway: expected an address of the family of 10.1.2.3/24, got "fd00::1"',
    ],
    [
      { addresses: two, routes: [{ dst: '10.1.2.3' }] },
      'ipam.routes[0].dst: expected an IP prefix such as 10.1.0.0/16, got "10.1.2.3"',
    ],
    [
      { addresses: two, routes: [{ dst: '10.0.0.0/8', scope: 256 }] },
      'ipam.routes[0].scope: expected a number from 0 to 255, got 256',
    ],
  ])('names what is wrong: %j', (ipam, msg) => {
    const { json } = call('ADD', config(ipam));
    expect(json).toMatchObject({ code: 7, msg });
  });

  it('refuses a gateway in CNI_ARGS that is none', () => {
    const { json } = call('ADD', config({}), { CNI_ARGS: 'IP=10.1.2.3/24;GATEWAY=x' });
    expect(json).toMatchObject({ code: 7, msg: 'invalid gateway address: x' });
    expect(call('ADD', config({}), { CNI_ARGS: 'FOO=x' }).json).toMatchObject({
      code: 4,
      msg: 'ARGS: unknown args ["FOO=x"]',
    });
  });

  it('holds prevResult against the addresses', () => {
    const conf = config({ addresses: two });
    const check = (ips: object[]): unknown => {
      const prevResult = { cniVersion: '1.1.0', ips };
      const { status, json } = call('CHECK', { ...conf, prevResult });
      return status === 0 ? 'well' : { msg: json.msg, details: json.details };
    };
    const [first, second] = two as [object, object];
    expect(check(two)).toBe('well');
    // Later plugins may add theirs.
    expect(check([{ address: '10.7.0.1/24' }, second, first])).toBe('well');
    expect(check([first])).toEqual({
      msg: 'static: Failed to match addr 3ffe:ffff:0:1ff::1 on interface eth0',
      details: 'expected 3ffe:ffff:0:1ff::1/64, prevResult has 10.10.0.1/24',
    });
    expect(check([{ address: '10.10.0.1/24', gateway: '10.10.0.9' }, second])).toEqual({
      msg: 'static: Failed to match addr 10.10.0.1 on interface eth0',
      details: 'expected gateway 10.10.0.254, prevResult has 10.10.0.9',
    });
    expect(call('CHECK', conf).json.msg).toBe('Required prevResult missing');
    const old = { ...conf, cniVersion: '0.3.1', prevResult: {} };
    expect(call('CHECK', old).json.msg).toBe('config version does not allow CHECK');
  });

  it('has nothing to collect, and STATUS knows a configuration that ADD would refuse', () => {
    const conf = config({ addresses: two });
    expect(call('GC', conf)).toMatchObject({ status: 0, stdout: '' });
    expect(call('STATUS', conf)).toMatchObject({ status: 0, stdout: '' });
    const bad = config({ addresses: [{ address: 'x' }] });
    expect(call('STATUS', bad).json).toMatchObject({ code: 7 });
  });
});

describe('static inside bridge', () => {
  const node = useNetns('static');
  const podName = `podwire-static-pod-${process.pid}`;

  it('is called in process, with all verbs, and its routes get to the kernel whole', () => {
    createNamedNetns(`/run/netns/${podName}`);
    try {
      const conf = {
        ...config({
          addresses: [{ address: '10.10.0.1/24', gateway: '10.10.0.254' }],
          routes: [
            { dst: '0.0.0.0/0', mtu: 1300, advmss: 1200, priority: 7 },
            { dst: '10.8.0.0/16', table: 77, scope: 253 },
            { dst: '10.9.0.0/16', gw: '10.10.0.7' },
            { dst: '10.9.0.0/16', gw: '10.10.0.8', priority: 5 },
          ],
        }),
        type: 'bridge',
        bridge: 'br0',
      };
      const run = (verb: string, more: object = {}): PluginAnswer =>
        callPlugin(
          {
            type: 'bridge',
            verb,
            // No directory has any plugin: what is called is inside.
            env: {
              CNI_CONTAINERID: 'a',
              CNI_NETNS: `/run/netns/${podName}`,
              CNI_PATH: '/nonexistent',
            },
            config: { ...conf, ...more },
          },
          node.netns,
        );
      const added = run('ADD');
      expect(added).toMatchObject({ status: 0, stderr: '' });
      const route = (...args: string[]): string[] =>
        node
          .exec('ip', '-n', podName, 'route', 'show', ...args)
          .trim()
          .split('\n')
          .map((line) => line.trim());
      expect(route()).toEqual([
        'default via 10.10.0.254 dev eth0 metric 7 mtu 1300 advmss 1200',
        '10.9.0.0/16 via 10.10.0.7 dev eth0',
        '10.9.0.0/16 via 10.10.0.8 dev eth0 metric 5',
        '10.10.0.0/24 dev eth0 proto kernel scope link src 10.10.0.1',
      ]);
      expect(route('table', '77')).toEqual(['10.8.0.0/16 dev eth0 scope link']);
      expect(run('CHECK', { prevResult: added.json })).toMatchObject({ status: 0, stdout: '' });
      for (const verb of ['STATUS', 'GC', 'DEL']) expect(run(verb).status).toBe(0);
    } finally {
      deleteNamedNetns(`/run/netns/${podName}`);
    }
  });
});
