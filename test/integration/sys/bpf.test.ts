import { closeSync, mkdirSync, openSync, readFileSync, rmdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  ATTACH_CGROUP_INET4_CONNECT,
  BpfMap,
  BpfProgram,
  instruction,
  MAP_HASH,
  PROGRAM_CGROUP_SOCK_ADDR,
  PROGRAM_SCHED_CLS,
  PROGRAM_SOCKET_FILTER,
} from '../../../src/sys/bpf.ts';
import { openSocket, setReceiveTimeout } from '../../../src/sys/fd.ts';
import { errno, libc } from '../../../src/sys/libc.ts';
import { unixAddress } from '../../../src/sys/unix-address.ts';

const MOV64_IMM = 0xb7;
const EXIT = 0x95;
const giving = (value: number) => [
  instruction(MOV64_IMM, 0, 0, 0, value),
  instruction(EXIT, 0, 0, 0, 0),
];
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe('a map', () => {
  it('keeps what is put into it, up to its size', () => {
    using map = BpfMap.create({
      type: MAP_HASH,
      keyBytes: 4,
      valueBytes: 8,
      entriesMax: 2,
      name: 'podwire_test',
    });
    const [one, two, three] = [bytes(1, 0, 0, 0), bytes(2, 0, 0, 0), bytes(3, 0, 0, 0)];
    const value = bytes(1, 2, 3, 4, 5, 6, 7, 8);
    expect(map.lookup(one)).toBeUndefined();
    map.update(one, value);
    map.update(two, value);
    expect(map.lookup(one)).toEqual(value);
    expect(() => map.update(three, value)).toThrow('bpf(BPF_MAP_UPDATE_ELEM, podwire_test): E2BIG');
    expect(map.delete(one)).toBe(true);
    expect(map.delete(one)).toBe(false);
    expect(() => map.update(bytes(1), value)).toThrow('BPF key of 1 bytes, expected 4');
  });
});

describe('a program', () => {
  const load = (name: string, type: number, instructions = giving(0), attachType?: number) =>
    BpfProgram.load({
      type,
      instructions,
      name,
      license: 'GPL',
      ...(attachType === undefined ? {} : { attachType }),
    });

  it('filters the socket it is attached to', () => {
    const SOCK_DGRAM = 2;
    const AF_UNIX = 1;
    const EAGAIN = 11;
    using receiver = openSocket(AF_UNIX, SOCK_DGRAM, 0, 'receiver');
    using sender = openSocket(AF_UNIX, SOCK_DGRAM, 0, 'sender');
    setReceiveTimeout(receiver, 1);
    const address = unixAddress(`@podwire-bpf-${process.pid}`);
    expect(libc.bind(receiver.number, address, address.length)).toBe(0);
    const exchange = (): number => {
      libc.sendto(sender.number, bytes(1, 2, 3, 4), 4n, 0, address, address.length);
      const into = new Uint8Array(new ArrayBuffer(8));
      const scratch = new Uint8Array(new ArrayBuffer(16));
      const got = Number(libc.recvfrom(receiver.number, into, 8n, 0, scratch, scratch));
      return got < 0 ? -errno() : got;
    };
    expect(exchange()).toBe(4);
    using half = load('keep2', PROGRAM_SOCKET_FILTER, giving(2));
    half.attachToSocket(receiver);
    expect(exchange()).toBe(2);
    using none = load('drop', PROGRAM_SOCKET_FILTER, giving(0));
    none.attachToSocket(receiver);
    expect(exchange()).toBe(-EAGAIN);
  });

  it('is of the type it was loaded as, and has a name the kernel takes', () => {
    using program = load('podwire_cls', PROGRAM_SCHED_CLS);
    const info = readFileSync(`/proc/self/fdinfo/${program.fd}`, 'utf8');
    expect(info).toMatch(/^prog_type:\t3$/m);
    expect(() => load('a b', PROGRAM_SCHED_CLS)).toThrow('BPF name "a b"');
  });

  it('is attached to a cgroup and taken off', () => {
    const path = `/sys/fs/cgroup/unified/podwire-bpf-${process.pid}`;
    mkdirSync(path);
    const cgroup = openSync(path, 'r');
    try {
      const type = ATTACH_CGROUP_INET4_CONNECT;
      using program = load('connect', PROGRAM_CGROUP_SOCK_ADDR, giving(1), type);
      program.attachToCgroup(cgroup, type);
      expect(program.detachFromCgroup(cgroup, type)).toBe(true);
      expect(program.detachFromCgroup(cgroup, type)).toBe(false);
    } finally {
      closeSync(cgroup);
      rmdirSync(path);
    }
  });

  it('is refused in the words of the verifier', () => {
    const broken = [instruction(EXIT, 0, 0, 0, 0)];
    expect(() => load('broken', PROGRAM_SOCKET_FILTER, broken)).toThrow(
      'bpf(BPF_PROG_LOAD, broken: R0 !read_ok): EACCES',
    );
  });
});
