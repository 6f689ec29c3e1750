import { describe, expect, it } from 'vitest';
import { SPEC_VERSIONS } from '../../../src/cni/protocol/version.ts';
import {
  type Json,
  type SublinkFixture,
  useSublink,
} from '../../integration/cni/sublink-fixture.ts';
import { SIDES, type Side } from './sides.ts';

/*
 * macvlan or ipvlan beside the reference: the same calls give the same answers and leave the same link,
 * addresses, routes and sysctls in the pod, and either DEL removes what the other ADD made.
 */

type Step = readonly [verb: string, config: Json, env?: Readonly<Record<string, string>>];

const pick = (value: Json, ...names: string[]): Json =>
  Object.fromEntries(names.map((name) => [name, value[name]]));

/** What there is in the pod, without what the kernel draws. */
function stateOf({ pod, inPod, reservations }: SublinkFixture): Json {
  const links = pod('addr') as unknown as Json[];
  const routes = (...args: string[]): Json[] =>
    (JSON.parse(inPod('ip', '-j', ...args, 'route')) as Json[])
      .filter(({ dst }) => dst !== 'fe80::/64')
      .map((route) => pick(route, 'dst', 'gateway', 'dev', 'scope', 'prefsrc'));
  const sysctls = ['ipv4/conf/eth0/arp_notify', 'ipv6/conf/eth0/ndisc_notify'];
  return {
    links: links.map((link) => ({
      ...pick(link, 'ifname', 'mtu', 'flags', 'linkinfo'),
      addresses: (link.addr_info as Json[])
        .map((addr) => pick(addr, 'family', 'local', 'prefixlen', 'broadcast', 'scope'))
        .filter(({ family, scope }) => family === 'inet' || scope === 'global'),
    })),
    routes: [...routes(), ...routes('-6')],
    sysctls: links.some(({ ifname }) => ifname === 'eth0')
      ? sysctls.map((name) => inPod('cat', `/proc/sys/net/${name}`).trim())
      : [],
    reservations: reservations(),
  };
}

/** A random MAC address only has to be one; how it was announced is another matter. */
function normalized(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value).replaceAll(/"(?!02:00)(?:[0-9a-f]{2}:){5}[0-9a-f]{2}"/g, '"mac"'),
  );
}

/** Compares the plugins of a kind. */
export function compareSublinks(type: 'macvlan' | 'ipvlan', modes: readonly string[]): void {
  const sides = ['podwire', 'reference'] as const;
  const fixture = useSublink(type, `peer-${type}`);
  const { call, config } = fixture;
  const play = (side: Side, steps: readonly Step[]): unknown => {
    let prevResult: Json = {};
    const played = steps.map(([verb, more, env = {}]) => {
      const previous = verb === 'ADD' ? {} : { prevResult };
      const { status, json } = call(verb, config({ ...more, ...previous }), env, SIDES[side]);
      if (verb === 'ADD') prevResult = json;
      return { answer: { status, json }, state: stateOf(fixture) };
    });
    // Whatever is left would be in the other side's way.
    call('DEL', config(), {}, SIDES[side]);
    return normalized(played);
  };

  // Each side frees all addresses, and the next one given follows the last one given.
  const fresh = (more: Json, ipam: Json = {}): readonly Step[] => {
    const given = {
      ...more,
      ipam: {
        ...(config().ipam as Json),
        ranges: [
          [{ subnet: '192.0.2.0/24', rangeStart: '192.0.2.100', rangeEnd: '192.0.2.100' }],
          [{ subnet: '2001:db8::/64', rangeStart: '2001:db8::100', rangeEnd: '2001:db8::100' }],
        ],
        routes: [{ dst: '0.0.0.0/0' }, { dst: '2001:db8:9::/48' }],
        ...ipam,
      },
    };
    return [
      ['ADD', given],
      ['CHECK', given],
      ['DEL', given],
      ['DEL', given],
      ['STATUS', given],
    ];
  };

  describe(`${type} beside the reference`, () => {
    it.each([
      ['as it is by default', {}],
      ...modes.map((mode) => [`mode ${mode}`, { mode }] as const),
      ...SPEC_VERSIONS.map((cniVersion) => [`version ${cniVersion}`, { cniVersion }] as const),
      ['a smaller MTU', { mtu: 1400 }],
      ['DNS', { dns: { nameservers: ['192.0.2.53'], search: ['a.example'] } }],
      ...(type === 'macvlan'
        ? ([
            ['a MAC address', { mac: '02:00:00:00:00:01' }],
            ['a MAC address by the runtime', { runtimeConfig: { mac: '02:00:00:00:00:02' } }],
            ['a queue length', { bcqueuelen: 3000 }],
          ] as const)
        : []),
    ] as const)('%s', (_, more) => {
      const steps = (): readonly Step[] => fresh(more);
      expect(play('podwire', steps())).toEqual(play('reference', steps()));
    });

    it.each([
      ['an unknown mode', { mode: 'x' }],
      ['too large an MTU', { mtu: 9000 }],
      ['no master', { master: '' }],
      ['no address left', { ipam: { subnet: '192.0.2.0/30', rangeEnd: '192.0.2.1' } }],
    ] as const)('fails because of %s in the same words', (title, more) => {
      // The reference lets the kernel judge the MTU of an ipvlan.
      if (type === 'ipvlan' && title === 'too large an MTU') return;
      const ipam: Json = { ...(config().ipam as Json), ...('ipam' in more ? more.ipam : {}) };
      if ('ipam' in more) ipam.ranges = [];
      const [ours, theirs] = sides.map(
        (side) => call('ADD', config({ ...more, ipam }), {}, SIDES[side]).json,
      );
      expect(ours?.msg).toBe(theirs?.msg);
    });

    it.each([
      ['podwire', 'reference'],
      ['reference', 'podwire'],
    ] as const)('what %s made is checked and removed by %s', (maker, other) => {
      const before = stateOf(fixture);
      const { status, json } = call('ADD', config(), {}, SIDES[maker]);
      expect(status).toBe(0);
      const after = config({ prevResult: json });
      expect(call('CHECK', after, {}, SIDES[other])).toMatchObject({ status: 0, stdout: '' });
      expect(call('DEL', after, {}, SIDES[other])).toMatchObject({ status: 0, stdout: '' });
      expect(stateOf(fixture)).toEqual(before);
    });
  });
}
