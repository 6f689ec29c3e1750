import {
  type EndpointSlice,
  isHeadless,
  isReady,
  type Protocol,
  type Service,
  type ServicePort,
} from '../../cluster/objects.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import { tryParseAddr } from '../../ipaddr/parse-addr.ts';

/** More endpoints of one port than this are left out; discovery.k8s.io has 1000 to a slice. */
const ENDPOINTS_MAX = 32_768;

/** Where a connection may be sent. */
export interface EndpointTarget {
  readonly addr: Addr;
  readonly port: number;
}

/** One way a packet can take: a Service's address and port, and the endpoints behind it. */
export interface ServiceRoute {
  /** The Service and its port, for people: `default/web:http`. */
  readonly name: string;
  readonly addr: Addr;
  readonly protocol: Protocol;
  readonly port: number;
  /** Ready endpoints in the order of their addresses, each once. Empty: refuse connections. */
  readonly endpoints: readonly EndpointTarget[];
}

/**
 * The routes of one Service: each cluster IP with each port. Headless and external Services have
 * none. Pure.
 */
export function routesOf(service: Service, slices: readonly EndpointSlice[]): ServiceRoute[] {
  if (service.type === 'ExternalName' || isHeadless(service)) return [];
  const { namespace, name } = service.metadata;
  const routes: ServiceRoute[] = [];
  for (const text of service.clusterIPs) {
    const addr = tryParseAddr(text);
    if (addr === undefined) continue;
    for (const port of service.ports) {
      routes.push({
        name: `${namespace}/${name}${port.name === '' ? '' : `:${port.name}`}`,
        addr,
        protocol: port.protocol,
        port: port.port,
        endpoints: endpointsOf(port, addr.family, slices),
      });
    }
  }
  return routes;
}

/** A slice's port belongs to the Service's port of the same name, whatever its number. */
function endpointsOf(
  servicePort: ServicePort,
  family: 4 | 6,
  slices: readonly EndpointSlice[],
): EndpointTarget[] {
  const targets = new Map<string, EndpointTarget>();
  for (const slice of slices) {
    if (slice.addressType !== `IPv${family}`) continue;
    for (const { name, protocol, port } of slice.ports) {
      if (name !== servicePort.name || protocol !== servicePort.protocol || port === undefined) {
        continue;
      }
      for (const endpoint of slice.endpoints) {
        // The API promises that all addresses of an endpoint are the same one; the first counts.
        const addr = tryParseAddr(endpoint.addresses[0] ?? '');
        if (addr === undefined || !isReady(endpoint) || targets.size >= ENDPOINTS_MAX) continue;
        targets.set(`${addr.key} ${port}`, { addr, port });
      }
    }
  }
  return [...targets.values()].sort((a, b) => a.addr.compare(b.addr) || a.port - b.port);
}
