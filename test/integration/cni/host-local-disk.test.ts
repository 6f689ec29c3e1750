import { execFileSync, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ReservationStore } from '../../../src/cni/host-local-ipam/store.ts';
import { addressesOf, environmentOf, useHostLocal } from './host-local-fixture.ts';
import { CNI_BIN, type PluginAnswer } from './plugin-fixture.ts';

/* host-local on disks that are full, read-only or torn, beside programs that hold its lock, and killed. */

const fixture = useHostLocal('ipam-disk');
const { config, call, files, reserved, seed } = fixture;

const success = { status: 0, stdout: '', stderr: '' };
const small = { subnet: '10.1.2.0/29' };
const status = (ipam: object, more: object = {}): PluginAnswer =>
  call('STATUS', '', config(ipam, more));

describe('a reservation', () => {
  it.each(['', 'a', 'a\r', 'a\r\net'])(
    'that a crash left as %j is taken, and GC removes it',
    (content) => {
      seed({ '10.1.2.2': content });
      expect(addressesOf(call('ADD', 'ab', config(small)))).toEqual(['10.1.2.3/29']);
      expect(call('DEL', 'ab', config(small))).toMatchObject(success);
      expect(reserved()).toEqual(['10.1.2.2']);
      const valid = [{ containerID: 'ab', ifname: 'eth0' }];
      const gc = { ...config(small), 'cni.dev/valid-attachments': valid };
      expect(call('GC', '', gc)).toMatchObject(success);
      expect(reserved()).toEqual([]);
    },
  );

  it('that an ADD was killed over is freed by DEL, and is in no other ADD’s way', () => {
    seed({ '.a:eth0:0.new': 'a\r\neth0' });
    linkSync(join(fixture.directory, '.a:eth0:0.new'), join(fixture.directory, '10.1.2.2'));
    expect(addressesOf(call('ADD', 'b', config(small)))).toEqual(['10.1.2.3/29']);
    expect(call('ADD', 'a', config(small)).json.msg).toContain('10.1.2.2 has been allocated to a');
    expect(readFileSync(join(fixture.directory, '10.1.2.2'), 'utf8')).toBe('a\r\neth0');
    seed({ '.a:eth0:0.new': 'a\r', '.last_reserved_ip.0.new': '' });
    expect(call('DEL', 'a', config(small))).toMatchObject(success);
    expect(reserved()).toEqual(['10.1.2.3']);
    expect(files().filter((name) => name.includes('eth0'))).toEqual([]);
    expect(addressesOf(call('ADD', 'a', config(small)))).toEqual(['10.1.2.4/29']);
    call('GC', '', config(small));
    expect(files()).toEqual(['last_reserved_ip.0', 'lock']);
  });

  it('of a long id has a name for itself', () => {
    const ids = ['x', 'y'].map((end) => `${'c'.repeat(239)}${end}`);
    expect(ids.map((id) => addressesOf(call('ADD', id, config(small))))).toEqual([
      ['10.1.2.2/29'],
      ['10.1.2.3/29'],
    ]);
    call('DEL', ids[0] ?? '', config(small));
    expect(reserved()).toEqual(['10.1.2.3']);
  });

  it('is no directory, no note of an administrator, and no address of another spelling', () => {
    seed({ notes: 'a\r\neth0', '10.1.2.02': 'x' });
    mkdirSync(join(fixture.directory, '10.1.2.2'));
    expect(addressesOf(call('ADD', 'a', config(small)))).toEqual(['10.1.2.3/29']);
    for (const verb of ['DEL', 'GC']) expect(call(verb, 'a', config(small))).toMatchObject(success);
    expect(files()).toEqual(['10.1.2.02', '10.1.2.2', 'last_reserved_ip.0', 'lock', 'notes']);
  });
});

describe('the lock', () => {
  it('is waited for with an end, and the answer names it', async () => {
    seed({ lock: '' });
    const lock = join(fixture.directory, 'lock');
    const holder = spawn('flock', [lock, 'sh', '-c', 'echo held; cat'], { stdio: 'pipe' });
    await once(holder.stdout, 'data');
    const run = (): unknown => ReservationStore.locked(fixture.directory, () => 'done', 50);
    expect(run).toThrow(
      expect.objectContaining({
        cniCode: 11,
        message: `lock "${lock}" still held by another process after 50 ms`,
      }),
    );
    // Who only looks is not in anybody's way.
    expect(status(small)).toMatchObject(success);
    holder.stdin.end();
    await once(holder, 'close');
    expect(run()).toBe('done');
  });
});

describe('STATUS', () => {
  it('is well where ADD would be, and makes nothing', () => {
    expect(status(small)).toMatchObject(success);
    expect(status(small, { name: 'never' })).toMatchObject(success);
    expect(status({ ...small, dataDir: join(fixture.dataDir, 'a/b/c') })).toMatchObject(success);
    expect(files()).toEqual([]);
    const capabilities = { capabilities: { ipRanges: true } };
    expect(status({}, capabilities)).toMatchObject(success);
    expect(status({}).json).toMatchObject({ code: 7, msg: 'no IP ranges specified' });
  });

  it('is 50 when any set has nothing left', () => {
    const ipam = { ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: 'fd00::/126' }]] };
    expect(status(ipam)).toMatchObject(success);
    for (const id of ['a', 'b']) call('ADD', id, config(ipam));
    expect(status(ipam).json).toEqual({
      code: 50,
      msg: 'failed to allocate for range 1: no IP addresses available in range set: fd00::1-fd00::3',
    });
    call('DEL', 'a', config(ipam));
    expect(status(ipam)).toMatchObject(success);
  });

  it('is 50 when the data directory can’t be made', () => {
    const file = join(fixture.dataDir, 'file');
    writeFileSync(file, '');
    const dataDir = join(file, 'deeper');
    expect(status({ ...small, dataDir }).json).toEqual({
      code: 50,
      msg: `data directory "${dataDir}/net" can't be written: "${file}" is not a directory`,
      details: 'dataDir: expected a directory that can be made',
    });
    const { json } = call('ADD', 'a', config({ ...small, dataDir }));
    expect(json).toMatchObject({ code: 5, msg: expect.stringContaining('ENOTDIR') });
  });
});

describe.each([
  ['read-only', 'ro', 'EROFS: read-only file system'],
  ['out of space', 'size=4k', 'no space left on the file system'],
  ['out of inodes', 'nr_inodes=12', 'no inodes left on the file system'],
])('a file system that is %s', (kind, option, why) => {
  /** Runs `work` with the data directory on a file system of its own. */
  function mounted(work: () => void): void {
    const mount = (...args: string[]): void => {
      execFileSync('mount', [...args, fixture.dataDir]);
    };
    mount('-t', 'tmpfs', '-o', option === 'ro' ? 'rw' : option, 'podwire-test');
    try {
      call('ADD', 'before', config(small));
      if (option === 'ro') mount('-o', 'remount,ro');
      else fill();
      work();
    } finally {
      execFileSync('umount', [fixture.dataDir]);
    }
  }

  /** Writes until there is no room for anything more. */
  function fill(): void {
    for (let index = 0; ; index += 1) {
      try {
        writeFileSync(join(fixture.dataDir, `fill-${index}`), 'x');
      } catch {
        return;
      }
    }
  }

  it('is refused with its own words, STATUS is 50, and nothing is lost or left', () => {
    mounted(() => {
      const before = files();
      expect(call('ADD', 'a', config(small)).json).toMatchObject({
        code: 5,
        msg: expect.stringMatching(
          /^data directory ".*": (ENOSPC: no space left|EROFS: read-only)/,
        ),
      });
      expect(files()).toEqual(before);
      const { code, msg } = status(small).json as { code: number; msg: string };
      expect(code).toBe(50);
      expect(msg).toContain(`data directory "${fixture.directory}" can't be written: ${why}`);
      const del = call('DEL', 'before', config(small));
      if (kind === 'read-only') expect(del.json).toMatchObject({ code: 5 });
      else expect(reserved()).toEqual([]);
    });
  });
});

describe('plugins that are killed', () => {
  /** Starts a call and kills it after a while, unless it is through; gives its output. */
  async function killed(verb: string, id: string, afterMs: number): Promise<string> {
    const child = spawn(join(CNI_BIN, 'host-local'), [], {
      env: { CNI_COMMAND: verb, CNI_PATH: CNI_BIN, CNI_IFNAME: 'eth0', ...environmentOf(id) },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    // Its stdin may be gone by then.
    child.stdin.on('error', () => {});
    child.stdin.end(JSON.stringify(config({ subnet: '10.1.0.0/16' })));
    const timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
    await once(child, 'close');
    clearTimeout(timer);
    return output;
  }

  it('at any moment lose, tear and double nothing', async () => {
    const conf = config({ subnet: '10.1.0.0/16' });
    const begin = performance.now();
    call('ADD', 'first', conf);
    const usualMs = performance.now() - begin;
    const ids = Array.from({ length: 60 }, (_, index) => `pod-${index}`);
    const answered = new Map<string, string>();
    const work = async (id: string): Promise<void> => {
      for (const verb of ['ADD', 'DEL', 'ADD']) {
        const output = await killed(verb, id, randomInt(Math.ceil(usualMs * 2)));
        const given = /"address": "([^/]+)/.exec(output)?.[1];
        if (given !== undefined) answered.set(id, given);
        // Whether it came to pass is not known.
        else answered.delete(id);
      }
    };
    // A few at a time, so that they meet at the lock.
    const queue = [...ids];
    const workers = Array.from({ length: 4 }, async () => {
      for (let id = queue.shift(); id !== undefined; id = queue.shift()) await work(id);
    });
    await Promise.all(workers);
    // Who got an answer holds that address, and it says so, whole.
    for (const [id, addr] of answered) {
      expect(readFileSync(join(fixture.directory, addr), 'utf8')).toBe(`${id}\r\neth0`);
    }
    expect(new Set(answered.values()).size).toBe(answered.size);
    const contents = reserved().map((name) => readFileSync(join(fixture.directory, name), 'utf8'));
    for (const content of contents) expect(content).toMatch(/^(first|pod-\d+)\r\neth0$/);
    expect(new Set(contents).size).toBe(contents.length);
    for (const id of ids) expect(call('DEL', id, conf)).toMatchObject(success);
    expect(reserved()).toEqual(['10.1.0.2']);
    const valid = [{ containerID: 'first', ifname: 'eth0' }];
    call('GC', '', { ...conf, 'cni.dev/valid-attachments': valid });
    expect(files()).toEqual(['10.1.0.2', 'last_reserved_ip.0', 'lock']);
    rmSync(fixture.directory, { recursive: true });
  }, 180_000);
});
