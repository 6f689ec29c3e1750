import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { objectKey } from '../objects.ts';
import { ManifestDirectory } from './directory.ts';

let path: string;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'podwire-manifest-directory-'));
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

/** A file that has Services of these names, told apart by their cluster IPs. */
function write(file: string, names: readonly string[], ip: string): void {
  const items = names.map((name) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { clusterIP: ip },
  }));
  writeFileSync(join(path, file), JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
}

/** What follows a directory knows: cluster IPs by the names of the Services. */
class Follower {
  readonly directory = new ManifestDirectory(path);
  readonly services = new Map<string, string>();

  look(): string[] {
    const { deleted, errors } = this.directory.scan((objects) => {
      for (const object of objects) {
        if (object.kind !== 'Service') throw new Error(objectKey(object));
        this.services.set(object.metadata.name, object.clusterIPs[0] ?? '');
      }
    });
    for (const key of deleted) this.services.delete(key.replace(/^.*\//, ''));
    return errors.map(({ message }) => message.replace(`${path}/`, ''));
  }
}

describe('ManifestDirectory', () => {
  it('hands an object over to the next file that has it, when the first lets go of it', () => {
    const follower = new Follower();
    write('a.json', ['x', 'y'], '10.0.0.1');
    write('b.json', ['x', 'z', 'z'], '10.0.0.2');
    expect(follower.look()).toEqual([
      'b.json:1: metadata.name: Service/default/x is defined in a.json already',
      'b.json:1: metadata.name: Service/default/z is defined in b.json already',
    ]);
    expect(Object.fromEntries(follower.services)).toEqual({
      x: '10.0.0.1',
      y: '10.0.0.1',
      z: '10.0.0.2',
    });
    write('b.json', ['x', 'z'], '10.0.0.2');
    write('a.json', ['y'], '10.0.0.1');
    expect(follower.look()).toEqual([]);
    write('a.json', ['x'], '10.0.0.1');
    expect(follower.look()).toHaveLength(1);
    expect(Object.fromEntries(follower.services)).toEqual({ x: '10.0.0.1', z: '10.0.0.2' });
    rmSync(join(path, 'a.json'));
    expect(follower.look()).toEqual([]);
    expect(Object.fromEntries(follower.services)).toEqual({ x: '10.0.0.2', z: '10.0.0.2' });
  });

  it('keeps what a broken file had, against files behind it too', () => {
    const follower = new Follower();
    write('a.json', ['x'], '10.0.0.1');
    follower.look();
    writeFileSync(join(path, 'a.json'), '{');
    write('b.json', ['x'], '10.0.0.2');
    expect(follower.look()).toEqual([
      'a.json:1: not YAML: unexpected end of the stream within a flow collection',
      'b.json:1: metadata.name: Service/default/x is defined in a.json already',
    ]);
    expect(follower.services.get('x')).toBe('10.0.0.1');
  });

  it('comes step by step to what all at once comes to', () => {
    const file = fc.constantFrom('a.json', 'b.json', 'c.json');
    const names = fc.array(fc.constantFrom('x', 'y', 'z'), { minLength: 1, maxLength: 3 });
    const step = fc.array(fc.tuple(file, fc.option(names)), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 5 }), (steps) => {
        rmSync(path, { recursive: true, force: true });
        path = mkdtempSync(join(tmpdir(), 'podwire-manifest-directory-'));
        const follower = new Follower();
        let written = 0;
        for (const changes of steps) {
          for (const [name, has] of changes) {
            written += 1;
            if (has === null) rmSync(join(path, name), { force: true });
            else write(name, has, `10.0.0.${written}`);
          }
          const errors = follower.look();
          const fresh = new Follower();
          expect(errors.toSorted()).toEqual(fresh.look().toSorted());
          expect(follower.services).toEqual(fresh.services);
        }
      }),
      { numRuns: 100 },
    );
  });
});
