import type { ClusterObject, EndpointSlice, Service } from '../../src/cluster/objects.ts';

const NAMESPACES = 50;

const nameOf = (index: number) => `service-${index}`;
const namespaceOf = (index: number) => `namespace-${index % NAMESPACES}`;
const addressOf = (first: number, index: number) =>
  `10.${first + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;

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
    clusterIPs: [addressOf(96, index)],
    ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
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
    endpoints: [{ addresses: [addressOf(200, index)], conditions: { ready: true } }],
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
  };
}

/** All objects of so many Services. */
export function* objects(services: number): Generator<ClusterObject> {
  for (let index = 0; index < services; index += 1) {
    yield serviceAt(index);
    yield sliceAt(index);
  }
}
