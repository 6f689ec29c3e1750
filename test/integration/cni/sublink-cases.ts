import { describe, expect, it } from 'vitest';
import { expectNothingLeft, routeByUp0, type SublinkFixture, success } from './sublink-fixture.ts';

/* What macvlan and ipvlan have in common, as tests of either. */

/** What ADD makes, in every mode. */
export function addCases(fixture: SublinkFixture, modes: readonly string[]): void {
  const { type, config, call, pod, inPod, podPath, node } = fixture;

  describe(`${type} ADD`, () => {
    it('gives the pod an interface that reaches the neighbours of the node', () => {
      const { status, stderr, json } = call('ADD', config());
      expect([status, stderr]).toEqual([0, '']);
      const [eth0] = pod('addr', 'show', 'eth0');
      expect(json).toEqual({
        cniVersion: '1.1.0',
        interfaces: [{ name: 'eth0', mac: eth0?.address, sandbox: podPath }],
        ips: [
          { interface: 0, address: '192.0.2.100/24', gateway: '192.0.2.1' },
          { interface: 0, address: '2001:db8::100/64', gateway: '2001:db8::1' },
        ],
        routes: [{ dst: '0.0.0.0/0' }, { dst: '2001:db8:9::/48', mtu: 1300 }],
      });
      expect(eth0?.linkinfo?.info_kind).toBe(type);
      expect(inPod('ping', '-c1', '-W2', '192.0.2.1')).toContain('1 received');
      expect(inPod('ping', '-c1', '-W2', '2001:db8::1')).toContain('1 received');
      expect(inPod('ip', 'route')).toContain('default via 192.0.2.1 dev eth0');
      expect(inPod('ip', '-6', 'route')).toMatch(/2001:db8:9::\/48 via 2001:db8::1 .*mtu 1300/);
      expect(call('CHECK', config({ prevResult: json }))).toMatchObject(success);
    });

    it.each(modes)('makes it of mode %s', (mode) => {
      const { json } = call('ADD', config({ mode }));
      expect(pod('link', 'show', 'eth0')[0]?.linkinfo?.info_data).toMatchObject({ mode });
      expect(call('CHECK', config({ mode, prevResult: json }))).toMatchObject(success);
      const [other = ''] = modes.filter((each) => each !== mode);
      expect(call('CHECK', config({ mode: other, prevResult: json }))).toMatchObject({
        status: 1,
        json: { msg: `container ${type} mode ${mode} does not match expected value: ${other}` },
      });
    });

    it('stands on the link of the default route when no other is named', () => {
      expect(call('ADD', config({ master: '' })).json).toMatchObject({
        code: 999,
        msg: 'no default route interface found',
      });
      routeByUp0(fixture);
      const { status, json } = call('ADD', config({ master: '' }));
      expect(status).toBe(0);
      expect(call('CHECK', config({ prevResult: json }))).toMatchObject(success);
    });

    it('stands on a link of the pod when it is told to', () => {
      node.exec('ip', 'link', 'set', 'up0', 'netns', podPath.replace('/run/netns/', ''));
      inPod('ip', 'link', 'set', 'up0', 'up');
      const wanted = config({ linkInContainer: true });
      const { status, json } = call('ADD', wanted);
      expect(status).toBe(0);
      expect(inPod('ping', '-c1', '-W2', '192.0.2.1')).toContain('1 received');
      expect(call('CHECK', { ...wanted, prevResult: json })).toMatchObject(success);
      expect(call('STATUS', wanted)).toMatchObject(success);
      expect(call('DEL', wanted)).toMatchObject(success);
      expect(pod('addr').map(({ ifname }) => ifname)).toEqual(['lo', 'up0']);
    });

    it('takes an MTU up to that of the master', () => {
      expect(call('ADD', config({ mtu: 1400 })).status).toBe(0);
      expect(pod('link', 'show', 'eth0')[0]?.mtu).toBe(1400);
      call('DEL', config());
      expect(call('ADD', config({ mtu: 1501 })).json).toMatchObject({
        code: 7,
        msg: 'invalid MTU 1501, must be [0, master MTU(1500)]',
      });
      expectNothingLeft(fixture);
    });

    it('does not mind the same name on the host', () => {
      node.exec('ip', 'link', 'add', 'eth0', 'type', 'bridge');
      expect(call('ADD', config()).status).toBe(0);
      expect(node.exec('ip', '-br', 'link')).toContain('eth0');
    });
  });
}

/** What is left of an ADD that fails: nothing; and answers in older versions. */
export function failureCases(fixture: SublinkFixture): void {
  const { type, config, call, pod, reservations } = fixture;

  describe(`${type} ADD`, () => {
    it.each(['0.1.0', '0.2.0'])('answers in version %s', (cniVersion) => {
      const { json } = call('ADD', config({ cniVersion }));
      expect(json).toMatchObject({ cniVersion, ip4: { ip: expect.stringContaining('/24') } });
      expect(json).not.toHaveProperty('interfaces');
      expect(call('DEL', config({ cniVersion })).status).toBe(0);
    });

    it.each(['0.3.0', '0.3.1', '0.4.0', '1.0.0'])('answers in version %s', (cniVersion) => {
      const { json } = call('ADD', config({ cniVersion }));
      const [ip] = json.ips as object[];
      expect(json.cniVersion).toBe(cniVersion);
      expect('version' in (ip ?? {})).toBe(cniVersion.startsWith('0.'));
      expect(call('DEL', config({ cniVersion })).status).toBe(0);
    });
  });

  describe(`${type} ADD that fails`, () => {
    const exhausted = { type: 'host-local', subnet: '192.0.2.0/30', rangeEnd: '192.0.2.1' };
    it.each([
      ['no address is left', { ipam: exhausted }, 'no IP addresses available'],
      ['the master is missing', { master: 'none0' }, 'failed to lookup master "none0": Link not'],
      ['the mode is unknown', { mode: 'x' }, `unknown ${type} mode: "x"`],
      ['the MTU is negative', { mtu: -1 }, 'mtu: expected a size in bytes, got -1'],
      ['the IPAM plugin is missing', { ipam: { type: 'none' } }, 'failed to find plugin "none"'],
      [
        'a route leads nowhere',
        (ipam: object) => ({
          ipam: { ...ipam, routes: [{ dst: '10.0.0.0/8', gw: '203.0.113.1' }] },
        }),
        'Nexthop has invalid gateway',
      ],
    ])('because %s leaves nothing', (_, wrong, message) => {
      const { ipam } = config() as { ipam: object };
      const more = typeof wrong === 'function' ? wrong(ipam) : wrong;
      const answer = call('ADD', config(more));
      expect(answer.status).toBe(1);
      // The kernel's own words are the details.
      expect([answer.json.msg, answer.json.details].join(': ')).toContain(message);
      expectNothingLeft(fixture);
    });

    it('because the interface is there already leaves that one', () => {
      call('ADD', config());
      const before = pod('addr', 'show', 'eth0');
      expect(call('ADD', config(), { CNI_CONTAINERID: 'b' }).json.msg).toBe(
        'container interface name provided (eth0) already exists',
      );
      expect(pod('addr', 'show', 'eth0')).toEqual(before);
      expect(reservations()).toEqual(['192.0.2.100', '2001:db8::100']);
    });
  });
}

/** What DEL frees, whatever is missing. */
export function deleteCases(fixture: SublinkFixture): void {
  const { type, config, call, inPod, reservations, node } = fixture;

  describe(`${type} DEL`, () => {
    it.each([
      ['all as it was', {}, {}, () => {}],
      ['an empty path of the namespace', {}, { CNI_NETNS: '' }, () => {}],
      ['a namespace that is gone', {}, { CNI_NETNS: '/run/netns/podwire-none' }, () => {}],
      ['a plain file as namespace', {}, { CNI_NETNS: '/etc/hostname' }, () => {}],
      ['the interface gone', {}, {}, () => inPod('ip', 'link', 'del', 'eth0')],
      ['the master gone', {}, {}, () => node.exec('ip', 'link', 'del', 'up0')],
      ['no master and no default route', { master: '' }, {}, () => {}],
      ['a configuration that ADD would refuse', { mode: 'x', mtu: -1 }, {}, () => {}],
    ] as const)('frees everything with %s', (_, more, env, before) => {
      expect(call('ADD', config()).status).toBe(0);
      before();
      expect(call('DEL', config(more), env)).toMatchObject(success);
      expect(reservations()).toEqual([]);
      // Where the pod could not be entered its interface goes with it.
      if ('CNI_NETNS' in env) return;
      expectNothingLeft(fixture);
      expect(call('DEL', config(more), env)).toMatchObject(success);
    });

    it('takes an interface that a crash left under its first name', () => {
      call('ADD', config());
      // The name follows from container and interface.
      inPod('ip', 'link', 'set', 'eth0', 'down');
      inPod('ip', 'link', 'set', 'eth0', 'name', 'pwtmpd5ee4b78');
      expect(call('DEL', config())).toMatchObject(success);
      expectNothingLeft(fixture);
    });
  });
}

/** What CHECK, GC and STATUS see. */
export function checkCases(fixture: SublinkFixture): void {
  const { type, config, call, pod, inPod, reservations, node } = fixture;

  describe(`${type} CHECK`, () => {
    it.each([
      [
        'the address is gone',
        () => inPod('ip', 'addr', 'del', '192.0.2.100/24', 'dev', 'eth0'),
        'expected address 192.0.2.100/24 on "eth0"',
      ],
      ['a route is gone', () => inPod('ip', 'route', 'del', 'default'), 'expected route 0.0.0.0/0'],
      [
        'the interface is gone',
        () => inPod('ip', 'link', 'del', 'eth0'),
        'interface "eth0" not found',
      ],
      [
        'the master is gone',
        () => {
          node.exec('ip', 'link', 'set', 'up0', 'down');
          node.exec('ip', 'link', 'set', 'up0', 'name', 'x0');
        },
        'failed to lookup master "up0": Link not found',
      ],
    ])('says that %s', (_, breakIt, msg) => {
      const { json } = call('ADD', config());
      breakIt();
      const answer = call('CHECK', config({ prevResult: json }));
      expect(answer).toMatchObject({ status: 1, json: { code: 999, msg } });
    });

    it('says that the interface is another one', () => {
      const { json } = call('ADD', config());
      const mac = '02:00:00:00:00:99';
      const interfaces = [{ ...(json.interfaces as object[])[0], mac }];
      expect(call('CHECK', config({ prevResult: { ...json, interfaces } })).json.msg).toContain(
        `expected ${mac}`,
      );
      // One of another kind, with all that the result has.
      const [eth0] = pod('link', 'show', 'eth0');
      inPod('ip', 'link', 'del', 'eth0');
      inPod('ip', 'link', 'add', 'eth0', 'address', eth0?.address ?? '', 'type', 'bridge');
      const routes: unknown[] = [];
      for (const addr of ['192.0.2.100/24', '2001:db8::100/64']) {
        inPod('ip', 'addr', 'add', addr, 'dev', 'eth0');
      }
      const answer = call('CHECK', config({ prevResult: { ...json, routes } }));
      expect(answer.json.msg).toBe(`container interface eth0 not of type ${type}`);
      expect(call('CHECK', config()).json).toMatchObject({
        code: 7,
        msg: 'Required prevResult missing',
      });
    });
  });

  describe(`${type} GC and STATUS`, () => {
    it('frees the addresses of attachments that are gone', () => {
      call('ADD', config());
      const valid = [{ containerID: 'a', ifname: 'eth0' }];
      expect(call('GC', config({ 'cni.dev/valid-attachments': valid }))).toMatchObject(success);
      expect(reservations()).toHaveLength(2);
      expect(call('GC', config({ 'cni.dev/valid-attachments': [] }))).toMatchObject(success);
      expect(reservations()).toEqual([]);
    });

    it('says 50 when the master is missing', () => {
      expect(call('STATUS', config())).toMatchObject(success);
      expect(call('STATUS', config({ master: 'none0' }))).toMatchObject({
        status: 1,
        json: { code: 50, msg: 'failed to lookup master "none0": Link not found' },
      });
    });
  });
}
