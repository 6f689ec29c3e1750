import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { useNetns } from '../integration/netns-fixture.ts';

/* The guest's kernel has what test/vm is there for: that which other kernels may lack. */

const fixture = useNetns('vm-kernel');
const ip = (...args: string[]): string => fixture.exec('ip', ...args);

describe('the kernel', () => {
  it('is the one that was booted, and finds its modules', () => {
    const release = execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim();
    const dummy = execFileSync('modprobe', ['--show-depends', 'dummy'], { encoding: 'utf8' });
    expect(dummy).toContain(`/lib/modules/${release}/kernel/drivers/net/dummy.ko`);
  });

  it.each([
    ['dummy', []],
    ['vrf', ['table', '10']],
    ['bridge', ['vlan_filtering', '1', 'vlan_default_pvid', '5']],
    ['wireguard', []],
    ['geneve', ['id', '7', 'remote', '192.0.2.1']],
  ])('makes a link of kind %s', (kind, options) => {
    ip('link', 'add', 'made', 'type', kind, ...options);
    expect(JSON.parse(ip('-j', '-d', 'link', 'show', 'made'))).toMatchObject([
      { ifname: 'made', linkinfo: { info_kind: kind } },
    ]);
  });

  it.each([
    ['vlan', ['id', '5']],
    ['ipvlan', ['mode', 'l3']],
    ['macvlan', ['mode', 'bridge']],
  ])('makes a link of kind %s on another', (kind, options) => {
    ip('link', 'add', 'below', 'type', 'dummy');
    ip('link', 'add', 'link', 'below', 'name', 'made', 'type', kind, ...options);
    expect(JSON.parse(ip('-j', '-d', 'link', 'show', 'made'))).toMatchObject([
      { ifname: 'made', link: 'below', linkinfo: { info_kind: kind } },
    ]);
  });

  it('has netem', () => {
    ip('link', 'add', 'slow', 'type', 'dummy');
    fixture.exec('tc', 'qdisc', 'add', 'dev', 'slow', 'root', 'netem', 'delay', '10ms');
    expect(JSON.parse(fixture.exec('tc', '-j', 'qdisc', 'show', 'dev', 'slow'))).toMatchObject([
      { kind: 'netem', options: { delay: { delay: 0.01 } } },
    ]);
  });

  it('has flow tables', () => {
    ip('link', 'add', 'port', 'type', 'dummy');
    fixture.exec(
      'nft',
      'add table inet t; add flowtable inet t f { hook ingress priority 0; devices = { port }; }',
    );
    expect(fixture.exec('nft', 'list', 'flowtables')).toContain('devices = { port }');
  });

  it('has the netlink family of IPVS', () => {
    execFileSync('modprobe', ['ip_vs']);
    expect(fixture.exec('genl', 'ctrl', 'list')).toMatch(/Name: IPVS/);
  });
});
