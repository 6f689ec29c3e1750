import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import { reverseName } from '../../../src/ipaddr/reverse.ts';
import type { ApiObject } from './objects.ts';

/** What is asked. */
export interface Question {
  readonly name: string;
  readonly type: string;
}

const TYPES = ['A', 'AAAA', 'SRV', 'PTR', 'TXT', 'CNAME', 'NS', 'SOA', 'MX', 'HTTPS', 'TYPE65280'];
const Z = 'cluster.local';

const APEX = ['', 'svc.', 'pod.', 'dns.', 'ns.dns.', 'dns-version.', 'foo.', 'foo.svc.'];
const PODS = [
  '10-1-2-3.alpha',
  '1-2-3-4.missing',
  'fd00--7.alpha',
  'junk.alpha',
  '300-1-2-3.beta',
  'a.b.alpha',
];
const OTHERS = [
  'CLUSTER.LOCAL',
  'Plain-0.Alpha.SVC.cluster.LOCAL',
  `_HTTP._TCP.plain-1.alpha.svc.${Z}`,
  'in-addr.arpa',
  'ip6.arpa',
  '10.in-addr.arpa',
  '96.10.in-addr.arpa',
  '0.96.10.in-addr.arpa',
  '9.9.9.9.in-addr.arpa',
  '1.2.3.4.5.in-addr.arpa',
  'x.in-addr.arpa',
  '1.0.0.d.f.ip6.arpa',
  'www.example.com',
  'nobody.example.com',
  'nodata.example.com',
  'example.com',
];

/** Names of every kind there are and are not, each asked for every type. */
export function questions(objects: readonly ApiObject[]): readonly Question[] {
  const names = new Set<string>([
    ...APEX.map((each) => `${each}${Z}`),
    ...PODS.map((each) => `${each}.pod.${Z}`),
    ...OTHERS,
  ]);
  for (const { kind, metadata, ...object } of objects) {
    const { name, namespace = '' } = metadata;
    if (kind === 'Namespace') names.add(`${name}.svc.${Z}`).add(`${name}.pod.${Z}`);
    if (kind === 'Service')
      for (const each of namesOf(`${name}.${namespace}.svc.${Z}`)) names.add(each);
    if (kind === 'Service') for (const each of addressesOf(object)) names.add(reverse(each));
    if (kind !== 'EndpointSlice') continue;
    const service = metadata.labels?.['kubernetes.io/service-name'] ?? '';
    for (const { addresses, hostname } of endpointsOf(object)) {
      for (const address of addresses) {
        names.add(reverse(address));
        names.add(`${dashed(address)}.${service}.${namespace}.svc.${Z}`);
      }
      if (hostname !== undefined) names.add(`${hostname}.${service}.${namespace}.svc.${Z}`);
    }
  }
  return [...names].flatMap((name) => TYPES.map((type) => ({ name, type })));
}

/** The names of a Service, and those it might have. */
function namesOf(service: string): string[] {
  return [
    service,
    `_http._tcp.${service}`,
    `_https._tcp.${service}`,
    `_dns-udp._udp.${service}`,
    `_http._udp.${service}`,
    `_tcp.${service}`,
    `nobody.${service}`,
    `a.b.c.${service}`,
  ];
}

function addressesOf(object: object): string[] {
  const { clusterIPs = [] } = (object as { spec?: { clusterIPs?: string[] } }).spec ?? {};
  return clusterIPs.filter((each) => each !== 'None');
}

function endpointsOf(object: object): { addresses: string[]; hostname?: string }[] {
  return (object as { endpoints?: { addresses: string[]; hostname?: string }[] }).endpoints ?? [];
}

function reverse(address: string): string {
  return reverseName(parseAddr(address)).replace(/\.$/, '');
}

/** How endpoints without a host name are called. */
function dashed(address: string): string {
  const text = parseAddr(address).toString().replaceAll(/[.:]/g, '-');
  return text.endsWith('-') ? `${text}0` : text;
}
