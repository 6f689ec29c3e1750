import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach } from 'vitest';
import { createNamedNetns, deleteNamedNetns, Netns } from '../../src/sys/netns.ts';

/** A fresh network namespace around every test of a file. */
export interface NetnsFixture {
  readonly name: string;
  readonly netns: Netns;
  /** Runs a program inside and gives its output. */
  exec(file: string, ...args: string[]): string;
  /** The same with something on its standard input. */
  execInput(input: string, file: string, ...args: string[]): string;
}

/** Makes a namespace before each test and takes it away after it; `tag` keeps files apart. */
export function useNetns(tag: string): NetnsFixture {
  const name = `podwire-${tag}-${process.pid}`;
  let netns: Netns | undefined;
  beforeEach(() => {
    createNamedNetns(`/run/netns/${name}`);
    netns = Netns.open(`/run/netns/${name}`);
  });
  afterEach(() => {
    netns?.close();
    deleteNamedNetns(`/run/netns/${name}`);
  });
  const open = (): Netns => {
    if (netns === undefined) throw new Error('the namespace exists during a test only');
    return netns;
  };
  return {
    name,
    get netns() {
      return open();
    },
    exec: (file, ...args) =>
      open().run(() => execFileSync(file, args, { encoding: 'utf8', stdio: 'pipe' })),
    execInput: (input, file, ...args) =>
      open().run(() => execFileSync(file, args, { encoding: 'utf8', stdio: 'pipe', input })),
  };
}
