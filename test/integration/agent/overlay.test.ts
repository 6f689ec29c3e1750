import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { callPlugin, type PluginAnswer } from '../cni/plugin-fixture.ts';
import { NODES, type NodeNumber, useOverlay } from '../cni/vxlan-fixture.ts';
import { EtcdServer } from '../etcd/etcd-server.ts';
import { ask, eventually, RunningAgent } from './agent-fixture.ts';

/** Three nodes on one wire with a pod each, and an agent in each of them. */
const nodes = useOverlay('agent-overlay');

const NETWORK = '10.244.0.0/16,fd00:244::/48';
const DEVICES = ['vxlan.1', 'vxlan6.1'] as const;

interface NodeShape {
  readonly podCIDRs?: readonly string[];
  readonly addresses?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A Node object as the API has it. */
function nodeObject(number: number, shape: NodeShape = {}): object {
  const { podCIDRs, addresses, annotations = {} } = shape;
  const own = [`10.244.${number}.0/24`, `fd00:244:0:${number}::/64`];
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: `node${number}`, annotations },
    spec: { podCIDRs: podCIDRs ?? own },
    status: {
      addresses: (addresses ?? [`192.0.2.${number}`, `2001:db8::${number}`]).map((address) => ({
        type: 'InternalIP',
        address,
      })),
    },
  };
}

const ALL = NODES.map((each) => nodeObject(each));

async function startAgent(
  node: NodeNumber,
  objects: readonly object[] = ALL,
  args: readonly string[] = [],
): Promise<RunningAgent> {
  return RunningAgent.start(nodes.node(node).name, objects, [
    '--overlay=vxlan',
    `--cluster-cidr=${NETWORK}`,
    `--hostname-override=node${node}`,
    `--overlay-cni-config=${nodes.path(`node-${node}.conflist`)}`,
    `--overlay-subnet-file=${nodes.path(`node-${node}.env`)}`,
    ...args,
  ]);
}

/** Wires the node's pod as a runtime does that finds the configuration the agent wrote. */
function wirePod(node: NodeNumber): PluginAnswer {
  const text = readFileSync(nodes.path(`node-${node}.conflist`), 'utf8');
  const { cniVersion, name, plugins } = JSON.parse(text);
  const [bridge] = plugins;
  const ipam = { ...bridge.ipam, dataDir: nodes.path(`node-${node}`) };
  return callPlugin(
    {
      type: bridge.type,
      verb: 'ADD',
      config: { cniVersion, name, ...bridge, ipam },
      env: { CNI_CONTAINERID: 'a', CNI_NETNS: nodes.podPath(node) },
    },
    nodes.node(node).netns,
  );
}

/** What leads from a node to others, a line each, as ip(8) and bridge(8) tell it. */
function entries(node: NodeNumber): string[] {
  const exec = (...[file = '', ...args]: string[]): string => {
    try {
      return nodes.node(node).exec(file, ...args);
    } catch {
      // The device is not there.
      return '';
    }
  };
  return DEVICES.flatMap((device) => [
    exec('ip', '-4', 'route', 'show', 'dev', device, 'proto', '112'),
    exec('ip', '-6', 'route', 'show', 'dev', device, 'proto', '112'),
    exec('ip', 'neigh', 'show', 'dev', device, 'nud', 'permanent'),
    exec('bridge', 'fdb', 'show', 'dev', device),
    exec('ip', '-br', 'link', 'show', 'dev', device).replace(/ <.*/, ''),
  ])
    .flatMap((text) => text.split('\n'))
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .toSorted();
}

function degraded(node: NodeNumber): string[] {
  return ask(nodes.node(node).name, 'http://127.0.0.1:10249/metrics')
    .body.split('\n')
    .flatMap((line) => /^podwire_degraded\{state="(.+)"\} [1-9]/.exec(line)?.[1] ?? []);
}

const loopbackUp = (): void => {
  for (const node of NODES) nodes.node(node).exec('ip', 'link', 'set', 'lo', 'up');
};

describe('podwire agent --overlay vxlan', () => {
  it('has all pods reach all others under their own addresses, and the world by that of their node', async () => {
    await using one = await startAgent(1);
    await using two = await startAgent(2);
    await using three = await startAgent(3);
    for (const agent of [one, two, three])
      expect(agent.logged('overlay ready'), agent.told()).toBe(true);
    for (const node of NODES) {
      const { status, stdout } = wirePod(node);
      expect(status, stdout).toBe(0);
    }
    const addresses = NODES.map((node) => [`10.244.${node}.2`, `fd00:244:0:${node}::2`] as const);
    for (const node of NODES) {
      for (const address of addresses.filter((_, at) => NODES[at] !== node).flat()) {
        expect(nodes.reaches(node, address), `pod ${node} to ${address}`).toBe(true);
      }
    }
    // What is masqueraded would be asked for by the address of a node.
    nodes.node(2).exec('nft', 'add', 'table', 'inet', 'seen');
    nodes
      .node(2)
      .exec(
        'nft',
        'add',
        'chain',
        'inet',
        'seen',
        'forward',
        '{ type filter hook forward priority 0; }',
      );
    for (const family of ['ip', 'ip6']) {
      const from = family === 'ip' ? '10.244.1.2' : 'fd00:244:0:1::2';
      nodes
        .node(2)
        .exec('nft', 'add', 'rule', 'inet', 'seen', 'forward', family, 'saddr', from, 'counter');
    }
    expect(nodes.reaches(1, '10.244.2.2') && nodes.reaches(1, 'fd00:244:0:2::2')).toBe(true);
    expect(
      nodes
        .node(2)
        .exec('nft', 'list', 'table', 'inet', 'seen')
        .match(/packets [1-9]/g),
    ).toHaveLength(2);
    // Packets that are as large as the pods' links say get through in one piece.
    expect(nodes.reaches(1, '-M', 'do', '-s', `${1430 - 28}`, '10.244.2.2')).toBe(true);
    expect(nodes.reaches(1, '-M', 'do', '-s', `${1430 - 48}`, 'fd00:244:0:2::2')).toBe(true);
    // Who has no route to pods answers to the node: outside of the cluster its address is what is seen.
    nodes.wire.exec('ip', 'addr', 'add', '192.0.2.100/24', 'dev', 'wire');
    nodes.wire.exec('ip', 'addr', 'add', '2001:db8::100/64', 'dev', 'wire', 'nodad');
    expect(nodes.reaches(1, '192.0.2.100') && nodes.reaches(1, '2001:db8::100')).toBe(true);
    expect(readFileSync(nodes.path('node-1.env'), 'utf8')).toBe(
      [
        'FLANNEL_NETWORK=10.244.0.0/16',
        'FLANNEL_SUBNET=10.244.1.1/24',
        'FLANNEL_IPV6_NETWORK=fd00:244::/48',
        'FLANNEL_IPV6_SUBNET=fd00:244:0:1::1/64',
        'FLANNEL_MTU=1430',
        'FLANNEL_IPMASQ=true',
        '',
      ].join('\n'),
    );
  });

  it('mends whatever somebody does to it', async () => {
    loopbackUp();
    await using agent = await startAgent(1);
    const node = nodes.node(1);
    const whole = entries(1);
    expect(whole).toHaveLength(2 * (2 + 2 + 2 + 1));
    const harm: readonly (readonly string[])[] = [
      ['ip', 'link', 'del', 'vxlan.1'],
      ['ip', 'link', 'set', 'vxlan6.1', 'down'],
      ['ip', 'link', 'set', 'vxlan.1', 'mtu', '1400'],
      ['ip', 'route', 'del', '10.244.2.0/24'],
      ['ip', '-6', 'route', 'flush', 'dev', 'vxlan6.1', 'proto', '112'],
      ['ip', 'neigh', 'flush', 'dev', 'vxlan.1', 'nud', 'permanent'],
      ['bridge', 'fdb', 'flush', 'dev', 'vxlan.1'],
      ['ip', 'link', 'set', 'up0', 'down'],
    ];
    for (const [file = '', ...args] of harm) {
      try {
        node.exec(file, ...args);
      } catch (error) {
        throw new Error(`${file} ${args.join(' ')}`, { cause: error });
      }
      if (args.includes('up0')) {
        node.exec('ip', 'link', 'set', 'up0', 'up');
        // With it the kernel forgets its IPv6 addresses.
        node.exec('ip', 'addr', 'replace', '2001:db8::1/64', 'dev', 'up0', 'nodad');
      }
      await eventually(() => expect(entries(1), args.join(' ')).toEqual(whole));
    }
    await eventually(() => expect(degraded(1), agent.told()).toEqual([]));
  });

  it('follows nodes that come, change and go, also those that did so while it was away', async () => {
    {
      await using agent = await startAgent(1, [nodeObject(1), nodeObject(2)]);
      expect(entries(1).filter((line) => line.includes('10.244.3.0'))).toEqual([]);
      agent.write(ALL);
      await eventually(() => {
        expect(entries(1).filter((line) => line.includes('10.244.3.0'))).toHaveLength(2);
      });
      agent.write([nodeObject(1), nodeObject(2, { addresses: ['192.0.2.22', '2001:db8::22'] })]);
      await eventually(() => {
        const now = entries(1).join('\n');
        expect(now).toContain('dst 192.0.2.22');
        expect(now).not.toMatch(/10\.244\.3\.0|dst 192\.0\.2\.2 /);
      });
    }
    const before = entries(1);
    // Killed, it leaves everything: packets go on.
    expect(before.filter((line) => line.includes('10.244.2.0'))).toHaveLength(2);
    await using _again = await startAgent(1, [nodeObject(1), nodeObject(3)]);
    const now = entries(1).join('\n');
    expect(now).toContain('10.244.3.0');
    expect(now).not.toMatch(/10\.244\.2\.0|192\.0\.2\.22/);
  });

  it('leaves out nodes that contradict one another, and says so', async () => {
    loopbackUp();
    const both = { podCIDRs: ['10.244.2.0/24'] };
    await using agent = await startAgent(1, [
      nodeObject(1),
      nodeObject(2, both),
      nodeObject(3, both),
    ]);
    expect(entries(1).filter((line) => line.includes('10.244.2.0'))).toEqual([]);
    expect(degraded(1), agent.told()).toEqual(['overlay-node-refused']);
    agent.write(ALL);
    await eventually(() => expect(degraded(1)).toEqual([]));
    expect(entries(1).filter((line) => line.includes('10.244.2.0'))).toHaveLength(2);
  });

  it('leads to nodes on the same wire without a tunnel where that is wanted', async () => {
    // The longest names of devices there are.
    const args = ['--overlay-direct-routing', '--overlay-id=16777215'];
    const node = nodes.node(1);
    node.exec('ip', 'route', 'add', '10.244.3.0/24', 'via', '192.0.2.2', 'proto', 'static');
    await using one = await startAgent(1, ALL, args);
    await using _two = await startAgent(2, ALL, args);
    const routes = (): string[] => {
      const text = node.exec('ip', 'route', 'show', 'proto', '112');
      return text.trim().split(/\s*\n/);
    };
    await eventually(() => expect(one.told()).toContain('route 10.244.3.0/24 already exists'));
    expect(node.exec('ip', 'route', 'show', 'proto', 'static')).toContain('10.244.3.0/24');
    node.exec('ip', 'route', 'del', '10.244.3.0/24');
    await eventually(() => {
      expect(routes()).toEqual([
        '10.244.2.0/24 via 192.0.2.2 dev up0',
        '10.244.3.0/24 via 192.0.2.3 dev up0',
      ]);
    });
    wirePod(1);
    wirePod(2);
    expect(nodes.reaches(1, '10.244.2.2') && nodes.reaches(1, 'fd00:244:0:2::2')).toBe(true);
  });

  it('says what is in its way, and goes on when it is not', async () => {
    loopbackUp();
    nodes
      .node(1)
      .exec(
        'ip',
        'link',
        'add',
        'flannel.1',
        'type',
        'vxlan',
        'id',
        '1',
        'dstport',
        '8472',
        'dev',
        'up0',
      );
    await using agent = await startAgent(1);
    await eventually(() => expect(degraded(1), agent.told()).toEqual(['overlay-failing']));
    expect(agent.told()).toContain('id 1 on port 8472 is taken by \\"flannel.1\\"');
    nodes.node(1).exec('ip', 'link', 'del', 'flannel.1');
    await eventually(() => expect(degraded(1)).toEqual([]));
  });

  it('gives nodes that register themselves in etcd a subnet each, and the same one again', async () => {
    nodes.wire.exec('ip', 'addr', 'add', '192.0.2.100/24', 'dev', 'wire');
    nodes.wire.exec('ip', 'link', 'set', 'lo', 'up');
    const url = 'http://192.0.2.100:2379';
    await using _etcd = await EtcdServer.start({
      prefix: ['ip', 'netns', 'exec', nodes.wire.name],
      flags: ['--listen-client-urls', url, '--advertise-client-urls', url],
    });
    const start = async (node: NodeNumber): Promise<RunningAgent> =>
      startAgent(
        node,
        [],
        [
          `--etcd-endpoints=${url}`,
          '--register-node',
          `--node-ip=192.0.2.${node}`,
          '--overlay-network=10.244.0.0/16',
          '--saved-state=',
        ],
      );
    const subnets = (): string[] =>
      ([1, 2] as const).flatMap((node) => {
        const file = nodes.path(`node-${node}.env`);
        return existsSync(file) ? (/SUBNET=(.*)/.exec(readFileSync(file, 'utf8'))?.[1] ?? []) : [];
      });
    await using one = await start(1);
    await using two = await start(2);
    await eventually(() => expect(subnets(), one.told()).toHaveLength(2));
    expect(subnets().toSorted(), two.told()).toEqual(['10.244.0.1/24', '10.244.1.1/24']);
    const addresses = ([1, 2] as const).map((node) => {
      const { ips } = wirePod(node).json as { ips: { address: string }[] };
      return (ips[0]?.address ?? '').replace(/\/.*/, '');
    });
    await eventually(() => expect(nodes.reaches(1, addresses[1] ?? ''), one.told()).toBe(true));
    const before = subnets();
    await two.stop('SIGKILL');
    await using again = await start(2);
    await eventually(() => expect(again.logged('overlay ready'), again.told()).toBe(true));
    expect(subnets()).toEqual(before);
    expect(nodes.reaches(1, addresses[1] ?? '')).toBe(true);
  });
});
