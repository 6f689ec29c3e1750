import { describe, expect, it } from 'vitest';
import { SIDES } from '../../conformance/cni/sides.ts';
import { addCases, deleteCases } from '../../integration/cni/sublink-cases.ts';
import { expectNothingLeft, success, useSublink } from '../../integration/cni/sublink-fixture.ts';
import { peerMissing } from '../../peers/peer.ts';

const fixture = useSublink('ipvlan', 'ipvlan');
const { config, call, pod, inPod } = fixture;

/* The rest of what it has in common with macvlan is tested there, on a faster kernel. */
addCases(fixture, ['l2', 'l3', 'l3s']);
deleteCases(fixture);

describe('ipvlan alone', () => {
  it('shares the address of its master', () => {
    const { json } = call('ADD', config());
    const [up0] = JSON.parse(fixture.node.exec('ip', '-j', 'link', 'show', 'up0')) as [
      { address: string },
    ];
    expect(json.interfaces).toMatchObject([{ mac: up0.address }]);
  });

  it('takes master, addresses and routes of the plugin before', () => {
    const prevResult = {
      cniVersion: '1.1.0',
      interfaces: [{ name: 'up0' }],
      ips: [{ address: '192.0.2.50/24', gateway: '192.0.2.1', interface: 0 }],
      routes: [{ dst: '0.0.0.0/0' }],
    };
    const chained = config({ master: '', ipam: {}, prevResult });
    const { status, json } = call('ADD', chained);
    expect(status).toBe(0);
    expect(json).toMatchObject({
      interfaces: [{ name: 'eth0', sandbox: fixture.podPath }],
      ips: [{ address: '192.0.2.50/24', gateway: '192.0.2.1', interface: 0 }],
      routes: [{ dst: '0.0.0.0/0' }],
    });
    expect(inPod('ping', '-c1', '-W2', '192.0.2.1')).toContain('1 received');
    const after = config({ master: '', ipam: {}, prevResult: json });
    expect(call('CHECK', after)).toMatchObject(success);
    expect(call('DEL', after)).toMatchObject(success);
    expect(pod('addr').map(({ ifname }) => ifname)).toEqual(['lo']);
  });

  it.each([
    [
      { master: '', ipam: {}, prevResult: { interfaces: [], ips: [{ address: '192.0.2.5/24' }] } },
      'chained master failure. PrevResult lacks a single named interface',
    ],
    [{ ipam: {} }, 'ipam: expected an IPAM plugin, or addresses in prevResult, got {}'],
  ])('refuses %j', (wrong, msg) => {
    expect(call('ADD', config(wrong))).toMatchObject({ status: 1, json: { code: 7, msg } });
    expect(pod('addr').map(({ ifname }) => ifname)).toEqual(['lo']);
  });
});

describe('ipvlan beside the reference', () => {
  it('removes what that one made, and the other way round', ({ skip }) => {
    const missing = peerMissing('cni-plugins');
    if (missing !== undefined) skip(missing);
    const results = [SIDES.podwire, SIDES.reference].map((maker, index) => {
      const other = index === 0 ? SIDES.reference : SIDES.podwire;
      const { status, json } = call('ADD', config({ mode: 'l3' }), {}, maker);
      expect(status).toBe(0);
      const [link] = pod('addr', 'show', 'eth0');
      const after = config({ mode: 'l3', prevResult: json });
      expect(call('CHECK', after, {}, other)).toMatchObject({ status: 0, stdout: '' });
      expect(call('DEL', after, {}, other)).toMatchObject({ status: 0, stdout: '' });
      expectNothingLeft(fixture);
      return { mtu: link?.mtu, flags: link?.flags, kind: link?.linkinfo };
    });
    expect(results[0]).toEqual(results[1]);
  });
});
