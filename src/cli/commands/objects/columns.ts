import type { ClusterObject } from '../../../cluster/objects.ts';

const NONE = '<none>';

const listed = (texts: readonly string[]): string => texts.join(',') || NONE;

/** The columns of a kind beside its names, as kubectl has them where it has them. */
export const COLUMNS: Readonly<Record<ClusterObject['kind'], readonly string[]>> = {
  Service: ['TYPE', 'CLUSTER-IP', 'EXTERNAL-IP', 'PORT(S)'],
  EndpointSlice: ['ADDRESSTYPE', 'PORTS', 'ENDPOINTS'],
  Namespace: [],
  Node: ['ADDRESSES', 'POD-CIDRS'],
  Pod: ['IP'],
  ServiceCIDR: ['CIDRS'],
  ServiceImport: ['TYPE', 'IP'],
};

/** What stands in them. */
export function cellsOf(object: ClusterObject): string[] {
  switch (object.kind) {
    case 'Service': {
      const { type, clusterIPs, externalIPs = [], loadBalancerIngress = [], ports } = object;
      const external = [...loadBalancerIngress.map(({ ip }) => ip), ...externalIPs];
      const named = object.externalName === undefined ? external : [object.externalName];
      const texts = ports.map(({ port, nodePort, protocol }) => {
        return `${nodePort === undefined ? port : `${port}:${nodePort}`}/${protocol}`;
      });
      return [type, listed(clusterIPs), listed(named), listed(texts)];
    }
    case 'EndpointSlice': {
      const ports = object.ports.map(({ port }) => String(port ?? '*'));
      const addresses = object.endpoints.flatMap((endpoint) => endpoint.addresses);
      return [object.addressType, listed(ports), shortened(addresses)];
    }
    case 'Namespace':
      return [];
    case 'Node':
      return [listed(object.addresses.map(({ address }) => address)), listed(object.podCIDRs)];
    case 'Pod':
      return [listed(object.podIPs)];
    case 'ServiceCIDR':
      return [listed(object.cidrs)];
    case 'ServiceImport':
      return [object.type, listed(object.ips)];
  }
}

const SHOWN_MAX = 3;

/** The first few, and how many more there are. */
function shortened(texts: readonly string[]): string {
  const more = texts.length - SHOWN_MAX;
  const shown = listed(texts.slice(0, SHOWN_MAX));
  return more > 0 ? `${shown} + ${more} more...` : shown;
}
