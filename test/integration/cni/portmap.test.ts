import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createNamedNetns, deleteNamedNetns, Netns } from '../../../src/sys/netns.ts';
import { useNetns } from '../netns-fixture.ts';
import { ask, startEcho } from './echo-server.ts';
import { callPlugin, type PluginAnswer } from './plugin-fixture.ts';

/*
 * portmap behind bridge, as a runtime chains them: a node with a neighbour outside (192.0.2.2) and
 * pods `a` and `b`, each with the addresses 10.1.2.x and fd00:1::x.
 */

const node = useNetns('portmap');
const outside = useNetns('portmap-out');
const pods = ['a', 'b'] as const;
type Pod = (typeof pods)[number];
const podPath = (pod: string): string => `/run/netns/podwire-portmap-${pod}-${process.pid}`;
let dataDir: string;
let netns: Record<Pod, Netns>;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'podwire-portmap-'));
  for (const pod of pods) createNamedNetns(podPath(pod));
  netns = { a: Netns.open(podPath('a')), b: Netns.open(podPath('b')) };
  node.exec('ip', 'link', 'set', 'lo', 'up');
  node.exec('ip', 'link', 'add', 'up0', 'type', 'veth', 'peer', 'up1', 'netns', outside.name);
  for (const [side, link, host] of [
    [node, 'up0', 1],
    [outside, 'up1', 2],
  ] as const) {
    side.exec('ip', 'addr', 'add', `192.0.2.${host}/24`, 'dev', link);
    side.exec('ip', 'addr', 'add', `2001:db8::${host}/64`, 'dev', link, 'nodad');
    side.exec('ip', 'link', 'set', link, 'up');
  }
});
afterEach(() => {
  for (const pod of pods) {
    netns[pod].close();
    deleteNamedNetns(podPath(pod));
  }
  rmSync(dataDir, { recursive: true, force: true });
});

type Json = Record<string, unknown>;

const base = { cniVersion: '1.1.0', name: 'net' };
const ranges = [[{ subnet: '10.1.2.0/24' }], [{ subnet: 'fd00:1::/64' }]];

/** Wires a pod by bridge and gives the result, which portmap takes. */
function wire(pod: Pod, env: Record<string, string> = {}): Json {
  const ipam = { type: 'host-local', dataDir, ranges };
  const config = {
    ...base,
    type: 'bridge',
    bridge: 'br0',
    isDefaultGateway: true,
    hairpinMode: true,
    ipam,
  };
  const { status, json } = callPlugin(
    { type: 'bridge', verb: 'ADD', config, env: { ...environment(pod), ...env } },
    node.netns,
  );
  expect([status, json]).toEqual([0, expect.objectContaining({ ips: expect.anything() })]);
  return json;
}

function environment(pod: string): Record<string, string> {
  return { CNI_CONTAINERID: pod, CNI_NETNS: podPath(pod) };
}

interface Mapping {
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: string;
  readonly hostIP?: string;
}

function portmap(
  verb: string,
  pod: string,
  prevResult: Json | undefined,
  portMappings: readonly Mapping[] | undefined,
  more: Json = {},
  env: Record<string, string> = {},
): PluginAnswer {
  const config = {
    ...base,
    type: 'portmap',
    ...(prevResult === undefined ? {} : { prevResult }),
    ...(portMappings === undefined ? {} : { runtimeConfig: { portMappings } }),
    ...more,
  };
  return callPlugin(
    { type: 'portmap', verb, config, env: { ...environment(pod), ...env } },
    node.netns,
  );
}

const mapping = (hostPort: number, containerPort = 80, protocol = 'tcp', hostIP = ''): Mapping => ({
  hostPort,
  containerPort,
  protocol,
  ...(hostIP === '' ? {} : { hostIP }),
});

/** Rules that are some pod's, of either backend. */
const podRules = (): string[] => {
  const lines = (file: string, ...args: string[]): string[] => node.exec(file, ...args).split('\n');
  return [
    ...lines('nft', 'list', 'ruleset').filter((line) =>
      /(dnat to .*|masquerade) comment/.test(line),
    ),
    ...['iptables-save', 'ip6tables-save'].flatMap((file) =>
      lines(file, '-t', 'nat').filter((line) => line.includes('CNI-DN-')),
    ),
  ];
};

/** All rules, without the packets that iptables' rules count. */
const ruleset = (): string =>
  node.exec('nft', 'list', 'ruleset').replaceAll(/packets \d+ bytes \d+/g, '');

const success = { status: 0, stdout: '', stderr: '' };

describe.each(['nftables', 'iptables'])('portmap with %s', (backend) => {
  const more = { backend };

  it('leads a port of the host to the pod, whoever asks', async () => {
    const result = wire('a');
    wire('b');
    const answer = portmap('ADD', 'a', result, [mapping(8080)], more);
    expect(answer).toMatchObject({ status: 0, stderr: '', json: result });
    await using _four = await startEcho(netns.a, 'a', 'tcp', 4, 80);
    await using _six = await startEcho(netns.a, 'a', 'tcp', 6, 80);
    // From outside the source stays what it is; iptables changes that of the whole subnet.
    expect(ask(outside.netns, 'tcp', '192.0.2.1', 8080)).toBe('a 192.0.2.2');
    expect(ask(outside.netns, 'tcp', '2001:db8::1', 8080)).toBe('a 2001:db8::2');
    const fromB = backend === 'nftables' ? 3 : 1;
    expect(ask(netns.b, 'tcp', '192.0.2.1', 8080)).toBe(`a 10.1.2.${fromB}`);
    expect(ask(netns.b, 'tcp', '2001:db8::1', 8080)).toBe(`a fd00:1::${fromB}`);
    // The pod itself and 127.0.0.1 get one it can answer.
    expect(ask(netns.a, 'tcp', '192.0.2.1', 8080)).toBe('a 10.1.2.1');
    expect(ask(netns.a, 'tcp', '2001:db8::1', 8080)).toBe('a fd00:1::1');
    expect(ask(node.netns, 'tcp', '127.0.0.1', 8080)).toBe('a 10.1.2.1');
    expect(ask(node.netns, 'tcp', '192.0.2.1', 8080)).toBe('a 192.0.2.1');
    expect(portmap('CHECK', 'a', result, [mapping(8080)], more)).toMatchObject(success);
    expect(portmap('DEL', 'a', result, [mapping(8080)], more)).toMatchObject(success);
    expect(ask(outside.netns, 'tcp', '192.0.2.1', 8080)).toBe('no answer: Connection refused');
    expect(podRules()).toEqual([]);
  });

  it('takes a client of UDP with a fixed port along to the next pod', async () => {
    const first = wire('a');
    const second = wire('b');
    await using _a = await startEcho(netns.a, 'a', 'udp', 4, 53);
    await using _b = await startEcho(netns.b, 'b', 'udp', 4, 53);
    const mappings = [mapping(5353, 53, 'udp')];
    // The client has a flow to the host itself before there is any pod.
    expect(ask(outside.netns, 'udp', '192.0.2.1', 5353, 7000)).toContain('no answer');
    portmap('ADD', 'a', first, mappings, more);
    expect(ask(outside.netns, 'udp', '192.0.2.1', 5353, 7000)).toBe('a 192.0.2.2');
    expect(portmap('DEL', 'a', first, mappings, more)).toMatchObject(success);
    expect(node.exec('conntrack', '-L', '-p', 'udp', '--orig-port-dst', '5353')).toBe('');
    portmap('ADD', 'b', second, mappings, more);
    expect(ask(outside.netns, 'udp', '192.0.2.1', 5353, 7000)).toBe('b 192.0.2.2');
  });

  it('leaves the flows of others alone', async () => {
    const result = wire('a');
    wire('b');
    // The kernel tracks connections from the first rule on.
    portmap('ADD', 'a', result, [mapping(9999)], { ...more, name: 'net2' });
    await using _b = await startEcho(netns.b, 'b', 'udp', 4, 5353);
    outside.exec('ip', 'route', 'add', '10.1.2.0/24', 'via', '192.0.2.1');
    expect(ask(outside.netns, 'udp', '10.1.2.3', 5353, 7000)).toBe('b 192.0.2.2');
    portmap('ADD', 'a', result, [mapping(5353, 53, 'udp')], more);
    portmap('DEL', 'a', result, [mapping(5353, 53, 'udp')], more);
    expect(node.exec('conntrack', '-L', '-p', 'udp', '--orig-port-dst', '5353')).toContain(
      'dst=10.1.2.3',
    );
  });

  it('listens on one address of the host when it is told to', async () => {
    const result = wire('a');
    node.exec('ip', 'addr', 'add', '192.0.2.9/24', 'dev', 'up0');
    await using _a = await startEcho(netns.a, 'a', 'tcp', 4, 80);
    const mappings = [
      mapping(8083, 80, 'tcp', '192.0.2.9'),
      mapping(8084, 80, 'tcp', '0.0.0.0'),
      mapping(8085, 80, 'tcp', '2001:db8::1'),
    ];
    expect(portmap('ADD', 'a', result, mappings, more).status).toBe(0);
    expect(ask(outside.netns, 'tcp', '192.0.2.9', 8083)).toBe('a 192.0.2.2');
    expect(ask(outside.netns, 'tcp', '192.0.2.1', 8083)).toBe('no answer: Connection refused');
    expect(ask(outside.netns, 'tcp', '192.0.2.1', 8084)).toBe('a 192.0.2.2');
    expect(ask(outside.netns, 'tcp', '192.0.2.1', 8085)).toBe('no answer: Connection refused');
    expect(portmap('CHECK', 'a', result, mappings, more)).toMatchObject(success);
  });

  it('refuses a port that another pod has, and says which', () => {
    const first = wire('a');
    const second = wire('b');
    portmap('ADD', 'a', first, [mapping(8080)], more);
    const before = ruleset();
    const holder = backend === 'nftables' ? '(network net, interface eth0)' : '(network net)';
    for (const mappings of [
      [mapping(8080)],
      [mapping(8080, 81)],
      [mapping(9000), mapping(8080, 80, 'tcp', '192.0.2.1')],
    ]) {
      expect(portmap('ADD', 'b', second, mappings, more)).toMatchObject({
        status: 1,
        json: { code: 999, msg: expect.stringContaining(`is taken by container a ${holder}`) },
      });
    }
    expect(ruleset()).toBe(before);
    const others = [mapping(8080, 80, 'udp'), mapping(8081)];
    expect(portmap('ADD', 'b', second, others, more).status).toBe(0);
    portmap('DEL', 'a', first, [mapping(8080)], more);
    expect(portmap('ADD', 'b', second, [mapping(8080)], more).status).toBe(0);
  });

  it('refuses a port that another pod has by the other backend', () => {
    const first = wire('a');
    const second = wire('b');
    const other = backend === 'nftables' ? 'iptables' : 'nftables';
    portmap('ADD', 'a', first, [mapping(8080)], { backend: other });
    const before = ruleset();
    const wanted = [mapping(9000), mapping(8080)];
    const holder = 'host port tcp 8080 is taken by container a (network net';
    expect(portmap('ADD', 'b', second, wanted, more)).toMatchObject({
      status: 1,
      json: { code: 999, msg: expect.stringContaining(holder) },
    });
    expect(ruleset()).toBe(before);
    expect(portmap('ADD', 'b', second, [mapping(8080, 80, 'udp')], more).status).toBe(0);
    expect(portmap('DEL', 'a', first, [mapping(8080)], more)).toMatchObject(success);
    expect(portmap('ADD', 'b', second, [mapping(8080)], more).status).toBe(0);
  });

  it('is the same after ADD twice', () => {
    const result = wire('a');
    portmap('ADD', 'a', result, [mapping(8080), mapping(8081)], more);
    const before = podRules().length;
    portmap('ADD', 'a', result, [mapping(8080), mapping(8081)], more);
    expect(podRules().length).toBe(before);
    // What is not wanted any more goes.
    portmap('ADD', 'a', result, [mapping(8081)], more);
    expect(podRules().join('\n')).not.toContain('8080');
    expect(portmap('CHECK', 'a', result, [mapping(8081)], more)).toMatchObject(success);
  });

  it.each([
    ['no port mappings', undefined, {}],
    ['no result', 'none', {}],
    ['no namespace', undefined, { CNI_NETNS: '' }],
    ['a namespace that is gone', undefined, { CNI_NETNS: '/run/netns/podwire-none' }],
    ['a plain file as namespace', undefined, { CNI_NETNS: '/etc/hostname' }],
    ['another backend in the configuration', 'switched', {}],
  ])('frees everything on DEL with %s', (_, what, env) => {
    const result = wire('a');
    portmap('ADD', 'a', result, [mapping(8080), mapping(8080, 53, 'udp')], more);
    expect(podRules()).not.toEqual([]);
    const other = backend === 'nftables' ? 'iptables' : 'nftables';
    const config = what === 'switched' ? { backend: other } : more;
    const previous = what === 'none' ? undefined : result;
    expect(portmap('DEL', 'a', previous, undefined, config, env)).toMatchObject(success);
    expect(podRules()).toEqual([]);
    expect(portmap('DEL', 'a', previous, undefined, config, env)).toMatchObject(success);
  });

  it('finds on CHECK what is missing', () => {
    const result = wire('a');
    const mappings = [mapping(8080)];
    expect(portmap('CHECK', 'a', result, mappings, more).status).toBe(1);
    portmap('ADD', 'a', result, mappings, more);
    const more2 = [mapping(8080), mapping(8081)];
    expect(portmap('CHECK', 'a', result, more2, more)).toMatchObject({
      status: 1,
      json: { code: 999, msg: expect.stringMatching(/hostport|not found/) },
    });
    expect(portmap('CHECK', 'b', result, mappings, more).status).toBe(1);
    expect(portmap('CHECK', 'a', undefined, mappings, more)).toMatchObject({
      json: { code: 7, msg: 'Required prevResult missing' },
    });
  });

  it('removes on GC what belongs to no attachment of the network', () => {
    const first = wire('a');
    const second = wire('b');
    portmap('ADD', 'a', first, [mapping(8080)], more);
    portmap('ADD', 'b', second, [mapping(8081)], more);
    portmap('ADD', 'other', second, [mapping(8082)], { ...more, name: 'net2' });
    const valid = { 'cni.dev/valid-attachments': [{ containerID: 'b', ifname: 'eth0' }] };
    expect(portmap('GC', '', undefined, undefined, { ...more, ...valid })).toMatchObject(success);
    const rest = podRules().join('\n');
    expect([8080, 8081, 8082].map((port) => rest.includes(`${port}`))).toEqual([false, true, true]);
  });

  it('passes a result on when there are no ports', () => {
    const result = wire('a');
    expect(portmap('ADD', 'a', result, undefined, more)).toMatchObject({ status: 0, json: result });
    expect(podRules()).toEqual([]);
  });

  it('answers STATUS', () => {
    expect(portmap('STATUS', '', undefined, undefined, more)).toMatchObject(success);
  });

  it('changes no source without snat, and everybody’s with masqAll', async () => {
    const result = wire('a');
    await using _a = await startEcho(netns.a, 'a', 'tcp', 4, 80);
    portmap('ADD', 'a', result, [mapping(8080)], { ...more, snat: false });
    expect(ask(netns.a, 'tcp', '192.0.2.1', 8080)).toContain('no answer');
    expect(ask(outside.netns, 'tcp', '192.0.2.1', 8080)).toBe('a 192.0.2.2');
    expect(portmap('CHECK', 'a', result, [mapping(8080)], { ...more, snat: false }).status).toBe(0);
    portmap('DEL', 'a', result, [mapping(8080)], more);
    portmap('ADD', 'a', result, [mapping(8080)], { ...more, masqAll: true });
    expect(ask(outside.netns, 'tcp', '192.0.2.1', 8080)).toBe('a 10.1.2.1');
    expect(ask(netns.a, 'tcp', '192.0.2.1', 8080)).toBe('a 10.1.2.1');
    outside.exec('ip', 'route', 'add', '10.1.2.0/24', 'via', '192.0.2.1');
    expect(ask(outside.netns, 'tcp', '10.1.2.2', 80)).toBe('a 192.0.2.2');
    expect(portmap('CHECK', 'a', result, [mapping(8080)], { ...more, masqAll: true }).status).toBe(
      0,
    );
  });

  it('adds conditions', async () => {
    const result = wire('a');
    await using _a = await startEcho(netns.a, 'a', 'tcp', 4, 80);
    const conditionsV4 =
      backend === 'nftables' ? ['ip', 'saddr', '!=', '192.0.2.0/24'] : ['!', '-s', '192.0.2.0/24'];
    const config = { ...more, conditionsV4 };
    expect(portmap('ADD', 'a', result, [mapping(8080)], config).status).toBe(0);
    expect(ask(outside.netns, 'tcp', '192.0.2.1', 8080)).toBe('no answer: Connection refused');
    outside.exec('ip', 'addr', 'flush', 'dev', 'up1', 'to', '192.0.2.2/24');
    outside.exec('ip', 'addr', 'add', '198.51.100.2/24', 'dev', 'up1');
    outside.exec('ip', 'route', 'add', '192.0.2.0/24', 'dev', 'up1');
    node.exec('ip', 'addr', 'add', '198.51.100.1/24', 'dev', 'up0');
    expect(ask(outside.netns, 'tcp', '192.0.2.1', 8080)).toBe('a 198.51.100.2');
    expect(portmap('CHECK', 'a', result, [mapping(8080)], config)).toMatchObject(success);
    expect(portmap('DEL', 'a', result, [mapping(8080)], config)).toMatchObject(success);
    expect(podRules()).toEqual([]);
  });
});

describe('portmap', () => {
  it('keeps two interfaces and two networks of a container apart', () => {
    const eth0 = wire('a');
    const eth1 = wire('a', { CNI_IFNAME: 'eth1' });
    const env = { CNI_IFNAME: 'eth1' };
    portmap('ADD', 'a', eth0, [mapping(8080)]);
    portmap('ADD', 'a', eth1, [mapping(8081)], {}, env);
    portmap('ADD', 'a', eth0, [mapping(8082)], { name: 'net2' });
    expect(portmap('DEL', 'a', undefined, undefined)).toMatchObject(success);
    const rest = podRules().join('\n');
    expect([8080, 8081, 8082].map((port) => rest.includes(`${port}`))).toEqual([false, true, true]);
  });

  it('takes names of any length', () => {
    const result = wire('a');
    const env = { CNI_CONTAINERID: 'c'.repeat(300) };
    const more = { name: 'n'.repeat(300) };
    const again = { ...env, CNI_CONTAINERID: `${'c'.repeat(299)}d` };
    expect(portmap('ADD', 'a', result, [mapping(8080)], more, env).status).toBe(0);
    expect(portmap('ADD', 'a', result, [mapping(8081)], more, again).status).toBe(0);
    expect(portmap('CHECK', 'a', result, [mapping(8080)], more, env)).toMatchObject(success);
    expect(portmap('DEL', 'a', undefined, undefined, more, env)).toMatchObject(success);
    expect(podRules().join('\n')).not.toContain('8080');
    expect(podRules().join('\n')).toContain('8081');
  });

  it.each([
    [{ prevResult: undefined }, 'must be called as chained plugin'],
    [{ runtimeConfig: { portMappings: [mapping(0)] } }, 'Invalid host port number: 0'],
    [{ runtimeConfig: { portMappings: [mapping(65_536)] } }, 'Invalid host port number: 65536'],
    [{ runtimeConfig: { portMappings: [mapping(1, -1)] } }, 'Invalid container port number: -1'],
    [
      { runtimeConfig: { portMappings: [mapping(1, 1, 'icmp')] } },
      'runtimeConfig.portMappings[0].protocol: expected tcp, udp or sctp, got "icmp"',
    ],
    [
      { runtimeConfig: { portMappings: [mapping(1, 1, 'tcp', '1.2.3')] } },
      'runtimeConfig.portMappings[0].hostIP: expected an IP address, got "1.2.3"',
    ],
    [{ backend: 'ipset' }, 'unrecognized backend "ipset"'],
    [
      { markMasqBit: 3, externalSetMarkChain: 'MARK-IT' },
      'Cannot specify externalSetMarkChain and markMasqBit',
    ],
    [{ markMasqBit: 32 }, 'MasqMarkBit must be between 0 and 31'],
    [
      { backend: 'nftables', externalSetMarkChain: 'X', conditionsV4: ['-s', '1.2.3.4'] },
      'nftables backend was requested but configuration contains iptables-specific options [externalSetMarkChain conditionsV4]',
    ],
    [
      { backend: 'iptables', conditionsV6: ['ip6', 'saddr', '::1'] },
      'iptables backend was requested but configuration contains nftables-specific options [conditionsV6]',
    ],
  ])('refuses %j by name', (wrong, msg) => {
    const result = wire('a');
    expect(portmap('ADD', 'a', result, [mapping(8080)], wrong as Json)).toMatchObject({
      status: 1,
      json: { code: 7, msg },
    });
    expect(podRules()).toEqual([]);
  });
});

describe('conditions of nftables', () => {
  const V4_NEVER = 'ip saddr 203.0.113.9';
  /** What nft(8) says of the conditions, as it writes them. */
  const written = (chain: string): string[] =>
    node
      .exec('nft', 'list', 'chain', 'ip', 'cni_hostport', chain)
      .split('\n')
      .filter((line) => line.includes('dnat to'))
      .map((line) => line.replace(/ tcp dport 8080 dnat .*/, '').trim());

  it.each([
    [['ip saddr 192.0.2.2'], true],
    [['ip', 'saddr', '!=', '192.0.2.2'], false],
    [['ip saddr 192.0.2.0/29'], true],
    [['ip saddr != 192.0.2.0/29'], false],
    [['ip saddr 192.0.2.2-192.0.2.4'], true],
    [['ip saddr != 192.0.2.2-192.0.2.4'], false],
    [['ip saddr { 203.0.113.0/24, 192.0.2.2 }'], true],
    [['ip saddr != { 203.0.113.0/24, 192.0.2.2 }'], false],
    [['ip', 'daddr', '192.0.2.1'], true],
    [['tcp sport 7000'], true],
    [['tcp sport 1-6999'], false],
    [['th sport { 1, 6000-8000 }'], true],
    [['udp sport 7000'], false],
    [['tcp dport 8080'], true],
    [['ip protocol tcp'], true],
    [['ip protocol != { tcp, udp }'], false],
    [['meta l4proto 6'], true],
    [['iifname "up0"'], true],
    [['iifname != up*'], false],
    [['meta iifname { eth0, up0 }'], true],
    [['oifname lo'], false],
    [['meta mark 0'], true],
    [['meta mark and 0x10 == 0x10'], false],
    [['mark & 0x10 != 0x10'], true],
    [['iifname up0', 'ip saddr', '192.0.2.0/24'], true],
    [['iifname up0', V4_NEVER], false],
  ])('%j let the neighbour in: %s', async (conditionsV4, letsIn) => {
    const result = wire('a');
    await using _a = await startEcho(netns.a, 'a', 'tcp', 4, 80);
    const more = { backend: 'nftables', conditionsV4 };
    expect(portmap('ADD', 'a', result, [mapping(8080)], more)).toMatchObject({ status: 0 });
    const answer = ask(outside.netns, 'tcp', '192.0.2.1', 8080, 7000);
    expect(answer).toBe(letsIn ? 'a 192.0.2.2' : 'no answer: Connection refused');
    expect(portmap('CHECK', 'a', result, [mapping(8080)], more)).toMatchObject(success);
    expect(portmap('DEL', 'a', result, [mapping(8080)], more)).toMatchObject(success);
    expect(podRules()).toEqual([]);
  });

  it('read as nft writes them, and are of IPv6, too', () => {
    const result = wire('a');
    const conditionsV4 = ['ip saddr { 10.0.0.0/8, 192.0.2.1-192.0.2.9 } th sport != 5'];
    const conditionsV6 = ['ip6 saddr 2001:db8::/32 ip6 nexthdr tcp oifname "lo"'];
    const more = { backend: 'nftables', conditionsV4, conditionsV6 };
    expect(portmap('ADD', 'a', result, [mapping(8080)], more)).toMatchObject({ status: 0 });
    expect(written('hostports')).toEqual([
      'ip saddr 10.0.0.0/8 th sport != 5',
      'ip saddr 192.0.2.1-192.0.2.9 th sport != 5',
    ]);
    expect(node.exec('nft', 'list', 'chain', 'ip6', 'cni_hostport', 'hostports')).toContain(
      'ip6 saddr 2001:db8::/32 meta l4proto tcp oifname "lo"',
    );
  });

  it.each([
    ['ip saddr x'],
    ['ip saddr 10.0.0.9-10.0.0.1'],
    ['ip saddr 10.0.0.1-fd00::1'],
    ['ip6 saddr ::1'],
    ['ip saddr'],
    ['ip saddr { 10.0.0.1'],
    ['ip saddr { }'],
    ['ip saddr @allowed'],
    ['ip saddr 10.0.0.1 accept'],
    ['tcp dport 65536'],
    ['tcp dport 9-8'],
    ['tcp flags syn'],
    ['meta mark and'],
    ['meta mark < 5'],
    ['iifname abcdefghijklmnopq'],
    ['meta l4proto 256'],
    ['ct state new'],
    ['saddr 10.0.0.1'],
  ])('refuse %j', (condition) => {
    const result = wire('a');
    const more = { backend: 'nftables', conditionsV4: [condition] };
    const { json } = portmap('ADD', 'a', result, [mapping(8080)], more);
    expect(json).toMatchObject({
      code: 7,
      msg: expect.stringMatching(
        /^conditionsV4: expected "ip\|ip6 saddr\|daddr <address>", .*, got "/,
      ),
    });
    expect(json.msg).toContain(`, got ${JSON.stringify(condition)}`);
    expect(podRules()).toEqual([]);
  });

  it('refuse sets that make too many rules', () => {
    const result = wire('a');
    const set = `{ ${Array.from({ length: 9 }, (_, index) => index + 1).join(', ')} }`;
    const more = { backend: 'nftables', conditionsV4: [`tcp sport ${set} th dport ${set}`] };
    expect(portmap('ADD', 'a', result, [mapping(8080)], more).json).toMatchObject({
      code: 7,
      msg: 'conditionsV4: expected sets that make at most 64 rules for a port, got 81 of them',
    });
  });
});
