import { describe, expect, it } from 'vitest';
import { SPEC_VERSIONS } from '../../../src/cni/protocol/version.ts';
import { useBridge } from './bridge-fixture.ts';

/* What bridge makes and says, for every version of the specification. VLANs are in test/vm. */

const fixture = useBridge('vers');
const { call, node } = fixture;

interface Shape {
  readonly title: string;
  readonly ranges: readonly string[];
  readonly gateways: readonly string[];
}

const shapes: readonly Shape[] = [
  { title: 'IPv4', ranges: ['10.1.2.0/24'], gateways: ['10.1.2.1/24'] },
  { title: 'IPv6', ranges: ['2001:db8::/64'], gateways: ['2001:db8::1/64'] },
  {
    title: 'both',
    ranges: ['192.168.0.0/24', 'fd00::/64'],
    gateways: ['192.168.0.1/24', 'fd00::1/64'],
  },
];

const isOld = (version: string): boolean => /^0\.[12]\./.test(version);
const hasCheck = (version: string): boolean => !/^0\.[123]\./.test(version);

describe.each(SPEC_VERSIONS)('bridge in version %s', (cniVersion) => {
  const config = (more: object, ranges: readonly string[] = []): Record<string, unknown> => {
    const sets = ranges.map((subnet) => [{ subnet }]);
    const ipam = { type: 'host-local', dataDir: fixture.dataDir(), ranges: sets };
    return fixture.config({ cniVersion, ipam: ranges.length === 0 ? {} : ipam, ...more });
  };

  it.each(shapes)('wires a pod with $title, and takes all of it back', ({ ranges, gateways }) => {
    node.exec('ip', 'link', 'add', 'br0', 'type', 'bridge');
    const [made] = fixture.ip('link', 'show', 'br0');
    const conf = config({}, ranges);
    const { status, json } = call('ADD', conf);
    expect([status, json.cniVersion]).toEqual([0, cniVersion]);
    const [bridge] = fixture.ip('addr', 'show', 'br0');
    // It keeps what it had, its address before all.
    expect([bridge?.ifindex, bridge?.address]).toEqual([made?.ifindex, made?.address]);
    const addresses = bridge?.addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`);
    expect(addresses).toEqual(expect.arrayContaining([...gateways]));
    const [eth0] = fixture.podIp('addr', 'show', 'eth0');
    const [veth = ''] = fixture.veths();
    const [port] = fixture.ip('link', 'show', veth);
    if (!isOld(cniVersion)) {
      expect(json.interfaces).toEqual([
        { name: 'br0', mac: bridge?.address },
        { name: veth, mac: port?.address },
        { name: 'eth0', mac: eth0?.address, sandbox: fixture.podPath },
      ]);
      expect((json.ips as object[]).map((ip) => ({ version: undefined, ...ip }))).toEqual(
        gateways.map((gateway) => ({
          version: cniVersion.startsWith('0.') ? (gateway.includes(':') ? '6' : '4') : undefined,
          interface: 2,
          address: gateway.replace('1/', '2/'),
          gateway: gateway.replace(/\/.*/, ''),
        })),
      );
    } else {
      expect(Object.keys(json).toSorted()).toEqual(
        [
          'cniVersion',
          'dns',
          ...gateways.map((each) => (each.includes(':') ? 'ip6' : 'ip4')),
        ].toSorted(),
      );
    }
    expect([port?.master, port?.address === bridge?.address]).toEqual(['br0', false]);
    expect(fixture.ip('link').map(({ ifname }) => ifname)).toEqual(['lo', 'br0', veth]);
    expect(eth0?.addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`)).toEqual(
      expect.arrayContaining(gateways.map((each) => each.replace('1/', '2/'))),
    );
    for (const gateway of gateways) {
      const family = gateway.includes(':') ? '-6' : '-4';
      expect(fixture.inPod('ip', family, 'route', 'show', 'default')).toContain(
        `via ${gateway.replace(/\/.*/, '')} dev eth0`,
      );
    }
    if (hasCheck(cniVersion)) {
      expect(call('CHECK', { ...conf, prevResult: json })).toMatchObject({ status: 0, stdout: '' });
    }
    for (const round of ['DEL', 'DEL again']) {
      expect([round, call('DEL', { ...conf, prevResult: json }).status]).toEqual([round, 0]);
      fixture.expectNothingLeft();
    }
    expect(fixture.ip('link').map(({ ifname }) => ifname)).toEqual(['lo', 'br0']);
  });

  it('wires a pod without addresses, isolated and left down, or says that it cannot', () => {
    const conf = config({ portIsolation: true, disableContainerInterface: true });
    const { status, json } = call('ADD', conf);
    if (isOld(cniVersion)) {
      expect(json).toEqual({ code: 999, msg: 'cannot convert: no valid IP addresses' });
    } else {
      expect([status, json.ips, json.routes]).toEqual([0, undefined, undefined]);
      expect(json.interfaces).toMatchObject([{ name: 'br0' }, {}, { name: 'eth0' }]);
      const [port] = fixture.ip('link', 'show', fixture.veths()[0] ?? '');
      expect(port?.linkinfo?.info_slave_data).toMatchObject({ isolated: true });
      expect(fixture.podIp('link', 'show', 'eth0')[0]?.flags).not.toContain('UP');
      expect(call('DEL', conf).status).toBe(0);
    }
    fixture.expectNothingLeft();
  });

  it('gives addresses of three ranges, or says that it cannot', () => {
    const ranges = ['192.168.0.0/24', 'fd00::/64', '192.168.7.0/24'];
    const conf = config({ isDefaultGateway: false }, ranges);
    const { status, json } = call('ADD', conf);
    if (isOld(cniVersion)) {
      expect(json.msg).toBe(
        `CNI version ${cniVersion} does not support more than 1 address per family`,
      );
      // DEL has nothing to say against it.
      fixture.expectNothingLeft();
      return;
    }
    expect(status).toBe(0);
    expect(json.ips).toMatchObject(
      ['192.168.0.2/24', 'fd00::2/64', '192.168.7.2/24'].map((address) => ({ address })),
    );
    expect(call('DEL', conf).status).toBe(0);
    fixture.expectNothingLeft();
  });

  it('checks from 0.4.0 on', () => {
    const { status, json } = call('CHECK', config({}, ['10.1.2.0/24']));
    expect([status, json.msg]).toEqual([
      1,
      hasCheck(cniVersion) ? 'Required prevResult missing' : 'config version does not allow CHECK',
    ]);
  });
});
