import { describe, expect, it } from 'vitest';
import type { Node } from '../../cluster/objects.ts';
import { NodeEligibility, ProxyHealth } from './proxy-health.ts';

/** Health with a clock that stands still until it is set. */
function healthAt() {
  const clock = { ms: 0 };
  return { clock, health: new ProxyHealth(1000, () => clock.ms) };
}

describe('ProxyHealth', () => {
  it('is well while there is nothing to do, and ill when the first sync never holds', () => {
    const { clock, health } = healthAt();
    clock.ms = 5000;
    expect(health.isHealthy).toBe(true);
    health.queued();
    clock.ms = 5999;
    expect(health.isHealthy).toBe(true);
    clock.ms = 6000;
    expect(health.isHealthy).toBe(false);
    expect(health.report().lastUpdated).toBe('0001-01-01T00:00:00Z');
  });

  it('is ill once something waits too long, counted from the first that waits', () => {
    const { clock, health } = healthAt();
    health.updated();
    clock.ms = 5000;
    expect(health.isHealthy).toBe(true);
    health.queued();
    clock.ms = 5999;
    health.queued();
    expect(health.isHealthy).toBe(true);
    clock.ms = 6000;
    expect(health.isHealthy).toBe(false);
    health.updated();
    expect(health.isHealthy).toBe(true);
  });

  it('reports the present as the last update while all is well, else what it was', () => {
    const { clock, health } = healthAt();
    health.updated();
    clock.ms = 500;
    const [then, now] = ['1970-01-01T00:00:00.000Z', '1970-01-01T00:00:00.500Z'];
    expect(health.report(true)).toEqual({
      lastUpdated: now,
      currentTime: now,
      nodeEligible: true,
      healthy: true,
      status: {
        IPv4: { lastUpdated: then, healthy: true },
        IPv6: { lastUpdated: then, healthy: true },
      },
    });
    expect(health.report(false)).toMatchObject({ lastUpdated: then, nodeEligible: false });
    expect(health.report()).not.toHaveProperty('nodeEligible');
    health.queued();
    clock.ms = 1500;
    expect(health.report()).toMatchObject({
      lastUpdated: then,
      healthy: false,
      status: { IPv4: { healthy: false }, IPv6: { healthy: false } },
    });
  });
});

describe('NodeEligibility', () => {
  const node = (more: Partial<Node> = {}): Node => ({
    kind: 'Node',
    metadata: { name: 'n1', namespace: '', labels: {}, annotations: {} },
    deleting: false,
    podCIDRs: [],
    addresses: [],
    taints: [],
    ...more,
  });
  const nodes = (...all: readonly Node[]) => ({
    nodes: new Map(all.map((each) => [each.metadata.name, each])),
  });

  it.each([
    [nodes(node()), true],
    [nodes(node({ taints: ['node.kubernetes.io/unschedulable'] })), true],
    [nodes(node({ taints: ['ToBeDeletedByClusterAutoscaler'] })), false],
    [nodes(node({ deleting: true })), false],
    [nodes(), true],
  ])('of %j is %s', (state, expected) => {
    expect(new NodeEligibility('n1').isEligible(state)).toBe(expected);
  });

  it('ends when the Node is gone', () => {
    const eligibility = new NodeEligibility('n1');
    expect(eligibility.isEligible(nodes(node()))).toBe(true);
    expect(eligibility.isEligible(nodes())).toBe(false);
    expect(eligibility.isEligible(nodes(node()))).toBe(true);
  });
});
