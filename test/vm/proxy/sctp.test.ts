import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConntrackConnection, flowList } from '../../../src/netlink/conntrack/connection.ts';
import { createNamedNetns, deleteNamedNetns, Netns } from '../../../src/sys/netns.ts';
import {
  ADDR,
  FAMILIES,
  type Family,
  NODE_PORT,
  outerService,
  type PodName,
  READY,
  SERVICE_PORT,
  slices,
  TARGET_PORT,
} from '../../conformance/proxy/world.ts';
import { SweptProxy } from '../../integration/proxy/swept-proxy.ts';

/*
 * Services over SCTP, by real associations:
 *
 *     client, with the addresses of a and X ─── N1 (the rules) ─── server, with those of c and d
 */

/** Says to everybody who they reached and whom that one sees, over SCTP and TCP. */
const SERVER = `
import socket, sys, threading
def serve(listener, name):
    while True:
        connection, peer = listener.accept()
        connection.sendall((name + ' ' + peer[0]).encode())
        connection.close()
for name, address in [each.split('=') for each in sys.argv[1:]]:
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    for protocol in (socket.IPPROTO_SCTP, socket.IPPROTO_TCP):
        listener = socket.socket(family, socket.SOCK_STREAM, protocol)
        listener.bind((address, ${TARGET_PORT}))
        listener.listen(16)
        threading.Thread(target=serve, args=(listener, name), daemon=True).start()
print('ready', flush=True)
sys.stdin.read()
`;

/** For each line, an association from an address and port to another; says what the other said. */
const CLIENT = `
import socket, sys
for line in sys.stdin:
    protocol, source, port, target, target_port = line.split()
    number = socket.IPPROTO_SCTP if protocol == 'SCTP' else socket.IPPROTO_TCP
    connection = socket.socket(socket.AF_INET6 if ':' in source else socket.AF_INET, socket.SOCK_STREAM, number)
    connection.settimeout(5)
    try:
        connection.bind((source, int(port)))
        connection.connect((target, int(target_port)))
        print(connection.recv(100).decode(), flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
    connection.close()
`;

const NFT_MODULES = [
  'ct',
  'fib_ipv4',
  'fib_ipv6',
  'masq',
  'nat',
  'numgen',
  'reject_ipv4',
  'reject_ipv6',
].map((name) => `nft_${name}`);
/** The first rules and the first association have the kernel load much. */
const SLOW_MS = 180_000;
const PREFIX = `podwire-sctp-${process.pid}`;
const ROOMS = ['client', 'node', 'server'] as const;
type Room = (typeof ROOMS)[number];
const nameOf = (room: Room): string => `${PREFIX}-${room}`;

function ip(room: Room, ...lines: readonly string[]): void {
  const args = ['netns', 'exec', nameOf(room), 'ip', '-batch', '-'];
  execFileSync('ip', args, { input: lines.join('\n'), stdio: 'pipe' });
}

/** A cable to the node, by which it reaches the addresses, and they everybody. */
function wire(room: 'client' | 'server', places: readonly (keyof typeof ADDR)[]): void {
  const link = `to-${room}`;
  ip(
    'node',
    `link add ${link} type veth peer name eth0 netns ${nameOf(room)}`,
    `link set ${link} up`,
  );
  ip(room, 'link set lo up', 'link set eth0 up');
  const router = { 4: '169.254.1.1', 6: 'fd00:fe::1' };
  for (const family of FAMILIES) {
    const bits = family === 4 ? 32 : 128;
    const own = places.map((place) => ADDR[place][family]);
    ip(
      'node',
      `addr add ${router[family]}/${bits} dev ${link} nodad`,
      ...own.map((each) => `route add ${each} dev ${link}`),
    );
    ip(
      room,
      ...own.map((each) => `addr add ${each}/${bits} dev eth0 nodad`),
      `route add ${router[family]} dev eth0`,
      `route add default via ${router[family]} dev eth0`,
    );
  }
}

const children: ChildProcess[] = [];
function start(room: Room, script: string, ...args: readonly string[]) {
  const command = ['netns', 'exec', nameOf(room), 'python3', '-I', '-c', script, ...args];
  const child = spawn('ip', command, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  if (child.stdout === null) throw new Error('no output');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async (text?: string): Promise<string> => {
    if (text !== undefined) child.stdin?.write(`${text}\n`);
    return String((await lines.next()).value);
  };
}

let netns: Netns;
let proxy: SweptProxy;
let ask: (text?: string) => Promise<string>;
beforeAll(async () => {
  // In one go; the kernel itself would start a program for each when it is asked for.
  execFileSync('modprobe', ['-a', 'sctp', 'nf_conntrack_netlink', 'nf_tables', ...NFT_MODULES]);
  for (const room of ROOMS) createNamedNetns(`/run/netns/${nameOf(room)}`);
  netns = Netns.open(`/run/netns/${nameOf('node')}`);
  const forwarding = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'];
  execFileSync('ip', ['netns', 'exec', nameOf('node'), 'sysctl', '-qw', ...forwarding]);
  ip('node', 'link set lo up', ...FAMILIES.map((family) => `addr add ${ADDR.N1[family]} dev lo`));
  wire('client', ['a', 'X']);
  wire('server', ['c', 'd']);
  const served = (['c', 'd'] as const).flatMap((pod) =>
    FAMILIES.map((family) => `${pod}=${ADDR[pod][family]}`),
  );
  expect(await start('server', SERVER, ...served)()).toBe('ready');
  ask = start('client', CLIENT);
  proxy = new SweptProxy(netns);
  await serve([]);
}, SLOW_MS);
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  proxy[Symbol.dispose]();
  netns.close();
  for (const room of ROOMS) deleteNamedNetns(`/run/netns/${nameOf(room)}`);
});

/** `default/web` over SCTP and TCP, each with endpoints of its own. */
async function serve(pods: readonly PodName[], tcp: readonly PodName[] = []): Promise<void> {
  const ports = [
    { name: 'sctp', protocol: 'SCTP', port: SERVICE_PORT, nodePort: NODE_PORT },
    { name: 'tcp', protocol: 'TCP', port: SERVICE_PORT, nodePort: NODE_PORT },
  ] as const;
  const ready = (names: readonly PodName[]) =>
    Object.fromEntries(names.map((name) => [name, READY]));
  proxy.sync([
    outerService({ ports }),
    ...slices(ready(pods), { name: 's', portName: 'sctp', protocol: 'SCTP' }),
    ...slices(ready(tcp), { name: 't', portName: 'tcp' }),
  ]);
  await proxy.sweeper.settled();
}

const WAYS = {
  'the cluster IP': ['a', 'vip', SERVICE_PORT],
  'the node port': ['X', 'N1', NODE_PORT],
} as const;
type Way = keyof typeof WAYS;

/** Who was reached, and whom they saw. */
async function associate(
  way: Way,
  family: Family,
  fromPort = 0,
  protocol = 'SCTP',
): Promise<string> {
  const [from, to, port] = WAYS[way];
  return await ask(`${protocol} ${ADDR[from][family]} ${fromPort} ${ADDR[to][family]} ${port}`);
}

/** Enough to reach each of two endpoints, but for one run in a million. */
const ATTEMPTS_MAX = 20;

describe.each(FAMILIES)('an SCTP Service over IPv%d', (family) => {
  it.each([
    ['the cluster IP', ADDR.a[family]],
    // Masqueraded: the address is the node's on the way there.
    ['the node port', family === 4 ? '169.254.1.1' : 'fd00:fe::1'],
  ] as const)('leads from %s to all its endpoints', async (way, seen) => {
    await serve(['c', 'd']);
    const reached = new Set<string>();
    for (let attempt = 0; attempt < ATTEMPTS_MAX && reached.size < 2; attempt += 1) {
      reached.add(await associate(way, family));
    }
    expect([...reached].sort()).toEqual([`c ${seen}`, `d ${seen}`]);
  });

  it('has nothing to do with TCP at the same port', async () => {
    await serve(['c'], ['d']);
    for (const way of Object.keys(WAYS) as Way[]) {
      expect(await associate(way, family)).toMatch(/^c /);
      expect(await associate(way, family, 0, 'TCP')).toMatch(/^d /);
    }
  });

  it('leads a client that stays at its port from an endpoint that is gone to the next', async () => {
    using conntrack = ConntrackConnection.open(netns);
    const flows = () =>
      flowList(conntrack, { family, original: { protocol: 132, sourcePort: 40_087 } });
    for (const way of Object.keys(WAYS) as Way[]) {
      await serve(['c']);
      expect(await associate(way, family, 40_087)).toMatch(/^c /);
      expect(flows().length).toBeGreaterThan(0);
      await serve(['d']);
      expect(flows()).toEqual([]);
      expect(await associate(way, family, 40_087)).toMatch(/^d /);
    }
  });
});
