import { EAGAIN, ENOENT, SysError } from './errno.ts';
import { Fd, setOption } from './fd.ts';
import { check, cString, errno, fixedMemory, libc, whileHeld } from './libc.ts';

/*
 * bpf(2): maps, and programs given as instructions. No compiler and no library: what podwire would
 * load is small enough to be written down by hand.
 */

/** The system call's number; glibc has no function for it. */
const SYS_BPF = { x64: 321n, arm64: 280n }[process.arch as 'x64' | 'arm64'];

/* enum bpf_cmd (linux/bpf.h) */
const BPF_MAP_CREATE = 0;
const BPF_MAP_LOOKUP_ELEM = 1;
const BPF_MAP_UPDATE_ELEM = 2;
const BPF_MAP_DELETE_ELEM = 3;
const BPF_PROG_LOAD = 5;
const BPF_PROG_ATTACH = 8;
const BPF_PROG_DETACH = 9;

/** BPF_MAP_TYPE_HASH. */
export const MAP_HASH = 1;
/** BPF_PROG_TYPE_SOCKET_FILTER. */
export const PROGRAM_SOCKET_FILTER = 1;
/** BPF_PROG_TYPE_SCHED_CLS: a filter of tc(8). */
export const PROGRAM_SCHED_CLS = 3;
/** BPF_PROG_TYPE_CGROUP_SOCK_ADDR. */
export const PROGRAM_CGROUP_SOCK_ADDR = 18;
/** BPF_CGROUP_INET4_CONNECT. */
export const ATTACH_CGROUP_INET4_CONNECT = 10;

const SOL_SOCKET = 1;
const SO_ATTACH_BPF = 50;
const ATTR_BYTES = 144; // union bpf_attr of Linux 5.8 and later; older kernels want the rest zero
const NAME_BYTES_MAX = 15;
const INSTRUCTION_BYTES = 8;
const VERIFIER_LOG_BYTES = 64 << 10;
/** The verifier gives up with EAGAIN when a signal waits, as one for garbage collection may. */
const LOAD_ATTEMPTS_MAX = 5;

/** What a map is made with. */
export interface BpfMapOptions {
  /** BPF_MAP_TYPE_*. */
  readonly type: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly entriesMax: number;
  /** At most 15 letters, digits, `_` and `.`. */
  readonly name: string;
}

/** A map that programs in the kernel and we both read and write. It lives while anybody has it. */
export class BpfMap implements Disposable {
  readonly #fd: Fd;
  readonly #options: BpfMapOptions;

  private constructor(fd: Fd, options: BpfMapOptions) {
    this.#fd = fd;
    this.#options = options;
  }

  /** Makes a map. Throws SysError. */
  static create(options: BpfMapOptions): BpfMap {
    const { attr, view } = attribute();
    view.setUint32(0, options.type, true);
    view.setUint32(4, options.keyBytes, true);
    view.setUint32(8, options.valueBytes, true);
    view.setUint32(12, options.entriesMax, true);
    attr.set(objectName(options.name), 28);
    const detail = `BPF_MAP_CREATE, ${options.name}`;
    return new BpfMap(new Fd(check('bpf', bpf(BPF_MAP_CREATE, attr), detail), detail), options);
  }

  /** The descriptor's number, which instructions that use the map hold. */
  get fd(): number {
    return this.#fd.number;
  }

  /** Sets the value of a key. Throws SysError, E2BIG when the map is full. */
  update(key: Uint8Array, value: Uint8Array): void {
    const result = this.#element(BPF_MAP_UPDATE_ELEM, key, value);
    check('bpf', result.code, this.#detail('BPF_MAP_UPDATE_ELEM'));
  }

  /** The value of a key, or undefined. */
  lookup(key: Uint8Array): Uint8Array | undefined {
    const { code, value } = this.#element(BPF_MAP_LOOKUP_ELEM, key);
    if (this.#isMissing(code, 'BPF_MAP_LOOKUP_ELEM')) return undefined;
    return value;
  }

  /** Takes a key out. Gives false when it is not there. */
  delete(key: Uint8Array): boolean {
    const { code } = this.#element(BPF_MAP_DELETE_ELEM, key);
    return !this.#isMissing(code, 'BPF_MAP_DELETE_ELEM');
  }

  close(): void {
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #element(command: number, key: Uint8Array, value?: Uint8Array) {
    const { keyBytes, valueBytes } = this.#options;
    const keyMemory = memoryOf(key, keyBytes, 'key');
    const valueMemory = memoryOf(value ?? new Uint8Array(valueBytes), valueBytes, 'value');
    const { attr, view } = attribute();
    view.setUint32(0, this.fd, true);
    view.setBigUint64(8, keyMemory.address, true);
    if (command !== BPF_MAP_DELETE_ELEM) view.setBigUint64(16, valueMemory.address, true);
    const code = whileHeld([keyMemory, valueMemory], () => bpf(command, attr));
    return { code, value: valueMemory.bytes };
  }

  #isMissing(code: number, command: string): boolean {
    if (code >= 0) return false;
    if (errno() === ENOENT) return true;
    throw new SysError('bpf', errno(), this.#detail(command));
  }

  #detail(command: string): string {
    return `${command}, ${this.#options.name}`;
  }
}

/** What a program is loaded with. */
export interface BpfProgramOptions {
  /** BPF_PROG_TYPE_*. */
  readonly type: number;
  /** Instructions of 8 bytes each (struct bpf_insn); `instruction` makes them. */
  readonly instructions: readonly Uint8Array[];
  readonly name: string;
  /** Functions of the kernel may ask for `GPL` or a license that goes with it. */
  readonly license: string;
  /** BPF_CGROUP_* and the like, for the types that want to know it when loading. */
  readonly attachType?: number;
}

/** A program the kernel has verified. It stays loaded while it is open or attached anywhere. */
export class BpfProgram implements Disposable {
  readonly #fd: Fd;

  private constructor(fd: Fd) {
    this.#fd = fd;
  }

  /** Loads a program. Throws SysError with the last words of the verifier. */
  static load(options: BpfProgramOptions): BpfProgram {
    const instructions = fixedMemory(options.instructions.length * INSTRUCTION_BYTES);
    options.instructions.forEach((each, index) => {
      instructions.bytes.set(each, index * INSTRUCTION_BYTES);
    });
    const license = memoryOf(cString(options.license), options.license.length + 1, 'license');
    const log = fixedMemory(VERIFIER_LOG_BYTES);
    const { attr, view } = attribute();
    view.setUint32(0, options.type, true);
    view.setUint32(4, options.instructions.length, true);
    view.setBigUint64(8, instructions.address, true);
    view.setBigUint64(16, license.address, true);
    view.setUint32(24, 1, true);
    view.setUint32(28, VERIFIER_LOG_BYTES, true);
    view.setBigUint64(32, log.address, true);
    attr.set(objectName(options.name), 48);
    view.setUint32(68, options.attachType ?? 0, true);
    let fd = -1;
    for (let attempt = 0; attempt < LOAD_ATTEMPTS_MAX; attempt += 1) {
      fd = whileHeld([instructions, license, log], () => bpf(BPF_PROG_LOAD, attr));
      if (fd >= 0 || errno() !== EAGAIN) break;
    }
    const detail = `BPF_PROG_LOAD, ${options.name}`;
    if (fd < 0) throw new SysError('bpf', errno(), `${detail}: ${verdict(log.bytes)}`);
    return new BpfProgram(new Fd(fd, detail));
  }

  /** The descriptor's number, for those who attach programs by it, such as TCA_BPF_FD. */
  get fd(): number {
    return this.#fd.number;
  }

  /** Makes the program the filter of a socket: it gives how many bytes of a packet to keep. */
  attachToSocket(socket: Fd): void {
    setOption(socket, SOL_SOCKET, SO_ATTACH_BPF, this.fd);
  }

  /** Attaches the program to the cgroup (version 2) that `cgroup` is the open directory of. */
  attachToCgroup(cgroup: number, attachType: number): void {
    check('bpf', this.#cgroup(BPF_PROG_ATTACH, cgroup, attachType), 'BPF_PROG_ATTACH');
  }

  /** Takes the program off the cgroup again. Gives false when it was not attached. */
  detachFromCgroup(cgroup: number, attachType: number): boolean {
    if (this.#cgroup(BPF_PROG_DETACH, cgroup, attachType) >= 0) return true;
    if (errno() === ENOENT) return false;
    throw new SysError('bpf', errno(), 'BPF_PROG_DETACH');
  }

  close(): void {
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #cgroup(command: number, cgroup: number, attachType: number): number {
    const { attr, view } = attribute();
    view.setUint32(0, cgroup, true);
    view.setUint32(4, this.fd, true);
    view.setUint32(8, attachType, true);
    return bpf(command, attr);
  }
}

/** One instruction (struct bpf_insn): opcode, destination and source register, offset, constant. */
export function instruction(
  opcode: number,
  destination: number,
  source: number,
  offset: number,
  constant: number,
): Uint8Array {
  const bytes = new Uint8Array(INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, opcode);
  view.setUint8(1, (source << 4) | destination);
  view.setInt16(2, offset, true);
  view.setInt32(4, constant, true);
  return bytes;
}

function bpf(command: number, attr: Uint8Array): number {
  return Number(libc.syscall(SYS_BPF, BigInt(command), attr, BigInt(attr.length)));
}

function attribute(): { attr: Uint8Array; view: DataView } {
  const attr = new Uint8Array(new ArrayBuffer(ATTR_BYTES));
  return { attr, view: new DataView(attr.buffer) };
}

function memoryOf(bytes: Uint8Array, expectedBytes: number, what: string) {
  if (bytes.length !== expectedBytes) {
    throw new RangeError(`BPF ${what} of ${bytes.length} bytes, expected ${expectedBytes}`);
  }
  const memory = fixedMemory(Math.max(expectedBytes, 1));
  memory.bytes.set(bytes);
  return memory;
}

function objectName(name: string): Uint8Array {
  if (!/^[\w.]*$/.test(name) || name.length > NAME_BYTES_MAX) {
    throw new RangeError(`BPF name "${name}": expected at most 15 letters, digits, "_" and "."`);
  }
  return new TextEncoder().encode(name);
}

/** The verifier's last line but its statistics. */
function verdict(log: Uint8Array): string {
  const lines = new TextDecoder()
    .decode(log.subarray(0, log.indexOf(0)))
    .trimEnd()
    .split('\n');
  return lines.findLast((line) => !line.startsWith('processed ')) ?? '';
}
