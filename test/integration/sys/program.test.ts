import { closeSync, openSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SysError } from '../../../src/sys/errno.ts';
import { type ProgramOptions, runProgram } from '../../../src/sys/program.ts';
import { useNetns } from '../netns-fixture.ts';

const fixture = useNetns('program');
const options: ProgramOptions = { input: '', timeoutMs: 60_000, outputBytesMax: 1 << 22 };

const sh = (script: string, more: Partial<ProgramOptions> = {}, ...args: string[]) =>
  runProgram('/bin/sh', ['-c', script, 'sh', ...args], { ...options, ...more });

describe('a program', () => {
  it('is given arguments, input and environment, and its output is read', () => {
    process.env.PODWIRE_PROGRAM = 'an "env" ü';
    const script = 'cat; printf "%s|" "$@" "$PODWIRE_PROGRAM"; echo problem >&2; exit 3';
    expect(sh(script, { input: 'input ü ' }, 'one two', '', "'")).toEqual({
      status: 3,
      signal: undefined,
      stdout: `input ü one two||'|an "env" ü|`,
      stderr: 'problem\n',
    });
  });

  it('may take and give more than a pipe holds', () => {
    const input = 'x'.repeat(1 << 20);
    expect(sh('cat', { input }).stdout).toBe(input);
    expect(() => sh('cat', { input, outputBytesMax: 1000 })).toThrow(
      '/bin/sh printed 1048576 bytes on stdout, at most 1000',
    );
  });

  it('is told from one that a signal ended', () => {
    expect(sh('kill -TERM $$')).toMatchObject({ status: undefined, signal: 15 });
  });

  it('is killed when it takes too long', () => {
    expect(sh('exec sleep 1000', { timeoutMs: 50 })).toMatchObject({ signal: 9 });
  });

  it('runs in the namespace of the thread', () => {
    const inside = fixture.exec('readlink', '/proc/self/ns/net');
    expect(fixture.netns.run(() => sh('readlink /proc/self/ns/net').stdout)).toBe(inside);
  });

  it('has no other descriptor of ours, and leaves us none', () => {
    const file = openSync('/etc/hostname', 'r');
    const before = readdirSync('/proc/self/fd');
    expect(sh('cd /proc/self/fd; echo *').stdout.split(' ')).not.toContain(`${file}`);
    expect(readdirSync('/proc/self/fd')).toEqual(before);
    closeSync(file);
  });

  it('that is not there is an error', () => {
    expect(() => runProgram('/nowhere', [], options)).toThrow(SysError);
    expect(() => runProgram('/nowhere', [], options)).toThrow('posix_spawn(/nowhere): ENOENT');
  });
});
