import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { Node } from '../../cluster/objects.ts';
import { parseMac } from '../../ipaddr/mac.ts';
import { parseAddr } from '../../ipaddr/parse-addr.ts';
import { NodeAnnouncer } from './announcer.ts';
import type { AppliedTunnel } from './apply.ts';

const NODE: Node = {
  kind: 'Node',
  metadata: { name: 'node1', namespace: '', labels: {}, annotations: {} },
  deleting: false,
  podCIDRs: ['10.244.1.0/24'],
  addresses: [],
  taints: [],
};

function tunnel(address: string): AppliedTunnel {
  return {
    tunnel: { family: 4, local: parseAddr(address), subnets: [], peers: [] },
    mac: parseMac('02:01:c0:00:02:01'),
    mtu: 1450,
    links: [2, 1],
  };
}

it('says what changed while it was saying something, and the same only once', async () => {
  const said: string[] = [];
  let answer = Promise.withResolvers<void>();
  using announcer = new NodeAnnouncer(
    async (_path, patch) => {
      said.push(/public-ip":"([^"]*)/.exec(JSON.stringify(patch))?.[1] ?? 'nothing');
      await answer.promise;
    },
    pino({ enabled: false }),
  );
  const answered = async (): Promise<void> => {
    answer.resolve();
    answer = Promise.withResolvers();
    // Whatever the answer leads to has been done once this turn is over.
    await new Promise((resolve) => setImmediate(resolve));
  };
  announcer.announce(NODE, [tunnel('192.0.2.1')], 1);
  announcer.announce(NODE, [tunnel('192.0.2.2')], 1);
  expect(said).toEqual(['192.0.2.1']);
  await answered();
  expect(said).toEqual(['192.0.2.1', '192.0.2.2']);
  await answered();
  announcer.announce(NODE, [tunnel('192.0.2.2')], 1);
  expect(said).toHaveLength(2);
  // Somebody changed the object since.
  announcer.announce({ ...NODE }, [tunnel('192.0.2.2')], 1);
  expect(said).toHaveLength(3);
  await answered();
});
