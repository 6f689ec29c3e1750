import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { callPlugin, type PluginAnswer } from './plugin-fixture.ts';

/** A data directory of host-local around every test of a file, and calls that use it. */
export interface HostLocalFixture {
  readonly dataDir: string;
  /** Where the network's files are. */
  readonly directory: string;
  /** The configuration of version 1.1.0 with `ipam`, and with `more` in place of what it has. */
  readonly config: (ipam: object, more?: object) => Record<string, unknown>;
  readonly call: (
    verb: string,
    id: string,
    config: object,
    env?: Record<string, string>,
  ) => PluginAnswer;
  readonly files: () => string[];
  /** The files that are addresses. */
  readonly reserved: () => string[];
  /** Writes files as if a plugin had left them. */
  readonly seed: (files: Readonly<Record<string, string>>) => void;
}

/** Who calls, besides the verb; no verb of host-local looks at the namespace. */
export const environmentOf = (id: string): Record<string, string> => ({
  CNI_CONTAINERID: id,
  CNI_NETNS: '/run/netns/none',
});

/** The addresses an ADD gave, or why it gave none. */
export const addressesOf = ({ json }: PluginAnswer): unknown =>
  (json.ips as { address: string }[] | undefined)?.map(({ address }) => address) ?? json.msg;

/** Makes the directory before each test and takes it away after it; `tag` keeps files apart. */
export function useHostLocal(tag: string): HostLocalFixture {
  let dataDir = '';
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), `podwire-${tag}-`));
  });
  afterEach(() => rmSync(dataDir, { recursive: true, force: true }));
  const files = (): string[] => {
    const directory = join(dataDir, 'net');
    return existsSync(directory) ? readdirSync(directory).toSorted() : [];
  };
  return {
    get dataDir() {
      return dataDir;
    },
    get directory() {
      return join(dataDir, 'net');
    },
    config: (ipam, more = {}) => ({
      cniVersion: '1.1.0',
      name: 'net',
      type: 'bridge',
      ipam: { type: 'host-local', dataDir, ...ipam },
      ...more,
    }),
    call: (verb, id, config, env = {}) =>
      callPlugin({
        type: 'host-local',
        verb,
        config,
        env: { ...environmentOf(id), ...env },
      }),
    files,
    reserved: () => files().filter((name) => /^[0-9a-f]+[.:]/.test(name)),
    seed: (contents) => {
      for (const [name, content] of Object.entries(contents)) {
        const path = join(dataDir, 'net', name);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, content, { mode: 0o600 });
      }
    },
  };
}
