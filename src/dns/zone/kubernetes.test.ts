import { describe, expect, it } from 'vitest';
import type { ClusterObject, Endpoint, Service } from '../../cluster/objects.ts';
import { Store } from '../../cluster/store.ts';
import { tryParseAddr } from '../../ipaddr/parse-addr.ts';
import { addressRdata, cnameRdata, ptrRdata, type Rdata, srvRdata } from '../wire/rdata.ts';
import { planKubernetesZone } from './kubernetes.ts';

const metadata = (name: string, labels = {}) => ({
  name,
  namespace: 'ns',
  labels,
  annotations: {},
});

const service = (clusterIPs: string[], more: Partial<Service> = {}): Service => ({
  kind: 'Service',
  metadata: metadata('web'),
  type: 'ClusterIP',
  clusterIPs,
  ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
  ...more,
});

const slice = (endpoints: Endpoint[], addressType: 'IPv4' | 'IPv6' = 'IPv4'): ClusterObject => ({
  kind: 'EndpointSlice',
  metadata: metadata(`web-${addressType}`, { 'kubernetes.io/service-name': 'web' }),
  addressType,
  endpoints,
  ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
});

const plan = (...objects: ClusterObject[]) => {
  const store = new Store();
  store.replace(objects);
  return planKubernetesZone(store, { clusterDomain: 'cluster.local', ttlSeconds: 5, serial: 1 });
};

const address = (text: string): Rdata => {
  const addr = tryParseAddr(text);
  if (addr === undefined) throw new Error(text);
  return addressRdata(addr);
};

const OWNER = 'web.ns.svc.cluster.local';

describe('planKubernetesZone', () => {
  it('gives a Service its addresses, ports and reverse names', () => {
    const zone = plan(service(['10.96.0.20', 'fd00::20']));
    const srv = srvRdata(0, 100, 80, OWNER);
    expect(zone.recordsOf(OWNER)).toEqual([address('10.96.0.20'), address('fd00::20'), srv]);
    expect(zone.recordsOf(`_http._tcp.${OWNER}`)).toEqual([srv]);
    expect(zone.recordsOf('20.0.96.10.in-addr.arpa')).toEqual([ptrRdata(OWNER)]);
    expect(zone.names()).toContain('ns.svc.cluster.local');
    expect(zone.names()).toContain(`_tcp.${OWNER}`);
  });

  it('gives a headless Service the ready endpoints, by host name or dashed address', () => {
    const zone = plan(
      service(['None']),
      slice([
        { addresses: ['10.0.0.1'], hostname: 'one', conditions: {} },
        { addresses: ['10.0.0.2'], conditions: { ready: true } },
        { addresses: ['10.0.0.3'], conditions: { ready: false } },
      ]),
      slice([{ addresses: ['fd00::'], conditions: {} }], 'IPv6'),
    );
    const port = `_http._tcp.${OWNER}`;
    expect(zone.recordsOf(OWNER).filter((each) => each.target === undefined)).toEqual([
      address('10.0.0.1'),
      address('10.0.0.2'),
      address('fd00::'),
    ]);
    expect(zone.recordsOf(`one.${OWNER}`)).toEqual([address('10.0.0.1')]);
    expect(zone.recordsOf(`10-0-0-2.${OWNER}`)).toEqual([address('10.0.0.2')]);
    expect(zone.recordsOf(port)).toEqual(
      ['one', '10-0-0-2', 'fd00--0'].map((name) => srvRdata(0, 33, 8080, `${name}.${OWNER}`)),
    );
    expect(zone.recordsOf('1.0.0.10.in-addr.arpa')).toEqual([ptrRdata(`one.${OWNER}`)]);
  });

  it('has no name for a headless Service without ready endpoints', () => {
    const zone = plan(service(['None']), slice([]));
    expect(zone.names()).not.toContain(OWNER);
  });

  it('leads an external name on, unless it is an address', () => {
    const external = (externalName: string) => service([], { type: 'ExternalName', externalName });
    expect(plan(external('example.com')).recordsOf(OWNER)).toEqual([cnameRdata('example.com')]);
    expect(plan(external('192.0.2.1')).names()).not.toContain(OWNER);
  });
});
