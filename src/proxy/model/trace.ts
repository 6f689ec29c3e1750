import type { Protocol } from '../../cluster/objects.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import type { Prefix } from '../../ipaddr/prefix.ts';
import type { EndpointTarget } from './endpoint.ts';
import { type Origin, routeKey, type ServiceRoute, type Way } from './route.ts';

/** The first packet of a connection, before anything is translated. */
export interface Packet {
  readonly source: Addr;
  readonly destination: Addr;
  readonly protocol: Protocol;
  readonly port: number;
  readonly origin: Origin;
}

/** What the fate of a packet depends on beside the routes. */
export interface TraceContext {
  /** The route in force for a key of `routeKey`. */
  route(key: string): ServiceRoute | undefined;
  /** Whether node ports are served on the address: it is the node's, and among the chosen ones. */
  isNodePortAddr(addr: Addr): boolean;
  /** Whether a Service has the address as its cluster IP. */
  isClusterIP(addr: Addr): boolean;
  /** Where cluster IPs come from. */
  readonly serviceCidrs: readonly Prefix[];
}

/** What becomes of a packet. */
export interface Trace {
  /** `pass`: no Service is concerned, the packet goes on as it is. */
  readonly verdict: 'forward' | 'reject' | 'drop' | 'pass';
  readonly route: ServiceRoute | undefined;
  /** Where it may be sent, each as likely; empty unless it is forwarded. */
  readonly endpoints: readonly EndpointTarget[];
  /** Whether the source becomes an address of this node, whichever endpoint it is. */
  readonly masquerade: boolean;
  /** The endpoints at which it becomes one anyway, for they are the sender itself. */
  readonly hairpin: readonly EndpointTarget[];
  /** What led there, a sentence each. */
  readonly steps: readonly string[];
}

/** Says what happens to a packet and why, from the routes alone. Pure. */
export function trace(packet: Packet, context: TraceContext): Trace {
  const steps: string[] = [];
  const route = routeOf(packet, context);
  if (route === undefined) return traceUnserved(packet, context);
  steps.push(`${describe(packet)} is ${nameEntry(route)} of Service port ${route.name}`);
  const end = (verdict: Trace['verdict'], way?: Way): Trace => ({
    verdict,
    route,
    endpoints: verdict === 'forward' ? (way?.pool.endpoints ?? []) : [],
    masquerade: verdict === 'forward' && way?.masquerade === true,
    hairpin:
      verdict === 'forward'
        ? (way?.pool.endpoints ?? []).filter(({ addr }) => addr.equals(packet.source))
        : [],
    steps,
  });
  if (route.sources !== undefined) {
    const range = route.sources.find((prefix) => prefix.contains(packet.source));
    const ranges = route.sources.join(', ') || 'nobody';
    if (range === undefined) {
      steps.push(
        `loadBalancerSourceRanges admits ${ranges}, and ${packet.source} is not among them`,
      );
      return end('drop');
    }
    steps.push(`loadBalancerSourceRanges admits ${packet.source} by ${range}`);
  }
  const way = route.ways[packet.origin];
  steps.push(`from ${nameOrigin(packet.origin)} the pool is "${way.pool.id}"`);
  if (way.pool.endpoints.length === 0) {
    steps.push(
      way.pool.whenEmpty === 'drop'
        ? 'no endpoint is on this node, but some are on others: dropped'
        : 'no endpoint is ready: refused',
    );
    return end(way.pool.whenEmpty, way);
  }
  if (way.pool.affinitySeconds > 0) {
    steps.push(`a client stays with its endpoint for ${way.pool.affinitySeconds} s`);
  }
  steps.push(
    way.masquerade
      ? 'the source becomes an address of this node'
      : 'the source stays, unless the endpoint is the sender itself',
  );
  return end('forward', way);
}

/** An address of a Service comes before a node port, for it is the more specific. */
function routeOf(packet: Packet, context: TraceContext): ServiceRoute | undefined {
  const { destination: addr, protocol, port } = packet;
  const key = { family: addr.family, protocol, port };
  const route = context.route(routeKey({ ...key, addr }));
  if (route !== undefined || !context.isNodePortAddr(addr)) return route;
  return context.route(routeKey({ ...key, addr: undefined }));
}

function traceUnserved(packet: Packet, context: TraceContext): Trace {
  const end = (verdict: Trace['verdict'], step: string): Trace => ({
    verdict,
    route: undefined,
    endpoints: [],
    masquerade: false,
    hairpin: [],
    steps: [step],
  });
  const { destination } = packet;
  if (context.isClusterIP(destination)) {
    return end(
      'reject',
      `${destination} is a cluster IP, but no Service port of it is ${describe(packet)}`,
    );
  }
  const cidr = context.serviceCidrs.find((prefix) => prefix.contains(destination));
  if (cidr !== undefined) {
    return end('drop', `${destination} is in the Service range ${cidr}, but no Service has it`);
  }
  return end('pass', `no Service has ${describe(packet)}`);
}

function describe({ destination, protocol, port }: Packet): string {
  const host = destination.family === 6 ? `[${destination}]` : `${destination}`;
  return `${host}:${port}/${protocol}`;
}

function nameEntry({ entry }: ServiceRoute): string {
  switch (entry) {
    case 'cluster-ip':
      return 'the cluster IP';
    case 'external-ip':
      return 'an external IP';
    case 'load-balancer':
      return "the load balancer's address";
    case 'node-port':
      return 'a node port';
  }
}

function nameOrigin(origin: Origin): string {
  switch (origin) {
    case 'pod':
      return 'a pod of this node';
    case 'host':
      return 'the node itself';
    case 'outside':
      return 'outside this node';
  }
}
