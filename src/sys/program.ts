import { closeSync, fstatSync, readFileSync, writeSync } from 'node:fs';
import { EINTR, SysError } from './errno.ts';
import { Fd } from './fd.ts';
import { check, cString, errno, fixedMemory, libc } from './libc.ts';

/*
 * Running a program to its end. It is what `spawnSync` of node:child_process does, without the modules
 * of that, which take longer to load than a short program to run, and without fork(2), which copies
 * what Node has in memory.
 */

const MFD_CLOEXEC = 1; // linux/memfd.h
const O_CLOEXEC = 0o2000000;
const POLLIN = 1; // asm-generic/poll.h
/** More than sizeof(posix_spawn_file_actions_t) of any machine. */
const FILE_ACTIONS_BYTES = 256;

/** How a program ended, and what it printed. */
export interface ProgramOutcome {
  /** Its exit status; undefined when a signal ended it. */
  readonly status: number | undefined;
  /** The number of that signal. */
  readonly signal: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a program is given, and how far it may go. */
export interface ProgramOptions {
  readonly input: string;
  /** After so long it is killed by SIGKILL. */
  readonly timeoutMs: number;
  /** More on stdout or stderr is an error. */
  readonly outputBytesMax: number;
}

/**
 * Runs the program at the path `file` with this process's environment, in the thread's namespaces, and
 * waits for its end. Throws SysError when it can't be run, RangeError when it prints too much.
 */
export function runProgram(
  file: string,
  args: readonly string[],
  { input, timeoutMs, outputBytesMax }: ProgramOptions,
): ProgramOutcome {
  using stdin = memoryFile('stdin');
  using stdout = memoryFile('stdout');
  using stderr = memoryFile('stderr');
  const bytes = Buffer.from(input);
  // Written at a place, so that the program reads from the beginning.
  for (let at = 0; at < bytes.length; ) at += writeSync(stdin.number, bytes, at, undefined, at);
  const status = run(file, args, [stdin, stdout, stderr], timeoutMs);
  const output = ({ number }: Fd, what: string): string => {
    const { size } = fstatSync(number);
    if (size > outputBytesMax) {
      throw new RangeError(`${file} printed ${size} bytes on ${what}, at most ${outputBytesMax}`);
    }
    return readFileSync(`/proc/self/fd/${number}`, 'utf8');
  };
  // The halves of a wait status (bits/waitstatus.h).
  const signal = status & 127;
  return {
    status: signal === 0 ? status >> 8 : undefined,
    signal: signal === 0 ? undefined : signal,
    stdout: output(stdout, 'stdout'),
    stderr: output(stderr, 'stderr'),
  };
}

/** Gives the wait status. */
function run(
  file: string,
  args: readonly string[],
  files: readonly Fd[],
  timeoutMs: number,
): number {
  const pipe = new Int32Array(2);
  check('pipe2', libc.pipe2(bytesOf(pipe), O_CLOEXEC), file);
  const [readEnd = -1, writeEnd = -1] = pipe;
  using alive = new Fd(readEnd, 'pipe');
  let pid: number;
  try {
    // The program knows nothing of its descriptor 3, which is open for as long as it runs.
    pid = spawn(file, args, [...files.map(({ number }) => number), writeEnd]);
  } finally {
    closeSync(writeEnd);
  }
  if (!hangsUp(alive, timeoutMs)) process.kill(pid, 'SIGKILL');
  const status = new Int32Array(1);
  for (;;) {
    if (libc.waitpid(pid, bytesOf(status), 0) === pid) return status[0] ?? 0;
    if (errno() !== EINTR) throw new SysError('waitpid', errno(), file);
  }
}

/** Starts the program with `descriptors` as its 0, 1, 2 and so on, and gives its pid. */
function spawn(file: string, args: readonly string[], descriptors: readonly number[]): number {
  const actions = fixedMemory(FILE_ACTIONS_BYTES);
  const pid = new Int32Array(1);
  const argv = cStrings([file, ...args]);
  const envp = cStrings(Object.entries(process.env).map(([name, value]) => `${name}=${value}`));
  libc.posix_spawn_file_actions_init(actions.bytes);
  try {
    descriptors.forEach((descriptor, index) => {
      libc.posix_spawn_file_actions_adddup2(actions.bytes, descriptor, index);
    });
    const failed = libc.posix_spawn(bytesOf(pid), cString(file), actions.bytes, 0n, argv, envp);
    if (failed !== 0) throw new SysError('posix_spawn', failed, file);
  } finally {
    libc.posix_spawn_file_actions_destroy(actions.bytes);
  }
  return pid[0] ?? 0;
}

/** Waits until nobody has the other end any more; false when that takes too long. */
function hangsUp(alive: Fd, timeoutMs: number): boolean {
  const deadline = process.hrtime.bigint() + BigInt(timeoutMs) * 1_000_000n;
  const request = new Uint8Array(8); // struct pollfd
  const view = new DataView(request.buffer);
  view.setInt32(0, alive.number, true);
  view.setInt16(4, POLLIN, true);
  for (;;) {
    const leftMs = Math.max(0, Number((deadline - process.hrtime.bigint()) / 1_000_000n));
    const ready = libc.poll(request, 1n, leftMs);
    if (ready > 0) return true;
    if (ready === 0) return false;
    if (errno() !== EINTR) throw new SysError('poll', errno(), 'pipe');
  }
}

function memoryFile(name: string): Fd {
  const number = libc.memfd_create(cString(name), MFD_CLOEXEC);
  return new Fd(check('memfd_create', number, name), name);
}

/** A list of C strings that ends with a null pointer, all in one piece of memory. */
function cStrings(texts: readonly string[]): Uint8Array {
  const strings = texts.map(cString);
  const tableBytes = 8 * (strings.length + 1);
  const { bytes, address } = fixedMemory(
    strings.reduce((sum, { length }) => sum + length, tableBytes),
  );
  const table = new DataView(bytes.buffer);
  let at = tableBytes;
  strings.forEach((string, index) => {
    table.setBigUint64(8 * index, address + BigInt(at), true);
    bytes.set(string, at);
    at += string.length;
  });
  return bytes;
}

function bytesOf({ buffer }: Int32Array<ArrayBuffer>): Uint8Array {
  return new Uint8Array(buffer);
}
