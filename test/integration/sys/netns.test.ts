import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { RouteConnection } from '../../../src/netlink/route/connection.ts';
import { linkByName } from '../../../src/netlink/route/link.ts';
import {
  createNamedNetns,
  deleteNamedNetns,
  Netns,
  NotANetnsError,
} from '../../../src/sys/netns.ts';
import { readSysctl, writeSysctl } from '../../../src/sys/sysctl.ts';

const path = `/run/netns/podwire-sys-${process.pid}`;

/** Far less than a descriptor, a socket or a buffer takes, and more than the collector's mood. */
const LEAK_BYTES_MAX = 1024;

afterEach(() => deleteNamedNetns(path));

describe('named network namespaces', () => {
  it('are seen by ip(8) and hold only a loopback', () => {
    createNamedNetns(path);
    const links = execFileSync('ip', ['-n', `podwire-sys-${process.pid}`, '-j', 'link'], {
      encoding: 'utf8',
    });
    const names = (JSON.parse(links) as { ifname: string }[]).map((link) => link.ifname);
    expect(names).toContain('lo');
    expect(names).not.toContain('eth0');
  });

  it('refuse a name that is taken and keep what is there', () => {
    createNamedNetns(path);
    expect(() => createNamedNetns(path)).toThrow(/EEXIST/);
    using netns = Netns.open(path);
    expect(netns.inode).toBeGreaterThan(0n);
  });

  it('are gone after deletion, and deleting again is fine', () => {
    createNamedNetns(path);
    deleteNamedNetns(path);
    deleteNamedNetns(path);
    expect(existsSync(path)).toBe(false);
  });

  it('are cleaned up when only the plain file of a crashed creation is left', () => {
    writeFileSync(path, '');
    deleteNamedNetns(path);
    expect(existsSync(path)).toBe(false);
  });
});

describe('Netns', () => {
  it('runs work inside and comes back', () => {
    createNamedNetns(path);
    using outside = Netns.current();
    using netns = Netns.open(path);
    const inside = netns.run(() => {
      using current = Netns.current();
      return current.inode;
    });
    using after = Netns.current();
    expect(inside).toBe(netns.inode);
    expect(inside).not.toBe(outside.inode);
    expect(after.inode).toBe(outside.inode);
  });

  it('comes back when the work throws', () => {
    createNamedNetns(path);
    using outside = Netns.current();
    using netns = Netns.open(path);
    expect(() =>
      netns.run(() => {
        throw new Error('from inside');
      }),
    ).toThrow('from inside');
    using after = Netns.current();
    expect(after.inode).toBe(outside.inode);
  });

  it('refuses asynchronous work', () => {
    createNamedNetns(path);
    using netns = Netns.open(path);
    expect(() => netns.run(() => Promise.resolve(1))).toThrow('synchronous work only');
    expect(() => netns.run(async () => {})).toThrow('synchronous work only');
  });

  it('gives children the namespace they are started in', () => {
    createNamedNetns(path);
    using netns = Netns.open(path);
    const link = netns.run(() =>
      execFileSync('readlink', ['/proc/self/ns/net'], { encoding: 'utf8' }),
    );
    expect(link.trim()).toBe(`net:[${netns.inode}]`);
  });

  it('names a plain file for what it is', () => {
    const directory = mkdtempSync(join(tmpdir(), 'podwire-sys-'));
    const file = join(directory, 'plain');
    writeFileSync(file, '');
    expect(() => Netns.open(file)).toThrow(NotANetnsError);
    rmSync(directory, { recursive: true });
  });

  it('opens by the process that is in it, and by a descriptor', () => {
    createNamedNetns(path);
    using netns = Netns.open(path);
    const child = netns.run(() => spawn('sleep', ['60']));
    try {
      using ofChild = Netns.ofProcess(child.pid ?? 0);
      expect(ofChild.inode).toBe(netns.inode);
      using again = Netns.ofDescriptor(ofChild.fd);
      ofChild.close();
      expect(again.inode).toBe(netns.inode);
      expect(() => ofChild.fd).toThrow('is closed');
      expect(() => Netns.ofProcess(2 ** 30)).toThrow(/ENOENT/);
    } finally {
      child.kill();
    }
  });

  it('leaks neither descriptors nor memory when opened, used and closed ten thousand times', () => {
    createNamedNetns(path);
    const use = (rounds: number): void => {
      for (let round = 0; round < rounds; round += 1) {
        using netns = Netns.open(path);
        using connection = RouteConnection.open(netns);
        if (linkByName(connection, 'lo')?.index !== 1) throw new Error('no loopback inside');
      }
    };
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    // The compiler and the collector have settled by then.
    use(10_000);
    const [descriptorsBefore, rssBefore] = [descriptors(), process.memoryUsage.rss()];
    use(10_000);
    expect(descriptors()).toBe(descriptorsBefore);
    expect((process.memoryUsage.rss() - rssBefore) / 10_000).toBeLessThan(LEAK_BYTES_MAX);
  });

  it('has sysctls of its own', () => {
    createNamedNetns(path);
    using netns = Netns.open(path);
    const outside = readSysctl('net/ipv4/conf/lo/arp_notify');
    netns.run(() => expect(writeSysctl('net/ipv4/conf/lo/arp_notify', '1')).toBe(true));
    expect(netns.run(() => readSysctl('net/ipv4/conf/lo/arp_notify'))).toBe('1');
    expect(readSysctl('net/ipv4/conf/lo/arp_notify')).toBe(outside);
    expect(writeSysctl('net/ipv4/no_such_sysctl', '1')).toBe(false);
  });
});
