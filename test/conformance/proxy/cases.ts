import type { Service } from '../../../src/cluster/objects.ts';
import type { Case, CaseSettings, Probe, Step } from './case.ts';
import {
  ADDR,
  ALL_READY,
  CIDR,
  type Client,
  cluster,
  FAMILIES,
  GONE,
  LEAVING,
  labelled,
  NODE_PORT,
  outerService,
  type Place,
  type PodName,
  READY,
  SERVICE_PORT,
  service,
  slices,
  UNREADY,
  ZONE_A,
  zoned,
} from './world.ts';

type Expect = Probe['expect'];

const ALL: readonly PodName[] = ['a', 'b', 'c', 'd'];
const LOCAL: readonly PodName[] = ['a', 'b'];

/** A connection to port 80 of a place, or to the node port of a node. */
function probe(from: Client, to: Place, expect: Expect, masquerade?: boolean): Probe {
  const port = to === 'N1' || to === 'other' || to === 'loopback' ? NODE_PORT : SERVICE_PORT;
  return { from, to, port, expect, ...(masquerade === undefined ? {} : { masquerade }) };
}

/** A case of one step. */
function one(
  name: string,
  objects: Step['objects'],
  probes: readonly Probe[],
  settings?: CaseSettings,
): Case {
  return { name, steps: [{ objects, probes, ...(settings === undefined ? {} : { settings }) }] };
}

const eachWayOut = (from: Client, expect: Expect, masquerade?: boolean): Probe[] =>
  (['lb', 'external', 'N1'] as const).map((to) => probe(from, to, expect, masquerade));

const local = (more: Partial<Service> = {}): Service =>
  outerService({ externalTrafficPolicy: 'Local', ...more });

const CLUSTER_IP: readonly Case[] = [
  one('a pod reaches all endpoints, with its own address', cluster(service()), [
    probe('a', 'vip', ALL, false),
  ]),
  one('the node and others are masqueraded', cluster(service()), [
    probe('H', 'vip', ALL, true),
    probe('X', 'vip', ALL, true),
  ]),
  one(
    'without a detector nobody is masqueraded',
    cluster(service()),
    [probe('a', 'vip', ALL, false), probe('X', 'vip', ALL, false)],
    { detector: 'none' },
  ),
  one('masqueradeAll takes pods in', cluster(service()), [probe('a', 'vip', ALL, true)], {
    masqueradeAll: true,
  }),
  one('a pod that reaches itself is masqueraded', cluster(service(), { a: READY }), [
    probe('a', 'vip', ['a'], true),
  ]),
  one('another port of a cluster IP is refused', cluster(service()), [
    { from: 'a', to: 'vip', port: 81, expect: 'reject', expectWithoutSets: 'pass' },
    { from: 'H', to: 'vip', port: 81, expect: 'reject', expectWithoutSets: 'pass' },
  ]),
  one(
    'an address of the Service range that nobody has is a dead end',
    [
      ...cluster(service()),
      {
        kind: 'ServiceCIDR',
        metadata: { name: 'kubernetes', namespace: '', labels: {}, annotations: {} },
        cidrs: FAMILIES.map((family) => CIDR.services[family]),
      },
    ],
    [
      { ...probe('a', 'unused', 'drop'), expectWithoutSets: 'pass' },
      { ...probe('H', 'unused', 'drop'), expectWithoutSets: 'pass' },
      probe('a', 'vip', ALL),
    ],
  ),
  one(
    'one port number, two protocols, each with its own endpoints',
    [
      service({
        ports: [
          { name: 'tcp', protocol: 'TCP', port: SERVICE_PORT },
          { name: 'udp', protocol: 'UDP', port: SERVICE_PORT },
        ],
      }),
      ...slices({ a: READY }, { name: 't', portName: 'tcp' }),
      ...slices({ b: READY }, { name: 'u', portName: 'udp', protocol: 'UDP' }),
    ],
    [
      { from: 'c', to: 'vip', port: SERVICE_PORT, expect: ['a'] },
      { from: 'c', to: 'vip', port: SERVICE_PORT, protocol: 'UDP', expect: ['b'] },
    ],
  ),
  one(
    'a named port is another number in each slice',
    [
      service({ ports: [{ name: 'http', protocol: 'TCP', port: SERVICE_PORT }] }),
      ...slices({ a: READY }, { name: 's1', portName: 'http' }),
      ...slices({ b: READY }, { name: 's2', portName: 'http', port: 8081 }),
    ],
    [probe('c', 'vip', ['a', 'b'])],
  ),
  one('one endpoint gets all', cluster(service(), { c: READY }), [probe('a', 'vip', ['c'])]),
  one(
    'each family has endpoints of its own',
    [service(), ...slices({ b: READY }).slice(0, 1), ...slices({ c: READY }).slice(1)],
    [
      { ...probe('a', 'vip', ['b']), family: 4 },
      { ...probe('a', 'vip', ['c']), family: 6 },
    ],
  ),
  one(
    'an endpoint in two slices is one',
    [service(), ...slices({ a: READY }), ...slices({ a: READY, b: READY }, { name: 'again' })],
    [probe('c', 'vip', ['a', 'b'])],
  ),
];

const NO_ENDPOINTS: readonly Case[] = [
  one('a cluster IP without endpoints refuses', cluster(service(), {}), [
    probe('a', 'vip', 'reject'),
    probe('H', 'vip', 'reject'),
    probe('X', 'vip', 'reject'),
  ]),
  one(
    'so does it over UDP',
    [
      service({ ports: [{ name: '', protocol: 'UDP', port: SERVICE_PORT }] }),
      ...slices({}, { protocol: 'UDP' }),
    ],
    [{ from: 'a', to: 'vip', port: SERVICE_PORT, protocol: 'UDP', expect: 'reject' }],
  ),
  one('so does every other way in', cluster(outerService(), {}), [
    ...eachWayOut('X', 'reject'),
    ...eachWayOut('a', 'reject'),
    ...eachWayOut('H', 'reject'),
  ]),
  {
    name: 'endpoints that come and go are followed',
    steps: [
      { objects: cluster(service(), {}), probes: [probe('a', 'vip', 'reject')] },
      { objects: cluster(service(), { b: READY }), probes: [probe('a', 'vip', ['b'])] },
      { objects: cluster(service(), {}), probes: [probe('a', 'vip', 'reject')] },
    ],
  },
];

const NODE_PORTS: readonly Case[] = [
  one('a node port leads everybody to all endpoints, masqueraded', cluster(outerService()), [
    probe('X', 'N1', ALL, true),
    probe('a', 'N1', ALL, true),
    probe('H', 'N1', ALL, true),
  ]),
  one(
    'only on the addresses chosen by a prefix',
    cluster(outerService()),
    [probe('X', 'N1', ALL, true), probe('X', 'other', 'pass')],
    { nodePortAddresses: 'nodes-cidr' },
  ),
  one(
    "only on the Node's own addresses",
    cluster(outerService()),
    [probe('X', 'N1', ALL, true), probe('X', 'other', 'pass')],
    { nodePortAddresses: 'primary' },
  ),
  one(
    'on all addresses',
    cluster(outerService()),
    [probe('X', 'N1', ALL, true), probe('X', 'other', ALL, true)],
    { nodePortAddresses: 'all' },
  ),
  one(
    'not on loopback, on whichever addresses it is',
    cluster(outerService()),
    [probe('H', 'loopback', 'pass'), probe('H', 'other', ALL, true)],
    { nodePortAddresses: 'all' },
  ),
  one(
    'one number, two protocols, two Services',
    [
      outerService({ ports: [{ name: '', protocol: 'TCP', port: 80, nodePort: NODE_PORT }] }),
      ...slices({ a: READY }),
      {
        ...outerService({ externalIPs: [], loadBalancerIngress: [] }),
        metadata: { name: 'dns', namespace: 'default', labels: {}, annotations: {} },
        clusterIPs: FAMILIES.map((family) => ADDR.vip2[family]),
        ports: [{ name: '', protocol: 'UDP', port: 80, nodePort: NODE_PORT }],
      },
      ...slices({ b: READY }, { name: 'dns', of: 'dns', protocol: 'UDP' }),
    ],
    [
      probe('X', 'N1', ['a']),
      { from: 'X', to: 'N1', port: NODE_PORT, protocol: 'UDP', expect: ['b'] },
    ],
  ),
  {
    name: 'a node port that changes',
    steps: [
      { objects: cluster(outerService()), probes: [probe('X', 'N1', ALL)] },
      {
        objects: cluster(
          outerService({ ports: [{ name: '', protocol: 'TCP', port: 80, nodePort: 30_002 }] }),
        ),
        probes: [
          probe('X', 'N1', 'pass'),
          { from: 'X', to: 'N1', port: 30_002, expect: ALL, masquerade: true },
        ],
      },
    ],
  },
  one(
    'no node port in a family the Service does not have',
    cluster(outerService({ clusterIPs: [ADDR.vip[4]] })),
    [
      { ...probe('X', 'N1', ALL), family: 4 },
      { ...probe('X', 'N1', 'pass'), family: 6 },
    ],
  ),
];

/** Another Service with the same load balancer's address and port, and one endpoint. */
const rival = (name: string): Step['objects'] => [
  {
    ...outerService({ externalIPs: [] }),
    metadata: { name, namespace: 'default', labels: {}, annotations: {} },
    clusterIPs: FAMILIES.map((family) => ADDR.vip2[family]),
    ports: [{ name: '', protocol: 'TCP', port: SERVICE_PORT }],
  },
  ...slices({ b: READY }, { name, of: name }),
];

const OUTER_ADDRESSES: readonly Case[] = [
  one('a load balancer address leads to all endpoints, masqueraded', cluster(outerService()), [
    probe('X', 'lb', ALL, true),
    probe('a', 'lb', ALL, true),
    probe('H', 'lb', ALL, true),
  ]),
  {
    name: 'ipMode Proxy is none of ours, until it changes',
    steps: [
      {
        objects: cluster(
          outerService({
            loadBalancerIngress: FAMILIES.map((family) => ({
              ip: ADDR.lb[family],
              ipMode: 'Proxy' as const,
            })),
          }),
        ),
        probes: [probe('X', 'lb', 'pass')],
      },
      { objects: cluster(outerService()), probes: [probe('X', 'lb', ALL, true)] },
    ],
  },
  one('another port of a load balancer address is none of ours', cluster(outerService()), [
    { from: 'X', to: 'lb', port: 81, expect: 'pass' },
  ]),
  one(
    'source ranges admit who is in them, and drop everybody else',
    cluster(
      outerService({ loadBalancerSourceRanges: FAMILIES.map((family) => CIDR.outside[family]) }),
    ),
    [probe('X', 'lb', ALL, true), probe('a', 'lb', 'drop'), probe('H', 'lb', 'drop')],
  ),
  one(
    'who is outside of the ranges is dropped, at the load balancer alone',
    cluster(
      outerService({ loadBalancerSourceRanges: FAMILIES.map((family) => CIDR.elsewhere[family]) }),
    ),
    [
      probe('X', 'lb', 'drop'),
      probe('X', 'N1', ALL, true),
      probe('X', 'external', ALL, true),
      probe('a', 'vip', ALL, false),
    ],
  ),
  one(
    'a range with the node in it admits what the node sends',
    cluster(outerService({ loadBalancerSourceRanges: [CIDR.nodes[4], CIDR.nodes[6]] })),
    [probe('H', 'lb', ALL, true), probe('X', 'lb', 'drop')],
  ),
  one(
    'two Services share an address, and only one has ranges',
    [
      ...cluster(
        outerService({ loadBalancerSourceRanges: FAMILIES.map((f) => CIDR.elsewhere[f]) }),
      ),
      {
        ...outerService({ externalIPs: [] }),
        metadata: { name: 'open', namespace: 'default', labels: {}, annotations: {} },
        clusterIPs: FAMILIES.map((family) => ADDR.vip2[family]),
        ports: [{ name: '', protocol: 'TCP', port: 443 }],
      },
      ...slices({ b: READY }, { name: 'open', of: 'open' }),
    ],
    [probe('X', 'lb', 'drop'), { from: 'X', to: 'lb', port: 443, expect: ['b'], masquerade: true }],
  ),
  one('an external address is like a load balancer without ranges', cluster(outerService()), [
    probe('X', 'external', ALL, true),
    probe('a', 'external', ALL, true),
  ]),
  {
    name: 'two Services want one address and port: the first by name has it, then the other',
    steps: [
      { objects: [...cluster(outerService()), ...rival('xyz')], probes: [probe('X', 'lb', ALL)] },
      { objects: [...cluster(outerService()), ...rival('abc')], probes: [probe('X', 'lb', ['b'])] },
      { objects: rival('xyz'), probes: [probe('X', 'lb', ['b']), probe('a', 'vip', 'pass')] },
    ],
  },
  one('external addresses can be off', cluster(outerService()), [probe('X', 'external', 'pass')], {
    externalIPs: false,
  }),
  {
    name: 'a load balancer address that goes away',
    steps: [
      { objects: cluster(outerService()), probes: [probe('X', 'lb', ALL)] },
      {
        objects: cluster(outerService({ loadBalancerIngress: [] })),
        probes: [probe('X', 'lb', 'pass'), probe('X', 'external', ALL)],
      },
    ],
  },
];

const EXTERNAL_LOCAL: readonly Case[] = [
  one('externalTrafficPolicy Local keeps to this node, and keeps the source', cluster(local()), [
    ...eachWayOut('X', LOCAL, false),
  ]),
  one('it drops where this node has no endpoint', cluster(local(), { c: READY, d: READY }), [
    ...eachWayOut('X', 'drop'),
  ]),
  one('pods and the node take the short way to all', cluster(local(), { c: READY, d: READY }), [
    ...eachWayOut('a', ['c', 'd'], false),
    ...eachWayOut('H', ['c', 'd'], true),
  ]),
  one('it does not touch the cluster IP', cluster(local()), [
    probe('a', 'vip', ALL, false),
    probe('X', 'vip', ALL, true),
  ]),
  one(
    'without a detector a pod is like anybody outside',
    cluster(local()),
    [probe('a', 'lb', LOCAL), probe('H', 'lb', ALL, true)],
    { detector: 'none' },
  ),
  one('without any endpoint it refuses', cluster(local(), {}), [...eachWayOut('X', 'reject')]),
  {
    name: 'the policy changes and changes back',
    steps: [
      { objects: cluster(outerService()), probes: [probe('X', 'lb', ALL, true)] },
      { objects: cluster(local()), probes: [probe('X', 'lb', LOCAL, false)] },
      { objects: cluster(outerService()), probes: [probe('X', 'lb', ALL, true)] },
    ],
  },
];

const INTERNAL_LOCAL: readonly Case[] = [
  one(
    'internalTrafficPolicy Local keeps to this node',
    cluster(outerService({ internalTrafficPolicy: 'Local' })),
    [probe('a', 'vip', LOCAL), probe('X', 'N1', ALL, true)],
  ),
  one(
    'it drops where this node has no endpoint',
    cluster(service({ internalTrafficPolicy: 'Local' }), { c: READY }),
    [probe('a', 'vip', 'drop'), probe('H', 'vip', 'drop')],
  ),
  one('without any endpoint it refuses', cluster(service({ internalTrafficPolicy: 'Local' }), {}), [
    probe('a', 'vip', 'reject'),
  ]),
  one(
    'both policies at once, each with its own result',
    cluster(local({ internalTrafficPolicy: 'Local' }), { b: READY, c: READY }),
    [
      probe('a', 'vip', ['b'], false),
      probe('X', 'lb', ['b'], false),
      probe('a', 'lb', ['b', 'c'], false),
    ],
  ),
];

const TERMINATING: readonly Case[] = [
  one(
    'where none is ready, those that are leaving serve on',
    cluster(service(), { a: LEAVING, c: LEAVING }),
    [probe('b', 'vip', ['a', 'c'])],
  ),
  one('one that is ready takes all', cluster(service(), { a: LEAVING, c: READY }), [
    probe('b', 'vip', ['c']),
  ]),
  one('one that no longer answers gets nothing', cluster(service(), { a: GONE }), [
    probe('b', 'vip', 'reject'),
  ]),
  one(
    'a local one that is leaving serves, whatever other nodes have',
    cluster(local(), { a: LEAVING, c: READY }),
    [probe('X', 'lb', ['a'], false), probe('b', 'lb', ['c'], false), probe('b', 'vip', ['c'])],
  ),
];

const zoneB = { hints: { forZones: ['zone-b'] } };

const TOPOLOGY: readonly Case[] = [
  one('hints to zones keep traffic in this one', cluster(service(), zoned(ALL)), [
    probe('a', 'vip', LOCAL),
  ]),
  one(
    'one endpoint without a hint, and all serve',
    cluster(service(), { ...zoned(ALL), d: READY }),
    [probe('a', 'vip', ALL)],
  ),
  one('no hint to this zone, and all serve', cluster(service(), { a: zoneB, c: zoneB }), [
    probe('b', 'vip', ['a', 'c']),
  ]),
  one(
    'hints to nodes come first',
    cluster(service(), {
      a: { hints: { forNodes: ['n1'], forZones: [ZONE_A] } },
      b: { hints: { forNodes: ['n2'], forZones: [ZONE_A] } },
      c: { hints: { forNodes: ['n2'], forZones: ['zone-b'] } },
    }),
    [probe('d', 'vip', ['a'])],
  ),
  one(
    'without a hint to this node the zone counts',
    cluster(service(), {
      a: { hints: { forNodes: ['n2'], forZones: [ZONE_A] } },
      c: { hints: { forNodes: ['n2'], forZones: ['zone-b'] } },
    }),
    [probe('d', 'vip', ['a'])],
  ),
  {
    name: 'the zone of the node changes',
    steps: [
      { objects: cluster(service(), zoned(ALL)), probes: [probe('a', 'vip', LOCAL)] },
      {
        objects: cluster(service(), zoned(ALL)),
        settings: { zone: 'zone-b' },
        probes: [probe('a', 'vip', ['c', 'd'])],
      },
      {
        objects: cluster(service(), zoned(ALL)),
        settings: { zone: '' },
        probes: [probe('a', 'vip', ALL)],
      },
    ],
  },
  one('what stays on the node has no use for hints', cluster(local(), { a: zoneB, b: zoneB }), [
    probe('X', 'lb', LOCAL, false),
  ]),
];

const SELECTION: readonly Case[] = [
  {
    name: 'a Service that is handed to another proxy',
    steps: [
      { objects: cluster(service()), probes: [probe('a', 'vip', ALL)] },
      {
        objects: cluster(service(labelled({ 'service.kubernetes.io/service-proxy-name': 'x' }))),
        probes: [probe('a', 'vip', 'pass')],
      },
    ],
  },
  one(
    'a proxy with a name serves what carries it',
    cluster(service(labelled({ 'service.kubernetes.io/service-proxy-name': 'mine' }))),
    [probe('a', 'vip', ALL)],
    { proxyName: 'mine' },
  ),
  one(
    'a Service labelled as headless',
    cluster(service(labelled({ 'service.kubernetes.io/headless': '' }))),
    [probe('a', 'vip', 'pass')],
  ),
  {
    name: 'a Service that becomes an alias, and is one no more',
    steps: [
      {
        objects: cluster(service({ type: 'ExternalName', externalName: 'example.com' })),
        probes: [probe('a', 'vip', 'pass')],
      },
      { objects: cluster(service()), probes: [probe('a', 'vip', ALL)] },
    ],
  },
  one(
    'endpoints published before they are ready',
    cluster(service(), { a: { conditions: { ready: true, serving: false } }, b: UNREADY }),
    [probe('c', 'vip', ['a'])],
  ),
  one(
    'a slice of names, and one of the other family, do no harm',
    [
      service(),
      ...slices({ a: READY }),
      {
        kind: 'EndpointSlice',
        metadata: {
          name: 'names',
          namespace: 'default',
          labels: { 'kubernetes.io/service-name': 'web' },
          annotations: {},
        },
        addressType: 'FQDN',
        ports: [{ name: '', protocol: 'TCP', port: 80 }],
        endpoints: [{ addresses: ['example.com'], conditions: {} }],
      },
      {
        kind: 'EndpointSlice',
        metadata: {
          name: 'other-family',
          namespace: 'default',
          labels: { 'kubernetes.io/service-name': 'web' },
          annotations: {},
        },
        addressType: 'IPv4',
        ports: [{ name: '', protocol: 'TCP', port: 80 }],
        endpoints: [{ addresses: [ADDR.b[6]], conditions: {} }],
      },
    ],
    [probe('c', 'vip', ['a'])],
  ),
  {
    name: 'slices come before their Service, and stay after it',
    steps: [
      { objects: slices(ALL_READY), probes: [probe('a', 'vip', 'pass')] },
      { objects: cluster(service()), probes: [probe('a', 'vip', ALL)] },
      { objects: slices(ALL_READY), probes: [probe('a', 'vip', 'pass')] },
    ],
  },
];

const UDP_PORT = { name: '', protocol: 'UDP', port: SERVICE_PORT, nodePort: NODE_PORT } as const;
/** `web` over UDP with every way in. */
const udp = (more: Partial<Service> = {}): Service => outerService({ ports: [UDP_PORT], ...more });
const udpCluster = (pods: Parameters<typeof slices>[0], more?: Partial<Service>) => [
  udp(more),
  ...slices(pods, { protocol: 'UDP' }),
];
/** The same client every time, so that what it sends is one flow for each place. */
const flow = (from: Client, to: Place, expect: Expect): Probe => ({
  ...probe(from, to, expect),
  protocol: 'UDP',
  fromPort: FLOW_PORT,
});
const FLOW_PORT = 40_053;
/** A flow of an earlier step. */
const goesOn = (each: Probe): Probe => ({ ...each, goesOn: true });
/** From outside by every way, and from a pod by the cluster IP. */
const flows = (expect: Expect): Probe[] => [
  flow('a', 'vip', expect),
  ...(['lb', 'external', 'N1'] as const).map((to) => flow('X', to, expect)),
];

const CONNTRACK: readonly Case[] = [
  {
    name: 'a UDP flow goes to the endpoint that takes the place of another',
    steps: [
      { objects: udpCluster({ b: READY }), probes: flows(['b']) },
      { objects: udpCluster({ c: READY }), probes: flows(['c']) },
      { objects: udpCluster({ d: READY }), probes: flows(['d']) },
    ],
  },
  {
    name: 'a UDP flow is refused while there is no endpoint, and goes on with the next',
    steps: [
      { objects: udpCluster({ b: READY }), probes: flows(['b']) },
      { objects: udpCluster({}), probes: flows('reject') },
      { objects: udpCluster({ d: READY }), probes: flows(['d']) },
    ],
  },
  {
    name: 'a UDP flow that began before the Service',
    steps: [
      { objects: [], probes: flows('pass') },
      { objects: udpCluster({ b: READY }), probes: flows(['b']) },
    ],
  },
  {
    name: 'no packet of a UDP flow reaches an endpoint whose Service is gone',
    steps: [
      { objects: udpCluster({ b: READY }), probes: flows(['b']) },
      { objects: slices({ b: READY }, { protocol: 'UDP' }), probes: flows('pass') },
    ],
  },
  {
    name: 'a UDP flow stays with an endpoint that is leaving, or that policies keep others from',
    steps: [
      { objects: udpCluster({ c: READY }), probes: flows(['c']) },
      {
        objects: udpCluster({ c: LEAVING, b: READY }),
        probes: [
          ...flows(['c']).map(goesOn),
          { ...flow('a', 'vip', ['b']), fromPort: FLOW_PORT + 1 },
        ],
      },
      {
        objects: udpCluster(
          { c: READY, b: READY },
          { internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Local' },
        ),
        probes: [
          ...flows(['c']).map(goesOn),
          { ...flow('X', 'lb', ['b']), fromPort: FLOW_PORT + 2 },
        ],
      },
      { objects: udpCluster({ c: GONE, b: READY }), probes: flows(['b']) },
    ],
  },
  {
    name: 'with policy Local a UDP flow leaves an endpoint that is gone, for a local one',
    steps: [
      {
        objects: udpCluster({ b: READY, c: READY }, { externalTrafficPolicy: 'Local' }),
        probes: [flow('X', 'lb', ['b']), flow('X', 'N1', ['b'])],
      },
      {
        objects: udpCluster({ a: READY, c: READY }, { externalTrafficPolicy: 'Local' }),
        probes: [flow('X', 'lb', ['a']), flow('X', 'N1', ['a'])],
      },
    ],
  },
];

/** A client that stays with its endpoint. */
const sticks = (from: Client, to: Place, expect: Expect, more: Partial<Probe> = {}): Probe => ({
  ...probe(from, to, expect),
  sticky: from,
  ...more,
});
const sticky = (more: Partial<Service> = {}): Service =>
  outerService({ affinitySeconds: 10_800, ...more });

const AFFINITY: readonly Case[] = [
  one('a client stays with its endpoint', cluster(sticky()), [
    sticks('a', 'vip', ALL),
    sticks('H', 'vip', ALL),
  ]),
  one('whichever way it comes in', cluster(sticky()), [
    sticks('X', 'N1', ALL),
    sticks('X', 'lb', ALL),
    sticks('X', 'external', ALL),
    sticks('X', 'vip', ALL),
  ]),
  one('for a time from its last connection on', cluster(sticky({ affinitySeconds: 2 })), [
    sticks('a', 'vip', ALL, { keepsForMs: 1000 }),
    sticks('a', 'vip', ALL, { forgetsAfterMs: 2300 }),
  ]),
  {
    name: 'it goes to another when its endpoint is gone, and stays there',
    steps: [
      { objects: cluster(sticky(), { a: READY }), probes: [sticks('X', 'lb', ['a'])] },
      {
        objects: cluster(sticky(), { b: READY, c: READY }),
        probes: [sticks('X', 'lb', ['b', 'c']), sticks('X', 'N1', ['b', 'c'])],
      },
      // The one it had first is back, and is one among others.
      {
        objects: cluster(sticky(), { a: READY, b: READY, c: READY }),
        probes: [sticks('X', 'lb', ['b', 'c'])],
      },
    ],
  },
  {
    name: 'it leaves an endpoint that is not ready any more',
    steps: [
      { objects: cluster(sticky(), { b: READY }), probes: [sticks('a', 'vip', ['b'])] },
      {
        objects: cluster(sticky(), { b: UNREADY, c: READY, d: READY }),
        probes: [sticks('a', 'vip', ['c', 'd'])],
      },
    ],
  },
  {
    name: 'it stays when others are added',
    steps: [
      { objects: cluster(sticky(), { c: READY }), probes: [sticks('X', 'lb', ['c'])] },
      { objects: cluster(sticky()), probes: [sticks('X', 'lb', ['c']), sticks('X', 'N1', ['c'])] },
    ],
  },
  {
    name: 'affinity is turned on and off',
    steps: [
      { objects: cluster(outerService()), probes: [probe('X', 'lb', ALL)] },
      { objects: cluster(sticky()), probes: [sticks('X', 'lb', ALL)] },
      { objects: cluster(outerService()), probes: [probe('X', 'lb', ALL)] },
    ],
  },
  one(
    'with policy Local it stays with one of this node',
    cluster(sticky({ externalTrafficPolicy: 'Local' })),
    [sticks('X', 'lb', LOCAL), sticks('X', 'N1', LOCAL)],
  ),
  one(
    'over UDP as over TCP',
    udpCluster({ a: READY, b: READY, c: READY, d: READY }, { affinitySeconds: 60 }),
    [sticks('X', 'lb', ALL, { protocol: 'UDP' }), sticks('X', 'N1', ALL, { protocol: 'UDP' })],
  ),
];

/** The cases of every backend and of the model, by the part of the contract they are about. */
export const CASES: Readonly<Record<string, readonly Case[]>> = {
  'cluster IP': CLUSTER_IP,
  'no endpoints': NO_ENDPOINTS,
  'node port': NODE_PORTS,
  'load balancer and external IP': OUTER_ADDRESSES,
  'externalTrafficPolicy Local': EXTERNAL_LOCAL,
  'internalTrafficPolicy Local': INTERNAL_LOCAL,
  'terminating endpoints': TERMINATING,
  topology: TOPOLOGY,
  'labels and slices': SELECTION,
  'connection tracking': CONNTRACK,
  affinity: AFFINITY,
};
