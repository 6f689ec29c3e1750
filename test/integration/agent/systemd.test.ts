import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Fd, openSocket } from '../../../src/sys/fd.ts';
import { libc } from '../../../src/sys/libc.ts';
import { AF_UNIX, unixAddress } from '../../../src/sys/unix-address.ts';
import { useNetns } from '../netns-fixture.ts';
import { eventually, RunningAgent } from './agent-fixture.ts';

const fixture = useNetns('systemd');
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;
const WATCHDOG_MS = 400;

/** A service manager's end of NOTIFY_SOCKET, and what it was told. */
class Manager implements Disposable {
  readonly told: string[] = [];
  readonly #socket: Fd;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    // Abstract names are those of a network namespace.
    this.#socket = fixture.netns.run(() => openSocket(AF_UNIX, SOCK_DGRAM, 0, 'manager'));
    const address = unixAddress(path);
    expect(libc.bind(this.#socket.number, address, address.length)).toBe(0);
  }

  /** Takes what has come since. */
  read(): readonly string[] {
    const into = new Uint8Array(new ArrayBuffer(4096));
    const scratch = new Uint8Array(new ArrayBuffer(128));
    for (;;) {
      const { number } = this.#socket;
      const got = libc.recvfrom(number, into, 4096n, MSG_DONTWAIT, scratch, scratch.slice(0, 4));
      if (got < 0n) return this.told;
      this.told.push(Buffer.from(into.subarray(0, Number(got))).toString());
    }
  }

  /** How often it was told that the agent is alive. */
  get pings(): number {
    return this.read().filter((each) => each === 'WATCHDOG=1').length;
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
    if (this.#path.startsWith('/')) rmSync(this.#path);
  }
}

describe('systemd', () => {
  it.each([
    ['a path', join('/run', `podwire-notify-${process.pid}`)],
    ['an abstract name', `@podwire-agent-notify-${process.pid}`],
  ])('is told how the agent is doing, at %s', async (_, path) => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    using manager = new Manager(path);
    const environment = { NOTIFY_SOCKET: path, WATCHDOG_USEC: `${WATCHDOG_MS * 1000}` };
    await using agent = await RunningAgent.start(fixture.name, [], [], environment);
    await eventually(() => expect(manager.pings).toBeGreaterThan(2));
    expect(manager.told[0]).toBe('READY=1\nSTATUS=serving 0 Services');

    // A loop that does not turn says nothing, however long one waits; then it goes on.
    agent.signal('SIGSTOP');
    const stopped = manager.pings;
    fixture.exec('sleep', `${(3 * WATCHDOG_MS) / 1000}`);
    expect(manager.pings).toBe(stopped);
    agent.signal('SIGCONT');
    await eventually(() => expect(manager.pings).toBeGreaterThan(stopped));

    const before = process.hrtime.bigint() / 1_000n;
    agent.signal('SIGHUP');
    await eventually(() => expect(manager.read().at(-1)).not.toMatch(/^RELOADING/));
    await eventually(() =>
      expect(manager.read().some((e) => e.startsWith('RELOADING'))).toBe(true),
    );
    const at = manager.told.findIndex((each) => each.startsWith('RELOADING=1\nMONOTONIC_USEC='));
    const usec = BigInt(/MONOTONIC_USEC=(\d+)$/.exec(manager.told[at] ?? '')?.[1] ?? 0);
    expect(usec >= before && usec <= process.hrtime.bigint() / 1_000n).toBe(true);
    await eventually(() => expect(manager.read().slice(at)).toContain('READY=1'));

    await agent.stop();
    expect(
      manager
        .read()
        .filter((each) => each !== 'WATCHDOG=1')
        .at(-1),
    ).toMatch(/^STOPPING=1\n/);
  });

  it('takes the unit as it is', () => {
    const unit = join(import.meta.dirname, '../../../deploy/systemd/podwire.service');
    const directory = mkdtempSync(join(tmpdir(), 'podwire-unit-'));
    // The program has to be there to be looked at.
    const text = readFileSync(unit, 'utf8').replace('/usr/local/bin/podwire', '/bin/true');
    writeFileSync(join(directory, 'podwire.service'), text);
    const args = ['verify', '--man=no', join(directory, 'podwire.service')];
    const { status, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
    rmSync(directory, { recursive: true });
    expect(text).toContain('ExecStart=/bin/true agent');
    expect([status, stderr]).toEqual([0, '']);
  });
});
