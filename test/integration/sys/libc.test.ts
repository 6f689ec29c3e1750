import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EINVAL, ENOENT, errnoName } from '../../../src/sys/errno.ts';
import { cString, errno, fixedMemory, libc, whileHeld } from '../../../src/sys/libc.ts';
import { AF_UNIX, unixAddress } from '../../../src/sys/unix-address.ts';

/*
 * A contract for every libc function podwire calls: that the signature in the table is the one libc
 * has. Each entry calls the function so that it succeeds, and so that it fails with a known errno.
 */

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const EBADF = 9;
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_REUSEADDR = 2;
const F_GETFD = 1;
const CLONE_NEWNET = 0x40000000;
const MS_BIND = 4096;
const MNT_DETACH = 2;
const SIOCGIFINDEX = 0x8933n;
const LOCK_EX = 2;
const LOCK_NB = 4;
const MSG_DONTWAIT = 0x40;

const directory = mkdtempSync(join(tmpdir(), 'podwire-libc-'));
afterAll(() => rmSync(directory, { recursive: true }));

let opened: number[] = [];
beforeEach(() => {
  opened = [];
});
afterEach(() => {
  for (const fd of opened) closeSync(fd);
});

const buffer = (sizeBytes: number): Uint8Array => new Uint8Array(new ArrayBuffer(sizeBytes));
const u32 = (value: number): Uint8Array => {
  const bytes = buffer(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
};

function socket(family = AF_INET, type = SOCK_DGRAM): number {
  const fd = libc.socket(family, type | SOCK_CLOEXEC, 0);
  expect(fd).toBeGreaterThanOrEqual(0);
  opened.push(fd);
  return fd;
}

/** A datagram socket at a path of its own, and the address of it. */
function receiver(name: string): { fd: number; address: Uint8Array } {
  const fd = socket(AF_UNIX);
  const address = unixAddress(join(directory, name));
  expect(libc.bind(fd, address, address.length)).toBe(0);
  return { fd, address };
}

function expectErrno(result: number | bigint, expected: number): void {
  expect(Number(result)).toBe(-1);
  expect(errnoName(errno())).toBe(errnoName(expected));
}

/** A struct mmsghdr of one message of `bytes`, and what it points to. */
function message(bytes: Uint8Array) {
  const data = fixedMemory(bytes.length);
  data.bytes.set(bytes);
  const iovec = fixedMemory(16);
  new DataView(iovec.bytes.buffer).setBigUint64(0, data.address, true);
  new DataView(iovec.bytes.buffer).setBigUint64(8, BigInt(bytes.length), true);
  const header = fixedMemory(64);
  new DataView(header.bytes.buffer).setBigUint64(16, iovec.address, true);
  new DataView(header.bytes.buffer).setBigUint64(24, 1n, true);
  return { header, data, iovec };
}

function receive(fd: number): string {
  const into = buffer(64);
  const got = libc.recvfrom(fd, into, 64n, MSG_DONTWAIT, buffer(128), u32(128));
  return new TextDecoder().decode(into.subarray(0, Number(got)));
}

const contracts: Record<keyof typeof libc, () => void> = {
  SHA512: () => {
    const digest = buffer(64);
    libc.SHA512(cString('abc'), 3n, digest);
    expect(Buffer.from(digest)).toEqual(createHash('sha512').update('abc').digest());
  },
  __errno_location: () => {
    expect(typeof libc.__errno_location()).toBe('bigint');
    libc.close(-1);
    expect(errno()).toBe(EBADF);
  },
  _exit: () => {
    const script = [
      'const { exitNow } = require(process.argv[1]);',
      "process.on('exit', () => console.log('never'));",
      'exitNow(7);',
    ].join('');
    const file = join(import.meta.dirname, '../../../src/sys/exit.ts');
    const { status, stdout } = spawnSync(process.execPath, ['-e', script, file]);
    expect([status, stdout.toString()]).toEqual([7, '']);
  },
  bind: () => {
    receiver('bind');
    expectErrno(libc.bind(-1, buffer(16), 16), EBADF);
  },
  close: () => {
    const fd = libc.socket(AF_INET, SOCK_DGRAM, 0);
    expect(libc.close(fd)).toBe(0);
    expectErrno(libc.close(fd), EBADF);
  },
  connect: () => {
    const { address } = receiver('connect');
    expect(libc.connect(socket(AF_UNIX), address, address.length)).toBe(0);
    const nowhere = unixAddress(join(directory, 'nowhere'));
    expectErrno(libc.connect(socket(AF_UNIX), nowhere, nowhere.length), ENOENT);
  },
  fcntl: () => {
    expect(libc.fcntl(socket(), F_GETFD, 0n)).toBe(1);
    expectErrno(libc.fcntl(-1, F_GETFD, 0n), EBADF);
  },
  flock: () => {
    const path = join(directory, 'flock');
    const [first, second] = [openSync(path, 'a'), openSync(path, 'a')];
    opened.push(first, second);
    expect(libc.flock(first, LOCK_EX)).toBe(0);
    expectErrno(libc.flock(second, LOCK_EX | LOCK_NB), 11);
  },
  getsockname: () => {
    const { fd, address } = receiver('getsockname');
    const [name, length] = [buffer(128), u32(128)];
    expect(libc.getsockname(fd, name, length)).toBe(0);
    expect(name.subarray(0, address.length)).toEqual(address);
    expectErrno(libc.getsockname(-1, name, length), EBADF);
  },
  getsockopt: () => {
    const [value, length] = [buffer(4), u32(4)];
    expect(libc.getsockopt(socket(), SOL_SOCKET, SO_TYPE, value, length)).toBe(0);
    expect(value).toEqual(u32(SOCK_DGRAM));
    expectErrno(libc.getsockopt(socket(), SOL_SOCKET, 9999, value, length), 92);
  },
  ioctl: () => {
    const request = buffer(40);
    request.set(new TextEncoder().encode('lo'));
    expect(libc.ioctl(socket(), SIOCGIFINDEX, request)).toBe(0);
    expect(request[16]).toBe(1);
    expectErrno(libc.ioctl(-1, SIOCGIFINDEX, request), EBADF);
  },
  mallopt: () => {
    const M_ARENA_MAX = -8;
    expect(libc.mallopt(M_ARENA_MAX, 8)).toBe(1);
    // M_MXFAST takes no more than 80 words of eight bytes.
    expect(libc.mallopt(1, 1 << 20)).toBe(0);
  },
  malloc_trim: () => {
    expect([0, 1]).toContain(libc.malloc_trim(0n));
  },
  memfd_create: () => {
    const fd = libc.memfd_create(cString('podwire'), 0);
    expect(readlinkSync(`/proc/self/fd/${fd}`)).toBe('/memfd:podwire (deleted)');
    opened.push(fd);
    expectErrno(libc.memfd_create(cString('podwire'), 0x8000_0000), EINVAL);
  },
  mount: () => {
    const target = join(directory, 'mount');
    mkdirSync(target);
    mkdirSync(join(directory, 'mounted/inner'), { recursive: true });
    const source = cString(join(directory, 'mounted'));
    expect(libc.mount(source, cString(target), cString('none'), BigInt(MS_BIND), 0n)).toBe(0);
    expect(existsSync(join(target, 'inner'))).toBe(true);
    expect(libc.umount2(cString(target), MNT_DETACH)).toBe(0);
    const nowhere = cString(join(directory, 'nowhere'));
    expectErrno(libc.mount(nowhere, cString(target), cString('none'), BigInt(MS_BIND), 0n), ENOENT);
  },
  pipe2: () => {
    const ends = new Int32Array(2);
    expect(libc.pipe2(new Uint8Array(ends.buffer), SOCK_CLOEXEC)).toBe(0);
    opened.push(...ends);
    expect(readlinkSync(`/proc/self/fd/${ends[1]}`)).toMatch(/^pipe:/);
    expectErrno(libc.pipe2(buffer(8), 1), EINVAL);
  },
  poll: () => {
    const request = buffer(8);
    new DataView(request.buffer).setInt32(0, socket(), true);
    new DataView(request.buffer).setInt16(4, 4, true); // POLLOUT
    expect(libc.poll(request, 1n, 1000)).toBe(1);
    expect(new DataView(request.buffer).getInt16(6, true) & 4).toBe(4);
    expectErrno(libc.poll(request, 0x7fff_ffffn, 0), EINVAL);
  },
  // Those of posix_spawn that succeed are in program.test.ts, with what they are for.
  posix_spawn: () => {
    const none = buffer(8);
    const [actions, nowhere] = [buffer(256), cString(join(directory, 'nowhere'))];
    expect(libc.posix_spawn(buffer(4), nowhere, actions, 0n, none, none)).toBe(ENOENT);
  },
  posix_spawn_file_actions_adddup2: () => {
    expect(libc.posix_spawn_file_actions_adddup2(buffer(256), -1, 0)).toBe(EBADF);
  },
  posix_spawn_file_actions_destroy: () => {
    expect(libc.posix_spawn_file_actions_destroy(buffer(256))).toBe(0);
  },
  posix_spawn_file_actions_init: () => {
    const actions = buffer(256).fill(255);
    expect(libc.posix_spawn_file_actions_init(actions)).toBe(0);
    expect(actions.subarray(0, 8)).toEqual(buffer(8));
    expect(actions[255]).toBe(255);
  },
  recvfrom: () => {
    const { fd, address } = receiver('recvfrom');
    expect(libc.sendto(socket(AF_UNIX), cString('hello'), 5n, 0, address, address.length)).toBe(5n);
    expect(receive(fd)).toBe('hello');
    expectErrno(libc.recvfrom(fd, buffer(1), 1n, MSG_DONTWAIT, buffer(16), u32(16)), 11);
  },
  recvmmsg: () => {
    const { fd, address } = receiver('recvmmsg');
    libc.sendto(socket(AF_UNIX), cString('hello'), 5n, 0, address, address.length);
    const { header, data, iovec } = message(buffer(5));
    const held = [data, iovec, header];
    const got = whileHeld(held, () => libc.recvmmsg(fd, header.address, 1, MSG_DONTWAIT, 0n));
    expect(got).toBe(1);
    expect(new TextDecoder().decode(data.bytes)).toBe('hello');
    expect(new DataView(header.bytes.buffer).getUint32(56, true)).toBe(5);
    expectErrno(libc.recvmmsg(-1, header.address, 1, 0, 0n), EBADF);
  },
  recvmsg: () => {
    const { fd, address } = receiver('recvmsg');
    libc.sendto(socket(AF_UNIX), cString('hello'), 5n, 0, address, address.length);
    const { header, data, iovec } = message(buffer(5));
    const held = [data, iovec, header];
    expect(whileHeld(held, () => libc.recvmsg(fd, header.address, MSG_DONTWAIT))).toBe(5);
    expect(new TextDecoder().decode(data.bytes)).toBe('hello');
    expectErrno(libc.recvmsg(-1, header.address, 0), EBADF);
  },
  send: () => {
    const { fd, address } = receiver('send');
    const from = socket(AF_UNIX);
    libc.connect(from, address, address.length);
    expect(libc.send(from, cString('hello'), 5n, 0)).toBe(5n);
    expect(receive(fd)).toBe('hello');
    expectErrno(libc.send(socket(AF_UNIX), cString('x'), 1n, 0), 107);
  },
  sendmmsg: () => {
    const { fd, address } = receiver('sendmmsg');
    const from = socket(AF_UNIX);
    libc.connect(from, address, address.length);
    const { header, data, iovec } = message(new TextEncoder().encode('hello'));
    const held = [data, iovec, header];
    expect(whileHeld(held, () => libc.sendmmsg(from, header.address, 1, 0))).toBe(1);
    expect(receive(fd)).toBe('hello');
    expectErrno(libc.sendmmsg(-1, header.address, 1, 0), EBADF);
  },
  sendmsg: () => {
    const { fd, address } = receiver('sendmsg');
    const from = socket(AF_UNIX);
    libc.connect(from, address, address.length);
    const { header, data, iovec } = message(new TextEncoder().encode('hello'));
    const held = [data, iovec, header];
    expect(whileHeld(held, () => libc.sendmsg(from, header.address, 0))).toBe(5);
    expect(receive(fd)).toBe('hello');
    expectErrno(libc.sendmsg(-1, header.address, 0), EBADF);
  },
  sendto: () => {
    const { fd, address } = receiver('sendto');
    expect(libc.sendto(socket(AF_UNIX), cString('hello'), 5n, 0, address, address.length)).toBe(5n);
    expect(receive(fd)).toBe('hello');
    const nowhere = unixAddress(join(directory, 'nowhere'));
    expectErrno(libc.sendto(socket(AF_UNIX), cString('x'), 1n, 0, nowhere, nowhere.length), ENOENT);
  },
  setns: () => {
    const home = openSync('/proc/thread-self/ns/net', 'r');
    opened.push(home);
    expect(libc.setns(home, CLONE_NEWNET)).toBe(0);
    const file = openSync(join(directory, 'setns'), 'a');
    opened.push(file);
    expectErrno(libc.setns(file, CLONE_NEWNET), EINVAL);
  },
  setsockopt: () => {
    const fd = socket();
    expect(libc.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, u32(1), 4)).toBe(0);
    const value = buffer(4);
    libc.getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, value, u32(4));
    expect(value).toEqual(u32(1));
    expectErrno(libc.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, u32(1), 1), EINVAL);
  },
  socket: () => {
    expect(readlinkSync(`/proc/self/fd/${socket(AF_INET, SOCK_STREAM)}`)).toMatch(/^socket:/);
    expectErrno(libc.socket(9999, SOCK_DGRAM, 0), 97);
  },
  syscall: () => {
    const [getpid, bpf] = process.arch === 'x64' ? [39n, 321n] : [172n, 280n];
    expect(libc.syscall(getpid, 0n, buffer(8), 0n)).toBe(BigInt(process.pid));
    expectErrno(libc.syscall(bpf, 9999n, buffer(8), 8n), EINVAL);
  },
  umount2: () => {
    // Its success is part of the contract of mount.
    expectErrno(libc.umount2(cString(directory), MNT_DETACH), EINVAL);
    expectErrno(libc.umount2(cString(join(directory, 'nowhere')), MNT_DETACH), ENOENT);
  },
  unshare: () => {
    const home = openSync('/proc/thread-self/ns/net', 'r');
    opened.push(home);
    const before = readlinkSync('/proc/thread-self/ns/net');
    expect(libc.unshare(CLONE_NEWNET)).toBe(0);
    const inside = readlinkSync('/proc/thread-self/ns/net');
    expect(libc.setns(home, CLONE_NEWNET)).toBe(0);
    expect(inside).not.toBe(before);
    expectErrno(libc.unshare(1), EINVAL);
  },
  waitpid: () => {
    const ECHILD = 10;
    // Its success is in program.test.ts, too.
    expectErrno(libc.waitpid(process.pid, buffer(4), 0), ECHILD);
  },
};

describe('every entry of the table has a contract', () => {
  it('and none is for a function that is gone', () => {
    expect(Object.keys(contracts).sort()).toEqual(Object.keys(libc).sort());
  });
});

describe('libc', () => {
  it.each(Object.entries(contracts))('%s', (_name, contract) => contract());
});
