import { describe, expect, it } from 'vitest';
import { CniError } from './error.ts';
import { Fields } from './fields.ts';
import { decodeResult } from './result-decode.ts';
import { encodeResult } from './result-encode.ts';
import { SPEC_VERSIONS, type SpecVersion } from './version.ts';

const full = {
  interfaces: [
    {
      name: 'eth0',
      mac: '00:11:22:33:44:55',
      mtu: 1400,
      sandbox: '/run/netns/a',
      socketPath: '/run/a.sock',
      pciID: '0000:00:1f.6',
    },
  ],
  ips: [
    { interface: 0, address: '1.2.3.30/24', gateway: '1.2.3.1' },
    { address: 'abcd:1234:ffff::cdde/64', gateway: 'abcd:1234:ffff::1' },
  ],
  routes: [
    {
      dst: '15.5.6.0/24',
      gw: '15.5.6.8',
      mtu: 1300,
      advmss: 1260,
      priority: 7,
      table: 9,
      scope: 0,
    },
    { dst: '1111:dddd::/80', gw: '1111:dddd::aaaa' },
  ],
  dns: { nameservers: ['1.2.3.4'], domain: 'example.com', search: ['a'], options: ['b'] },
};
/** What 1.1.0 brought is written for older versions too, as the reference does. */
const before10 = {
  ...full,
  interfaces: [{ name: 'eth0', mac: '00:11:22:33:44:55', sandbox: '/run/netns/a' }],
  ips: full.ips.map((ip, index) => ({ version: index === 0 ? '4' : '6', ...ip })),
};
const before03 = {
  ip4: {
    ip: '1.2.3.30/24',
    gateway: '1.2.3.1',
    routes: [{ dst: '15.5.6.0/24', gw: '15.5.6.8' }],
  },
  ip6: {
    ip: 'abcd:1234:ffff::cdde/64',
    gateway: 'abcd:1234:ffff::1',
    routes: [{ dst: '1111:dddd::/80', gw: '1111:dddd::aaaa' }],
  },
  dns: full.dns,
};
const forms: Readonly<Record<SpecVersion, object>> = {
  '0.1.0': before03,
  '0.2.0': before03,
  '0.3.0': before10,
  '0.3.1': before10,
  '0.4.0': before10,
  '1.0.0': full,
  '1.1.0': full,
};

/** What is printed. */
const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const read = (value: object, version: SpecVersion = '1.1.0') =>
  decodeResult(new Fields(value as Record<string, unknown>), version);
const pairs = SPEC_VERSIONS.flatMap((from) => SPEC_VERSIONS.map((to) => [from, to] as const));

describe('a result', () => {
  it.each(SPEC_VERSIONS)('is written in version %s', (version) => {
    const written = json(encodeResult(read(full), version));
    expect(written).toEqual({ cniVersion: version, ...forms[version] });
  });

  it.each(pairs)('goes from version %s to %s with what both can say', (from, to) => {
    const older = SPEC_VERSIONS.indexOf(from) < SPEC_VERSIONS.indexOf(to) ? from : to;
    const written = json(encodeResult(read({ cniVersion: from, ...forms[from] }), to));
    if (older === to) expect(written).toEqual({ cniVersion: to, ...forms[to] });
    // What the older one has no word for does not come back, and all the rest does.
    const again = decodeResult(new Fields(written as Record<string, unknown>), to);
    expect(json(encodeResult(again, older))).toEqual({ cniVersion: older, ...forms[older] });
  });

  it('is read in the form of its own version, or in that of who asks', () => {
    expect(read({ cniVersion: '0.2.0', ...before03 }, '1.1.0').ips).toHaveLength(2);
    expect(read(before03, '0.2.0').ips).toHaveLength(2);
    expect(read({ cniVersion: '1.1.0', ...full }, '0.2.0').interfaces).toHaveLength(1);
    expect(() => read({ ...full, cniVersion: '9.0.0' })).toThrow(
      'unsupported CNI result version "9.0.0"',
    );
  });

  it('keeps the index 0, a missing index, and the bits of the host', () => {
    const { ips } = json(encodeResult(read(full), '1.0.0')) as { ips: object[] };
    expect(ips).toEqual(full.ips);
    expect('interface' in (ips[1] ?? {})).toBe(false);
  });

  it('before 0.3.0 tells of the first address of a family, and needs one', () => {
    const two = { ips: [{ address: '10.0.0.2/24' }, { address: '10.0.1.2/24' }] };
    expect(json(encodeResult(read(two), '0.2.0'))).toMatchObject({ ip4: { ip: '10.0.0.2/24' } });
    const none = { ...full, ips: [] };
    expect(() => encodeResult(read(none), '0.2.0')).toThrow(
      'cannot convert: no valid IP addresses',
    );
    expect(json(encodeResult(read(none), '0.3.0'))).not.toHaveProperty('ips');
  });

  it.each([
    [{ ips: [{ address: '1.2.3.4' }] }, 'ips[0].address: expected an IP prefix'],
    [{ ips: [{}] }, 'ips[0].address: expected an address and prefix length'],
    [{ routes: [{ dst: 'x/8' }] }, 'routes[0].dst: expected an IP prefix'],
    [{ routes: [{ dst: '10.0.0.0/8', gw: 'fd00::1' }] }, 'routes[0].gw: expected an address of'],
    [{ routes: [{ dst: '10.0.0.0/8', scope: 256 }] }, 'routes[0].scope: expected a number from 0'],
    [{ interfaces: {} }, 'interfaces: expected a list, got {}'],
    [{ cniVersion: '0.2.0', ip6: {} }, 'ip6.ip: expected an address and prefix length'],
  ])('that is wrong is refused by the place: %j', (value, message) => {
    expect(() => read(value)).toThrow(CniError);
    expect(() => read(value)).toThrow(message);
  });
});
