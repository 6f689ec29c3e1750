import { describe, expect, it } from 'vitest';
import { useBridge } from './bridge-fixture.ts';

/* CHECK of bridge: whatever is changed of what ADD made, it is found and named. VLANs are in test/vm. */

const fixture = useBridge('chk');
const { call, config, inPod, node } = fixture;

type Line = readonly [string, ...string[]];

/** A command, by its words; `VETH` stands for the host's end. */
const run = (line: string): void => {
  const [veth = ''] = fixture.veths();
  node.exec(...(line.replaceAll('VETH', veth).split(' ') as unknown as Line));
};

const everything = {
  hairpinMode: true,
  portIsolation: true,
  ipMasq: true,
  macspoofchk: true,
  mac: '0a:00:00:00:00:07',
};

describe('bridge CHECK', () => {
  it.each([{}, everything, { promiscMode: true }, { isDefaultGateway: false }])(
    'is content with what ADD made of %j',
    (more) => {
      const { json } = call('ADD', config(more));
      expect(call('CHECK', config({ ...more, prevResult: json }))).toMatchObject({
        status: 0,
        stdout: '',
        stderr: '',
      });
    },
  );

  it.each([{ ipam: {} }, { ipam: {}, disableContainerInterface: true }])(
    'is content without addresses: %j',
    (more) => {
      const { json } = call('ADD', config(more));
      expect(call('CHECK', config({ ...more, prevResult: json })).json).toEqual({});
    },
  );

  it('needs the result of ADD', () => {
    expect(call('CHECK', config()).json).toEqual({ code: 7, msg: 'Required prevResult missing' });
  });

  it('leaves alone what others add', () => {
    const { json } = call('ADD', config(everything));
    run('ip addr add 192.0.2.7/32 dev br0');
    run('ip link set br0 promisc on');
    inPod('ip', 'addr', 'add', '192.0.2.8/32', 'dev', 'eth0');
    inPod('ip', 'route', 'add', '192.0.2.0/24', 'dev', 'eth0');
    run('nft add table inet other');
    const interfaces = [...(json.interfaces as object[]), { name: 'lo' }];
    const prevResult = { ...json, interfaces };
    expect(call('CHECK', config({ ...everything, prevResult })).json).toEqual({});
  });

  const spoof = 'missing macspoofchk rule in chain';
  it.each([
    ['ip link del br0', 'bridge "br0" not found'],
    [
      'ip link set br0 address 0a:00:00:00:00:99',
      /^interface "br0" has MAC 0a:00:00:00:00:99, expected /,
    ],
    ['ip link set br0 down', 'interface "br0" is down'],
    ['ip link set VETH nomaster', /^interface "veth\w+" is not a port of "br0"$/],
    ['ip link set VETH down', /^interface "veth\w+" is down$/],
    [
      'ip link set VETH address 0a:00:00:00:00:98',
      /^interface "veth\w+" has MAC 0a:00:00:00:00:98, expected /,
    ],
    [
      'bridge link set dev VETH hairpin off',
      /^interface "veth\w+" is not hairpin, expected it to be$/,
    ],
    [
      'bridge link set dev VETH isolated off',
      /^interface "veth\w+" is not isolated, expected it to be$/,
    ],
    ['ip link del VETH', 'interface "eth0" not found'],
    ['ip -n POD link set eth0 down', 'interface "eth0" is down'],
    [
      'ip -n POD link set eth0 address 0a:00:00:00:00:97',
      'interface "eth0" has MAC 0a:00:00:00:00:97, expected 0a:00:00:00:00:07',
    ],
    ['ip -n POD link set eth0 name eth9', 'interface "eth0" not found'],
    ['ip -n POD addr del 10.1.2.2/24 dev eth0', 'expected address 10.1.2.2/24 on "eth0"'],
    ['ip -n POD addr del fd00:1::2/64 dev eth0', 'expected address fd00:1::2/64 on "eth0"'],
    ['ip -n POD route del 10.1.2.0/24', 'expected route 10.1.2.0/24'],
    ['ip -n POD route del default', 'expected route 0.0.0.0/0 via 10.1.2.1'],
    ['ip -n POD -6 route del default', 'expected route ::/0 via fd00:1::1'],
    ['ip addr del 10.1.2.1/24 dev br0', 'expected gateway address 10.1.2.1/24 on "br0"'],
    ['ip addr del fd00:1::1/64 dev br0', 'expected gateway address fd00:1::1/64 on "br0"'],
    ['sysctl -qw net.ipv4.ip_forward=0', 'expected net/ipv4/ip_forward to be 1, got 0'],
    [
      'sysctl -qw net.ipv6.conf.all.forwarding=0',
      'expected net/ipv6/conf/all/forwarding to be 1, got 0',
    ],
    ['nft flush chain bridge nat PREROUTING', `${spoof} "PREROUTING"`],
    ['nft flush chain bridge nat cni-br-iface-a-eth0', `${spoof} "cni-br-iface-a-eth0"`],
    ['nft flush chain bridge nat cni-br-iface-a-eth0-mac', `${spoof} "cni-br-iface-a-eth0-mac"`],
    ['nft delete table bridge nat', `${spoof} "cni-br-iface-a-eth0-mac"`],
    [
      'nft flush chain inet cni_plugins_masquerade masq_checks',
      'missing masquerade rule in table inet cni_plugins_masquerade',
    ],
    [
      'nft flush chain inet cni_plugins_masquerade postrouting',
      'missing masquerade rule in table inet cni_plugins_masquerade',
    ],
  ])('finds %s', (line, msg) => {
    const { json } = call('ADD', config(everything));
    run(line.replaceAll('POD', fixture.podName));
    const answer = call('CHECK', config({ ...everything, prevResult: json }));
    expect(answer.status).toBe(1);
    expect(answer.json).toMatchObject({
      code: 999,
      msg: typeof msg === 'string' ? msg : expect.stringMatching(msg),
    });
  });

  it('finds a port that has what nobody asked for', () => {
    const { json } = call('ADD', config());
    const check = (): unknown => call('CHECK', config({ prevResult: json })).json.msg;
    run('bridge link set dev VETH hairpin on');
    expect(check()).toMatch(/^interface "veth\w+" is hairpin, expected it not to be$/);
    run('bridge link set dev VETH hairpin off isolated on');
    expect(check()).toMatch(/^interface "veth\w+" is isolated, expected it not to be$/);
  });

  it('finds a bridge that takes only its own frames', () => {
    const { json } = call('ADD', config({ promiscMode: true }));
    run('ip link set br0 promisc off');
    expect(call('CHECK', config({ promiscMode: true, prevResult: json })).json.msg).toBe(
      'bridge "br0" is not in promiscuous mode',
    );
  });

  it('finds a link of another kind in the place of the bridge', () => {
    const { json } = call('ADD', config());
    run('ip link del br0');
    run('ip link add br0 type veth peer name x');
    expect(call('CHECK', config({ prevResult: json })).json.msg).toBe(
      '"br0" already exists but is not a bridge',
    );
  });

  it('finds rules that let another address through, and rules for another veth', () => {
    const { json } = call('ADD', config(everything));
    const check = () => call('CHECK', config({ ...everything, prevResult: json })).json;
    const rules = node.exec('nft', 'list', 'table', 'bridge', 'nat');
    const replace = (text: string): void => {
      run('nft delete table bridge nat');
      node.execInput(text, 'nft', '-f', '-');
    };
    replace(rules.replace('0a:00:00:00:00:07', '0a:00:00:00:00:66'));
    const details =
      /^macspoofchk-a-eth0: expected what comes from "veth\w+" to be from 0a:00:00:00:00:07$/;
    expect(check()).toEqual({
      code: 999,
      msg: 'wrong macspoofchk rule in chain "cni-br-iface-a-eth0-mac"',
      details: expect.stringMatching(details),
    });
    replace(rules.replace(/iifname "veth\w+"/, 'iifname "veth0"'));
    expect(check().msg).toBe('wrong macspoofchk rule in chain "PREROUTING"');
    replace(rules);
    expect(check()).toEqual({});
  });

  it('finds another veth in the place of the one that ADD made', () => {
    const { json } = call('ADD', config());
    const [veth = ''] = fixture.veths();
    const mac = fixture.ip('link', 'show', veth)[0]?.address ?? '';
    inPod('ip', 'link', 'set', 'eth0', 'name', 'old');
    run(`ip link set ${veth} name old`);
    const [eth0 = { address: '' }] = fixture.podIp('link', 'show', 'old');
    run(`ip link add ${veth} address ${mac} type veth peer name eth0 address ${eth0.address}`);
    run(`ip link set ${veth} master br0 up`);
    expect(call('CHECK', config({ prevResult: json })).json.msg).toBe('interface "eth0" not found');
  });

  it('passes on what IPAM finds', () => {
    const { json } = call('ADD', config());
    run(`rm ${fixture.dataDir()}/net/10.1.2.2 ${fixture.dataDir()}/net/fd00:1::2`);
    expect(call('CHECK', config({ prevResult: json })).json.msg).toBe(
      'host-local: Failed to find address added by container a',
    );
  });
});
