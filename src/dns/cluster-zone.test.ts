import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClusterObject } from '../cluster/objects.ts';
import { Store } from '../cluster/store.ts';
import { ClusterZone } from './cluster-zone.ts';
import { Answerer } from './server/answer.ts';
import { encodeName } from './wire/name.ts';
import { KUBERNETES_ZONE_DEFAULTS, type KubernetesZoneOptions } from './zone/options.ts';
import { parseSelector } from './zone/selector.ts';

const TABLE_BYTES = 4 << 20;
const NAMESPACES = ['one', 'two'];

const metadata = (name: string, namespace: string, labels: Record<string, string> = {}) => ({
  name,
  namespace,
  labels,
  annotations: {},
});

/** Any few objects of a small cluster, so that they often concern one another. */
const object: fc.Arbitrary<ClusterObject> = fc.oneof(
  fc
    .record({
      namespace: fc.constantFrom(...NAMESPACES),
      name: fc.constantFrom('a', 'b'),
      ip: fc.nat(3),
      kind: fc.nat(2),
      shown: fc.boolean(),
    })
    .map(
      ({ namespace, name, ip, kind, shown }): ClusterObject => ({
        kind: 'Service',
        metadata: metadata(name, namespace, shown ? { tier: 'front' } : {}),
        type: kind === 2 ? 'ExternalName' : 'ClusterIP',
        clusterIPs: kind === 0 ? [`10.0.0.${ip}`] : kind === 1 ? ['None'] : [],
        ports: [{ name: 'http', protocol: 'TCP', port: 80 + ip }],
        ...(kind === 2 ? { externalName: 'a.one.svc.cluster.local' } : {}),
      }),
    ),
  fc
    .record({
      namespace: fc.constantFrom(...NAMESPACES),
      service: fc.constantFrom('a', 'b'),
      slice: fc.nat(1),
      last: fc.array(fc.nat(3), { maxLength: 3 }),
      ready: fc.boolean(),
      host: fc.boolean(),
    })
    .map(
      ({ namespace, service, slice, last, ready, host }): ClusterObject => ({
        kind: 'EndpointSlice',
        metadata: metadata(`${service}-${slice}`, namespace, {
          'kubernetes.io/service-name': service,
        }),
        addressType: 'IPv4',
        endpoints: last.map((each) => ({
          addresses: [`10.1.0.${each}`],
          conditions: { ready },
          zone: `z${each % 2}`,
          ...(host ? { hostname: 'h' } : {}),
        })),
        ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
      }),
    ),
  fc.record({ name: fc.constantFrom(...NAMESPACES), shown: fc.boolean() }).map(
    ({ name, shown }): ClusterObject => ({
      kind: 'Namespace',
      metadata: metadata(name, '', shown ? { team: 'x' } : {}),
    }),
  ),
  fc.record({ namespace: fc.constantFrom(...NAMESPACES), name: fc.nat(2), ip: fc.nat(2) }).map(
    ({ namespace, name, ip }): ClusterObject => ({
      kind: 'Pod',
      metadata: metadata(`pod-${name}`, namespace),
      podIPs: [`10.2.0.${ip}`],
    }),
  ),
);

const OPTIONS: readonly Partial<KubernetesZoneOptions>[] = [
  { pods: 'verified', zonal: true },
  { pods: 'insecure', namespaceLabels: parseSelector('team=x') },
  { labels: parseSelector('tier'), ignoreEmptyService: true },
  { noEndpoints: true, namespaces: ['one'] },
];

const NAMES = NAMESPACES.flatMap((namespace) => [
  `${namespace}.svc.cluster.local`,
  `${namespace}.pod.cluster.local`,
  ...[0, 1, 2].map((last) => `10-2-0-${last}.${namespace}.pod.cluster.local`),
  ...['a', 'b'].flatMap((name) => {
    const own = `${name}.${namespace}.svc.cluster.local`;
    return [
      own,
      `_http._tcp.${own}`,
      `_tcp.${own}`,
      `h.${own}`,
      `10-1-0-1.${own}`,
      `z1.pin._zone.${own}`,
    ];
  }),
]).concat(
  [0, 1, 2, 3].flatMap((last) => [`${last}.0.0.10.in-addr.arpa`, `${last}.0.1.10.in-addr.arpa`]),
);

/** Every answer to every name, as far as it does not depend on when it was asked. */
function answersOf(zone: ClusterZone): string[] {
  const reply = new Uint8Array(65_535);
  return NAMES.flatMap((name) =>
    [1, 12, 33, 255].map((type) => {
      const wire = encodeName(name);
      const request = Uint8Array.of(0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...wire, 0, type, 0, 1);
      const answerer = new Answerer();
      const length = answerer.answer(zone.table, request, request.length, reply, true);
      // The serial number tells how often it changed, which is not the same.
      const serial = zone.table.serial.toString(16).padStart(8, '0');
      const body = reply.slice(0, length).toHex().replace(serial, '-');
      return `${name} ${type} ${answerer.rcode} ${body}`;
    }),
  );
}

describe('ClusterZone', () => {
  it.each(OPTIONS)('after any changes says what one that was loaded says: %o', (more) => {
    const options = { ...KUBERNETES_ZONE_DEFAULTS, ...more };
    fc.assert(
      fc.property(
        fc.array(fc.array(object, { maxLength: 8 }), { minLength: 1, maxLength: 6 }),
        (states) => {
          const store = new Store();
          const zone = new ClusterZone(options, TABLE_BYTES);
          zone.load(store);
          zone.setSynced(true);
          store.subscribe((state, services, others) => zone.update(state, services, others));
          for (const objects of states) store.replace(objects);
          const fresh = new ClusterZone(options, TABLE_BYTES);
          fresh.load(store);
          fresh.setSynced(true);
          expect(zone.nameCount).toBe(fresh.nameCount);
          expect(answersOf(zone)).toEqual(answersOf(fresh));
        },
      ),
      { numRuns: 60 },
    );
  });
});
