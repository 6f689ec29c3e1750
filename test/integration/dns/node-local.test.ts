import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNamedNetns, deleteNamedNetns } from '../../../src/sys/netns.ts';

/*
 * A node, a pod, and another node where the cluster's DNS runs: three namespaces, and agents in two of
 * them. The pod asks all the time while the node takes the addresses over and gives them back. The
 * TTL tells who answered: 7 the other node, 5 this one.
 */

const tag = `podwire-dnsl-${process.pid}`;
const [NODE, POD, OTHER] = ['node', 'pod', 'other'].map((name) => `${tag}-${name}`) as [
  string,
  string,
  string,
];
const SERVICE = '10.96.0.10';
const LINK_LOCAL = '169.254.20.10';
const NAME = 'web.default.svc.cluster.local';
const QUERIES_PER_SECOND = 200;
const READY_TIMEOUT_MS = 30_000;

const directory = mkdtempSync(join(tmpdir(), `${tag}-`));
const children: ChildProcess[] = [];
const ip = (...args: string[]) => execFileSync('ip', args, { encoding: 'utf8', stdio: 'pipe' });
const inside = (netns: string, ...args: string[]) => ip('netns', 'exec', netns, ...args);

function wire(netns: string, link: string, address: string, gateway: string): void {
  ip('-n', NODE, 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', netns);
  ip('-n', NODE, 'addr', 'add', `${gateway}/24`, 'dev', link);
  ip('-n', NODE, 'link', 'set', link, 'up');
  for (const each of ['lo', 'eth0']) ip('-n', netns, 'link', 'set', each, 'up');
  ip('-n', netns, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
  ip('-n', netns, 'route', 'add', 'default', 'via', gateway);
}

async function startAgent(netns: string, args: readonly string[]): Promise<ChildProcess> {
  const program = [
    process.execPath,
    '--no-warnings',
    join(import.meta.dirname, '../../../src/entry.ts'),
  ];
  const child = spawn(
    'ip',
    [
      'netns',
      'exec',
      netns,
      ...program,
      'agent',
      '--manifests',
      join(directory, 'manifests'),
      '--admin-socket=',
      '--dns-workers',
      '1',
      ...args,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  children.push(child);
  let said = '';
  child.stderr?.setEncoding('utf8');
  const late = AbortSignal.timeout(READY_TIMEOUT_MS);
  while (!said.includes('"msg":"ready"')) {
    const [chunk] = (await Promise.race([
      once(child.stderr as NonNullable<typeof child.stderr>, 'data', { signal: late }),
      once(child, 'exit').then(() => Promise.reject(new Error(said))),
    ])) as [string];
    said += chunk;
  }
  child.stderr?.resume();
  return child;
}

async function stopAgent(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  await once(child, 'exit');
}

/** The TTL of the answer tells who gave it. */
async function ttlOf(server: string, netns = POD, ...how: string[]): Promise<number> {
  const args = [
    'netns',
    'exec',
    netns,
    'dig',
    '+noall',
    '+answer',
    '+tries=1',
    '+time=2',
    ...how,
    `@${server}`,
    NAME,
  ];
  const { stdout } = await promisify(execFile)('ip', args);
  return Number(stdout.split(/\s+/)[1]);
}

/** Connections to port 53 that the node tracks. */
function tracked(): string[] {
  return inside(NODE, 'conntrack', '-L')
    .split('\n')
    .filter((line) => line.includes('dport=53'));
}

beforeAll(() => {
  for (const name of [NODE, POD, OTHER]) createNamedNetns(`/run/netns/${name}`);
  ip('-n', NODE, 'link', 'set', 'lo', 'up');
  wire(POD, 'to-pod', '10.1.1.2', '10.1.1.1');
  wire(OTHER, 'to-other', '10.2.2.2', '10.2.2.1');
  inside(NODE, 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
  mkdirSync(join(directory, 'manifests'));
  const documents = [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: { clusterIP: '10.96.0.20', ports: [{ port: 80 }] },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'kube-dns', namespace: 'kube-system' },
      spec: {
        clusterIP: SERVICE,
        ports: ['UDP', 'TCP'].map((protocol) => ({
          name: `dns-${protocol.toLowerCase()}`,
          protocol,
          port: 53,
        })),
      },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      addressType: 'IPv4',
      metadata: {
        name: 'kube-dns',
        namespace: 'kube-system',
        labels: { 'kubernetes.io/service-name': 'kube-dns' },
      },
      endpoints: [{ addresses: ['10.2.2.2'] }],
      ports: ['UDP', 'TCP'].map((protocol) => ({
        name: `dns-${protocol.toLowerCase()}`,
        protocol,
        port: 53,
      })),
    },
  ];
  writeFileSync(
    join(directory, 'manifests', 'all.yaml'),
    documents.map((each) => JSON.stringify(each)).join('\n---\n'),
  );
  writeFileSync(join(directory, 'queries'), `${NAME} A\n`);
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  for (const name of [NODE, POD, OTHER]) deleteNamedNetns(`/run/netns/${name}`);
  rmSync(directory, { recursive: true, force: true });
});

describe('a node that answers DNS itself', () => {
  it('takes the addresses over and gives them back without losing a query, and tracks none', async () => {
    await startAgent(OTHER, ['--dns-address', '10.2.2.2', '--dns-ttl', '7']);
    // Leaves its rules when it stops: the Service leads to the other node.
    await stopAgent(await startAgent(NODE, ['--dns-address', '10.1.1.1']));
    expect(await ttlOf(SERVICE)).toBe(7);
    expect(tracked().length).toBeGreaterThan(0);

    const queries = ['-s', SERVICE, '-d', join(directory, 'queries'), '-l', '600', '-t', '2'];
    // From many ports, as pods ask.
    const rate = ['-c', '50', '-Q', `${QUERIES_PER_SECOND}`];
    const asker = spawn('ip', ['netns', 'exec', POD, 'dnsperf', ...queries, ...rate]);
    children.push(asker);
    let report = '';
    asker.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      report += chunk;
    });

    const local = await startAgent(NODE, ['--dns-node-local', LINK_LOCAL, SERVICE]);
    for (const how of [[], ['+tcp']]) {
      expect(await ttlOf(SERVICE, POD, ...how)).toBe(5);
      expect(await ttlOf(LINK_LOCAL, POD, ...how)).toBe(5);
      expect(await ttlOf(SERVICE, NODE, ...how)).toBe(5);
    }
    inside(NODE, 'conntrack', '-F');
    for (let count = 0; count < 20; count += 1) await ttlOf(SERVICE);
    expect(tracked()).toEqual([]);

    await stopAgent(local);
    expect(await ttlOf(SERVICE)).toBe(7);
    expect(ip('-n', NODE, 'link')).not.toContain(': podwire-dns:');
    expect(inside(NODE, 'nft', 'list', 'tables')).not.toContain('podwire-dns');

    asker.kill('SIGINT');
    await once(asker, 'close');
    expect(report).toMatch(/Queries completed:\s+[1-9]/);
    expect(report).toMatch(/Queries lost:\s+0 /);
  });

  it('is found by cleanup after SIGKILL, and by its successor', async () => {
    const first = await startAgent(NODE, ['--dns-node-local', LINK_LOCAL, SERVICE]);
    first.kill('SIGKILL');
    await once(first, 'exit');
    expect(ip('-n', NODE, 'addr', 'show', 'podwire-dns')).toContain(`${LINK_LOCAL}/32`);
    const second = await startAgent(NODE, ['--dns-node-local', SERVICE]);
    expect(await ttlOf(SERVICE)).toBe(5);
    expect(ip('-n', NODE, 'addr', 'show', 'podwire-dns')).not.toContain(LINK_LOCAL);
    second.kill('SIGKILL');
    await once(second, 'exit');
    const entry = join(import.meta.dirname, '../../../src/entry.ts');
    const output = inside(NODE, process.execPath, '--no-warnings', entry, 'cleanup');
    expect(output).toContain('table ip podwire-dns, link podwire-dns, table ip podwire');
    expect(ip('-n', NODE, 'link')).not.toContain(': podwire-dns:');
  });
});
