import type {
  ClusterObject,
  Endpoint,
  EndpointSlice,
  Protocol,
  Service,
} from '../../../src/cluster/objects.ts';

/*
 * The cluster every case of the proxy's suite plays in, the same for the model and for a kernel:
 *
 *        N1 192.168.0.2, zone A        N2 192.168.0.3, zone B         X 203.0.113.9, outside
 *        pods a 10.180.0.1             pods c 10.180.1.1
 *             b 10.180.0.2                  d 10.180.1.2
 *
 * The proxy under test runs on N1. Each address has an IPv6 twin. One Service, `default/web`, has the
 * four pods as endpoints unless a case says otherwise.
 */

export type PodName = 'a' | 'b' | 'c' | 'd';
export const PODS: readonly PodName[] = ['a', 'b', 'c', 'd'];
/** Who opens a connection: a pod, the node N1 itself, or somebody outside. */
export type Client = PodName | 'H' | 'X';

export const FAMILIES = [4, 6] as const;
export type Family = (typeof FAMILIES)[number];

type ByFamily = Readonly<Record<Family, string>>;

/** The addresses of everything that has one. */
export const ADDR = {
  a: { 4: '10.180.0.1', 6: 'fd00:180::1' },
  b: { 4: '10.180.0.2', 6: 'fd00:180::2' },
  c: { 4: '10.180.1.1', 6: 'fd00:180:0:1::1' },
  d: { 4: '10.180.1.2', 6: 'fd00:180:0:1::2' },
  N1: { 4: '192.168.0.2', 6: 'fd00:192::2' },
  N2: { 4: '192.168.0.3', 6: 'fd00:192::3' },
  /** A second address of N1 that the Node object does not list. */
  other: { 4: '192.168.77.2', 6: 'fd00:77::2' },
  loopback: { 4: '127.0.0.1', 6: '::1' },
  X: { 4: '203.0.113.9', 6: '2001:db8:113::9' },
  vip: { 4: '172.30.0.41', 6: 'fd00:30::41' },
  /** Another Service's cluster IP. */
  vip2: { 4: '172.30.0.42', 6: 'fd00:30::42' },
  /** In the Service range, and nobody's. */
  unused: { 4: '172.30.0.99', 6: 'fd00:30::99' },
  lb: { 4: '5.6.7.8', 6: '2001:db8:5::8' },
  external: { 4: '198.51.100.4', 6: '2001:db8:198::4' },
} as const satisfies Record<string, ByFamily>;

export type Place = keyof typeof ADDR;

/** The prefixes the settings of cases name. */
export const CIDR = {
  /** Pods of the whole cluster; the detector's. */
  cluster: { 4: '10.180.0.0/24', 6: 'fd00:180::/64' },
  services: { 4: '172.30.0.0/16', 6: 'fd00:30::/64' },
  nodes: { 4: '192.168.0.0/24', 6: 'fd00:192::/64' },
  /** A range with X in it, and one without. */
  outside: { 4: '203.0.113.0/25', 6: '2001:db8:113::/64' },
  elsewhere: { 4: '203.0.113.128/25', 6: '2001:db8:114::/64' },
} as const satisfies Record<string, ByFamily>;

export const SERVICE_PORT = 80;
export const TARGET_PORT = 8080;
export const NODE_PORT = 30_001;
export const NODE_NAME = 'n1';
const NODE_OF: Readonly<Record<PodName, string>> = { a: 'n1', b: 'n1', c: 'n2', d: 'n2' };
export const ZONE_A = 'zone-a';
export const ZONE_B = 'zone-b';
const ZONE_OF: Readonly<Record<PodName, string>> = { a: ZONE_A, b: ZONE_A, c: ZONE_B, d: ZONE_B };

const metadata = (name: string, labels: Record<string, string> = {}) => ({
  name,
  namespace: 'default',
  labels,
  annotations: {},
});

/** `default/web`, a cluster IP of each family and port 80, with the fields of `more` on top. */
export function service(more: Partial<Service> = {}): Service {
  return {
    kind: 'Service',
    metadata: metadata('web'),
    type: 'ClusterIP',
    clusterIPs: FAMILIES.map((family) => ADDR.vip[family]),
    ports: [{ name: '', protocol: 'TCP', port: SERVICE_PORT }],
    ...more,
  };
}

/** The labels of `default/web`, for cases about labels. */
export function labelled(labels: Record<string, string>): Partial<Service> {
  return { metadata: metadata('web', labels) };
}

/** `service` with every way in: node port, load balancer and external address. */
export function outerService(more: Partial<Service> = {}): Service {
  return service({
    type: 'LoadBalancer',
    ports: [{ name: '', protocol: 'TCP', port: SERVICE_PORT, nodePort: NODE_PORT }],
    externalIPs: FAMILIES.map((family) => ADDR.external[family]),
    loadBalancerIngress: FAMILIES.map((family) => ({ ip: ADDR.lb[family] })),
    ...more,
  });
}

/** What is said of one endpoint; by default it is ready. */
export interface EndpointState {
  readonly conditions?: Endpoint['conditions'];
  readonly hints?: Endpoint['hints'];
}

export const LEAVING: EndpointState = {
  conditions: { ready: false, serving: true, terminating: true },
};
export const GONE: EndpointState = {
  conditions: { ready: false, serving: false, terminating: true },
};
export const UNREADY: EndpointState = { conditions: { ready: false } };

/** The slices of `default/web`, one a family, with the pods named. */
export function slices(
  pods: Readonly<Partial<Record<PodName, EndpointState>>>,
  more: {
    readonly name?: string;
    readonly of?: string;
    readonly port?: number;
    readonly protocol?: Protocol;
    readonly portName?: string;
  } = {},
): EndpointSlice[] {
  const { name = 'web', of = 'web', port = TARGET_PORT, protocol = 'TCP', portName = '' } = more;
  return FAMILIES.map((family) => ({
    kind: 'EndpointSlice',
    metadata: metadata(`${name}-${family}`, { 'kubernetes.io/service-name': of }),
    addressType: family === 4 ? 'IPv4' : 'IPv6',
    ports: [{ name: portName, protocol, port }],
    endpoints: PODS.filter((pod) => pods[pod] !== undefined).map((pod) => ({
      addresses: [ADDR[pod][family]],
      nodeName: NODE_OF[pod],
      zone: ZONE_OF[pod],
      conditions: pods[pod]?.conditions ?? {},
      ...(pods[pod]?.hints === undefined ? {} : { hints: pods[pod].hints }),
    })),
  }));
}

export const READY: EndpointState = {};
export const ALL_READY = { a: READY, b: READY, c: READY, d: READY } as const;

/** A hint to the zone of each pod, or to the given ones. */
export function zoned(pods: readonly PodName[], zones?: readonly string[]) {
  return Object.fromEntries(
    pods.map((pod) => [pod, { hints: { forZones: zones ?? [ZONE_OF[pod]] } }]),
  ) as Partial<Record<PodName, EndpointState>>;
}

/** `web` and its endpoints: by default all four, ready. */
export function cluster(
  web: Service,
  pods: Readonly<Partial<Record<PodName, EndpointState>>> = ALL_READY,
): ClusterObject[] {
  return [web, ...slices(pods)];
}
