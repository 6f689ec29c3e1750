import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { openSocket } from '../../../src/sys/fd.ts';
import { libc } from '../../../src/sys/libc.ts';
import { peerCredentials } from '../../../src/sys/peer-credentials.ts';
import { sdNotify } from '../../../src/sys/sd-notify.ts';
import { AF_UNIX, UnixPathError, unixAddress } from '../../../src/sys/unix-address.ts';

const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const directory = mkdtempSync(join(tmpdir(), 'podwire-unix-'));
afterAll(() => rmSync(directory, { recursive: true }));
const before = process.env.NOTIFY_SOCKET;
afterEach(() => {
  if (before === undefined) delete process.env.NOTIFY_SOCKET;
  else process.env.NOTIFY_SOCKET = before;
});

describe('peerCredentials', () => {
  it('say who listens at the other end', async () => {
    const path = join(directory, 'server');
    const server = createServer().listen(path);
    await once(server, 'listening');
    using client = openSocket(AF_UNIX, SOCK_STREAM, 0, 'client');
    const address = unixAddress(path);
    expect(libc.connect(client.number, address, address.length)).toBe(0);
    expect(peerCredentials(client.number)).toEqual({
      pid: process.pid,
      uid: process.getuid?.(),
      gid: process.getgid?.(),
    });
    server.close();
    expect(() => peerCredentials(-1)).toThrow('getsockopt(-1, SO_PEERCRED): EBADF');
  });
});

describe('sdNotify', () => {
  it.each([join(directory, 'notify'), `@podwire-notify-${process.pid}`])('tells %s', (path) => {
    using manager = openSocket(AF_UNIX, SOCK_DGRAM, 0, 'manager');
    const address = unixAddress(path);
    expect(libc.bind(manager.number, address, address.length)).toBe(0);
    process.env.NOTIFY_SOCKET = path;
    expect(sdNotify('READY=1', 'STATUS=here')).toBe(true);
    const into = new Uint8Array(new ArrayBuffer(64));
    const scratch = new Uint8Array(new ArrayBuffer(128));
    const got = libc.recvfrom(manager.number, into, 64n, 0, scratch, scratch.slice(0, 4));
    expect(Buffer.from(into.subarray(0, Number(got))).toString()).toBe('READY=1\nSTATUS=here');
  });

  it('does nothing when nobody asked, and names a place that is none', () => {
    delete process.env.NOTIFY_SOCKET;
    expect(sdNotify('READY=1')).toBe(false);
    process.env.NOTIFY_SOCKET = 'relative';
    expect(() => sdNotify('READY=1')).toThrow(UnixPathError);
    process.env.NOTIFY_SOCKET = join(directory, 'nobody');
    expect(() => sdNotify('READY=1')).toThrow(/sendto\(.*nobody\): ENOENT/);
    process.env.NOTIFY_SOCKET = `/${'x'.repeat(108)}`;
    expect(() => sdNotify('READY=1')).toThrow(UnixPathError);
  });
});
