import {
  type EndpointSlice,
  isHeadless,
  type Pod,
  type Service,
  type ServiceImport,
  SOURCE_CLUSTER_LABEL,
} from '../../cluster/objects.ts';
import { tryParseAddr } from '../../ipaddr/parse-addr.ts';
import {
  addressesOf,
  dashedAddr,
  type EndpointAddress,
  type NamedPort,
  readyAddresses,
} from './endpoints.ts';
import type { PlannedName } from './names.ts';
import type { KubernetesZoneOptions } from './options.ts';
import { planZonal } from './zonal.ts';

/** The version of the Kubernetes DNS specification the records follow. */
const SCHEMA_VERSION = '1.1.0';
const SRV_WEIGHT_TOTAL = 100;

/** `name.namespace.svc`: a Service's own name, relative to the zone. */
export function serviceName(namespace: string, name: string): string {
  return `${name}.${namespace}.svc`;
}

/**
 * The names of a Service, its own first, by Kubernetes' DNS specification 1.1.0 and CoreDNS's options;
 * none when it doesn't exist for DNS. Pure.
 */
export function planService(
  service: Service,
  slices: readonly EndpointSlice[],
  options: KubernetesZoneOptions,
): PlannedName[] {
  const own = serviceName(service.metadata.namespace, service.metadata.name);
  if (service.type === 'ExternalName') {
    const { externalName = '' } = service;
    // An address is no name; CoreDNS gives nothing for it either.
    const isName = externalName !== '' && tryParseAddr(externalName) === undefined;
    return isName ? [{ name: own, cname: externalName }] : [];
  }
  const endpoints = options.noEndpoints ? [] : readyAddresses(slices, options.endpointPodNames);
  if (isHeadless(service)) {
    return [
      ...planHeadless(own, endpoints),
      ...(options.zonal && endpoints.length > 0 ? planZonal(own, endpoints, srvOf) : []),
    ];
  }
  const isEmpty = endpoints.length === 0 && !options.noEndpoints;
  if (isEmpty && options.ignoreEmptyService) return [];
  return planClusterIp(own, service.clusterIPs, service.ports, endpoints);
}

/** The names of an imported Service, below `svc` of the zones for several clusters (KEP-1645). */
export function planImport(
  imported: ServiceImport,
  slices: readonly EndpointSlice[],
  options: KubernetesZoneOptions,
): PlannedName[] {
  const own = serviceName(imported.metadata.namespace, imported.metadata.name);
  const clusterOf = ({ metadata }: EndpointSlice) => metadata.labels[SOURCE_CLUSTER_LABEL] ?? '';
  const endpoints = options.noEndpoints
    ? []
    : readyAddresses(slices, options.endpointPodNames, clusterOf);
  if (imported.type === 'ClusterSetIP') {
    return planClusterIp(own, imported.ips, imported.ports, endpoints);
  }
  return planHeadless(own, endpoints);
}

/** The name of a pod's address, for `pods verified`. */
export function planPod(pod: Pod): PlannedName[] {
  return addressesOf(pod.podIPs).map((addr) => ({
    name: `${dashedAddr(addr)}.${pod.metadata.namespace}.pod`,
    addresses: [addr],
  }));
}

/** The names every zone has, whatever the cluster holds. */
export function planFixed(options: KubernetesZoneOptions): PlannedName[] {
  return [
    { name: 'svc' },
    { name: 'pod' },
    { name: 'dns-version', txt: SCHEMA_VERSION },
    { name: 'dns' },
    { name: 'ns.dns', addresses: options.localAddresses },
  ];
}

/** The names of a namespace itself, which make it exist. */
export function planNamespace(namespace: string, options: KubernetesZoneOptions): PlannedName[] {
  const services = { name: `${namespace}.svc` };
  if (options.pods === 'disabled') return [services];
  const name = `${namespace}.pod`;
  return [services, options.pods === 'insecure' ? { name, below: 'pods' } : { name }];
}

function planClusterIp(
  own: string,
  ips: readonly string[],
  ports: Service['ports'],
  endpoints: readonly EndpointAddress[],
): PlannedName[] {
  const addresses = addressesOf(ips);
  if (addresses.length === 0) return [];
  const named = ports.map(({ name, protocol, port }) => ({
    name,
    protocol: protocol.toLowerCase(),
    port,
  }));
  const self = addresses.map((addr) => ({ addr, host: '', zone: undefined, ports: named }));
  return [
    // The bare name lists every port, as kube-dns did and CoreDNS does.
    { name: own, addresses, reverse: 'service', ...srvOf(self) },
    ...planPorts(own, self),
    ...planEndpoints(own, endpoints),
  ];
}

function planHeadless(own: string, endpoints: readonly EndpointAddress[]): PlannedName[] {
  if (endpoints.length === 0) return [];
  const addresses = distinct(endpoints.map(({ addr }) => addr));
  return [
    { name: own, addresses, ...srvOf(endpoints) },
    ...planPorts(own, endpoints),
    ...planEndpoints(own, endpoints),
  ];
}

/** `_port._protocol` for each named port, and `_protocol` in between. */
function planPorts(own: string, endpoints: readonly EndpointAddress[]): PlannedName[] {
  const labels = new Map<string, NamedPort>();
  for (const port of endpoints.flatMap(({ ports }) => ports)) {
    if (port.name !== '') labels.set(`_${port.name}._${port.protocol}`, port);
  }
  const protocols = new Set([...labels.values()].map(({ protocol }) => protocol));
  return [
    ...[...protocols].map((protocol) => ({ name: `_${protocol}.${own}` })),
    ...[...labels].map(([label, { name, protocol }]) => ({
      name: `${label}.${own}`,
      before: 2,
      hasServiceAddresses: true,
      ...srvOf(endpoints, (port) => port.name === name && port.protocol === protocol),
    })),
  ];
}

/** `host` for each endpoint, with the cluster's label in between where there is one. */
function planEndpoints(own: string, endpoints: readonly EndpointAddress[]): PlannedName[] {
  const clusters = new Set<string>();
  const names: PlannedName[] = [];
  for (const [host, group] of Map.groupBy(endpoints, ({ host }) => host)) {
    const labels = host.split('.');
    const [, cluster] = labels;
    if (cluster !== undefined) clusters.add(cluster);
    names.push({
      name: `${host}.${own}`,
      addresses: distinct(group.map(({ addr }) => addr)),
      reverse: 'endpoint',
      before: labels.length,
      ...srvOf(group),
    });
  }
  return [...[...clusters].map((cluster) => ({ name: `${cluster}.${own}` })), ...names];
}

/**
 * The SRV records of endpoints with their ports. Each weighs its share of 100 among all addresses,
 * also where several addresses are one target, as in CoreDNS.
 */
function srvOf(
  endpoints: readonly EndpointAddress[],
  isWanted: (port: NamedPort) => boolean = () => true,
): Pick<PlannedName, 'srv'> {
  const targets = new Map<string, { port: number; host: string }>();
  let count = 0;
  for (const { host, ports } of endpoints) {
    for (const named of ports) {
      if (!isWanted(named)) continue;
      count += 1;
      targets.set(`${named.port} ${host}`, { port: named.port, host });
    }
  }
  if (count === 0) return {};
  const weight = Math.max(1, Math.floor(SRV_WEIGHT_TOTAL / count));
  return { srv: { weight, targets: [...targets.values()] } };
}

function distinct(addresses: readonly EndpointAddress['addr'][]): EndpointAddress['addr'][] {
  return [...new Map(addresses.map((addr) => [addr.key, addr])).values()];
}
