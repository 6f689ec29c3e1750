import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Netns } from './netns.ts';
import type { ProgramOptions, ProgramOutcome } from './program.ts';

/** A program that has been started. */
export interface StartedProgram {
  readonly pid: number;
  /** How it ended. Rejects when it can't be run or prints too much. */
  readonly ended: Promise<ProgramOutcome>;
}

/**
 * Starts the program at the path `file` with this process's environment, in `netns` or the thread's
 * namespace, while the event loop goes on; `runProgram` is the same for those who have nothing else
 * to do. Throws what spawn(2) throws.
 */
export function startProgram(
  file: string,
  args: readonly string[],
  options: ProgramOptions,
  netns?: Netns,
): StartedProgram {
  const start = () => spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const child = netns === undefined ? start() : netns.run(start);
  return { pid: child.pid ?? 0, ended: ending(child, file, options) };
}

function ending(
  child: ChildProcessWithoutNullStreams,
  file: string,
  { input, timeoutMs, outputBytesMax }: ProgramOptions,
): Promise<ProgramOutcome> {
  const { promise, resolve, reject } = Promise.withResolvers<ProgramOutcome>();
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  const collect = (what: 'stdout' | 'stderr'): Buffer[] => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    child[what].on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes <= outputBytesMax) return;
      child.kill('SIGKILL');
      reject(new RangeError(`${file} printed more than ${outputBytesMax} bytes on ${what}`));
    });
    return chunks;
  };
  const stdout = collect('stdout');
  const stderr = collect('stderr');
  child.once('error', (error) => {
    clearTimeout(timer);
    reject(error);
  });
  child.once('close', (code, signal) => {
    clearTimeout(timer);
    resolve({
      status: code ?? undefined,
      signal: signal === null ? undefined : constants.signals[signal],
      stdout: Buffer.concat(stdout).toString(),
      stderr: Buffer.concat(stderr).toString(),
    });
  });
  // One that ends early closes its end; how it ended says why.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return promise;
}
