import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AgentConfig, readAlone } from './agent-config.ts';
import type { Changes } from './changes.ts';
import { ReloadStatus } from './reload-status.ts';
import { Reloader } from './reloader.ts';

let directory = '';
let file = '';
/** What the reloader said and did, in order. */
let told: string[] = [];
/** Why the next change can't be put in force. */
let obstacle: string | undefined;
/** What a change waits for before it is in force. */
let holdUp: () => Promise<void>;
let applied: Changes | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podwire-reloader-'));
  file = join(directory, 'agent.yaml');
  told = [];
  obstacle = undefined;
  holdUp = async () => {};
});
afterEach(() => rmSync(directory, { recursive: true }));

function write(body: string): void {
  writeFileSync(file, `apiVersion: podwire/v1alpha1\nkind: AgentConfiguration\n${body}\n`);
}

function follow(running: AgentConfig): Reloader {
  return new Reloader(running, new ReloadStatus(), {
    read: () => readAlone(file),
    async apply(changes) {
      if (obstacle !== undefined) throw new Error(obstacle);
      await holdUp();
      applied = changes;
    },
    onApplied: (names) => told.push(`applied ${names.join()}`),
    onRefused: (problem) => told.push(`refused ${problem.replace(`${directory}/`, '')}`),
    onRecovered: () => told.push('recovered'),
    onRestartNeeded: (names) => told.push(`restart ${names.join()}`),
  });
}

describe('Reloader', () => {
  it('does nothing while nothing differs, however often it looks', async () => {
    write('dns: {corefile: a}');
    using reloader = follow(readAlone(file));
    write('# another text, which says the same\ndns: {corefile: a, port: 53}');
    await Promise.all([reloader.reload(), reloader.reload()]);
    expect(told).toEqual([]);
  });

  it('puts what is live in force, and keeps what needs a restart as it was', async () => {
    write('proxy: {masqueradeBit: 3}\nnode: {name: a}');
    using reloader = follow(readAlone(file));
    write('proxy: {masqueradeBit: 4}\nnode: {name: b}\ndns: {port: 54}');
    await reloader.reload();
    await reloader.reload();
    expect(told).toEqual(['applied proxy.masqueradeBit', 'restart node.name,dns.port']);
    expect(applied?.config.kubeProxy).toMatchObject({ masqueradeBit: 4, nodeName: 'a' });
    expect(applied?.config.values['dns.port']).toBe(53);
    expect(reloader.status.restart).toEqual(['node.name', 'dns.port']);
    write('proxy: {masqueradeBit: 4}\nnode: {name: a}');
    await reloader.reload();
    expect(told.slice(2)).toEqual(['restart ']);
  });

  it('waits with all of DNS when a Corefile comes or goes, and with servers a node is registered at', async () => {
    write('log: {level: info}');
    using reloader = follow(readAlone(file));
    write('dns: {corefile: a}');
    await reloader.reload();
    expect(told).toEqual(['restart dns.corefile']);
    const registered = (endpoint: string) =>
      `node: {register: true}\nsources: {etcd: {endpoints: ["http://${endpoint}"]}}`;
    write(registered('a'));
    using other = follow(readAlone(file));
    write(registered('b'));
    await other.reload();
    expect(told.slice(1)).toEqual(['restart sources.etcd.endpoints']);
  });

  it('says once what is wrong, tries again, and says when it is well', async () => {
    write('proxy: {masqueradeBit: 3}');
    using reloader = follow(readAlone(file));
    write('proxy: {masqueradeBit: 99}');
    await reloader.reload();
    await reloader.reload();
    const wrong =
      'refused agent.yaml:3:9: proxy.masqueradeBit: expected a whole number from 0 to 31, got 99';
    expect(told).toEqual([wrong]);
    expect(reloader.status.problem).toContain('got 99');
    // It is right, and still can't be.
    write('proxy: {masqueradeBit: 4}');
    obstacle = 'no';
    await reloader.reload();
    expect(told.slice(1)).toEqual(['refused no']);
    obstacle = undefined;
    await reloader.reload();
    expect(told.slice(2)).toEqual(['applied proxy.masqueradeBit', 'recovered']);
    expect(reloader.status.problem).toBeUndefined();
    rmSync(file);
    await reloader.reload();
    expect(told.at(-1)).toContain('refused --config: agent.yaml: ENOENT');
    write('proxy: {masqueradeBit: 4}');
    await reloader.reload();
    expect(told.at(-1)).toBe('recovered');
  });

  it('ends when what it puts in force is in force', async () => {
    write('log: {level: info}');
    const begun = Promise.withResolvers<void>();
    const done = Promise.withResolvers<void>();
    holdUp = () => {
      begun.resolve();
      return done.promise;
    };
    const reloader = follow(readAlone(file));
    write('log: {level: warn}');
    void reloader.reload();
    await begun.promise;
    const closed = reloader.close().then(() => told.push('closed'));
    await Promise.resolve();
    done.resolve();
    await closed;
    expect(told).toEqual(['applied log.level', 'closed']);
  });

  it('looks no more once it is closed', async () => {
    write('log: {level: info}');
    const reloader = follow(readAlone(file));
    reloader[Symbol.dispose]();
    write('log: {level: warn}');
    await reloader.reload();
    expect(told).toEqual([]);
  });
});
