import type { ClusterObject, EndpointSlice, Service } from '../../src/cluster/objects.ts';
import {
  clusterIPOf,
  ENDPOINT_PORT,
  endpointAddress,
  namespaces,
  SERVICE_PORT,
} from './proxy-objects.ts';

/* The Services of `proxy-objects.ts` with one endpoint each, as the store has them. */

const NAMESPACES = namespaces();

const nameOf = (index: number) => `service-${index}`;
const namespaceOf = (index: number) => NAMESPACES[index % NAMESPACES.length] ?? '';

/** The name of Service `index` in the zone. */
export function domainOf(index: number): string {
  return `${nameOf(index)}.${namespaceOf(index)}.svc.cluster.local`;
}

/** Service `index`: one cluster IP, one named port. */
export function serviceAt(index: number): Service {
  return {
    kind: 'Service',
    metadata: { name: nameOf(index), namespace: namespaceOf(index), labels: {}, annotations: {} },
    type: 'ClusterIP',
    clusterIPs: [clusterIPOf(index)],
    ports: [{ name: 'http', protocol: 'TCP', port: SERVICE_PORT }],
  };
}

/** Its slice: one endpoint. */
export function sliceAt(index: number): EndpointSlice {
  const name = nameOf(index);
  return {
    kind: 'EndpointSlice',
    metadata: {
      name,
      namespace: namespaceOf(index),
      labels: { 'kubernetes.io/service-name': name },
      annotations: {},
    },
    addressType: 'IPv4',
    endpoints: [{ addresses: [endpointAddress(index)], conditions: { ready: true } }],
    ports: [{ name: 'http', protocol: 'TCP', port: ENDPOINT_PORT }],
  };
}

/** All objects of so many Services. */
export function* objects(services: number): Generator<ClusterObject> {
  for (let index = 0; index < services; index += 1) {
    yield serviceAt(index);
    yield sliceAt(index);
  }
}
