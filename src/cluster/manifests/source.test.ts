import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Store } from '../store.ts';
import { ManifestSource } from './source.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podwire-manifests-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const service = (name: string, ip: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { clusterIP: ip },
  });

const write = (file: string, text: string): void => writeFileSync(join(directory, file), text);

function open(): { source: ManifestSource; store: Store; messages: string[] } & Disposable {
  const store = new Store();
  const messages: string[] = [];
  const source = new ManifestSource(directory, store.part(), {
    onError: (error) => messages.push(error.message),
    onRecovered: () => messages.push('recovered'),
  });
  source.start();
  return { source, store, messages, [Symbol.dispose]: () => source.close() };
}

describe('ManifestSource', () => {
  it('follows edits, new files and removals', async () => {
    write('a.yaml', service('a', '10.0.0.1'));
    using opened = open();
    const { store } = opened;
    expect([...store.services.keys()]).toEqual(['default/a']);
    write('a.yaml', service('a', '10.0.0.2'));
    await vi.waitFor(() => {
      expect(store.services.get('default/a')?.clusterIPs).toEqual(['10.0.0.2']);
    });
    write('b.json', service('b', '10.0.0.3'));
    await vi.waitFor(() => expect(store.services.size).toBe(2));
    rmSync(join(directory, 'a.yaml'));
    await vi.waitFor(() => expect([...store.services.keys()]).toEqual(['default/b']));
  });

  it('keeps the last good state of a file that is broken or empty, and says so once', async () => {
    write('a.yaml', service('a', '10.0.0.1'));
    using opened = open();
    const { store, messages, source } = opened;
    write('a.yaml', '{"apiVersion": "v1", "kind": ');
    await vi.waitFor(() => expect(messages).toHaveLength(1));
    expect(messages[0]).toContain('a.yaml:1: not YAML');
    expect(source.errors).toHaveLength(1);
    expect(store.services.get('default/a')?.clusterIPs).toEqual(['10.0.0.1']);
    write('a.yaml', '');
    await vi.waitFor(() => expect(messages).toHaveLength(2));
    expect(store.services.size).toBe(1);
    write('a.yaml', service('a', '10.0.0.9'));
    await vi.waitFor(() => expect(messages.at(-1)).toBe('recovered'));
    expect(store.services.get('default/a')?.clusterIPs).toEqual(['10.0.0.9']);
  });

  it('reports an object that two files define, and keeps the first', () => {
    write('a.yaml', service('a', '10.0.0.1'));
    write('b.yaml', service('a', '10.0.0.2'));
    using opened = open();
    expect(opened.messages[0]).toMatch(
      /b.yaml:1: metadata.name: Service\/default\/a is defined in a.yaml/,
    );
    expect(opened.store.services.get('default/a')?.clusterIPs).toEqual(['10.0.0.1']);
  });

  it('refuses to start on a directory that is not there', () => {
    rmSync(directory, { recursive: true });
    expect(() => open()).toThrow(/ENOENT/);
    mkdirSync(directory);
  });
});

describe('a directory as others write it', () => {
  it('follows thousands of files, and tells of those that changed alone', async () => {
    const name = (index: number) => `${String(index).padStart(4, '0')}.json`;
    const ip = (index: number) => `10.0.${index >> 8}.${index & 255}`;
    for (let index = 0; index < 2_000; index += 1) {
      write(name(index), service(`s-${index}`, ip(index)));
    }
    using opened = open();
    const { store } = opened;
    expect(store.services.size).toBe(2_000);
    const touched: (readonly string[])[] = [];
    store.subscribe((_, services) => touched.push(services));
    write(name(7), service('s-7', '10.1.0.1'));
    await vi.waitFor(() => expect(touched).toEqual([['default/s-7']]));
    for (let index = 1_000; index < 2_000; index += 1) rmSync(join(directory, name(index)));
    await vi.waitFor(() => expect(store.services.size).toBe(1_000), 20_000);
    expect(opened.messages).toEqual([]);
  });

  it('sees a file that takes the place of another at once, be it as large and as old', async () => {
    write('a.json', service('a', '10.0.0.1'));
    using opened = open();
    const { atimeMs, mtimeMs } = statSync(join(directory, 'a.json'));
    write('.new', service('a', '10.0.0.2'));
    utimesSync(join(directory, '.new'), atimeMs / 1000, mtimeMs / 1000);
    renameSync(join(directory, '.new'), join(directory, 'a.json'));
    await vi.waitFor(() => {
      expect(opened.store.services.get('default/a')?.clusterIPs).toEqual(['10.0.0.2']);
    });
    expect(opened.messages).toEqual([]);
  });

  it('follows a ConfigMap as kubelet mounts it: all files are others by one rename', async () => {
    const publish = (version: string, files: Readonly<Record<string, string>>): void => {
      mkdirSync(join(directory, version));
      for (const [name, text] of Object.entries(files)) write(join(version, name), text);
      symlinkSync(version, join(directory, '..data_tmp'));
      renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
    };
    publish('..1', { 'a.yaml': service('a', '10.0.0.1'), 'b.yaml': service('b', '10.0.0.2') });
    for (const name of ['a.yaml', 'b.yaml']) symlinkSync(`..data/${name}`, join(directory, name));
    using opened = open();
    const { store } = opened;
    expect([...store.services.keys()].sort()).toEqual(['default/a', 'default/b']);
    const touched: (readonly string[])[] = [];
    store.subscribe((_, services) => touched.push(services));
    publish('..2', { 'a.yaml': service('a', '10.0.0.3'), 'b.yaml': service('c', '10.0.0.4') });
    rmSync(join(directory, '..1'), { recursive: true });
    await vi.waitFor(() => {
      expect([...store.services.keys()].sort()).toEqual(['default/a', 'default/c']);
    });
    // As one change: nobody sees the half of it.
    expect(touched.map((services) => [...services].sort())).toEqual([
      ['default/a', 'default/b', 'default/c'],
    ]);
    expect(store.services.get('default/a')?.clusterIPs).toEqual(['10.0.0.3']);
    expect(opened.messages).toEqual([]);
  });
});
