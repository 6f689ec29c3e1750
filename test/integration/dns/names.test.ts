import { afterAll, describe, expect, it } from 'vitest';
import type { KubernetesZoneOptions } from '../../../src/dns/zone/options.ts';
import { reverseZonesOf } from '../../../src/dns/zone/reverse-zones.ts';
import { parseSelector } from '../../../src/dns/zone/selector.ts';
import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import { parsePrefix } from '../../../src/ipaddr/prefix.ts';
import { ask } from './ask.ts';
import { objectsOf, type RunningDns, startDns } from './cluster-fixture.ts';

/*
 * What names give, from outside: every row is asked over UDP and over TCP. The objects are those of
 * `fixtures`. Short names stand in cluster.local. An answer is compared as a set, for its order changes.
 */

interface Row {
  readonly fixture?: string;
  readonly options?: Partial<KubernetesZoneOptions>;
  readonly name: string;
  readonly types: readonly string[];
  readonly rcode?: string;
  /** Records without TTL: `owner TYPE data`, `@` standing for the name asked. */
  readonly answers?: readonly string[];
  readonly additional?: readonly string[];
  /** The owner of the SOA record that says there is nothing. */
  readonly soa?: string;
}

const Z = 'cluster.local';
const full = (name: string) =>
  name === '' ? Z : name === '.' ? name : name.endsWith('.') ? name.slice(0, -1) : `${name}.${Z}`;
const answers = (name: string, type: string, ...data: string[]): Row => ({
  name,
  types: [type],
  answers: data.map((each) =>
    each.includes(' ') && !/^\d/.test(each) ? each : `@ ${type} ${each}`,
  ),
});
const missing = (name: string, ...types: string[]): Row => ({
  name,
  types,
  rcode: 'NXDOMAIN',
  soa: Z,
});
const empty = (name: string, ...types: string[]): Row => ({ name, types, soa: Z });
const withOptions = (options: Partial<KubernetesZoneOptions>, ...rows: Row[]): Row[] =>
  rows.map((row) => ({ options: { ...row.options, ...options }, ...row }));
const of = (fixture: string, ...rows: Row[]): Row[] => rows.map((row) => ({ ...row, fixture }));

const SVC1_SRV = `0 100 80 svc1.testns.svc.${Z}`;
const SVC1_A = `svc1.testns.svc.${Z} A 10.0.0.1`;
const HDLS1 = `hdls1.testns.svc.${Z}`;
const HDLS1_HOSTS = ['172-0-0-2', '172-0-0-3', 'dup-name', '5678-abcd--1', '5678-abcd--2'];
const HDLS1_GLUE = [
  `172-0-0-2.${HDLS1} A 172.0.0.2`,
  `172-0-0-3.${HDLS1} A 172.0.0.3`,
  `dup-name.${HDLS1} A 172.0.0.4`,
  `dup-name.${HDLS1} A 172.0.0.5`,
  `5678-abcd--1.${HDLS1} AAAA 5678:abcd::1`,
  `5678-abcd--2.${HDLS1} AAAA 5678:abcd::2`,
];
const REVERSE_OPTIONS: Partial<KubernetesZoneOptions> = {
  zones: [
    Z,
    ...[
      '10.0.0.0/16',
      '192.168.0.0/16',
      '172.17.0.0/24',
      '1234:abcd::/64',
      'fd00:77:30::/64',
    ].flatMap((text) => reverseZonesOf(parsePrefix(text))),
  ],
  namespaces: ['testns'],
};
const ptr = (name: string, ...targets: string[]): Row =>
  answers(name, 'PTR', ...targets.map((target) => `@ PTR ${target}.testns.svc.${Z}`));
const IP6_1234 = `${'0.'.repeat(23)}d.c.b.a.4.3.2.1.ip6.arpa.`;

const rows: readonly (readonly [string, readonly Row[]])[] = [
  [
    'a Service with an address',
    [
      answers('svc1.testns.svc', 'A', '10.0.0.1'),
      answers('svcempty.testns.svc', 'A', '10.0.0.1'),
      { ...answers('svc1.testns.svc', 'SRV', SVC1_SRV), additional: [SVC1_A] },
      { ...answers('_http._tcp.svc1.testns.svc', 'SRV', SVC1_SRV), additional: [SVC1_A] },
      {
        ...answers('_http._tcp.svcempty.testns.svc', 'SRV', `0 100 80 svcempty.testns.svc.${Z}`),
        additional: [`svcempty.testns.svc.${Z} A 10.0.0.1`],
      },
      ...['svc6.testns.svc', '_http._tcp.svc6.testns.svc'].map((name) => ({
        ...answers(name, 'SRV', `0 100 80 svc6.testns.svc.${Z}`),
        additional: [`svc6.testns.svc.${Z} AAAA 1234:abcd::1`],
      })),
      answers('svc6.testns.svc', 'AAAA', '1234:abcd::1'),
      answers('_http._tcp.svc1.testns.svc', 'A', '10.0.0.1'),
      empty(
        'svc1.testns.svc',
        'AAAA',
        'TXT',
        'SOA',
        'NS',
        'PTR',
        'MX',
        'CNAME',
        'HTTPS',
        'SVCB',
        'TYPE65280',
      ),
      empty('svc6.testns.svc', 'A'),
      answers('svc-dual-stack.testns.svc', 'A', '10.0.0.3'),
      answers('svc-dual-stack.testns.svc', 'AAAA', '10::3'),
      {
        ...answers('svc-dual-stack.testns.svc', 'SRV', `0 50 80 svc-dual-stack.testns.svc.${Z}`),
        additional: [
          `svc-dual-stack.testns.svc.${Z} A 10.0.0.3`,
          `svc-dual-stack.testns.svc.${Z} AAAA 10::3`,
        ],
      },
      {
        ...answers(
          'svc-1-a.testns.svc',
          'SRV',
          `0 50 80 svc-1-a.testns.svc.${Z}`,
          `0 50 443 svc-1-a.testns.svc.${Z}`,
        ),
        additional: [`svc-1-a.testns.svc.${Z} A 10.96.0.100`],
      },
      answers('svc-1-a.svc-1-a.testns.svc', 'A', '172.17.0.253'),
      // An unnamed port has no SRV name; the Service's own name lists it.
      {
        ...answers('unnamed.testns.svc', 'SRV', `0 100 8080 unnamed.testns.svc.${Z}`),
        additional: [`unnamed.testns.svc.${Z} A 10.0.0.7`],
      },
      missing('_http._tcp.unnamed.testns.svc', 'SRV'),
    ],
  ],
  [
    'a headless Service',
    [
      answers('hdls1.testns.svc', 'A', '172.0.0.2', '172.0.0.3', '172.0.0.4', '172.0.0.5'),
      answers('hdls1.testns.svc', 'AAAA', '5678:abcd::1', '5678:abcd::2'),
      answers('hdlsprtls.testns.svc', 'A', '172.0.0.20'),
      answers('172-0-0-20.hdlsprtls.testns.svc', 'A', '172.0.0.20'),
      empty('hdlsprtls.testns.svc', 'SRV'),
      {
        ...answers(
          '_http._tcp.hdls1.testns.svc',
          'SRV',
          ...HDLS1_HOSTS.map((host) => `0 16 80 ${host}.${HDLS1}`),
        ),
        additional: HDLS1_GLUE,
      },
      answers('5678-abcd--1.hdls1.testns.svc', 'AAAA', '5678:abcd::1'),
      answers('5678-abcd--2.hdls1.testns.svc', 'AAAA', '5678:abcd::2'),
      answers('172-0-0-2.hdls1.testns.svc', 'A', '172.0.0.2'),
      answers('172-0-0-3.hdls1.testns.svc', 'A', '172.0.0.3'),
      answers('dup-name.hdls1.testns.svc', 'A', '172.0.0.4', '172.0.0.5'),
      missing('svc-unready.testns.svc', 'A', 'SRV', 'TXT'),
      answers('published.testns.svc', 'A', '172.0.0.50', '172.0.0.51'),
    ],
  ],
  [
    'an external name',
    [
      answers('external.testns.svc', 'CNAME', 'ext.interwebs.test'),
      answers('external-to-service.testns.svc', 'A', `@ CNAME svc1.testns.svc.${Z}`, SVC1_A),
      answers(
        'chain.testns.svc',
        'A',
        `@ CNAME external-to-service.testns.svc.${Z}`,
        `external-to-service.testns.svc.${Z} CNAME svc1.testns.svc.${Z}`,
        SVC1_A,
      ),
      {
        ...answers(
          'chain.testns.svc',
          'AAAA',
          `@ CNAME external-to-service.testns.svc.${Z}`,
          `external-to-service.testns.svc.${Z} CNAME svc1.testns.svc.${Z}`,
        ),
        soa: Z,
      },
      {
        ...answers('dangling.testns.svc', 'A', `@ CNAME nobody.testns.svc.${Z}`),
        rcode: 'NXDOMAIN',
        soa: Z,
      },
      answers(
        'loop-a.testns.svc',
        'A',
        `@ CNAME loop-b.testns.svc.${Z}`,
        `loop-b.testns.svc.${Z} CNAME loop-a.testns.svc.${Z}`,
      ),
      missing('endpoint.external.testns.svc', 'CNAME'),
      missing('a.b.external.testns.svc', 'CNAME'),
    ],
  ],
  [
    'what is not there',
    [
      missing('svc0.testns.svc', 'A', 'AAAA', 'TXT'),
      missing('svc0.svc-nons.svc', 'A', 'TXT'),
      missing('svc1.nsnoexist.svc', 'A'),
      missing('bogusendpoint.hdls1.testns.svc', 'A'),
      missing('bogusendpoint.svc0.testns.svc', 'A'),
      missing('bogusendpoint.svc-1-a.testns.svc', 'A'),
      missing('foo', 'NS'),
      missing('foo.svc', 'NS'),
      missing('webs.testns.pood', 'A'),
      missing('one.two.three.four.five.six.seven.pod', 'A'),
      missing('example.org', 'PTR'),
      missing('100.0.0.10', 'PTR'),
      missing('f.b.svc', 'A'),
    ],
  ],
  [
    'the zone itself, and what is between names',
    [
      answers('dns-version', 'TXT', '"1.1.0"'),
      empty('dns-version', 'A', 'AAAA'),
      empty('svc', 'A', 'NS'),
      empty('pod', 'A'),
      empty('testns.svc', 'A', 'NS'),
      empty('', 'A', 'AAAA', 'SRV', 'HINFO'),
      empty('dns', 'A', 'SOA'),
      empty('_tcp.svc1.testns.svc', 'A', 'SRV'),
      answers('', 'SOA', `@ SOA ns.dns.${Z} hostmaster.${Z} 7200 1800 86400 5`),
      { ...answers('', 'NS', `ns.dns.${Z}`) },
      ...withOptions(
        { localAddresses: [parseAddr('192.0.2.53')] },
        {
          ...answers('', 'NS', `kube-dns.kube-system.svc.${Z}`),
          additional: [`kube-dns.kube-system.svc.${Z} A 10.96.0.10`],
        },
      ),
      ...withOptions(
        { localAddresses: [parseAddr('192.0.2.99'), parseAddr('2001:db8::99')] },
        {
          ...answers('', 'NS', `ns.dns.${Z}`),
          additional: [`ns.dns.${Z} A 192.0.2.99`, `ns.dns.${Z} AAAA 2001:db8::99`],
        },
        answers('ns.dns', 'A', '192.0.2.99'),
      ),
    ],
  ],
  [
    'the letters of the question',
    [
      answers('SvC1.TeStNs.SvC.cLuStEr.LoCaL.', 'A', '10.0.0.1'),
      {
        ...answers(
          '_HtTp._TcP.sVc1.TeStNs.SvC.cLuStEr.LoCaL.',
          'SRV',
          '0 100 80 svc1.testns.svc.cLuStEr.LoCaL',
        ),
        additional: ['svc1.testns.svc.cLuStEr.LoCaL A 10.0.0.1'],
      },
      { ...missing('not-a-service.testns.svc.ClUsTeR.lOcAl.', 'A'), soa: 'ClUsTeR.lOcAl' },
      answers(
        'Cluster.local.',
        'SOA',
        '@ SOA ns.dns.Cluster.local hostmaster.Cluster.local 7200 1800 86400 5',
      ),
    ],
  ],
  [
    'pods',
    [
      missing('10-240-0-1.podns.pod', 'A'),
      missing('172-0-0-2.podns.pod', 'A'),
      missing('podns.pod', 'A'),
      ...withOptions(
        { pods: 'insecure' },
        answers('10-240-0-1.podns.pod', 'A', '10.240.0.1'),
        answers('172-0-0-2.podns.pod', 'A', '172.0.0.2'),
        answers('fd00--1.podns.pod', 'AAAA', 'fd00::1'),
        empty('10-240-0-1.podns.pod', 'AAAA', 'TXT'),
        missing('blah.podns.pod', 'A', 'AAAA', 'HINFO'),
        missing('010-240-0-1.podns.pod', 'A'),
        missing('a.10-240-0-1.podns.pod', 'A'),
        missing('blah.pod-nons.pod', 'A'),
        missing('10-20-0-101.test-x.pod', 'A'),
        empty('podns.pod', 'A'),
      ),
      ...withOptions(
        { pods: 'verified' },
        answers('10-240-0-1.podns.pod', 'A', '10.240.0.1'),
        missing('10-240-0-2.podns.pod', 'A'),
        missing('172-0-0-2.podns.pod', 'A'),
        missing('10-240-0-1.testns.pod', 'A'),
        missing('pod-nons.pod', 'A'),
        empty('podns.pod', 'A'),
      ),
    ],
  ],
  [
    'options',
    [
      answers('svc1.unexposedns.svc', 'A', '10.0.0.2'),
      ...withOptions(
        { namespaces: ['testns'] },
        missing('svc1.unexposedns.svc', 'A'),
        missing('unexposedns.svc', 'A'),
      ),
      ...withOptions(
        { namespaceLabels: parseSelector('team=test') },
        answers('svc1.testns.svc', 'A', '10.0.0.1'),
        missing('svc1.unexposedns.svc', 'A'),
      ),
      ...withOptions(
        { labels: parseSelector('tier in (front, back)') },
        answers('svc1.testns.svc', 'A', '10.0.0.1'),
        missing('svc6.testns.svc', 'AAAA'),
      ),
      ...withOptions(
        { ignoreEmptyService: true },
        missing('svcempty.testns.svc', 'A'),
        answers('svc1.testns.svc', 'A', '10.0.0.1'),
      ),
      ...withOptions(
        { noEndpoints: true },
        missing('hdls1.testns.svc', 'A'),
        missing('ep1a.svc1.testns.svc', 'A'),
        answers('svc1.testns.svc', 'A', '10.0.0.1'),
      ),
      ...withOptions(
        { endpointPodNames: true },
        {
          ...answers(
            'headless-1.testns.svc',
            'SRV',
            `0 100 80 test-name.headless-1.testns.svc.${Z}`,
          ),
          additional: [`test-name.headless-1.testns.svc.${Z} A 172.0.0.41`],
        },
        {
          ...answers(
            'headless-2.testns.svc',
            'SRV',
            `0 100 80 172-0-0-42.headless-2.testns.svc.${Z}`,
          ),
          additional: [`172-0-0-42.headless-2.testns.svc.${Z} A 172.0.0.42`],
        },
      ),
    ],
  ],
  [
    'addresses backwards',
    of(
      'reverse',
      ...withOptions(
        REVERSE_OPTIONS,
        ptr('100.0.0.10.in-addr.arpa.', 'ep1a.svc1'),
        ptr('100.1.168.192.in-addr.arpa.', 'svc1'),
        ptr(`1.${IP6_1234}`, 'ep1b.svc1'),
        ptr(`a.${'0.'.repeat(19)}0.3.0.0.7.7.0.0.0.0.d.f.ip6.arpa.`, 'ip6svc1ex.svc1'),
        ptr(`6.a.b.9.2.${'0.'.repeat(15)}0.3.0.0.7.7.0.0.0.0.d.f.ip6.arpa.`, 'ip6svc1in.svc1'),
        ptr('99.0.0.10.in-addr.arpa.', 'double-ep.svc1', 'double-ep.svc2'),
        ptr('253.0.17.172.in-addr.arpa.', 'svc-1-a.svc-1-a'),
        { ...missing('101.0.0.10.in-addr.arpa.', 'PTR'), soa: '0.10.in-addr.arpa' },
        { ...empty('0.0.10.in-addr.arpa.', 'PTR', 'A'), soa: '0.10.in-addr.arpa' },
        { ...missing('1.0.10.in-addr.arpa.', 'PTR'), soa: '0.10.in-addr.arpa' },
        { ...empty('100.0.0.10.in-addr.arpa.', 'A', 'TXT'), soa: '0.10.in-addr.arpa' },
        empty('svc1.testns.svc', 'PTR'),
        { ...missing('svc1.testns.svc.0.10.in-addr.arpa.', 'A'), soa: '0.10.in-addr.arpa' },
        { ...missing('100.0.0.0.10.in-addr.arpa.', 'PTR'), soa: '0.10.in-addr.arpa' },
        { ...missing('200.0.0.10.in-addr.arpa.', 'PTR'), soa: '0.10.in-addr.arpa' },
        { ...missing('200.1.168.192.in-addr.arpa.', 'PTR'), soa: '168.192.in-addr.arpa' },
        answers(
          '0.10.in-addr.arpa.',
          'SOA',
          '@ SOA ns.dns.0.10.in-addr.arpa hostmaster.0.10.in-addr.arpa 7200 1800 86400 5',
        ),
        { ...answers('0.10.in-addr.arpa.', 'NS', `ns.dns.${Z}`) },
        { name: '1.0.11.10.in-addr.arpa.', types: ['PTR'], rcode: 'REFUSED' },
      ),
    ),
  ],
  [
    'topology zones',
    of(
      'zonal',
      ...withOptions(
        { zonal: true },
        answers('us-west-2a.pin._zone.hdls.testns.svc', 'A', '172.0.0.1'),
        answers('us-west-2b.pin._zone.hdls.testns.svc', 'A', '172.0.0.2', '172.0.0.3'),
        answers('US-west-2a.pin._zone.hdls.testns.svc', 'A', '172.0.0.1'),
        empty('us-west-2c.pin._zone.hdls.testns.svc', 'A', 'TXT'),
        answers(
          'us-west-2c.prefer._zone.hdls.testns.svc',
          'A',
          '172.0.0.1',
          '172.0.0.2',
          '172.0.0.3',
        ),
        answers('us-west-2a.prefer._zone.hdls.testns.svc', 'A', '172.0.0.1'),
        {
          ...answers(
            'us-west-2c.prefer._zone.hdls.testns.svc',
            'SRV',
            ...[1, 2, 3].map((last) => `0 33 80 172-0-0-${last}.hdls.testns.svc.${Z}`),
          ),
          additional: [1, 2, 3].map(
            (last) => `172-0-0-${last}.hdls.testns.svc.${Z} A 172.0.0.${last}`,
          ),
        },
        {
          ...answers(
            'us-west-2a.pin._zone.hdls.testns.svc',
            'SRV',
            `0 100 80 172-0-0-1.hdls.testns.svc.${Z}`,
          ),
          additional: [`172-0-0-1.hdls.testns.svc.${Z} A 172.0.0.1`],
        },
        answers('rack.hall.site.pin._zone.dotted.testns.svc', 'A', '172.0.0.9'),
        empty('hall.site.pin._zone.dotted.testns.svc', 'A'),
        answers('any.thing.prefer._zone.dotted.testns.svc', 'A', '172.0.0.9'),
        missing('x.florp._zone.hdls.testns.svc', 'A'),
        missing('x.pin._zone.clstr.testns.svc', 'A'),
        missing('x.pin._zone.ghost.testns.svc', 'A'),
      ),
      missing('us-west-2a.pin._zone.hdls.testns.svc', 'A'),
    ),
  ],
  [
    'several clusters',
    of(
      'multicluster',
      ...withOptions(
        { multicluster: ['clusterset.local'] },
        answers('svc1.testns.svc.clusterset.local.', 'A', '10.1.0.1'),
        answers('hdls1.testns.svc.clusterset.local.', 'A', '172.0.0.2', '172.0.0.3', '172.1.0.2'),
        {
          ...answers(
            '_http._tcp.hdls1.testns.svc.clusterset.local.',
            'SRV',
            ...['172-0-0-2.cluster1', '172-0-0-3.cluster1', '172-1-0-2.cluster2'].map(
              (host) => `0 33 80 ${host}.hdls1.testns.svc.clusterset.local`,
            ),
          ),
          additional: [
            '172-0-0-2.cluster1.hdls1.testns.svc.clusterset.local A 172.0.0.2',
            '172-0-0-3.cluster1.hdls1.testns.svc.clusterset.local A 172.0.0.3',
            '172-1-0-2.cluster2.hdls1.testns.svc.clusterset.local A 172.1.0.2',
          ],
        },
        answers('172-0-0-2.cluster1.hdls1.testns.svc.clusterset.local.', 'A', '172.0.0.2'),
        { ...empty('cluster1.hdls1.testns.svc.clusterset.local.', 'A'), soa: 'clusterset.local' },
        {
          ...missing('172-0-0-2.hdls1.testns.svc.clusterset.local.', 'A'),
          soa: 'clusterset.local',
        },
        { ...missing('local.testns.svc.clusterset.local.', 'A'), soa: 'clusterset.local' },
        answers('local.testns.svc', 'A', '10.0.0.9'),
        missing('hdls1.testns.svc', 'A'),
      ),
    ),
  ],
  [
    'names of others',
    [
      { name: 'example.com.', types: ['A', 'ANY'], rcode: 'REFUSED' },
      { name: 'xcluster.local.', types: ['A'], rcode: 'REFUSED' },
      { name: '.', types: ['NS'], rcode: 'REFUSED' },
    ],
  ],
];

const servers = new Map<string, Promise<RunningDns>>();
afterAll(async () => {
  for (const server of servers.values()) await (await server).dns.stop();
});

function serverFor({ fixture = 'names', options = {} }: Row): Promise<RunningDns> {
  const key = `${fixture} ${JSON.stringify(options)}`;
  const known = servers.get(key);
  if (known !== undefined) return known;
  const started = startDns(objectsOf(fixture), options, { workers: 1 });
  servers.set(key, started);
  return started;
}

const withoutTtl = (record: string) => record.replace(/ \d+ /, ' ');
const resolved = (records: readonly string[] = [], name: string) =>
  records.map((record) => record.replace(/^@/, name)).sort();

describe.each(rows)('%s', (_, group) => {
  const cases = group.flatMap((row) =>
    row.types.flatMap((type) =>
      (['udp', 'tcp'] as const).map((transport) => ({
        row,
        type,
        transport,
        name: full(row.name),
      })),
    ),
  );
  it.each(cases)('$name $type over $transport', async ({ row, type, transport, name }) => {
    const { port } = await serverFor(row);
    const answer = await ask(port, transport, { name, type, edns: {} });
    expect(answer.rcode).toBe(row.rcode ?? 'NOERROR');
    expect(answer.aa).toBe(row.rcode !== 'REFUSED');
    expect(answer.tc).toBe(false);
    expect(answer.answers.map(withoutTtl).sort()).toEqual(resolved(row.answers, name));
    expect(answer.additional.map(withoutTtl).sort()).toEqual(resolved(row.additional, name));
    const owners = answer.authority.map((record) => record.split(' ')[0]);
    expect(owners).toEqual(row.soa === undefined ? [] : [row.soa]);
    // A CNAME stands before what it leads to.
    const firstOther = answer.answers.findIndex((record) => !record.includes(' CNAME '));
    const lastCname = answer.answers.findLastIndex((record) => record.includes(' CNAME '));
    if (firstOther >= 0) expect(lastCname).toBeLessThan(firstOther);
    for (const record of answer.answers) {
      const ttl = record.split(' ')[1];
      expect(ttl).toBe(record.includes(' TXT ') ? '28800' : '5');
    }
  });
});
