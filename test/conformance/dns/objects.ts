import { DNS_ADDRESS } from '../../integration/dns-corefile/station.ts';

/*
 * The objects both servers answer from, as an API server takes them: Services of every kind, many of
 * each, and their endpoints. Nothing is random, so that a difference can be looked at again.
 */

const NAMESPACES = ['alpha', 'beta', 'gamma', 'with-dashes-in-it', 'empty'] as const;
/** Services of each kind and namespace. */
const EACH = 10;
/** A label as long as may be. */
const LONG = 'l'.repeat(63);

/** An object of the API. */
export interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

interface Endpoint {
  readonly addresses: readonly string[];
  readonly hostname?: string;
  readonly conditions?: { readonly ready?: boolean };
}

const HTTP = { name: 'http', port: 80, protocol: 'TCP' };
const DNS_UDP = { name: 'dns-udp', port: 53, protocol: 'UDP' };
const DUAL = { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv4', 'IPv6'] };
const V6 = { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv6'] };
const HEADLESS = { clusterIP: 'None' };

/** All objects, in an order an API server takes. */
export function objects(): readonly ApiObject[] {
  let host = 0;
  const address = () => {
    host += 1;
    return `10.244.${host >> 8}.${host & 255}`;
  };
  const address6 = () => {
    host += 1;
    return `fd00:244::${host.toString(16)}`;
  };
  const all: ApiObject[] = NAMESPACES.map((name) => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name },
  }));
  const add = (namespace: string, name: string, spec: object) =>
    all.push({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec });
  const slice = (
    namespace: string,
    service: string,
    family: 'IPv4' | 'IPv6',
    endpoints: readonly Endpoint[],
    ports: readonly object[] = [HTTP],
  ) =>
    all.push({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: `${service.slice(0, 50)}-${family.toLowerCase()}-${all.length}`,
        namespace,
        labels: { 'kubernetes.io/service-name': service },
      },
      addressType: family,
      endpoints,
      ports,
    });
  for (const namespace of NAMESPACES) {
    if (namespace === 'empty') continue;
    for (let index = 0; index < EACH; index += 1) {
      const named = (kind: string) => `${kind}-${index}`;
      add(namespace, named('plain'), { ports: [HTTP] });
      slice(namespace, named('plain'), 'IPv4', [
        { addresses: [address()] },
        { addresses: [address()], hostname: `host-${index}` },
      ]);
      add(namespace, named('ports'), {
        ports: [HTTP, DNS_UDP, { ...DNS_UDP, name: 'dns-tcp', protocol: 'TCP' }],
      });
      add(namespace, named('unnamed'), { ports: [{ port: 8000 + index }] });
      add(namespace, named('dual'), { ports: [HTTP], ...DUAL });
      slice(namespace, named('dual'), 'IPv4', [{ addresses: [address()] }]);
      slice(namespace, named('dual'), 'IPv6', [{ addresses: [address6()] }]);
      add(namespace, named('six'), { ports: [HTTP], ...V6 });
      add(namespace, named('headless'), { ports: [HTTP, DNS_UDP], ...HEADLESS });
      slice(
        namespace,
        named('headless'),
        'IPv4',
        [
          ...Array.from({ length: index + 1 }, () => ({ addresses: [address()] })),
          { addresses: [address()], hostname: 'same' },
          { addresses: [address()], hostname: 'same' },
          { addresses: [address()], conditions: { ready: false } },
        ],
        [HTTP, DNS_UDP],
      );
      add(namespace, named('headless-dual'), { ports: [HTTP], ...HEADLESS, ...DUAL });
      slice(namespace, named('headless-dual'), 'IPv4', [
        { addresses: [address()], hostname: 'both' },
      ]);
      slice(namespace, named('headless-dual'), 'IPv6', [
        { addresses: [address6()], hostname: 'both' },
        { addresses: [`fd00:244:${index + 1}::`] },
      ]);
      add(namespace, named('headless-empty'), { ports: [HTTP], ...HEADLESS });
      add(namespace, named('headless-unready'), { ports: [HTTP], ...HEADLESS });
      slice(namespace, named('headless-unready'), 'IPv4', [
        { addresses: [address()], conditions: { ready: false } },
      ]);
      add(namespace, named('headless-portless'), { ...HEADLESS });
      slice(namespace, named('headless-portless'), 'IPv4', [{ addresses: [address()] }], []);
      add(namespace, named('node-port'), { type: 'NodePort', ports: [HTTP] });
      add(namespace, named('external'), {
        type: 'ExternalName',
        externalName: `host-${index}.example.com`,
      });
      add(namespace, named('inside'), {
        type: 'ExternalName',
        externalName: `plain-${index}.${namespace}.svc.cluster.local`,
      });
      add(namespace, named('chain'), {
        type: 'ExternalName',
        externalName: `inside-${index}.${namespace}.svc.cluster.local`,
      });
      add(namespace, named('nowhere'), {
        type: 'ExternalName',
        externalName: `missing-${index}.${namespace}.svc.cluster.local`,
      });
      add(namespace, named('outside-nowhere'), {
        type: 'ExternalName',
        externalName: `nobody-${index}.example.com`,
      });
    }
    add(namespace, LONG, { ports: [HTTP] });
    add(namespace, 'self', {
      type: 'ExternalName',
      externalName: `self.${namespace}.svc.cluster.local`,
    });
  }
  add('kube-system', 'kube-dns', { clusterIP: '10.96.0.10', ports: [DNS_UDP] });
  slice('kube-system', 'kube-dns', 'IPv4', [{ addresses: [DNS_ADDRESS] }], [DNS_UDP]);
  return all;
}
