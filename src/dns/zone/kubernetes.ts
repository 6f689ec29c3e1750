import {
  type Endpoint,
  type EndpointSlice,
  isHeadless,
  isReady,
  type Service,
} from '../../cluster/objects.ts';
import type { ClusterState } from '../../cluster/store.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import { tryParseAddr } from '../../ipaddr/parse-addr.ts';
import { reverseName } from '../../ipaddr/reverse.ts';
import {
  addressRdata,
  cnameRdata,
  nsRdata,
  ptrRdata,
  soaRdata,
  srvRdata,
  txtRdata,
} from '../wire/rdata.ts';
import { Zone } from './zone.ts';

/** The version of the Kubernetes DNS specification the records follow. */
const SCHEMA_VERSION = '1.1.0';
const SCHEMA_TTL_SECONDS = 28_800;
const SRV_PRIORITY = 0;
const SRV_WEIGHT_TOTAL = 100;
const REVERSE_APEXES = ['in-addr.arpa', 'ip6.arpa'];

/** What the records depend on beside the cluster's objects. */
export interface KubernetesZoneOptions {
  /** Such as `cluster.local`. */
  readonly clusterDomain: string;
  /** Of records, and of answers that there is none. */
  readonly ttlSeconds: number;
  /** Version of the zone, for the SOA record. */
  readonly serial: number;
}

/**
 * The records of Kubernetes' DNS-based service discovery, schema 1.1.0, for all Services and their
 * endpoints. Pure.
 */
export function planKubernetesZone(state: ClusterState, options: KubernetesZoneOptions): Zone {
  const zone = new Zone();
  const { clusterDomain: domain } = options;
  addApexes(zone, state, options);
  zone.addName(`svc.${domain}`);
  zone.add(`dns-version.${domain}`, txtRdata(SCHEMA_VERSION, SCHEMA_TTL_SECONDS));
  for (const service of state.services.values()) {
    const { namespace, name } = service.metadata;
    const owner = `${name}.${namespace}.svc.${domain}`;
    const slices = state.slicesOf(namespace, name);
    if (service.type === 'ExternalName') addExternal(zone, owner, service);
    else if (isHeadless(service)) addHeadless(zone, owner, slices);
    else addClusterIps(zone, owner, service);
  }
  return zone;
}

function addApexes(zone: Zone, state: ClusterState, options: KubernetesZoneOptions): void {
  const { clusterDomain: domain, serial, ttlSeconds } = options;
  const hasService = state.services.has('kube-system/kube-dns');
  const server = hasService ? `kube-dns.kube-system.svc.${domain}` : `ns.dns.${domain}`;
  for (const apex of [domain, ...REVERSE_APEXES]) {
    const soa = soaRdata({
      mname: `ns.dns.${domain}`,
      rname: `hostmaster.${domain}`,
      serial,
      minimum: ttlSeconds,
    });
    zone.addApex(apex, [soa, nsRdata(server)]);
  }
}

function addExternal(zone: Zone, owner: string, service: Service): void {
  const { externalName = '' } = service;
  // An address is no name; CoreDNS gives nothing for it either.
  if (externalName === '' || tryParseAddr(externalName) !== undefined) return;
  zone.add(owner, cnameRdata(externalName));
}

function addClusterIps(zone: Zone, owner: string, service: Service): void {
  for (const addr of addressesOf(service.clusterIPs)) {
    zone.add(owner, addressRdata(addr));
    zone.add(reverseOwner(addr), ptrRdata(owner));
  }
  if (service.clusterIPs.length === 0) return;
  for (const { name, protocol, port } of service.ports) {
    // The bare name lists every port, as kube-dns did and CoreDNS does.
    zone.add(owner, srvRdata(SRV_PRIORITY, SRV_WEIGHT_TOTAL, port, owner));
    if (name === '') continue;
    const portOwner = `_${name}._${protocol.toLowerCase()}.${owner}`;
    zone.add(portOwner, srvRdata(SRV_PRIORITY, SRV_WEIGHT_TOTAL, port, owner));
  }
}

/** One endpoint's address with the name it is known by. */
interface Target {
  readonly addr: Addr;
  readonly owner: string;
}

function addHeadless(zone: Zone, owner: string, slices: readonly EndpointSlice[]): void {
  const srv = new Map<string, { port: number; target: string }[]>();
  for (const slice of slices) {
    for (const endpoint of slice.endpoints) {
      if (!isReady(endpoint)) continue;
      for (const { addr, owner: target } of targetsOf(endpoint, owner)) {
        zone.add(owner, addressRdata(addr));
        zone.add(target, addressRdata(addr));
        zone.add(reverseOwner(addr), ptrRdata(target));
        for (const { name, protocol, port } of slice.ports) {
          if (port === undefined) continue;
          const names = [owner];
          if (name !== '') names.push(`_${name}._${protocol.toLowerCase()}.${owner}`);
          for (const each of names) srv.set(each, [...(srv.get(each) ?? []), { port, target }]);
        }
      }
    }
  }
  for (const [name, entries] of srv) {
    const distinct = new Map(entries.map((each) => [`${each.target}:${each.port}`, each]));
    const weight = Math.max(1, Math.floor(SRV_WEIGHT_TOTAL / distinct.size));
    for (const { port, target } of distinct.values()) {
      zone.add(name, srvRdata(SRV_PRIORITY, weight, port, target));
    }
  }
}

function targetsOf(endpoint: Endpoint, owner: string): Target[] {
  return addressesOf(endpoint.addresses).map((addr) => ({
    addr,
    owner: `${endpoint.hostname ?? dashed(addr)}.${owner}`,
  }));
}

/** The address as a label: `10-0-0-1`; one that would end in a dash gets a zero (`fd00--0`). */
function dashed(addr: Addr): string {
  const label = `${addr}`.replace(/[.:]/g, '-');
  return label.endsWith('-') ? `${label}0` : label;
}

function addressesOf(texts: readonly string[]): Addr[] {
  return texts.map((text) => tryParseAddr(text)).filter((addr) => addr !== undefined);
}

function reverseOwner(addr: Addr): string {
  return reverseName(addr).replace(/\.$/, '');
}
