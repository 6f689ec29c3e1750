import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSocket } from '../../src/sys/fd.ts';
import { useNetns } from '../integration/netns-fixture.ts';

/* The guest is as README.md says, and its kernel has what the tests beside this one need. */

const AF_INET = 2; // linux/socket.h
const SOCK_STREAM = 1; // linux/net.h
const IPPROTO_SCTP = 132; // linux/in.h

const consoleLog = join(import.meta.dirname, '../../build/vm/console.log');
const fixture = useNetns('vm-kernel');

const run = (file: string, ...args: string[]): string =>
  execFileSync(file, args, { encoding: 'utf8', stdio: 'pipe' });

describe('the guest', () => {
  it('has a kernel of its own, with its modules', () => {
    const release = run('uname', '-r').trim();
    const module = `/lib/modules/${release}/kernel/drivers/net/dummy.ko`;
    expect(run('modprobe', '--show-depends', 'dummy')).toContain(module);
  });

  it('has a loopback and no other network', () => {
    const links = JSON.parse(run('ip', '-j', 'link')) as { ifname: string; flags: string[] }[];
    expect(links.map(({ ifname }) => ifname)).toEqual(['lo']);
    expect(links[0]?.flags).toContain('UP');
  });

  it('has cgroup2 and the file system of BPF', () => {
    const types = run('stat', '-f', '-c', '%T', '/sys/fs/cgroup', '/sys/fs/bpf');
    expect(types.trim().split('\n')).toEqual(['cgroup2fs', 'bpf_fs']);
  });

  it('has the time of the host', () => {
    // QEMU wrote to it, on the host, since this guest has booted.
    const ageMs = Date.now() - statSync(consoleLog).ctimeMs;
    expect(Math.abs(ageMs)).toBeLessThan(600_000);
  });

  it('writes to memory only', () => {
    const types = run('stat', '-f', '-c', '%T', import.meta.dirname, '/tmp', '/run');
    expect(types.trim().split('\n')).toEqual(['overlayfs', 'tmpfs', 'tmpfs']);
  });
});

describe('its kernel', () => {
  it.each([
    ['dummy', []],
    ['vrf', ['table', '10']],
    ['bridge', ['vlan_filtering', '1', 'vlan_default_pvid', '5']],
    ['wireguard', []],
    ['geneve', ['id', '7', 'remote', '192.0.2.1']],
  ])('makes a link of kind %s', (kind, options) => {
    fixture.exec('ip', 'link', 'add', 'made', 'type', kind, ...options);
    expect(JSON.parse(fixture.exec('ip', '-j', '-d', 'link', 'show', 'made'))).toMatchObject([
      { ifname: 'made', linkinfo: { info_kind: kind } },
    ]);
  });

  it.each([
    ['vlan', ['id', '5']],
    ['ipvlan', ['mode', 'l3']],
    ['macvlan', ['mode', 'bridge']],
  ])('makes a link of kind %s on another', (kind, options) => {
    fixture.exec('ip', 'link', 'add', 'below', 'type', 'dummy');
    const own = ['link', 'below', 'name', 'made', 'type', kind, ...options];
    fixture.exec('ip', 'link', 'add', ...own);
    expect(JSON.parse(fixture.exec('ip', '-j', '-d', 'link', 'show', 'made'))).toMatchObject([
      { ifname: 'made', link: 'below', linkinfo: { info_kind: kind } },
    ]);
  });

  it('has netem', () => {
    fixture.exec('ip', 'link', 'add', 'slow', 'type', 'dummy');
    fixture.exec('tc', 'qdisc', 'add', 'dev', 'slow', 'root', 'netem', 'delay', '10ms');
    expect(JSON.parse(fixture.exec('tc', '-j', 'qdisc', 'show', 'dev', 'slow'))).toMatchObject([
      { kind: 'netem', options: { delay: { delay: 0.01 } } },
    ]);
  });

  it('has flow tables', () => {
    fixture.exec('ip', 'link', 'add', 'port', 'type', 'dummy');
    fixture.exec('nft', 'add table inet t');
    fixture.exec('nft', 'add flowtable inet t f { hook ingress priority 0; devices = { port }; }');
    expect(fixture.exec('nft', 'list', 'flowtables')).toContain('devices = { port }');
  });

  it('has the netlink family of IPVS', () => {
    run('modprobe', 'ip_vs');
    expect(fixture.exec('genl', 'ctrl', 'list')).toMatch(/Name: IPVS/);
  });

  it('has SCTP sockets', () => {
    using socket = openSocket(AF_INET, SOCK_STREAM, IPPROTO_SCTP, 'SCTP socket');
    expect(socket.number).toBeGreaterThan(2);
  });
});
