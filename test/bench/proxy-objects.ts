/*
 * The Services that `make bench-proxy` loads, as the Kubernetes API has them. All have one port and
 * live in a few namespaces; one endpoint in fifty is on the node that is measured.
 */

/** How many Services, and endpoints of each. */
export interface Size {
  readonly services: number;
  readonly endpoints: number;
}

export const NODE_NAME = 'node-0';
export const SERVICE_PORT = 80;
export const ENDPOINT_PORT = 8080;
/** Where cluster IPs and endpoints come from; the second is all of the room that answers. */
export const SERVICE_RANGE = '10.96.0.0/12';
export const ENDPOINT_RANGE = '10.128.0.0/9';
const NAMESPACES = 20;
const NODES = 50;

const addressOf = (base: number, index: number): string => {
  const number = base + index;
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
};

/** The cluster IP of Service `index`. */
export function clusterIPOf(index: number): string {
  return addressOf(0x0a600100, index); // from 10.96.1.0 on
}

/** An address that an endpoint can have. */
export function endpointAddress(index: number): string {
  return addressOf(0x0a800001, index); // from 10.128.0.1 on
}

/** The namespaces the Services are in. */
export function namespaces(): string[] {
  return Array.from({ length: NAMESPACES }, (_, index) => `team-${index}`);
}

/** Service `index` as the API takes it. */
export function serviceAt(index: number) {
  const name = `service-${index}`;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: `team-${index % NAMESPACES}`, labels: { app: name } },
    spec: {
      type: 'ClusterIP',
      clusterIP: clusterIPOf(index),
      clusterIPs: [clusterIPOf(index)],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      internalTrafficPolicy: 'Cluster',
      sessionAffinity: 'None',
      selector: { app: name },
      ports: [{ name: 'http', protocol: 'TCP', port: SERVICE_PORT, targetPort: ENDPOINT_PORT }],
    },
  };
}

/** Its slice. The first of its endpoints is number `moved` of its spare ones, when that is not 0. */
export function sliceAt(index: number, { services, endpoints }: Size, moved = 0) {
  const name = `service-${index}`;
  const spare = services * endpoints + moved;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-x7k2p`,
      namespace: `team-${index % NAMESPACES}`,
      labels: {
        'kubernetes.io/service-name': name,
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', protocol: 'TCP', port: ENDPOINT_PORT }],
    endpoints: Array.from({ length: endpoints }, (_, slot) => {
      const at = index * endpoints + slot;
      return {
        addresses: [endpointAddress(slot === 0 && moved > 0 ? spare : at)],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: `node-${at % NODES}`,
        targetRef: {
          kind: 'Pod',
          namespace: `team-${index % NAMESPACES}`,
          name: `${name}-${slot}`,
        },
      };
    }),
  };
}

/** The documents of Services `first` to `last - 1` as YAML, as kubectl prints it. */
export function manifestOf(first: number, last: number, size: Size, moved = 0): string {
  let text = '';
  for (let index = first; index < last; index += 1) {
    for (const object of [serviceAt(index), sliceAt(index, size, moved)]) {
      text += `---\n${yamlOf(object, '')}`;
    }
  }
  return text;
}

/** Block style, which is what people and tools write. Strings that YAML would read otherwise don't occur. */
function yamlOf(value: object, indent: string): string {
  let text = '';
  for (const [key, field] of Object.entries(value)) {
    if (Array.isArray(field)) text += `${indent}${key}:\n${listOf(field, indent)}`;
    else if (typeof field === 'object') text += `${indent}${key}:\n${yamlOf(field, `${indent}  `)}`;
    else text += `${indent}${key}: ${field}\n`;
  }
  return text;
}

function listOf(items: readonly unknown[], indent: string): string {
  return items
    .map((item) =>
      typeof item === 'object' && item !== null
        ? `${indent}- ${yamlOf(item, `${indent}  `).trimStart()}`
        : `${indent}- ${item}\n`,
    )
    .join('');
}
