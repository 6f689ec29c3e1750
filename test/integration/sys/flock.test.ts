import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { LockTimeoutError, lockFile } from '../../../src/sys/flock.ts';

const directory = mkdtempSync(join(tmpdir(), 'podwire-flock-'));
const path = join(directory, 'lock');

afterAll(() => rmSync(directory, { recursive: true }));

describe('lockFile', () => {
  it('waits no longer than asked while flock(1) holds the lock, and gets it afterwards', async () => {
    const holder = spawn('flock', [path, 'sh', '-c', 'echo held; read line'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    expect(() => lockFile(path, { timeoutMs: 50 })).toThrow(LockTimeoutError);
    holder.stdin.end('\n');
    await once(holder, 'exit');
    using lock = lockFile(path, { timeoutMs: 1000 });
    expect(lock).toBeDefined();
  });

  it('keeps flock(1) out until it is released', async () => {
    const lock = lockFile(path, { timeoutMs: 0 });
    const refused = spawn('flock', ['--nonblock', path, 'true']);
    expect((await once(refused, 'exit'))[0]).toBe(1);
    lock.release();
    const taken = spawn('flock', ['--nonblock', path, 'true']);
    expect((await once(taken, 'exit'))[0]).toBe(0);
  });
});
