import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { PodwireError } from '../errors.ts';
import { EINVAL, ENOENT, errnoName, SysError } from './errno.ts';
import { check, cString, errno, libc } from './libc.ts';

const CLONE_NEWNET = 0x40000000; // linux/sched.h
const NSFS_MAGIC = 0x6e736673; // linux/magic.h
const PROC_SUPER_MAGIC = 0x9fa0; // linux/magic.h; kernels before 3.19 kept namespaces in procfs
const MS_BIND = 4096; // linux/mount.h
const MS_REC = 16384;
const MS_SHARED = 1 << 20;
const MNT_DETACH = 2;

/** The path exists and is something else than a network namespace, such as a plain file. */
export class NotANetnsError extends PodwireError {
  readonly path: string;

  constructor(path: string, magic: number) {
    super(
      'ERR_NOT_A_NETNS',
      `"${path}" is not a network namespace (unknown FS magic: ${magic.toString(16)})`,
    );
    this.path = path;
  }
}

/**
 * A network namespace held open by a descriptor (network_namespaces(7)).
 *
 * setns(2) acts on the calling thread alone, and a socket stays in the namespace it was made in.
 * So `run` takes synchronous work only: enter, open what is needed, leave.
 */
export class Netns implements Disposable {
  readonly #fd: number;
  readonly #path: string;
  #open = true;

  private constructor(fd: number, path: string) {
    this.#fd = fd;
    this.#path = path;
  }

  /**
   * Opens the namespace at `path`, such as `/run/netns/blue` or `/proc/42/ns/net`. Throws the
   * Node error of open(2) (`ENOENT` where nothing is there) or NotANetnsError.
   */
  static open(path: string): Netns {
    const fd = openSync(path, 'r');
    const magic = statfsSync(`/proc/self/fd/${fd}`).type;
    if (magic !== NSFS_MAGIC && magic !== PROC_SUPER_MAGIC) {
      closeSync(fd);
      throw new NotANetnsError(path, magic);
    }
    return new Netns(fd, path);
  }

  /** The namespace of a process, by its pid; ENOENT when there is no such process. */
  static ofProcess(pid: number): Netns {
    return Netns.open(`/proc/${pid}/ns/net`);
  }

  /** The namespace behind a descriptor of this process. It gets one of its own; `fd` stays open. */
  static ofDescriptor(fd: number): Netns {
    return Netns.open(`/proc/self/fd/${fd}`);
  }

  /** The namespace the calling thread is in now. */
  static current(): Netns {
    return Netns.open('/proc/thread-self/ns/net');
  }

  /** The descriptor's number, for IFLA_NET_NS_FD and the like; valid while this is open. */
  get fd(): number {
    if (!this.#open) throw new Error(`namespace ${this.#path} is closed`);
    return this.#fd;
  }

  /** The namespace's inode number: two namespaces are the same one when it is equal. */
  get inode(): bigint {
    return fstatSync(this.fd, { bigint: true }).ino;
  }

  /**
   * Runs `work` inside the namespace on the calling thread and always comes back. `work` must not
   * be asynchronous: what it would await could run in the wrong namespace. Being unable to return
   * ends the process, for every later system call would act on the wrong network.
   */
  run<T>(work: () => T): T {
    using home = Netns.current();
    check('setns', libc.setns(this.fd, CLONE_NEWNET), this.#path);
    try {
      const result = work();
      if (isThenable(result)) throw new Error('Netns.run takes synchronous work only');
      return result;
    } finally {
      goBack(home, this.#path);
    }
  }

  /** Closes the descriptor; a second call does nothing. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value;
}

/** Returns the thread to `home`. A thread that cannot would act on the wrong network from here on. */
function goBack(home: Netns, from: string): void {
  if (libc.setns(home.fd, CLONE_NEWNET) === 0) return;
  process.stderr.write(`setns back from ${from}: ${errnoName(errno())}\n`);
  process.abort();
}

/**
 * Makes a new network namespace and pins it at `path` by a bind mount, as `ip netns add` does, so
 * that it lives without a process in it. Throws EEXIST when something is already at `path`.
 */
export function createNamedNetns(path: string): void {
  const directory = dirname(path);
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  shareMounts(directory);
  writeFileSync(path, '', { flag: 'wx', mode: 0o444 });
  try {
    using home = Netns.current();
    check('unshare', libc.unshare(CLONE_NEWNET), 'CLONE_NEWNET');
    let mounted: number;
    try {
      mounted = mount('/proc/thread-self/ns/net', path, MS_BIND);
    } finally {
      goBack(home, path);
    }
    if (mounted !== 0) throw new SysError('mount', mounted, path);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  }
}

/** Unpins the namespace at `path` and removes the file; gone already is fine. */
export function deleteNamedNetns(path: string): void {
  if (libc.umount2(cString(path), MNT_DETACH) !== 0) {
    const reason = errno();
    // EINVAL: a plain file that was never mounted upon, left by an earlier crash.
    if (reason !== ENOENT && reason !== EINVAL) throw new SysError('umount2', reason, path);
  }
  rmSync(path, { force: true });
}

/**
 * Removes a directory of pins that createNamedNetns made, unless there is a pin in it. Gives
 * whether it is gone.
 */
export function deleteNetnsDirectory(directory: string): boolean {
  if (readdirSync(directory).length > 0) return false;
  // Not detached: a pin that somebody makes at this moment keeps the mount busy, and the directory.
  if (libc.umount2(cString(directory), 0) !== 0) return false;
  rmdirSync(directory);
  return true;
}

/** mount(2) without data; gives 0 or the errno. */
function mount(source: string, target: string, flags: number): number {
  const result = libc.mount(cString(source), cString(target), cString('none'), BigInt(flags), 0n);
  return result === 0 ? 0 : errno();
}

/**
 * Makes `directory` a shared mount of its own, so that a pin made here is seen in every mount
 * namespace and an unpin frees the namespace everywhere.
 */
function shareMounts(directory: string): void {
  if (mount('', directory, MS_SHARED | MS_REC) === 0) return;
  const bound = mount(directory, directory, MS_BIND | MS_REC);
  if (bound !== 0) throw new SysError('mount', bound, `bind ${directory}`);
  const shared = mount('', directory, MS_SHARED | MS_REC);
  if (shared !== 0) throw new SysError('mount', shared, `share ${directory}`);
}
