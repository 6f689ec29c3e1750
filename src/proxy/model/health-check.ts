import { type EndpointSlice, isReady, type Service } from '../../cluster/objects.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import { tryParseAddrLenient } from '../../ipaddr/parse-addr.ts';
import { isServed } from './route.ts';
import type { ModelSettings } from './settings.ts';

/** What a load balancer is told that asks whether to send a Service's traffic to this node. */
export interface HealthCheck {
  readonly namespace: string;
  readonly name: string;
  /** The Service's healthCheckNodePort. */
  readonly port: number;
  /** How many pods of this node are ready, in each family the Service has. */
  readonly localEndpoints: Readonly<Partial<Record<4 | 6, number>>>;
}

const FAMILIES = [4, 6] as const;

/**
 * The health check of a Service; undefined for one that has none: only load balancers that keep to
 * nodes with endpoints ask. Pods that are leaving do not count, so that a node drains before they go
 * (KEP-1669). Pure.
 */
export function healthCheckOf(
  service: Service,
  slices: readonly EndpointSlice[],
  settings: ModelSettings,
): HealthCheck | undefined {
  const { healthCheckNodePort: port, metadata, type, externalTrafficPolicy } = service;
  if (port === undefined || type !== 'LoadBalancer' || externalTrafficPolicy !== 'Local') {
    return undefined;
  }
  if (!isServed(service, settings)) return undefined;
  const families = new Set(service.clusterIPs.map((text) => tryParseAddrLenient(text)?.family));
  const counts = FAMILIES.filter((family) => families.has(family)).map((family) => [
    family,
    localAddrs(slices, family, settings.nodeName).size,
  ]);
  const { namespace, name } = metadata;
  return { namespace, name, port, localEndpoints: Object.fromEntries(counts) };
}

/** The addresses of ready endpoints on this node, each once whatever the number of its ports. */
function localAddrs(
  slices: readonly EndpointSlice[],
  family: 4 | 6,
  nodeName: string,
): ReadonlySet<Addr['key']> {
  const endpoints = slices
    .filter(({ addressType, ports }) => {
      return addressType === `IPv${family}` && ports.some(({ port }) => port !== undefined);
    })
    .flatMap((slice) => slice.endpoints)
    .filter((each) => nodeName !== '' && each.nodeName === nodeName && isReady(each));
  const addrs = endpoints.map(({ addresses }) => tryParseAddrLenient(addresses[0] ?? ''));
  return new Set(addrs.flatMap((addr) => (addr?.family === family ? [addr.key] : [])));
}
