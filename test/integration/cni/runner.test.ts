import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseNetworkList } from '../../../src/cni/runner/conflist.ts';
import { Runner } from '../../../src/cni/runner/runner.ts';

/*
 * The runtime's side, with plugins that write down how they were called: what stdin and the
 * environment must hold is the runner's to get right, and real plugins ignore most of it.
 */

let directory: string;
let runner: Runner;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podwire-runner-'));
  runner = new Runner({ path: [directory], cacheDir: join(directory, 'cache') });
  plugin('first');
  plugin('second');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A plugin that answers ADD with its name as an interface, and fails a verb when told. */
function plugin(name: string, fails = ''): void {
  const result = JSON.stringify({ cniVersion: '1.0.0', interfaces: [{ name }] });
  const script = `#!/bin/sh
cat > '${directory}/${name}.stdin'
echo "$CNI_COMMAND ${name} $CNI_CONTAINERID $CNI_IFNAME $CNI_ARGS" >> '${directory}/calls'
if [ "$CNI_COMMAND" = "${fails}" ]; then echo '{"code":11,"msg":"${name} is busy"}'; exit 1; fi
if [ "$CNI_COMMAND" = ADD ]; then echo '${result}'; fi
`;
  rmSync(join(directory, name), { force: true });
  writeFileSync(join(directory, name), script, { mode: 0o755 });
}

const stdin = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(directory, `${name}.stdin`), 'utf8')) as Record<string, unknown>;
/** The calls since the last look. */
function calls(): string[] {
  const file = join(directory, 'calls');
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  rmSync(file);
  return lines.map((line) => line.trim());
}
const list = (more: object = {}) =>
  parseNetworkList(
    JSON.stringify({
      cniVersion: '1.0.0',
      name: 'net',
      plugins: [
        { type: 'first', capabilities: { ips: true } },
        { type: 'second', extra: 7 },
      ],
      ...more,
    }),
    'net.conflist',
  );
const request = { containerId: 'c1', ifName: 'eth0', netns: '/run/netns/none' };
const results = (): string[] => readdirSync(join(directory, 'cache/results'));

describe('the runner', () => {
  it('hands each plugin the result of the one before, and the capabilities it declares', () => {
    const capabilities = { ips: ['10.0.0.1/24'], other: 1 };
    const result = runner.add(list(), { ...request, args: 'A=b', capabilities });
    expect(result).toEqual({ cniVersion: '1.0.0', interfaces: [{ name: 'second' }] });
    expect(calls()).toEqual(['ADD first c1 eth0 A=b', 'ADD second c1 eth0 A=b']);
    expect(stdin('first')).toEqual({
      type: 'first',
      capabilities: { ips: true },
      cniVersion: '1.0.0',
      name: 'net',
      runtimeConfig: { ips: ['10.0.0.1/24'] },
    });
    expect(stdin('second')).toEqual({
      type: 'second',
      extra: 7,
      cniVersion: '1.0.0',
      name: 'net',
      prevResult: { cniVersion: '1.0.0', interfaces: [{ name: 'first' }] },
    });
  });

  it('calls DEL in the other order, with the last result, and forgets it', () => {
    runner.add(list(), { ...request, args: 'A=b' });
    expect(results()).toEqual(['net-c1-eth0']);
    calls();
    runner.del(list(), request);
    expect(calls()).toEqual(['DEL second c1 eth0 A=b', 'DEL first c1 eth0 A=b']);
    expect(stdin('first')).toMatchObject({ prevResult: { interfaces: [{ name: 'second' }] } });
    expect(results()).toEqual([]);
    runner.del(list(), request);
    expect(stdin('first')).not.toHaveProperty('prevResult');
  });

  it('goes on with DEL after a failure, reports it, and remembers the attachment', () => {
    runner.add(list(), request);
    plugin('second', 'DEL');
    calls();
    expect(() => runner.del(list(), request)).toThrow('second is busy');
    expect(calls()).toEqual(['DEL second c1 eth0', 'DEL first c1 eth0']);
    expect(results()).toEqual(['net-c1-eth0']);
  });

  it('stops ADD at the first failure', () => {
    plugin('first', 'ADD');
    expect(() => runner.add(list(), request)).toThrow('first is busy');
    expect(calls()).toEqual(['ADD first c1 eth0']);
  });

  it('checks with the last result, and only what was added', () => {
    expect(() => runner.check(list(), request)).toThrow('never added');
    runner.add(list(), request);
    calls();
    runner.check(list(), request);
    expect(calls()).toEqual(['CHECK first c1 eth0', 'CHECK second c1 eth0']);
    expect(stdin('second')).toMatchObject({ prevResult: { interfaces: [{ name: 'second' }] } });
    runner.check(list({ disableCheck: true }), request);
    expect(calls()).toEqual([]);
    expect(() => runner.check(list({ cniVersion: '0.3.1' }), request)).toThrow(
      'does not support CHECK',
    );
  });

  it('removes what is not valid any more, then tells the plugins what is', () => {
    const newest = list({ cniVersion: '1.1.0' });
    for (const containerId of ['c1', 'c2']) runner.add(newest, { ...request, containerId });
    calls();
    runner.gc(newest, [{ containerId: 'c2', ifName: 'eth0' }]);
    expect(calls()).toEqual(['DEL second c1 eth0', 'DEL first c1 eth0', 'GC first', 'GC second']);
    expect(stdin('first')['cni.dev/valid-attachments']).toEqual([
      { containerID: 'c2', ifname: 'eth0' },
    ]);
    expect(results()).toEqual(['net-c2-eth0']);
  });

  it('names a plugin that is not there', () => {
    const missing = list({ plugins: [{ type: 'third' }] });
    expect(() => runner.add(missing, request)).toThrow(
      `failed to find plugin "third" in path [${directory}]`,
    );
  });
});
