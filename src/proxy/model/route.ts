import {
  type EndpointSlice,
  isHeadless,
  type Protocol,
  type Service,
  type ServicePort,
} from '../../cluster/objects.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import { tryParseAddrLenient } from '../../ipaddr/parse-addr.ts';
import { Prefix, tryParsePrefix } from '../../ipaddr/prefix.ts';
import { AddrSet } from '../../ipaddr/set/addr-set.ts';
import { clusterChoice, localChoice } from './choice.ts';
import { candidatesOf, type EndpointTarget } from './endpoint.ts';
import { type Pool, samePool, sameTargets } from './pool.ts';
import { detects, type ModelSettings } from './settings.ts';

/** Who sent a packet: a pod of this node as the detector sees it, the node itself, anybody else. */
export type Origin = 'pod' | 'host' | 'outside';

/** What kind of address leads to the Service. */
export type Entry = 'cluster-ip' | 'external-ip' | 'load-balancer' | 'node-port';

/** What happens to a connection of one origin. */
export interface Way {
  readonly pool: Pool;
  /** Whether its source becomes an address of this node. One that reaches itself always does so. */
  readonly masquerade: boolean;
}

/** One way into a Service: an address and port, or a port of the node, and what is behind it. */
export interface ServiceRoute {
  /** The Service and its port, for people: `default/web:http`. */
  readonly name: string;
  readonly entry: Entry;
  readonly family: 4 | 6;
  /** Undefined for a node port, which is on addresses of the node. */
  readonly addr: Addr | undefined;
  readonly protocol: Protocol;
  readonly port: number;
  readonly ways: Readonly<Record<Origin, Way>>;
  /** Who may connect; undefined: everybody. Others are dropped, whoever they are. */
  readonly sources: readonly Prefix[] | undefined;
  /**
   * Of a UDP or SCTP port: all endpoints that answer, whatever policies and hints say. A flow that leads
   * to one of them goes on, as a TCP connection would; one that leads elsewhere is stale.
   */
  readonly serving?: readonly EndpointTarget[] | undefined;
  /** Of a cluster IP: the healthCheckNodePort, which a firewall of the node has to let through. */
  readonly healthCheckPort?: number | undefined;
}

/** A route as it is planned. */
export interface PlannedRoute extends ServiceRoute {
  /** What `routeKey` says of it. */
  readonly key: string;
  /** The Service it belongs to: `namespace/name`. */
  readonly service: string;
}

/**
 * A way in that the kernel had from whoever ran here before, and that is not desired. Flows over it may
 * be left.
 */
export interface DepartedWay extends Pick<ServiceRoute, 'family' | 'addr' | 'protocol' | 'port'> {
  /** Where it led. */
  readonly endpoints: readonly Pick<EndpointTarget, 'addr' | 'port'>[];
}

const PROXY_NAME_LABEL = 'service.kubernetes.io/service-proxy-name';
const HEADLESS_LABEL = 'service.kubernetes.io/headless';
const FAMILIES = [4, 6] as const;

/** Whether the Service is this proxy's to serve. */
export function isServed(service: Service, { proxyName }: ModelSettings): boolean {
  const { labels } = service.metadata;
  if (service.type === 'ExternalName' || isHeadless(service)) return false;
  if (labels[HEADLESS_LABEL] !== undefined) return false;
  // kube-proxy leaves any Service with the label alone, whatever its value.
  return proxyName === ''
    ? labels[PROXY_NAME_LABEL] === undefined
    : labels[PROXY_NAME_LABEL] === proxyName;
}

/** All ways into one Service, in a fixed order. Addresses that are none are passed over. Pure. */
export function routesOf(
  service: Service,
  slices: readonly EndpointSlice[],
  settings: ModelSettings,
): PlannedRoute[] {
  if (!isServed(service, settings)) return [];
  const clusterIPs = addrsOf(service.clusterIPs);
  return FAMILIES.flatMap((family) => {
    const addr = clusterIPs.find((each) => each.family === family);
    if (addr === undefined) return [];
    const outer = outerAddrs(service, family, settings);
    return service.ports.flatMap((port) =>
      portRoutes(service, port, addr, outer, slices, settings),
    );
  });
}

/** The addresses of a Service beside its cluster IPs. */
interface OuterAddrs {
  readonly external: readonly Addr[];
  readonly balancer: readonly Addr[];
}

function outerAddrs(service: Service, family: 4 | 6, { externalIPs }: ModelSettings): OuterAddrs {
  const inFamily = (texts: readonly string[]) =>
    addrsOf(texts).filter((addr) => addr.family === family);
  const vips = (service.loadBalancerIngress ?? []).filter(({ ipMode }) => ipMode !== 'Proxy');
  return {
    external: externalIPs ? inFamily(service.externalIPs ?? []) : [],
    balancer: inFamily(vips.map(({ ip }) => ip)),
  };
}

function portRoutes(
  service: Service,
  port: ServicePort,
  clusterIP: Addr,
  outer: OuterAddrs,
  slices: readonly EndpointSlice[],
  settings: ModelSettings,
): PlannedRoute[] {
  const { family } = clusterIP;
  const { namespace, name } = service.metadata;
  const pools = poolsOf(service, port, family, slices, settings);
  const { protocol } = port;
  const shared = {
    service: `${namespace}/${name}`,
    name: portName(service, port),
    family,
    protocol,
    serving: protocol === 'TCP' ? undefined : pools.serving,
  };
  const inner = service.internalTrafficPolicy === 'Local' ? pools.local : pools.cluster;
  const innerWays = clusterIPWays(inner, settings, family);
  const outerWays = externalWays(service, pools, detects(settings, family));
  const isChecked = service.type === 'LoadBalancer' && service.externalTrafficPolicy === 'Local';
  const healthCheckPort = isChecked ? service.healthCheckNodePort : undefined;
  const route = (
    entry: Entry,
    addr: Addr | undefined,
    number = port.port,
    sources?: readonly Prefix[],
  ): PlannedRoute => ({
    key: routeKey({ family, addr, protocol, port: number }),
    ...shared,
    entry,
    addr,
    port: number,
    ways: entry === 'cluster-ip' ? innerWays : outerWays,
    sources,
    healthCheckPort: entry === 'cluster-ip' ? healthCheckPort : undefined,
  });
  const routes = [route('cluster-ip', clusterIP)];
  for (const addr of outer.external) routes.push(route('external-ip', addr));
  for (const addr of outer.balancer) {
    routes.push(route('load-balancer', addr, port.port, sourcesOf(service, addr, settings)));
  }
  if (port.nodePort !== undefined) routes.push(route('node-port', undefined, port.nodePort));
  return routes;
}

/** `default/web:http`, or `default/web` for the only port that has no name. */
export function portName({ metadata }: Service, port: ServicePort): string {
  const { namespace, name } = metadata;
  return `${namespace}/${name}${port.name === '' ? '' : `:${port.name}`}`;
}

/** The pool of all nodes' endpoints, that of this node's, and who answers beside them. */
interface Pools {
  readonly cluster: Pool;
  readonly local: Pool;
  readonly serving: readonly EndpointTarget[];
}

function poolsOf(
  service: Service,
  port: ServicePort,
  family: 4 | 6,
  slices: readonly EndpointSlice[],
  settings: ModelSettings,
): Pools {
  const candidates = candidatesOf(port, family, slices, settings.nodeName);
  const cluster = clusterChoice(candidates, settings).endpoints;
  const id = `${portName(service, port)} ${port.protocol} IPv${family}`;
  const affinitySeconds = service.affinitySeconds ?? 0;
  const pool = (which: string, endpoints: Pool['endpoints'], whenEmpty: Pool['whenEmpty']) => ({
    id: `${id} ${which}`,
    endpoints: endpoints.map(targetOf),
    whenEmpty,
    affinitySeconds,
  });
  return {
    cluster: pool('cluster', cluster, 'reject'),
    local: pool('local', localChoice(candidates).endpoints, cluster.length > 0 ? 'drop' : 'reject'),
    serving:
      port.protocol === 'TCP' ? [] : candidates.filter(({ isServing }) => isServing).map(targetOf),
  };
}

function targetOf({ addr, port, isLocal, mayMeetItself }: EndpointTarget): EndpointTarget {
  return { addr, port, isLocal, mayMeetItself };
}

/** To a cluster IP: who is no pod of this node would not see the replies (kube-proxy does the same). */
function clusterIPWays(
  pool: Pool,
  settings: ModelSettings,
  family: 4 | 6,
): Readonly<Record<Origin, Way>> {
  const all = settings.masqueradeAll;
  const others = { pool, masquerade: all || detects(settings, family) };
  return { pod: { pool, masquerade: all }, host: others, outside: others };
}

/**
 * From outside to any address but the cluster IP. With externalTrafficPolicy Local the client's address
 * is kept, so only endpoints of this node will do; pods and the node itself have no such need, and
 * take the short way to all endpoints.
 */
function externalWays(
  service: Service,
  { cluster, local }: Pools,
  detected: boolean,
): Readonly<Record<Origin, Way>> {
  if (service.externalTrafficPolicy !== 'Local') {
    const way = { pool: cluster, masquerade: true };
    return { pod: way, host: way, outside: way };
  }
  const outside = { pool: local, masquerade: false };
  return {
    pod: detected ? { pool: cluster, masquerade: false } : outside,
    host: { pool: cluster, masquerade: true },
    outside,
  };
}

/**
 * Who may connect to a load balancer's address. When the node itself may, so may the address: that is
 * the source of what the node sends to an address it has bound locally.
 */
function sourcesOf(
  { loadBalancerSourceRanges }: Service,
  addr: Addr,
  { nodeAddrs }: ModelSettings,
): readonly Prefix[] | undefined {
  if (loadBalancerSourceRanges === undefined || loadBalancerSourceRanges.length === 0) {
    return undefined;
  }
  const ranges = loadBalancerSourceRanges
    .map((text) => tryParsePrefix(text))
    .filter((prefix) => prefix?.addr.family === addr.family);
  const named = ranges.filter((prefix) => prefix !== undefined);
  const nodeIsIn = nodeAddrs.some((node) => named.some((prefix) => prefix.contains(node)));
  // As a set, ranges that overlap become one: a kernel's set of ranges takes no others.
  return [...AddrSet.of(nodeIsIn ? [...named, Prefix.of(addr, addr.bits)] : named).prefixes()];
}

function addrsOf(texts: readonly string[]): Addr[] {
  return texts.map((text) => tryParseAddrLenient(text)).filter((addr) => addr !== undefined);
}

/** What a packet is recognised by; equal for routes that can't both be in force. */
export function routeKey({
  family,
  addr,
  protocol,
  port,
}: Pick<ServiceRoute, 'family' | 'addr' | 'protocol' | 'port'>): string {
  return `${addr ?? `IPv${family} node`} ${protocol} ${port}`;
}

const ORIGINS = ['pod', 'host', 'outside'] as const;

/** Whether two routes mean the same. */
export function sameRoute(a: ServiceRoute, b: ServiceRoute): boolean {
  return (
    a.name === b.name &&
    a.entry === b.entry &&
    a.healthCheckPort === b.healthCheckPort &&
    routeKey(a) === routeKey(b) &&
    sameSources(a.sources, b.sources) &&
    sameTargets(a.serving ?? [], b.serving ?? []) &&
    ORIGINS.every(
      (origin) =>
        a.ways[origin].masquerade === b.ways[origin].masquerade &&
        samePool(a.ways[origin].pool, b.ways[origin].pool),
    )
  );
}

function sameSources(a: ServiceRoute['sources'], b: ServiceRoute['sources']): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((prefix, index) => `${prefix}` === `${b[index]}`);
}
