import {
  DynamicLibrary,
  type FunctionDefinitions,
  getInt32,
  getRawPointer,
  type WrappedFunctionsFromDefinitions,
} from 'node:ffi';
import { endianness } from 'node:os';
import { SysError } from './errno.ts';

/*
 * The table of every libc function podwire calls. This is the only file that touches node:ffi, so
 * a change of that experimental interface, or another FFI behind it, is a change here alone.
 * Signatures are those of glibc on 64-bit Linux: int is i32, size_t is u64, ssize_t is i64.
 */
const signatures = {
  /** From OpenSSL, which is inside Node's executable. */
  SHA512: { arguments: ['buffer', 'u64', 'buffer'], return: 'pointer' },
  __errno_location: { arguments: [], return: 'pointer' },
  _exit: { arguments: ['i32'], return: 'void' },
  bind: { arguments: ['i32', 'buffer', 'u32'], return: 'i32' },
  close: { arguments: ['i32'], return: 'i32' },
  connect: { arguments: ['i32', 'buffer', 'u32'], return: 'i32' },
  fcntl: { arguments: ['i32', 'i32', 'i64'], return: 'i32' },
  flock: { arguments: ['i32', 'i32'], return: 'i32' },
  getsockname: { arguments: ['i32', 'buffer', 'buffer'], return: 'i32' },
  getsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'buffer'], return: 'i32' },
  ioctl: { arguments: ['i32', 'u64', 'pointer'], return: 'i32' },
  mallopt: { arguments: ['i32', 'i32'], return: 'i32' },
  malloc_trim: { arguments: ['u64'], return: 'i32' },
  memfd_create: { arguments: ['buffer', 'u32'], return: 'i32' },
  mount: { arguments: ['buffer', 'buffer', 'buffer', 'u64', 'pointer'], return: 'i32' },
  pipe2: { arguments: ['buffer', 'i32'], return: 'i32' },
  poll: { arguments: ['buffer', 'u64', 'i32'], return: 'i32' },
  /** Gives the errno itself. */
  posix_spawn: {
    arguments: ['buffer', 'buffer', 'buffer', 'pointer', 'buffer', 'buffer'],
    return: 'i32',
  },
  posix_spawn_file_actions_adddup2: { arguments: ['buffer', 'i32', 'i32'], return: 'i32' },
  posix_spawn_file_actions_destroy: { arguments: ['buffer'], return: 'i32' },
  posix_spawn_file_actions_init: { arguments: ['buffer'], return: 'i32' },
  recvfrom: {
    arguments: ['i32', 'buffer', 'u64', 'i32', 'buffer', 'buffer'],
    return: 'i64',
  },
  recvmmsg: { arguments: ['i32', 'pointer', 'u32', 'i32', 'pointer'], return: 'i32' },
  /** A result that is no bigint costs no allocation; no datagram is longer than an int can say. */
  recvmsg: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
  send: { arguments: ['i32', 'buffer', 'u64', 'i32'], return: 'i64' },
  sendmmsg: { arguments: ['i32', 'pointer', 'u32', 'i32'], return: 'i32' },
  /** As recvmsg. */
  sendmsg: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
  sendto: { arguments: ['i32', 'buffer', 'u64', 'i32', 'buffer', 'u32'], return: 'i64' },
  setns: { arguments: ['i32', 'i32'], return: 'i32' },
  setsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'u32'], return: 'i32' },
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  /** Called for bpf(2), which has no function in glibc. */
  syscall: { arguments: ['i64', 'i64', 'buffer', 'u64'], return: 'i64' },
  umount2: { arguments: ['buffer', 'i32'], return: 'i32' },
  unshare: { arguments: ['i32'], return: 'i32' },
  waitpid: { arguments: ['i32', 'buffer', 'i32'], return: 'i32' },
} as const satisfies FunctionDefinitions;

/** The libc functions, typed. Results are raw: use `check` or compare with -1 and read `errno()`. */
export const libc = resolvedWhenUsed(signatures);

/** Resolving all of them takes longer than all calls of the few that a plugin needs. */
function resolvedWhenUsed<const T extends FunctionDefinitions>(
  definitions: T,
): WrappedFunctionsFromDefinitions<T> {
  const library = new DynamicLibrary(null);
  const table = {};
  for (const [name, signature] of Object.entries(definitions)) {
    const resolve = (): unknown => {
      const value = library.getFunction(name, signature);
      Object.defineProperty(table, name, { value, enumerable: true });
      return value;
    };
    Object.defineProperty(table, name, { get: resolve, enumerable: true, configurable: true });
  }
  return table as WrappedFunctionsFromDefinitions<T>;
}

/* Structures are written little-endian below; podwire supports x86-64 and arm64 only. */
if (endianness() !== 'LE') throw new Error('podwire runs on little-endian machines only');

/* Each thread has its own errno and loads this module for itself, so the address is taken once. */
const errnoPointer = libc.__errno_location();

/** The calling thread's errno. Meaningful only right after a libc call that failed. */
export function errno(): number {
  if (typeof errnoPointer !== 'bigint') throw new Error('__errno_location gave no address');
  return getInt32(errnoPointer, 0);
}

/** Gives `result` as a number, or throws the SysError of `call` when it is negative. */
export function check(call: string, result: number | bigint, detail: string): number {
  if (result < 0) throw new SysError(call, errno(), detail);
  return Number(result);
}

/** `text` as a NUL-terminated C string. */
export function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

/**
 * Memory outside the JavaScript heap whose address does not change, for structures that hold
 * pointers. The caller keeps the view alive for as long as the kernel may use the address.
 */
export function fixedMemory(sizeBytes: number): { bytes: Uint8Array; address: bigint } {
  const bytes = new Uint8Array(new ArrayBuffer(sizeBytes));
  return { bytes, address: getRawPointer(bytes) };
}

const held: unknown[] = [];

/**
 * Runs a call that reaches `memories` by their addresses alone. V8 sees no use of them in it, and
 * could otherwise free them too early.
 */
export function whileHeld<T>(memories: readonly unknown[], call: () => T): T {
  held.push(memories);
  try {
    return call();
  } finally {
    held.pop();
  }
}
