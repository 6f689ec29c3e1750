import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ClusterObject } from '../objects.ts';
import { readState, SavedStateError, writeState } from './file.ts';
import { prepareDirectory } from './prepare.ts';

const ORIGIN = 'https://10.0.0.1:6443';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podwire-state-'));
  path = join(directory, 'state');
});
afterEach(() => rmSync(directory, { recursive: true }));

const objects: readonly ClusterObject[] = Array.from({ length: 450 }, (_, index) => ({
  kind: 'Service',
  metadata: { name: `a-${index}`, namespace: 'default', labels: { ä: '\n"' }, annotations: {} },
  type: 'ClusterIP',
  clusterIPs: ['10.0.0.1'],
  ports: [],
}));
const state = { origin: ORIGIN, savedMs: 1_700_000_000_000, objects };

describe('a saved state', () => {
  it('is read as it was written, and leaves nothing beside it', async () => {
    const bytes = await writeState(path, state);
    expect(readState(path, ORIGIN)).toEqual(state);
    expect(bytes).toBeGreaterThan(450 * 50);
    await writeState(path, { ...state, objects: [] });
    expect(readState(path, ORIGIN)?.objects).toEqual([]);
    expect(readdirSync(directory)).toEqual(['state']);
  });

  it('may not be there', () => {
    expect(readState(path, ORIGIN)).toBeUndefined();
  });

  it('is refused when it is torn, wherever', async () => {
    await writeState(path, { ...state, objects: objects.slice(0, 3) });
    const whole = readFileSync(path);
    for (let length = 0; length < whole.length; length += 1) {
      writeFileSync(path, whole.subarray(0, length));
      expect(() => readState(path, ORIGIN)).toThrow(SavedStateError);
    }
    for (let at = 0; at < whole.length; at += 1) {
      const broken = Buffer.from(whole);
      broken[at] = (broken[at] ?? 0) ^ 1;
      writeFileSync(path, broken);
      expect(() => readState(path, ORIGIN)).toThrow(SavedStateError);
    }
  });

  it.each([
    ['something else\n', 'expected a podwire cluster state'],
    ['{"kind":"List"}\n', 'expected a podwire cluster state'],
    ['\0\0\0\n', 'expected a podwire cluster state'],
    ['', 'the file is torn: it ends too early'],
    ['{"format":"podwire cluster state","version":2,"savedMs":1}\n', 'expected version 1, got 2'],
    [
      '{"format":"podwire cluster state","version":1,"origin":"https://other"}\n',
      'it is of another server, "https://other"',
    ],
    [
      `{"format":"podwire cluster state","version":1,"origin":"${ORIGIN}","savedMs":1,"objects":1e99}\n`,
      'expected savedMs and objects in its head',
    ],
  ])('is not something else: %j', (text, problem) => {
    writeFileSync(path, text);
    expect(() => readState(path, ORIGIN)).toThrow(`${path}: ${problem}`);
  });

  it('is a file', () => {
    mkdirSync(path);
    expect(() => readState(path, ORIGIN)).toThrow(`${path}: expected a file`);
    rmSync(path, { recursive: true });
    execFileSync('mkfifo', [path]);
    expect(() => readState(path, ORIGIN)).toThrow(`${path}: expected a file`);
  });

  it('stays when the next one can not be written', async () => {
    const other = join(directory, 'not-there', 'state');
    await expect(writeState(other, state)).rejects.toThrow(/ENOENT/);
    mkdirSync(path);
    await expect(writeState(path, state)).rejects.toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
    expect(readdirSync(directory)).toEqual(['state']);
  });
});

describe('prepareDirectory', () => {
  it('makes the directory, and removes what the dead left and nothing else', () => {
    const deep = join(directory, 'a', 'b', 'state');
    prepareDirectory(deep);
    const names = ['.state.1.5.tmp', '.state.4194305.5.tmp', '.other.4194305.5.tmp', 'state'];
    for (const name of names) writeFileSync(join(directory, 'a', 'b', name), '');
    writeFileSync(join(directory, 'a', 'b', `.state.${process.pid}.5.tmp`), '');
    prepareDirectory(deep);
    expect(readdirSync(join(directory, 'a', 'b')).sort()).toEqual([
      '.other.4194305.5.tmp',
      '.state.1.5.tmp',
      'state',
    ]);
  });
});
