import { describe, expect, it } from 'vitest';
import { addCases, checkCases, deleteCases, failureCases } from './sublink-cases.ts';
import { expectNothingLeft, success, useSublink } from './sublink-fixture.ts';

const fixture = useSublink('macvlan', 'macvlan');
const { config, call, pod } = fixture;

addCases(fixture, ['bridge', 'private', 'vepa', 'passthru']);
failureCases(fixture);
deleteCases(fixture);
checkCases(fixture);

describe('macvlan alone', () => {
  const mac = (last: number): string => `02:00:00:00:00:0${last}`;

  it('takes the MAC address of who knows best', () => {
    const one = { mac: mac(1) };
    const two = { ...one, args: { cni: { mac: mac(3) } } };
    const three = { ...two, runtimeConfig: { mac: mac(4) } };
    const args = { CNI_ARGS: `IgnoreUnknown=1;MAC=${mac(2)};K8S_POD_NAME=a` };
    for (const [more, env, expected] of [
      [one, {}, mac(1)],
      [one, args, mac(2)],
      [two, args, mac(3)],
      [three, args, mac(4)],
    ] as const) {
      const { json } = call('ADD', config(more), env);
      expect(json.interfaces).toMatchObject([{ mac: expected }]);
      expect(pod('link', 'show', 'eth0')[0]?.address).toBe(expected);
      expect(call('CHECK', config({ ...more, prevResult: json }), env)).toMatchObject(success);
      expect(call('DEL', config(more), env)).toMatchObject(success);
    }
    expect(call('ADD', config({ mac: 'x' })).json).toMatchObject({
      code: 7,
      msg: 'mac: expected a MAC address, got "x"',
    });
  });

  it('needs no IPAM for an interface without addresses', () => {
    const { status, json } = call('ADD', config({ ipam: {} }));
    expect(status).toBe(0);
    expect(json).toEqual({
      cniVersion: '1.1.0',
      interfaces: [expect.objectContaining({ name: 'eth0' })],
    });
    const [eth0] = pod('addr', 'show', 'eth0');
    expect(eth0?.flags).toContain('UP');
    expect(eth0?.addr_info.filter(({ prefixlen }) => prefixlen !== 64)).toEqual([]);
    expect(call('CHECK', config({ ipam: {}, prevResult: json }))).toMatchObject(success);
    expect(call('DEL', config({ ipam: {} }))).toMatchObject(success);
    expectNothingLeft(fixture);
  });

  it('sets the length of the broadcast queue', () => {
    call('ADD', config({ bcqueuelen: 2000 }));
    expect(pod('link', 'show', 'eth0')[0]?.linkinfo?.info_data).toMatchObject({ bcqueuelen: 2000 });
    expect(call('ADD', config({ bcqueuelen: -1 })).json.msg).toContain('bcqueuelen: expected');
  });
});
