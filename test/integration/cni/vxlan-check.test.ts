import { rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { success, useOverlay } from './vxlan-fixture.ts';

/* The vxlan plugin: CHECK names what is not as it should be. */

const fixture = useOverlay('vxchk', [1]);
const { node, config, call, inPod, path, hostEnds } = fixture;

/** Runs a program on the node and gives its output. */
const exec = (file: string, ...args: string[]): string => node(1).exec(file, ...args);

describe('vxlan CHECK', () => {
  const set = (...args: string[]): string => exec('ip', 'link', 'set', 'vxlan.1', ...args);
  const remake = (...args: string[]): void => {
    const group = exec('ip', '-d', '-o', 'link', 'show', 'vxlan.1').match(/group (\w+)/)?.[1] ?? '';
    exec('ip', 'link', 'del', 'vxlan.1');
    exec('ip', 'link', 'add', 'vxlan.1', 'group', group, 'type', 'vxlan', ...args);
  };
  const sysctl = (name: string, value: string): string =>
    exec('sh', '-c', `echo ${value} > /proc/sys/${name}`);
  const own = ['id', '1', 'dstport', '8472', 'local', '192.0.2.1', 'dev', 'up0', 'nolearning'];
  const ownBut = (index: number, value: string): string[] => own.with(index, value);

  it.each<[string, () => unknown, string]>([
    ['no device', () => exec('ip', 'link', 'del', 'vxlan.1'), 'vxlan device "vxlan.1" not found'],
    ['another id', () => remake(...ownBut(1, '2')), '"vxlan.1" has id 2, expected 1'],
    ['another port', () => remake(...ownBut(3, '4789')), '"vxlan.1" has port 4789, expected 8472'],
    [
      'another local address',
      () => remake(...ownBut(5, '192.0.2.9')),
      '"vxlan.1" has local address 192.0.2.9, expected 192.0.2.1',
    ],
    ['another underlay', () => remake(...ownBut(7, 'br0')), '"vxlan.1" has underlay link index '],
    ['learning', () => remake(...own.slice(0, -1)), '"vxlan.1" has learning true, expected false'],
    [
      'a default peer',
      () => remake(...own, 'remote', '192.0.2.3'),
      '"vxlan.1" has default peer 192.0.2.3, expected none',
    ],
    [
      'external control',
      () => remake('dstport', '8472', 'external', 'local', '192.0.2.1', 'dev', 'up0', 'nolearning'),
      '"vxlan.1" has id ',
    ],
    [
      'another MAC address',
      () => set('address', '0a:00:00:00:00:09'),
      '"vxlan.1" has MAC 0a:00:00:00:00:09, expected 02:01:c0:00:02:01',
    ],
    ['another MTU', () => set('mtu', '1300'), '"vxlan.1" has MTU 1300, expected 1450'],
    [
      'an underlay that shrank',
      () => exec('ip', 'link', 'set', 'up0', 'mtu', '1400'),
      '"vxlan.1" has MTU 1450, expected 1350',
    ],
    ['no alias', () => set('alias', ''), '"vxlan.1" has alias none, expected podwire:overlay'],
    ['a device that is down', () => set('down'), '"vxlan.1" has state down, expected up'],
    [
      'no forwarding',
      () => sysctl('net/ipv4/ip_forward', '0'),
      'net/ipv4/ip_forward is 0, expected 1',
    ],
    [
      'no forwarding of IPv6',
      () => sysctl('net/ipv6/conf/all/forwarding', '0'),
      'net/ipv6/conf/all/forwarding is 0, expected 1',
    ],
    [
      'no IPv6',
      () => sysctl('net/ipv6/conf/vxlan.1/disable_ipv6', '1'),
      'net/ipv6/conf/vxlan.1/disable_ipv6 is 1, expected 0',
    ],
    [
      'no address',
      () => exec('ip', 'addr', 'del', '10.244.1.0/32', 'dev', 'vxlan.1'),
      'expected address 10.244.1.0/32 on "vxlan.1"',
    ],
    [
      'no neighbour',
      () => exec('ip', 'neigh', 'del', 'fd00:244:0:2::', 'dev', 'vxlan.1'),
      'expected neighbour fd00:244:0:2:: with 02:01:c0:00:02:02 on "vxlan.1"',
    ],
    [
      'another neighbour',
      () =>
        exec(
          'ip',
          'neigh',
          'replace',
          '10.244.2.0',
          'lladdr',
          '0a:00:00:00:00:09',
          'dev',
          'vxlan.1',
        ),
      'expected neighbour 10.244.2.0 with 02:01:c0:00:02:02 on "vxlan.1"',
    ],
    [
      'no FDB entry',
      () => exec('bridge', 'fdb', 'del', '02:01:c0:00:02:02', 'dev', 'vxlan.1'),
      'expected FDB entry 02:01:c0:00:02:02 at 192.0.2.2 on "vxlan.1"',
    ],
    [
      'another endpoint',
      () =>
        exec('bridge', 'fdb', 'replace', '02:01:c0:00:02:03', 'dev', 'vxlan.1', 'dst', '192.0.2.9'),
      'expected FDB entry 02:01:c0:00:02:03 at 192.0.2.3 on "vxlan.1"',
    ],
    [
      'no route',
      () => exec('ip', 'route', 'del', '10.244.3.0/24'),
      'expected route 10.244.3.0/24 via 10.244.3.0 on "vxlan.1"',
    ],
    [
      'another route',
      () => {
        exec('ip', '-6', 'route', 'del', 'fd00:244:0:3::/64');
        exec('ip', '-6', 'route', 'add', 'fd00:244:0:3::/64', 'via', '2001:db8::3');
      },
      'expected route fd00:244:0:3::/64 via fd00:244:0:3:: on "vxlan.1"',
    ],
    [
      'a pod off the bridge',
      () => exec('ip', 'link', 'set', hostEnds(1)[0]?.split('@')[0] ?? '', 'nomaster'),
      'is not a port of "br0"',
    ],
    [
      'a pod without its address',
      () => inPod(1, 'ip', 'addr', 'del', '10.244.1.2/24', 'dev', 'eth0'),
      'expected address 10.244.1.2/24 on "eth0"',
    ],
    [
      'a pod without reservation',
      () => rmSync(path('node-1'), { recursive: true }),
      'Failed to find address',
    ],
  ])('says that there is %s', (_, tamper, msg) => {
    const { json } = call(1, 'ADD', config(1));
    const checked = config(1, { prevResult: json });
    expect(call(1, 'CHECK', checked)).toMatchObject(success);
    tamper();
    const answer = call(1, 'CHECK', checked);
    expect(answer.status).toBe(1);
    expect(answer.json.msg).toContain(msg);
  });

  it('needs to know what ADD said', () => {
    call(1, 'ADD', config(1));
    expect(call(1, 'CHECK', config(1)).json).toEqual({
      code: 7,
      msg: 'Required prevResult missing',
    });
  });
});
