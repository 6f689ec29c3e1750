import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBackend } from '../../../src/agent/proxy-backend.ts';
import { Store } from '../../../src/cluster/store.ts';
import { RouteTable } from '../../../src/proxy/model/table.ts';
import { modelSettings, nodeRules } from '../../conformance/proxy/settings.ts';
import { ADDR, cluster, READY, service, slices } from '../../conformance/proxy/world.ts';
import { Topology } from './topology.ts';

/*
 * From one way of making rules to another on a node with connections: the rules of the next are there
 * before those of the last go, so a TCP connection and a UDP exchange go on.
 */

const PORT = 9090;
/** Echoes what comes over TCP and UDP. */
const SERVER = `
import socket, threading
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('${ADDR.c[4]}', ${PORT}))
t = socket.socket(); t.bind(('${ADDR.c[4]}', ${PORT})); t.listen(16)
def udp():
    while True:
        data, peer = u.recvfrom(99); u.sendto(data, peer)
def tcp(s):
    while data := s.recv(99): s.sendall(data)
threading.Thread(target=udp, daemon=True).start()
print('ready', flush=True)
while True: threading.Thread(target=tcp, args=(t.accept()[0],), daemon=True).start()
`;
/** Opens both once, and sends each line over both; tells what came back. */
const CLIENT = `
import socket, sys
t = socket.create_connection(('${ADDR.vip[4]}', 80), 5); t.settimeout(5)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.connect(('${ADDR.vip[4]}', 80)); u.settimeout(5)
for line in sys.stdin:
    try:
        t.sendall(line.strip().encode()); u.send(line.strip().encode())
        print(t.recv(99).decode(), u.recv(99).decode(), flush=True)
    except OSError as e: print(e, flush=True)
`;

let topology: Topology;
beforeAll(async () => {
  topology = await Topology.build('modes');
});
afterAll(() => topology[Symbol.asyncDispose]());

function program(room: 'a' | 'N2', text: string): ChildProcess {
  const args = ['netns', 'exec', topology.name(room), 'python3', '-I', '-c', text];
  return spawn('ip', args, { stdio: ['pipe', 'pipe', 'inherit'] });
}

function linesOf({ stdout }: ChildProcess): AsyncIterator<string> {
  if (stdout === null) throw new Error('no output');
  return createInterface({ input: stdout })[Symbol.asyncIterator]();
}

/** Brings a mode's rules there, and then takes those of others away, as an agent that starts does. */
async function moveTo(mode: 'nftables' | 'iptables', hint?: 'nft' | 'legacy'): Promise<string[]> {
  using netns = topology.netns;
  if (hint !== undefined) {
    // As the kubelet shows which flavour is the node's.
    topology.exec('N1', `iptables-${hint}`, '-t', 'mangle', '-N', 'KUBE-IPTABLES-HINT');
  }
  const { backend, removeLeftovers } = openBackend(mode, netns);
  using _backend = backend;
  if (hint !== undefined) {
    topology.exec('N1', `iptables-${hint}`, '-t', 'mangle', '-X', 'KUBE-IPTABLES-HINT');
  }
  const table = new RouteTable(modelSettings({}));
  const store = new Store();
  const udp = { name: 'u', protocol: 'UDP' as const, port: 80 };
  const tcp = { name: 't', protocol: 'TCP' as const, port: 80 };
  store.replace([
    ...cluster(service({ ports: [tcp, udp] }), {}),
    ...slices({ c: READY }, { name: 't', portName: 't', port: PORT }),
    ...slices({ c: READY }, { name: 'u', portName: 'u', port: PORT, protocol: 'UDP' }),
  ]);
  table.update(store, [...store.services.keys()]);
  const changes = table.takeChanges().routes;
  await backend.sync({ node: nodeRules({}), routes: () => table.routes(), changes });
  return [...removeLeftovers()];
}

const nft = (): string => topology.exec('N1', 'nft', 'list', 'ruleset');
const legacy = (): string => topology.exec('N1', 'iptables-legacy-save');

describe('moving between modes', () => {
  it('takes the rules of the last away once there are others, and breaks no connection', async () => {
    const server = program('N2', SERVER);
    await linesOf(server).next();
    await moveTo('nftables');
    const client = program('a', CLIENT);
    const replies = linesOf(client);
    const exchange = async (word: string): Promise<void> => {
      client.stdin?.write(`${word}\n`);
      expect((await replies.next()).value).toBe(`${word} ${word}`);
      const other = program('a', CLIENT);
      other.stdin?.write('new\n');
      expect((await linesOf(other).next()).value).toBe('new new');
      other.kill('SIGKILL');
    };
    try {
      await exchange('nftables');
      // What is foreign stays through all of it.
      topology.exec('N1', 'iptables-nft', '-t', 'nat', '-N', 'FOREIGN');
      topology.exec('N1', 'iptables-legacy', '-t', 'nat', '-N', 'FOREIGN');

      expect(await moveTo('iptables', 'nft')).toEqual(['table ip podwire', 'table ip6 podwire']);
      await exchange('iptables-nft');
      expect(nft()).toContain('KUBE-SVC-');
      expect(nft()).not.toContain('podwire {');

      expect((await moveTo('iptables', 'legacy')).length).toBeGreaterThan(0);
      await exchange('iptables-legacy');
      expect(legacy()).toContain('KUBE-SVC-');
      expect(nft()).not.toContain('KUBE-S');

      // A kube-proxy was here in its mode nftables, and has ended.
      topology.exec('N1', 'nft', 'add', 'table', 'ip', 'kube-proxy');
      expect(await moveTo('nftables')).toContain('table ip kube-proxy');
      await exchange('back');
      expect(legacy()).not.toContain('KUBE-S');
      expect(nft()).toContain('table ip podwire');
      expect(nft()).toContain('chain FOREIGN');
      expect(legacy()).toContain(':FOREIGN');
    } finally {
      client.kill('SIGKILL');
      server.kill('SIGKILL');
    }
  });
});
