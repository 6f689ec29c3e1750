import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { createNamedNetns, deleteNamedNetns, Netns } from '../../../src/sys/netns.ts';
import { callPlugin } from '../../integration/cni/plugin-fixture.ts';
import { needPeer, SIDES, type Side } from './sides.ts';

/*
 * portmap beside the reference: the same calls give the same answers and leave the same rules and
 * sysctls, and either DEL removes what the other ADD made.
 */

needPeer('cni-plugins');

type Json = Record<string, unknown>;

interface Step {
  readonly verb: string;
  readonly config?: Json;
  readonly id?: string;
  readonly side?: Side;
}

const mapping = (
  hostPort: number,
  containerPort: number,
  protocol = 'tcp',
  hostIP?: string,
): Json => ({
  hostPort,
  containerPort,
  protocol,
  ...(hostIP === undefined ? {} : { hostIP }),
});

/** The mappings of the reference plugin's own tests. */
const portMappings = [
  mapping(8080, 80),
  mapping(8081, 80),
  mapping(8080, 81, 'udp'),
  mapping(8082, 82, 'udp'),
  mapping(8083, 83, 'tcp', '192.168.0.2'),
  mapping(8084, 84, 'tcp', '0.0.0.0'),
  mapping(8085, 85, 'tcp', '2001:db8:a::1'),
  mapping(8086, 86, 'tcp', '::'),
];

const prevResult = {
  cniVersion: '1.0.0',
  interfaces: [{ name: 'host' }, { name: 'eth0', sandbox: 'netns' }],
  ips: [
    { address: '10.0.0.2/24', gateway: '10.0.0.1', interface: 1 },
    { address: '2001:db8::2/64', gateway: '2001:db8::1', interface: 1 },
    { address: '10.0.0.9/24', interface: 0 },
  ],
  dns: { nameservers: ['10.0.0.1'] },
};

/** One side's node, where the pod's network is on a link named like a bridge. */
class Node {
  readonly #path: string;
  readonly #netns: Netns;

  constructor(name: string) {
    this.#path = `/run/netns/podwire-peer-${name}-${process.pid}`;
    createNamedNetns(this.#path);
    this.#netns = Netns.open(this.#path);
    this.exec('ip', 'link', 'add', 'cni0', 'type', 'bridge');
    this.exec('ip', 'addr', 'add', '10.0.0.1/24', 'dev', 'cni0');
    this.exec('ip', 'link', 'set', 'cni0', 'up');
  }

  [Symbol.dispose](): void {
    this.#netns.close();
    deleteNamedNetns(this.#path);
  }

  exec(file: string, ...args: string[]): string {
    return this.#netns.run(() => execFileSync(file, args, { encoding: 'utf8' }));
  }

  call(fallback: Side, { verb, config, id = 'a', side = fallback }: Step): Json {
    const base = { cniVersion: '1.0.0', name: 'net', type: 'portmap', prevResult };
    const { status, json } = callPlugin(
      {
        type: 'portmap',
        verb,
        bin: SIDES[side],
        config: { ...base, runtimeConfig: { portMappings }, ...config },
        env: { CNI_CONTAINERID: id, CNI_NETNS: '/run/netns/none', PATH: process.env.PATH ?? '' },
      },
      this.#netns,
    );
    return { status, json };
  }

  /** The rules of both backends, and what lets 127.0.0.1 out. */
  state(): Json {
    return {
      nftables: ['ip', 'ip6'].map((family) => this.#table(family)),
      iptables: ['iptables-save', 'ip6tables-save'].map((file) =>
        this.exec(file, '-t', 'nat')
          .replaceAll(/^#.*\n/gm, '')
          .replaceAll(/ \[\d+:\d+\]/g, ''),
      ),
      localnet: this.exec('cat', '/proc/sys/net/ipv4/conf/cni0/route_localnet').trim(),
    };
  }

  #table(family: string): string {
    const table = ['table', family, 'cni_hostport'];
    const all = this.exec('nft', 'list', 'tables');
    return all.includes(table.join(' ')) ? this.exec('nft', 'list', ...table) : '';
  }
}

function play(side: Side, steps: readonly Step[]): unknown {
  using node = new Node(`portmap-${side}`);
  return steps.map((step) => ({ answer: node.call(side, step), state: node.state() }));
}

const cycle = (config: Json): readonly Step[] => [
  { verb: 'ADD', config },
  { verb: 'CHECK', config },
  { verb: 'ADD', config: { ...config, runtimeConfig: { portMappings: [mapping(1, 2)] } }, id: 'b' },
  { verb: 'DEL', config },
  { verb: 'DEL', config },
  { verb: 'CHECK', config: { ...config, cniVersion: '0.3.1' } },
];

const forBoth: readonly (readonly [string, Json])[] = [
  ['all mappings', {}],
  ['no snat', { snat: false }],
  ['no mappings', { runtimeConfig: {} }],
  ['IPv4 alone', { prevResult: { ...prevResult, ips: prevResult.ips.slice(0, 1) } }],
  ['IPv6 alone', { prevResult: { ...prevResult, ips: prevResult.ips.slice(1, 2) } }],
  ['no address of the pod', { prevResult: { ...prevResult, ips: prevResult.ips.slice(2) } }],
  ['addresses of no interface', { prevResult: { ips: [{ address: '10.0.0.7/24' }] } }],
  ...['0.3.0', '0.3.1', '0.4.0', '1.1.0'].map((cniVersion) => {
    const ips = prevResult.ips.map((ip) => ({
      ...ip,
      version: ip.address.includes(':') ? '6' : '4',
    }));
    return [
      `version ${cniVersion}`,
      { cniVersion, prevResult: { ...prevResult, cniVersion, ips } },
    ] as const;
  }),
];

const cases: readonly (readonly [title: string, config: Json])[] = [
  ...['nftables', 'iptables'].flatMap((backend) =>
    forBoth.map(([title, config]) => [`${backend}: ${title}`, { backend, ...config }] as const),
  ),
  [
    'iptables: conditions',
    {
      backend: 'iptables',
      conditionsV4: ['!', '-s', '192.0.2.0/24'],
      conditionsV6: ['!', '-s', '2001:db8:1::/48'],
    },
  ],
  ['iptables: masqAll', { backend: 'iptables', masqAll: true }],
  ['iptables: another mark', { backend: 'iptables', markMasqBit: 5 }],
  [
    'iptables: many ports',
    {
      backend: 'iptables',
      runtimeConfig: {
        portMappings: Array.from({ length: 40 }, (_, at) => mapping(1000 + at, 80)),
      },
    },
  ],
];

describe('portmap beside the reference', () => {
  it.each(cases)('%s', (_, config) => {
    expect(play('podwire', cycle(config))).toEqual(play('reference', cycle(config)));
  });

  it('uses somebody else’s chain for marks', () => {
    const config = { backend: 'iptables', externalSetMarkChain: 'OTHERS-MARK' };
    const [ours, theirs] = (['podwire', 'reference'] as const).map((side) => {
      using node = new Node(`portmap-${side}`);
      node.exec('iptables', '-t', 'nat', '-N', 'OTHERS-MARK');
      node.exec('ip6tables', '-t', 'nat', '-N', 'OTHERS-MARK');
      return [node.call(side, { verb: 'ADD', config }), node.state()];
    });
    expect(ours).toEqual(theirs);
  });

  it.each([
    { prevResult: undefined },
    { runtimeConfig: { portMappings: [mapping(0, 80)] } },
    { runtimeConfig: { portMappings: [mapping(80, 0)] } },
    { markMasqBit: 32 },
    { markMasqBit: 1, externalSetMarkChain: 'X' },
    { backend: 'none' },
    { backend: 'nftables', externalSetMarkChain: 'X' },
    { backend: 'nftables', conditionsV4: ['-s', '1.2.3.4'], conditionsV6: ['!', '-s', '::1'] },
    { backend: 'iptables', conditionsV4: ['ip', 'saddr', '1.2.3.4'] },
  ])('refuses %j in the same words', (config) => {
    const [ours, theirs] = (['podwire', 'reference'] as const).map((side) => {
      using node = new Node(`portmap-${side}`);
      return node.call(side, { verb: 'ADD', config }) as {
        status: number;
        json: { code: number; msg: string };
      };
    });
    // The reference has 999 for every error, and a prefix for those of the configuration.
    expect(theirs).toMatchObject({ status: 1, json: { code: 999 } });
    const msg = theirs?.json.msg.replace('failed to parse config: ', '');
    expect(ours).toMatchObject({ status: 1, json: { code: 7, msg } });
  });
});

describe.each(['nftables', 'iptables'])('with %s, portmap and the reference', (backend) => {
  it.each([
    ['podwire', 'reference'],
    ['reference', 'podwire'],
  ] as const)('remove and check what %s made by %s', (maker, other) => {
    using node = new Node('portmap-both');
    const config = { backend };
    node.call(maker, { verb: 'ADD', config, id: 'b', side: maker });
    node.call(maker, { verb: 'DEL', config, id: 'b', side: maker });
    const before = node.state();
    expect(node.call(maker, { verb: 'ADD', config })).toMatchObject({ status: 0 });
    expect(node.call(other, { verb: 'CHECK', config })).toMatchObject({ status: 0 });
    expect(node.state()).not.toEqual(before);
    expect(node.call(other, { verb: 'DEL', config })).toMatchObject({ status: 0 });
    expect(node.state()).toEqual(before);
    expect(node.call(maker, { verb: 'DEL', config })).toMatchObject({ status: 0 });
  });
});

describe('portmap without a backend', () => {
  it('removes what the reference made by its own default', () => {
    using node = new Node('portmap-both');
    node.call('reference', { verb: 'ADD', config: { backend: 'iptables' } });
    expect(JSON.stringify(node.state())).toContain('CNI-DN-');
    expect(node.call('podwire', { verb: 'DEL', config: {} })).toMatchObject({ status: 0 });
    expect(JSON.stringify(node.state())).not.toContain('CNI-DN-');
  });
});
