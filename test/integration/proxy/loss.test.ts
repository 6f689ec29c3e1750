import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { generationGet, NftablesConnection } from '../../../src/netlink/nftables/connection.ts';
import { clusterIPOf, manifestOf, SERVICE_PORT } from '../../bench/proxy-objects.ts';
import { CLIENT_RANGE, Room } from '../../bench/proxy-room.ts';

/*
 * A client opens a thousand connections a second to one Service, while a thousand others change and while
 * the agent is killed and started again. None may fail, and no SYN may have to be sent twice.
 */

const PER_SECOND = 1_000;
/** It goes on for so long, and longer where the machine needs that for all that shall happen meanwhile. */
const SECONDS_MIN = 7;
const STEADY = 0; // the Service that is connected to
const SIZE = { services: 1_001, endpoints: 3 };
const entry = join(import.meta.dirname, '../../../src/entry.ts');

const CLIENT = `
import json, socket, sys, threading, time
address, port, rate = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
told = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), told.set()), daemon=True).start()
def resent():
    names, values = [line.split() for line in open('/proc/net/netstat') if line.startswith('TcpExt:')]
    return int(values[names.index('TCPSynRetrans')])
before, failures, made, start = resent(), {}, 0, time.monotonic()
print('begun', flush=True)
while not told.is_set():
    wait = start + made / rate - time.monotonic()
    if wait > 0:
        time.sleep(wait)
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(10)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\\1\\0\\0\\0\\0\\0\\0\\0')
    try:
        s.connect((address, port))
    except OSError as error:
        failures[str(error)] = failures.get(str(error), 0) + 1
    s.close()
    made += 1
print(json.dumps({'made': made, 'failures': failures, 'resent': resent() - before,
    'perSecond': made / (time.monotonic() - start)}))
`;

interface Outcome {
  readonly made: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly resent: number;
  readonly perSecond: number;
}

let room: Room;
let directory: string;
const children: ChildProcess[] = [];
beforeEach(async () => {
  room = new Room('loss');
  directory = mkdtempSync(join(tmpdir(), 'podwire-loss-'));
  write('steady.yaml', manifestOf(STEADY, 1, SIZE));
  write('others.yaml', manifestOf(1, SIZE.services, SIZE));
  const server = start(...room.server());
  await firstLine(server);
});
afterEach(async () => {
  await Promise.all(children.splice(0).map(kill));
  room[Symbol.dispose]();
  rmSync(directory, { recursive: true, force: true });
});

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

function start(command: string, args: readonly string[]): ChildProcess {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  return child;
}

async function firstLine({ stdout }: ChildProcess): Promise<void> {
  if (stdout === null) throw new Error('no output');
  await once(createInterface({ input: stdout }), 'line');
}

/** Puts a file in its place whole. */
function write(name: string, content: string): void {
  writeFileSync(join(directory, `.${name}`), content);
  renameSync(join(directory, `.${name}`), join(directory, name));
}

function startAgent(): ChildProcess {
  const flags = ['--manifests', directory, '--cluster-cidr', CLIENT_RANGE, '--dns-workers', '1'];
  const more = ['--hostname-override', 'node-0', '--log-level', 'error', '--admin-socket='];
  const agent = start(
    ...room.enter('node', process.execPath, '--no-warnings', entry, 'agent', ...flags, ...more),
  );
  agent.stdout?.resume();
  return agent;
}

/** How many times the ruleset changed. */
function generation(): number {
  using connection = NftablesConnection.open(room.netns);
  return generationGet(connection);
}

/** The addresses that connections can be sent to. */
const endpoints = (): string => {
  const [command, args] = room.enter('node', 'nft', 'list', 'map', 'ip', 'podwire', 'endpoints');
  return execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe', maxBuffer: 1 << 24 });
};

/** Waits until the kernel has so many endpoints and no connection fails any more. */
async function serving(): Promise<void> {
  await vi.waitFor(
    () => expect(endpoints().split('8080').length - 1).toBe(SIZE.services * SIZE.endpoints),
    { timeout: 60_000, interval: 100 },
  );
}

/** Runs the client while `work` is done, so many times at least and again and again. */
async function connectWhile(
  rounds: number,
  work: (round: number) => Promise<void>,
): Promise<Outcome> {
  const args = [clusterIPOf(STEADY), `${SERVICE_PORT}`, `${PER_SECOND}`];
  const client = start(...room.enter('client', 'python3', '-I', '-c', CLIENT, ...args));
  if (client.stdout === null) throw new Error('no output');
  const output = text(client.stdout);
  const end = performance.now() + SECONDS_MIN * 1000;
  for (let round = 1; round <= rounds || performance.now() < end; round += 1) await work(round);
  client.stdin?.end();
  const outcome = JSON.parse((await output).split('\n')[1] ?? '') as Outcome;
  const { made, perSecond } = outcome;
  process.stdout.write(`${made} connections, ${perSecond.toFixed(0)} a second\n`);
  return outcome;
}

const LOST_NOTHING = { failures: {}, resent: 0 };

describe('connections at a thousand a second', { timeout: 120_000 }, () => {
  it('are not disturbed by a thousand other Services that change', async () => {
    startAgent();
    await serving();
    const before = generation();
    let last = 0;
    const outcome = await connectWhile(4, async (round) => {
      last = round;
      const current = generation();
      write('others.yaml', manifestOf(1, SIZE.services, SIZE, round));
      // The next change comes when this one is in the kernel.
      await vi.waitFor(() => expect(generation()).toBeGreaterThan(current), { timeout: 20_000 });
    });
    expect(outcome).toMatchObject(LOST_NOTHING);
    expect(outcome.made).toBeGreaterThan(PER_SECOND);
    expect(generation() - before).toBeGreaterThanOrEqual(last);
  });

  it('are not disturbed by an agent that is killed, stopped and started again', async () => {
    let agent = startAgent();
    await serving();
    const before = generation();
    let restarts = 0;
    const outcome = await connectWhile(2, async (round) => {
      if (round % 2 === 0) agent.kill('SIGTERM');
      else agent.kill('SIGKILL');
      await once(agent, 'exit');
      agent = startAgent();
      restarts += 1;
      await ready(agent);
    });
    expect(outcome).toMatchObject(LOST_NOTHING);
    expect(outcome.made).toBeGreaterThan(PER_SECOND);
    // Nothing was written, for all of it was there: a start asks what the kernel can do, once a family
    // for rules and once for owners, and takes the tables over.
    expect(generation() - before).toBe(restarts * 4);
  });
});

/** Waits until an agent says that it is ready. */
async function ready(agent: ChildProcess): Promise<void> {
  const probe = 'import urllib.request as r; r.urlopen("http://127.0.0.1:10256/readyz", timeout=1)';
  const [command, args] = room.enter('node', 'python3', '-I', '-c', probe);
  await vi.waitFor(
    () => {
      if (agent.exitCode !== null) throw new Error(`the agent ended: ${agent.exitCode}`);
      execFileSync(command, args, { stdio: 'pipe' });
    },
    { timeout: 30_000, interval: 100 },
  );
}
