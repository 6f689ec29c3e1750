import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { ClusterObject } from '../../../src/cluster/objects.ts';
import { readState } from '../../../src/cluster/saved-state/file.ts';
import { prepareDirectory } from '../../../src/cluster/saved-state/prepare.ts';
import { StateSaver } from '../../../src/cluster/saved-state/saver.ts';
import { Store } from '../../../src/cluster/store.ts';

const ORIGIN = 'https://10.0.0.1:6443';
const KILLS = 12;

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podwire-saved-'));
  path = join(directory, 'state');
});
afterEach(() => rmSync(directory, { recursive: true }));

it('is whole whenever its writer is killed, and what the dead leave is removed', async () => {
  const program = join(import.meta.dirname, 'state-writer.ts');
  let left = 0;
  for (let kill = 0; kill < KILLS; kill += 1) {
    const writer = spawn(process.execPath, ['--no-warnings', program, path, ORIGIN]);
    await once(writer.stdout, 'data');
    // Anywhere between the first save and the hundredth.
    await pause(Math.random() * 200);
    writer.kill('SIGKILL');
    await once(writer, 'exit');
    const state = readState(path, ORIGIN);
    const rounds = new Set(state?.objects.map(({ metadata }) => metadata.labels.round));
    if (state !== undefined) {
      expect([...rounds]).toEqual([String(state.savedMs)]);
      expect(state.objects).toHaveLength(state.savedMs * 10);
    }
    left += readdirSync(directory).filter((name) => name !== 'state').length;
    prepareDirectory(path);
    expect(readdirSync(directory).filter((name) => name !== 'state')).toEqual([]);
  }
  // Else no kill came while something was written, and nothing was tried.
  expect(left).toBeGreaterThan(0);
});

it('is written after changes, at the end too, and tried again where it fails', async () => {
  const store = new Store();
  const part = store.part();
  const namespace = (name: string): ClusterObject => ({
    kind: 'Namespace',
    metadata: { name, namespace: '', labels: {}, annotations: {} },
  });
  part.replace([namespace('a')]);
  const errors: string[] = [];
  let saves = 0;
  const saver = new StateSaver(path, ORIGIN, store, part, {
    onSaved: () => {
      saves += 1;
    },
    onError: ({ message }) => errors.push(message),
  });
  await vi.waitFor(() => expect(readState(path, ORIGIN)?.objects).toHaveLength(1), 10_000);
  for (const name of ['b', 'c', 'd']) part.apply([namespace(name)], []);
  await vi.waitFor(() => expect(readState(path, ORIGIN)?.objects).toHaveLength(4), 10_000);
  await vi.waitFor(() => expect(saves).toBe(2));
  part.apply([], ['Namespace//a']);
  await saver.stop();
  expect(readState(path, ORIGIN)?.objects).toHaveLength(3);
  expect(errors).toEqual([]);
  part.apply([namespace('e')], []);
  const elsewhere = join(directory, 'not-there', 'state');
  const failing = new StateSaver(elsewhere, ORIGIN, store, part, {
    onSaved: () => {},
    onError: ({ message }) => errors.push(message),
  });
  await failing.stop();
  expect(errors).toEqual([expect.stringContaining('ENOENT')]);
});
