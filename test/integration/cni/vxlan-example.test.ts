import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type NetworkList, parseNetworkList } from '../../../src/cni/runner/conflist.ts';
import { Runner } from '../../../src/cni/runner/runner.ts';
import { Netns } from '../../../src/sys/netns.ts';
import { ask, startEcho } from './echo-server.ts';
import { CNI_BIN } from './plugin-fixture.ts';
import { NODES, type NodeNumber, success, useOverlay } from './vxlan-fixture.ts';

/* `examples/overlay` as it stands: one configuration and one lease file for all nodes. */

const { node, call, path, podPath, reaches, overlay } = useOverlay('vxex');
const EXAMPLE = join(import.meta.dirname, '../../../examples/overlay');

/** The example, with the system's paths replaced. */
function network(): NetworkList {
  const text = readFileSync(join(EXAMPLE, 'podwire.conflist'), 'utf8');
  const value = JSON.parse(text) as { plugins: { leaseFile?: string; ipam?: object }[] };
  for (const plugin of value.plugins) {
    if (plugin.leaseFile !== undefined) plugin.leaseFile = join(EXAMPLE, 'leases.json');
    if (plugin.ipam !== undefined) Object.assign(plugin.ipam, { dataDir: path('networks') });
  }
  return parseNetworkList(JSON.stringify(value), 'podwire.conflist');
}

describe('examples/overlay', () => {
  it('joins the pods of three nodes', async () => {
    const list = network();
    const runnerOf = (each: NodeNumber): Runner =>
      new Runner({ path: [CNI_BIN], cacheDir: path(`cache-${each}`) });
    const request = (each: NodeNumber) => ({
      containerId: `pod-${each}`,
      ifName: 'eth0',
      netns: podPath(each),
      capabilities: {
        ipRanges: [[{ subnet: `10.244.${each}.0/24` }], [{ subnet: `fd00:244:0:${each}::/64` }]],
        portMappings: [{ hostPort: 80, containerPort: 8080, protocol: 'tcp' }],
      },
    });
    mkdirSync(path('networks'));
    for (const each of NODES) {
      node(each).exec('ip', 'route', 'add', 'default', 'dev', 'up0');
      const result = node(each).netns.run(() => runnerOf(each).add(list, request(each)));
      expect(result.ips).toMatchObject([
        { address: expect.stringContaining(`10.244.${each}.`) },
        { address: expect.stringContaining(`fd00:244:0:${each}::`) },
      ]);
      node(each).netns.run(() => runnerOf(each).check(list, request(each)));
    }
    expect(reaches(1, '10.244.2.2')).toBe(true);
    expect(reaches(3, 'fd00:244:0:1::2')).toBe(true);
    using server = Netns.open(podPath(2));
    await using _echo = await startEcho(server, 'pod-2', 'tcp', 4, 8080);
    using client = Netns.open(podPath(1));
    expect(ask(client, 'tcp', '10.244.2.2', 8080)).toBe('pod-2 10.244.1.2');
    // A port of the other node, where the pod is not known by its own address.
    expect(ask(client, 'tcp', '192.0.2.2', 80)).toBe('pod-2 192.0.2.1');
    for (const each of NODES) {
      // Capabilities are given to ADD, and to neither of these.
      const [{ raw } = { raw: {} }] = list.plugins;
      const config = { ...raw, cniVersion: '1.1.0', name: list.name };
      expect(call(each, 'STATUS', config)).toMatchObject(success);
      node(each).netns.run(() => runnerOf(each).gc(list, [request(each)]));
      expect(overlay(each)).toHaveLength(10);
      node(each).netns.run(() => runnerOf(each).del(list, request(each)));
    }
    expect(reaches(1, '10.244.2.2')).toBe(false);
  });
});
