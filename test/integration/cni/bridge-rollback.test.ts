import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { useBridge } from './bridge-fixture.ts';

/*
 * Every step of an ADD that can fail is made to fail: then nothing is left of the pod, not the veth,
 * nor an address, nor a rule, and IPAM was told. The bridge stays, for it is the node's.
 */

const fixture = useBridge('undo');
const { call, config, node } = fixture;

const everything = { ipMasq: true, macspoofchk: true };
const RESULT = JSON.stringify({
  cniVersion: '1.1.0',
  ips: [{ address: '10.1.2.2/24', gateway: '10.1.2.1' }],
});

function knowsVlans(): boolean {
  try {
    node.exec('ip', 'link', 'add', 'probe', 'type', 'bridge', 'vlan_filtering', '1');
    return true;
  } catch {
    return false;
  }
}

describe('an ADD of bridge that fails leaves nothing', () => {
  it.each([
    [
      'the namespace is not there',
      { CNI_NETNS: '/run/netns/podwire-none' },
      8,
      'failed to open netns',
    ],
    ['the namespace is a file', { CNI_NETNS: '/etc/hostname' }, 8, 'failed to open netns'],
  ])('when %s', (_, env, code, msg) => {
    const { status, json } = call('ADD', config(everything), env);
    expect([status, json.code]).toEqual([1, code]);
    expect(json.msg).toContain(msg);
    // Not even a bridge.
    expect(fixture.ip('link').map(({ ifname }) => ifname)).toEqual(['lo']);
    fixture.expectNothingLeft();
  });

  it.each([
    ['a link of another kind has its name', 'ip link add br0 type veth peer name x'],
    ['another link is called so as well', 'ip link property add dev lo altname br0'],
  ])('when %s', (_, line) => {
    node.exec(...(line.split(' ') as [string, ...string[]]));
    const text = '"br0" already exists but is not a bridge';
    expect(call('ADD', config(everything)).json).toEqual({
      code: 999,
      msg: `failed to create bridge "br0": ${text}`,
    });
    fixture.expectNothingLeft();
  });

  it.for([
    ['makes', /^failed to create bridge "br0": add link br0 of kind bridge: EOPNOTSUPP$/],
    ['finds', /^(delete|add) bridge VLANs .*: EOPNOTSUPP$/],
  ] as const)('when the kernel knows no VLANs on a bridge that ADD %s', ([how, msg], { skip }) => {
    if (knowsVlans()) skip('this kernel knows VLANs of bridges');
    if (how === 'finds') node.exec('ip', 'link', 'add', 'br0', 'type', 'bridge');
    const { json } = call('ADD', config({ ...everything, vlan: 7 }));
    expect(json).toMatchObject({ code: 999, msg: expect.stringMatching(msg) });
    fixture.expectNothingLeft();
  });

  it('when the bridge has no port left', () => {
    const PORTS_MAX = 1023; // BR_MAX_PORTS, net/bridge/br_private.h
    const lines = ['link add br0 type bridge'];
    for (let port = 0; port < PORTS_MAX; port += 1) {
      lines.push(`link add p${port} group 7 type veth peer name q${port}`);
      lines.push(`link set p${port} master br0`);
    }
    node.execInput(`${lines.join('\n')}\n`, 'ip', '-batch', '-');
    expect(call('ADD', config(everything)).json.msg).toMatch(
      /^failed to connect "veth\w+" to bridge "br0": set link \d+: EXFULL$/,
    );
    node.exec('ip', 'link', 'del', 'group', '7');
    fixture.expectNothingLeft();
  });

  it('when the pod has an interface of the name, which stays', () => {
    fixture.inPod('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'x');
    const { json } = call('ADD', config(everything));
    expect(json.msg).toMatch(
      /^container veth name \("eth0"\) peer provided \("veth[0-9a-f]{8}"\) already exists$/,
    );
    expect(fixture.podIp('link').map(({ ifname }) => ifname)).toEqual(['lo', 'x', 'eth0']);
    fixture.inPod('ip', 'link', 'del', 'eth0');
    fixture.expectNothingLeft();
  });

  it('never, when the name of its host end is taken', () => {
    expect(call('ADD', config({ ipam: {} })).status).toBe(0);
    const [name = ''] = fixture.veths();
    expect(call('DEL', config({ ipam: {} })).status).toBe(0);
    node.exec('ip', 'link', 'add', name, 'type', 'bridge');
    // Another name is found, and found again by DEL without the namespace.
    expect(call('ADD', config(everything)).status).toBe(0);
    expect(fixture.veths()).toHaveLength(2);
    expect(call('DEL', config(), { CNI_NETNS: '' }).status).toBe(0);
    expect(fixture.veths()).toEqual([name]);
    node.exec('ip', 'link', 'del', name);
    fixture.expectNothingLeft();
  });

  it.each([
    ['macspoofchk', ['bridge', 'nat', 'PREROUTING']],
    ['ipMasq', ['inet', 'cni_plugins_masquerade', 'postrouting']],
  ])('when the rules of %s cannot be', (_, [family = '', table = '', chain = '']) => {
    node.exec('nft', 'add', 'table', family, table);
    // It is somebody's who has it for something else.
    node.exec('nft', 'add', 'chain', family, table, chain);
    const { status, json } = call('ADD', config(everything));
    expect([status, json.code]).toEqual([1, 999]);
    expect(`${json.msg}: ${json.details}`).toContain(chain);
    fixture.expectNothingLeft();
  });

  it('when iptables fails halfway, after the rules of IPv4', () => {
    const directory = join(fixture.dataDir(), 'bin');
    mkdirSync(directory);
    const file = join(directory, 'ip6tables-restore');
    writeFileSync(file, '#!/bin/sh\necho no luck >&2\nexit 3\n');
    chmodSync(file, 0o755);
    const masquerading = config({ ipMasq: true, ipMasqBackend: 'iptables', macspoofchk: true });
    expect(call('ADD', masquerading, { PATH: directory }).json).toEqual({
      code: 999,
      msg: 'failed to run ip6tables-restore',
      details: 'exit status 3: no luck',
    });
    fixture.expectNothingLeft();
  });

  it.each([
    [
      'the pool is empty',
      { subnet: '10.1.2.0/30', rangeEnd: '10.1.2.1' },
      'no IP addresses available',
    ],
    [
      'there is no such IPAM plugin',
      { type: 'nowhere' },
      'failed to find plugin "nowhere" in path',
    ],
    [
      'a route leads nowhere',
      { subnet: '10.1.2.0/24', routes: [{ dst: '192.0.2.0/24', gw: '203.0.113.1' }] },
      'ENETUNREACH',
    ],
  ])('when %s', (_, ipam, msg) => {
    const { status, json } = call('ADD', config(everything, ipam));
    expect(status).toBe(1);
    expect(json.msg).toContain(msg);
    fixture.expectNothingLeft();
  });

  it.each([
    ['fails', 'echo \'{"code": 11, "msg": "not now"}\'; exit 1', RESULT, 11, 'not now', []],
    ['says nonsense', '', 'nonsense', 6, 'ipam result: expected a JSON object', ['DEL']],
    [
      'gives no address',
      '',
      '{"cniVersion": "1.1.0"}',
      999,
      'IPAM plugin returned missing IP config',
      ['DEL'],
    ],
    [
      'gives what is no address',
      '',
      '{"cniVersion": "1.1.0", "ips": [{"address": "10.1.2"}]}',
      7,
      'ips[0].address: expected an IP prefix',
      ['DEL'],
    ],
  ])('when IPAM %s', (_, lines, result, code, msg, more) => {
    const { env, verbs } = fixture.scripted(lines, result);
    const { status, json } = call(
      'ADD',
      config({ ...everything, ipam: { type: 'scripted' } }),
      env,
    );
    expect([status, json.code]).toEqual([1, code]);
    expect(json.msg).toContain(msg);
    expect(verbs()).toEqual(['ADD', ...more]);
    fixture.expectNothingLeft();
  });

  it('when somebody else has the address', () => {
    const other = `podwire-undo-other-${process.pid}`;
    node.exec('ip', 'netns', 'add', other);
    try {
      expect(
        call('ADD', config({}, { subnet: 'fd00:1::/64' }), {
          CNI_CONTAINERID: 'b',
          CNI_NETNS: `/run/netns/${other}`,
        }).status,
      ).toBe(0);
      node.exec('ip', '-n', other, 'addr', 'add', 'fd00:1::3/64', 'dev', 'eth0', 'nodad');
      const { status, json } = call('ADD', config({ enabledad: true }, { subnet: 'fd00:1::/64' }));
      expect([status, json.msg]).toEqual([1, 'fd00:1::3 is taken by another host']);
      expect(fixture.reservations()).toEqual(['fd00:1::2']);
      expect(fixture.veths()).toHaveLength(1);
      expect(fixture.podIp('link').map(({ ifname }) => ifname)).toEqual(['lo']);
    } finally {
      node.exec('ip', 'netns', 'del', other);
    }
  });

  it('when the bridge has another gateway, which stays', () => {
    node.exec('ip', 'link', 'add', 'br0', 'type', 'bridge');
    node.exec('ip', 'addr', 'add', '10.8.0.1/16', 'dev', 'br0');
    expect(call('ADD', config(everything)).json.msg).toBe(
      'failed to set bridge addr: "br0" already has an IP address different from 10.1.2.1/24',
    );
    const [bridge] = fixture.ip('addr', 'show', 'br0');
    expect(bridge?.addr_info.map(({ local }) => local)).toContain('10.8.0.1');
    // Nor is the gateway of the other family there, for all are looked at first.
    expect(bridge?.addr_info.map(({ local }) => local)).not.toContain('fd00:1::1');
    fixture.expectNothingLeft();
  });

  it('when the port does not come up', () => {
    const { env, verbs } = fixture.scripted(
      "ip link set $(ip -o link | sed -n 's/.*\\(veth[0-9a-f]*\\)@.*/\\1/p') down",
      RESULT,
    );
    const { json } = call('ADD', config({ ...everything, ipam: { type: 'scripted' } }), env);
    const details = expect.stringMatching(
      /^interface "veth[0-9a-f]{8}": expected it up within 2550 ms$/,
    );
    expect(json).toEqual({ code: 999, msg: 'bridge port in error state: down', details });
    expect(verbs()).toEqual(['ADD', 'DEL']);
    fixture.expectNothingLeft();
  });

  it('when version 0.2.0 cannot tell of it', () => {
    expect(call('ADD', { ...config({ cniVersion: '0.2.0' }), ipam: {} }).json.msg).toBe(
      'cannot convert: no valid IP addresses',
    );
    fixture.expectNothingLeft();
  });

  it('when it may not start with more than one address of a family', () => {
    const ipam = { ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: '10.1.3.0/24' }]] };
    expect(call('ADD', config({ cniVersion: '0.2.0' }, ipam)).json.msg).toContain(
      'CNI version 0.2.0 does not support more than 1 address per family',
    );
    fixture.expectNothingLeft();
  });
});
