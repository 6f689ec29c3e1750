import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { AgentStatus } from '../../../src/agent/status/status.ts';
import { useNetns } from '../netns-fixture.ts';
import { ask, eventually, RunningAgent } from './agent-fixture.ts';

const fixture = useNetns('status');
const ENTRY = join(import.meta.dirname, '../../../src/entry.ts');
const NOBODY = 65_534;

const directory = mkdtempSync(join(tmpdir(), 'podwire-status-'));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const node = (name: string, address: string) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  spec: { podCIDRs: ['10.244.1.0/24'] },
  status: { addresses: [{ type: 'InternalIP', address }] },
});
const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: { clusterIP: '10.96.0.20', clusterIPs: ['10.96.0.20'], ports: [{ port: 80 }] },
};
const slice = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name: 'web-4',
    namespace: 'default',
    labels: { 'kubernetes.io/service-name': 'web' },
  },
  addressType: 'IPv4',
  ports: [{ name: '', port: 8080 }],
  endpoints: [{ addresses: ['10.244.1.1'], conditions: { ready: true } }],
};
const OBJECTS = [node('n1', '192.0.2.1'), node('n2', '192.0.2.2'), service, slice];

interface Answered {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `podwire status`. */
async function podwireStatus(args: readonly string[], uid?: number): Promise<Answered> {
  const all = ['--no-warnings', ENTRY, 'status', ...args];
  const { promise, resolve } = Promise.withResolvers<Answered>();
  const options = { cwd: '/', ...(uid === undefined ? {} : { uid, gid: uid }) };
  const child = execFile(process.execPath, all, options, (_, stdout, stderr) =>
    resolve({ status: child.exitCode, stdout, stderr }),
  );
  return promise;
}

async function statusOf(agent: RunningAgent): Promise<AgentStatus> {
  const { stdout, stderr } = await podwireStatus(['--socket', agent.socket, '-o', 'json']);
  expect(stderr).toBe('');
  return JSON.parse(stdout) as AgentStatus;
}

/** Asks on the admin socket. */
async function asked(socketPath: string, method: string, path: string) {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const sent = request({ socketPath, method, path, agent: false }, (response) => {
    let body = '';
    response.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
  });
  sent.on('error', reject).end();
  return promise;
}

describe('podwire status', () => {
  it('tells what is so, in JSON and to people, and of what is wrong for as long as it is', async () => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    const args = ['--hostname-override', 'n1'];
    await using agent = await RunningAgent.start(fixture.name, OBJECTS, args);
    const port = agent.log.find(({ msg }) => msg === 'ready')?.dnsPort;
    for (const name of ['web.default.svc.cluster.local', 'none.default.svc.cluster.local']) {
      fixture.exec('dig', '+short', '@127.0.0.1', '-p', `${port}`, name);
    }
    const status = await statusOf(agent);
    expect(status).toMatchObject({
      pid: agent.pid,
      nodeName: 'n1',
      notReady: null,
      degraded: [],
      sources: [{ kind: 'manifests', place: agent.directory, state: 'current', objects: 4 }],
      objects: { services: 1, endpointSlices: 1, nodes: 2, pods: 0 },
      nodeCount: 2,
      proxy: { backend: 'nftables', synced: true, services: 1, routes: 1, failureCount: 0 },
      dns: { servers: [{ label: `dns://:${port}`, port }], corefile: null },
    });
    expect(status.nodes.map(({ name, isOwn }) => [name, isOwn])).toEqual([
      ['n1', true],
      ['n2', false],
    ]);
    expect(status.proxy.lastSync?.error).toBeNull();
    expect(new Map(status.dns.rcodes.map(({ rcode, total }) => [rcode, total]))).toEqual(
      new Map([
        ['NOERROR', 1],
        ['NXDOMAIN', 1],
      ]),
    );
    expect(Math.abs(Date.parse(status.at) - Date.now())).toBeLessThan(60_000);

    const broken = join(agent.directory, 'broken.yaml');
    writeFileSync(broken, 'apiVersion: v1\nkind: Service\n');
    const now = async () =>
      JSON.parse((await asked(agent.socket, 'GET', '/status')).body) as AgentStatus;
    let wrong = await now();
    while (wrong.degraded.length === 0) wrong = await now();
    expect(wrong.degraded).toMatchObject([{ state: 'objects-refused' }]);
    expect(wrong.degraded[0]?.text).toContain('broken.yaml');
    expect(wrong.sources).toMatchObject([{ state: 'stale', errorCount: 1, objects: 4 }]);
    const table = await podwireStatus(['--socket', agent.socket]);
    expect(table.stdout).toMatch(/^podwire \S+ on n1, process \d+, up .*: ready$/m);
    expect(table.stdout).toMatch(/^objects-refused +\d+s +.*broken\.yaml/m);
    expect(table.stdout).toMatch(/^n1 \(this\) +192\.0\.2\.1 +10\.244\.1\.0\/24$/m);
    rmSync(broken);
    while (wrong.degraded.length > 0) wrong = await now();
    expect(wrong.sources).toMatchObject([{ state: 'current', errorCount: 0 }]);
  });

  it('says that no agent runs, with a status of its own', async () => {
    const socket = join(directory, 'none.sock');
    const { status, stdout, stderr } = await podwireStatus(['--socket', socket]);
    expect(status).toBe(3);
    expect(stdout).toBe('');
    expect(stderr).toContain(`no agent runs at ${socket}`);
  });

  it('--watch draws over a terminal until Ctrl-C, and writes lines elsewhere', async () => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    await using agent = await RunningAgent.start(fixture.name, OBJECTS);
    const command = [process.execPath, '--no-warnings', ENTRY, 'status', '--watch'];
    const args = ['--interval', '0.2', '--socket', agent.socket];
    const terminal = spawn('script', ['-qec', [...command, ...args].join(' '), '/dev/null'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const drawn = collect(terminal);
    await eventually(() => expect(drawn().split('\x1b[H').length).toBeGreaterThan(3));
    // What the terminal makes of Ctrl-C.
    terminal.stdin?.write('\x03');
    await once(terminal, 'exit');
    expect(drawn().startsWith('\x1b[?1049h')).toBe(true);
    expect(drawn()).toContain('PROXY');
    // The terminal is as it was, and nothing was ever cleared to be drawn anew.
    expect(drawn().trimEnd().endsWith('\x1b[?1049l')).toBe(true);
    expect(drawn()).not.toContain('\x1b[2J');

    const [program = '', ...rest] = command;
    const pipe = spawn(program, [...rest, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
    const lines = collect(pipe);
    await eventually(() => expect(lines().split('\n').length).toBeGreaterThan(3));
    await agent.stop('SIGKILL');
    await eventually(() => expect(lines()).toContain('no agent runs'));
    pipe.kill('SIGINT');
    expect(await once(pipe, 'exit')).toEqual([0, null]);
    expect(lines()).not.toContain('\x1b');
    expect(lines().split('\n')[0]).toMatch(/^\S+Z ready; 1 Services, last sync .*; well$/);
  });
});

describe('the admin socket', () => {
  it('is for root alone, kept by who has it, and taken from the dead', async () => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    await using agent = await RunningAgent.start(fixture.name, []);
    const { socket } = agent;
    const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
    expect([mode(dirname(socket)), mode(socket)]).toEqual(['700', '600']);

    // Were it open to all by its mode, others still got no answer.
    for (const path of [dirname(socket), socket]) chmodSync(path, 0o777);
    const other = await podwireStatus(['--socket', socket], NOBODY);
    expect(other.status).toBe(1);
    expect(other.stderr).toContain('it answers root alone');
    chmodSync(dirname(socket), 0o700);
    const outside = await podwireStatus(['--socket', socket], NOBODY);
    expect(outside.stderr).toContain('is for root alone');

    // Another agent leaves it alone, and says so where it can be asked.
    const more = ['--admin-socket', socket, '--beside-kube-proxy'];
    const off = ['--healthz-bind-address', '', '--metrics-bind-address', '127.0.0.1:20249'];
    await using second = await RunningAgent.start(fixture.name, [], [...more, ...off]);
    const metrics = ask(fixture.name, 'http://127.0.0.1:20249/metrics').body;
    expect(metrics, second.told()).toContain('podwire_degraded{state="listen-failed"} 1');
    expect(JSON.stringify(second.log)).toContain('expected no other agent that runs and has it');
    expect((await statusOf(agent)).notReady).toBeNull();

    await agent.stop('SIGKILL');
    expect(statSync(socket).isSocket()).toBe(true);
    // It is tried again, and nobody has to ask for that.
    await vi.waitFor(
      async () => {
        const { body } = await asked(socket, 'GET', '/status');
        expect(JSON.parse(body)).toMatchObject({ pid: second.pid, degraded: [] });
      },
      { timeout: 20_000, interval: 100 },
    );
  });

  it('reloads, and says what was refused; a path that is none does no harm', async () => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    const corefile = join(mkdtempSync(join(tmpdir(), 'podwire-status-')), 'Corefile');
    writeFileSync(corefile, 'cluster.local:5353 {\n  kubernetes\n}\n');
    await using agent = await RunningAgent.start(fixture.name, [], ['--corefile', corefile]);
    const { socket } = agent;
    expect(await asked(socket, 'POST', '/reload')).toMatchObject({ status: 200 });
    writeFileSync(corefile, 'cluster.local:5353 {\n  nonsense\n}\n');
    const refused = await asked(socket, 'POST', '/reload');
    expect(refused.status).toBe(409);
    expect(refused.body).toContain('corefile-refused');
    expect(refused.body).toContain('nonsense');
    writeFileSync(corefile, 'cluster.local:5353 {\n  kubernetes\n  errors\n}\n');
    expect(await asked(socket, 'POST', '/reload')).toMatchObject({ status: 200 });
    expect(await asked(socket, 'GET', '/reload')).toMatchObject({ status: 405 });
    expect(await asked(socket, 'GET', '/none')).toMatchObject({ status: 404 });
    expect(await asked(socket, 'GET', '//')).toMatchObject({ status: 400 });
    const explained = await asked(socket, 'GET', '/explain/name?name=x.cluster.local');
    expect(explained.status).toBe(200);
    rmSync(dirname(corefile), { recursive: true });
  });
});

/** What a process writes. */
function collect({ stdout }: ChildProcess): () => string {
  let text = '';
  stdout?.setEncoding('utf8').on('data', (more: string) => {
    text += more;
  });
  return () => text;
}
