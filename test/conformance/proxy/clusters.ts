import fc from 'fast-check';
import type { ClusterObject, EndpointSlice, Node, Service } from '../../../src/cluster/objects.ts';
import { NODE_NAME, ZONE_A, ZONE_B } from './world.ts';

/*
 * Random changes of a small cluster. There are few names, addresses and ports, so that Services get into
 * each other's way, come back, and share what they can share.
 */

/** One change of the cluster: an object as it is from now on, or the key of one that goes. */
export type Change =
  | { readonly put: ClusterObject }
  | { readonly remove: string }
  /** Somebody takes all elements out of one of our sets. */
  | { readonly flush: string }
  /** The agent is restarted. */
  | { readonly restart: true };

const SERVICES = 5;
const SLICES = 2;
const FAMILIES = [4, 6] as const;
const metadata = (name: string, labels: Record<string, string> = {}) => ({
  name,
  namespace: 'default',
  labels,
  annotations: {},
});
const few = (count: number) => fc.nat(count - 1);
const addr = (v4: string, v6: string, count: number, families: readonly (4 | 6)[] = FAMILIES) =>
  fc
    .tuple(fc.constantFrom(...families), few(count))
    .map(([family, at]) => (family === 4 ? `${v4}${at + 1}` : `${v6}${at + 1}`));
const policy = fc.constantFrom(undefined, 'Local' as const, undefined);
const protocol = fc.constantFrom('TCP' as const, 'UDP' as const);

/** Leaves out what is undefined, as decoding does. */
function defined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
}

const service: fc.Arbitrary<Service> = fc
  .record({
    at: few(SERVICES),
    label: fc.constantFrom({}, {}, {}, { 'service.kubernetes.io/headless': '' }),
    ips: few(6),
    families: fc.constantFrom(FAMILIES, FAMILIES, [4] as const, [6] as const),
    ports: fc.uniqueArray(
      fc.record({ name: fc.constantFrom('a', 'b'), protocol, port: fc.constantFrom(80, 443) }),
      { selector: ({ name }) => name, minLength: 1, maxLength: 2 },
    ),
    nodePort: fc.constantFrom(undefined, 30_001, 30_002),
    externalIPs: fc.array(addr('198.51.100.', '2001:db8:198::', 2), { maxLength: 2 }),
    ingress: fc.array(
      fc.record({
        ip: addr('5.6.7.', '2001:db8:5::', 2),
        ipMode: fc.constantFrom('VIP' as const, 'Proxy' as const, 'VIP' as const),
      }),
      { maxLength: 2 },
    ),
    externalTrafficPolicy: policy,
    internalTrafficPolicy: policy,
    affinitySeconds: fc.constantFrom(undefined, undefined, 10, 20),
    ranges: fc.constantFrom(undefined, undefined, ['10.0.0.0/8', '10.1.0.0/16', 'fd00::/8']),
  })
  .map(
    ({ at, label, ips, families, ports, nodePort, ingress, ranges, ...more }) =>
      defined({
        kind: 'Service' as const,
        metadata: metadata(`web-${at}`, label),
        type: 'LoadBalancer' as const,
        clusterIPs: families.map((family) =>
          family === 4 ? `172.30.0.${ips}` : `fd00:30::${ips}`,
        ),
        ports: ports.map((port, index) =>
          defined({
            ...port,
            nodePort: nodePort === undefined ? undefined : nodePort + index * 10,
          }),
        ),
        loadBalancerIngress: ingress,
        loadBalancerSourceRanges: ranges,
        ...more,
      }) as Service,
  );

const slice: fc.Arbitrary<EndpointSlice> = fc
  .record({
    of: few(SERVICES),
    at: few(SLICES),
    family: fc.constantFrom(...FAMILIES),
    ports: fc.uniqueArray(
      fc.record({ name: fc.constantFrom('a', 'b'), protocol, port: fc.constantFrom(8080, 8081) }),
      { selector: ({ name }) => name, maxLength: 2 },
    ),
    endpoints: fc.array(
      fc.record({
        at: few(5),
        conditions: fc.constantFrom(
          {},
          {},
          {},
          { ready: false },
          { ready: false, serving: true, terminating: true },
        ),
        nodeName: fc.constantFrom(NODE_NAME, 'n2', undefined),
        hints: fc.constantFrom(
          undefined,
          { forZones: [ZONE_A] },
          { forZones: [ZONE_B] },
          { forNodes: [NODE_NAME] },
        ),
      }),
      { maxLength: 6 },
    ),
  })
  .map(({ of, at, family, ports, endpoints }) => ({
    kind: 'EndpointSlice',
    metadata: metadata(`web-${of}-${family}-${at}`, {
      'kubernetes.io/service-name': `web-${of}`,
    }),
    addressType: `IPv${family}`,
    ports,
    endpoints: endpoints.map(({ at: address, ...endpoint }) =>
      defined({
        ...endpoint,
        addresses: [family === 4 ? `10.180.0.${address + 1}` : `fd00:180::${address + 1}`],
      }),
    ) as EndpointSlice['endpoints'],
  }));

const node: fc.Arbitrary<Node> = fc
  .record({ zone: fc.constantFrom(ZONE_A, ZONE_B), addresses: few(2) })
  .map(({ zone, addresses }) => ({
    kind: 'Node',
    metadata: {
      name: NODE_NAME,
      namespace: '',
      labels: { 'topology.kubernetes.io/zone': zone },
      annotations: {},
    },
    deleting: false,
    podCIDRs: [],
    addresses: [{ type: 'InternalIP', address: `10.0.0.${addresses + 1}` }],
    taints: [],
  }));

const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 8, arbitrary: service.map((put) => ({ put })) },
  { weight: 10, arbitrary: slice.map((put) => ({ put })) },
  { weight: 1, arbitrary: node.map((put) => ({ put })) },
  { weight: 3, arbitrary: few(SERVICES).map((at) => ({ remove: `Service/default/web-${at}` })) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(few(SERVICES), fc.constantFrom(...FAMILIES), few(SLICES))
      .map(([of, family, at]) => ({ remove: `EndpointSlice/default/web-${of}-${family}-${at}` })),
  },
  { weight: 1, arbitrary: fc.constantFrom('endpoints', 'cluster-ips').map((flush) => ({ flush })) },
  { weight: 1, arbitrary: fc.constant({ restart: true as const }) },
);

/** Batches of changes, in the order in which they come. */
export const changeSequences: fc.Arbitrary<readonly (readonly Change[])[]> = fc.array(
  fc.array(change, { minLength: 1, maxLength: 8 }),
  { minLength: 1, maxLength: 6, size: 'max' },
);
