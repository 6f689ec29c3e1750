import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
