import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  ConntrackConnection,
  flowFlush,
  flowList,
} from '../../../src/netlink/conntrack/connection.ts';
import { NftablesBackend } from '../../../src/proxy/nftables/backend.ts';
import {
  ADDR,
  cluster,
  FAMILIES,
  type Family,
  GONE,
  LEAVING,
  NODE_PORT,
  outerService,
  READY,
  SERVICE_PORT,
  slices,
} from '../../conformance/proxy/world.ts';
import { SweptProxy } from './swept-proxy.ts';
import { type Room, Topology } from './topology.ts';

/* What is about single packets, and about connections that outlive their rules. */

/** Where the echo server of this file listens. */
const ECHO_PORT = 9000;
const VXLAN_PORT = 8472;

/** Sends back every line. When told it sends its last client a segment that is far beyond its window. */
const SERVER = `
import random, socket, struct, sys, threading
family, address = (socket.AF_INET6, sys.argv[1]) if ':' in sys.argv[1] else (socket.AF_INET, sys.argv[1])
listener = socket.socket(family, socket.SOCK_STREAM)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((address, ${ECHO_PORT}))
listener.listen(16)
seen = {}
def sniff():
    heads = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    print('ready', flush=True)
    while True:
        packet = heads.recv(2048)
        at = (packet[0] & 15) * 4 if packet[0] >> 4 == 4 else 40
        protocol = packet[9] if packet[0] >> 4 == 4 else packet[6]
        if protocol != 6 or len(packet) < at + 20: continue
        source, target, seq, ack = struct.unpack('!HHII', packet[at:at + 12])
        if target == ${ECHO_PORT}: seen[source] = (seq + len(packet) - at - (packet[at + 12] >> 4) * 4, ack)
threading.Thread(target=sniff, daemon=True).start()
def serve(connection):
    try:
        for line in connection.makefile(): connection.sendall(line.encode())
    except OSError: pass
last = None
def accept():
    global last
    while True:
        last, peer = listener.accept()
        threading.Thread(target=serve, args=(last,), daemon=True).start()
threading.Thread(target=accept, daemon=True).start()
for line in sys.stdin:
    peer = last.getpeername()
    seq, ack = seen[peer[1]]
    raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
    raw.bind((address, 0))
    head = struct.pack('!HHIIBBHHH', ${ECHO_PORT}, peer[1], (ack + (1 << 24)) % (1 << 32), seq % (1 << 32), 80, 24, 512, 0, 0)
    body = b'far away'
    if family == socket.AF_INET6:
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_CHECKSUM, 16)
    else:
        pseudo = socket.inet_aton(address) + socket.inet_aton(peer[0]) + struct.pack('!HH', 6, 28)
        words = pseudo + head + body
        total = sum(struct.unpack('!%dH' % (len(words) // 2), words))
        while total >> 16: total = (total & 0xffff) + (total >> 16)
        head = head[:16] + struct.pack('!H', ~total & 0xffff) + head[18:]
    raw.sendto(head + body, (peer[0], 0))
    print('sent', flush=True)
`;

/** Connects once, and sends each line it is told; says what came back. */
const CLIENT = `
import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5)
stream = connection.makefile('rw')
print('connected', flush=True)
for line in sys.stdin:
    try:
        stream.write(line); stream.flush()
        print(stream.readline().strip() or 'broken', flush=True)
    except OSError:
        print('broken', flush=True)
`;

/** Sends a datagram with any destination to a router. */
const FORGER = `
import socket, struct, sys
source, target, port, interface = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
v6 = ':' in source
family = socket.AF_INET6 if v6 else socket.AF_INET
ends = socket.inet_pton(family, source) + socket.inet_pton(family, target)
def total(words):
    value = sum(struct.unpack('!%dH' % (len(words) // 2), words))
    while value >> 16: value = (value & 0xffff) + (value >> 16)
    return ~value & 0xffff
udp = struct.pack('!HHHH', 4000, port, 8, 0)
udp = udp[:6] + struct.pack('!H', total(ends + struct.pack('!II' if v6 else '!HH', *((8, 17) if v6 else (17, 8))) + udp))
if v6:
    packet = struct.pack('!IHBB', 6 << 28, 8, 17, 64) + ends + udp
else:
    head = struct.pack('!BBHHHBBH', 0x45, 0, 28, 0, 0, 64, 17, 0) + ends
    packet = head[:10] + struct.pack('!H', total(head)) + head[12:] + udp
mac = bytes.fromhex(sys.argv[5].replace(':', ''))
raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
raw.sendto(packet, (interface, 0x86dd if v6 else 0x0800, 0, 0, mac))
`;

/** A program that is told lines and answers each with one. */
class Program implements Disposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(topology: Topology, room: Room, script: string, ...args: readonly string[]) {
    const command = ['netns', 'exec', topology.name(room), 'python3', '-I', '-c', script, ...args];
    this.#child = spawn('ip', command, { stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.#child.stdout === null) throw new Error('no output');
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    return done === true ? 'ended' : value;
  }

  tell(text: string): Promise<string> {
    this.#child.stdin?.write(`${text}\n`);
    return this.line();
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}

let topology: Topology;
beforeAll(async () => {
  topology = await Topology.build('packets');
});
afterAll(() => topology[Symbol.asyncDispose]());
afterEach(() => {
  using netns = topology.netns;
  using backend = NftablesBackend.open(netns);
  backend.cleanup();
  using conntrack = ConntrackConnection.open(netns);
  flowFlush(conntrack);
});

/** `default/web` by every way in, its endpoints where the echo server listens. */
const echo = (pods: Parameters<typeof slices>[0]) => [
  outerService(),
  ...slices(pods, { port: ECHO_PORT }),
];

/** An echo server at c's address and a client's connection to it by the Service. */
async function connected(from: Room, to: 'vip' | 'N1', family: Family) {
  using undo = new DisposableStack();
  const server = undo.use(new Program(topology, 'N2', SERVER, ADDR.c[family]));
  expect(await server.line()).toBe('ready');
  const port = to === 'N1' ? NODE_PORT : SERVICE_PORT;
  const client = undo.use(new Program(topology, from, CLIENT, ADDR[to][family], `${port}`));
  expect(await client.line()).toBe('connected');
  const parts = undo.move();
  return { server, client, [Symbol.dispose]: () => parts.dispose() };
}

describe.each(FAMILIES)('a TCP connection over IPv%d', (family) => {
  it.each([
    ['a', 'vip'],
    ['X', 'N1'],
  ] as const)('from %s by %s goes on whatever becomes of its rules', async (from, to) => {
    using netns = topology.netns;
    using proxy = new SweptProxy(netns);
    proxy.sync(echo({ c: READY }));
    using ends = await connected(from, to, family);
    for (const [said, objects] of [
      ['its endpoint is leaving', echo({ c: LEAVING, b: READY })],
      ['its endpoint answers no more', echo({ c: GONE, b: READY })],
      ['nobody is left', echo({})],
      ['the Service is gone', []],
    ] as const) {
      proxy.sync(objects);
      await proxy.sweeper.settled();
      expect(await ends.client.tell(said)).toBe(said);
    }
  });

  it('survives a segment out of window where tracking is liberal, and only there', async () => {
    const sysctl = 'net.netfilter.nf_conntrack_tcp_be_liberal';
    using netns = topology.netns;
    using proxy = new SweptProxy(netns);
    proxy.sync(echo({ c: READY }));
    try {
      for (const [liberal, answer] of [
        [1, 'again'],
        // The segment comes to the client as from a stranger, and its reset ends the connection.
        [0, 'broken'],
      ] as const) {
        topology.exec('N1', 'sysctl', '-qw', `${sysctl}=${liberal}`);
        using ends = await connected('a', 'vip', family);
        expect(await ends.client.tell('once')).toBe('once');
        expect(await ends.server.tell('stray')).toBe('sent');
        expect(await ends.client.tell('again')).toBe(answer);
      }
    } finally {
      topology.exec('N1', 'sysctl', '-qw', `${sysctl}=0`);
    }
  });
});

/** What a rule of `table` with this comment has counted. */
function counted(room: Room, family: Family, table: string, comment: string): number {
  const text = topology.exec(room, 'nft', 'list', 'table', family === 4 ? 'ip' : 'ip6', table);
  const line = text.split('\n').find((each) => each.includes(`comment "${comment}"`)) ?? '';
  return Number(/counter packets (\d+)/.exec(line)?.[1] ?? Number.NaN);
}

describe.each(FAMILIES)('a datagram over IPv%d', (family) => {
  it('from outside to loopback comes to nobody', async () => {
    using netns = topology.netns;
    using proxy = new SweptProxy(netns, { nodePortAddresses: 'all' });
    const ports = [{ name: '', protocol: 'UDP', port: SERVICE_PORT, nodePort: NODE_PORT } as const];
    proxy.sync([outerService({ ports }), ...slices({ b: READY }, { protocol: 'UDP' })]);
    const ip = family === 4 ? 'ip' : 'ip6';
    const rule = `iifname "to-X" ${ip} daddr ${ADDR.loopback[family]} udp dport ${NODE_PORT} counter`;
    const pod = `iifname "to-X" ${ip} saddr ${ADDR.X[family]} oifname "to-b" udp sport 4000 counter`;
    topology.exec(
      'N1',
      'nft',
      `
      table ${ip} martian {
        chain input { type filter hook input priority 0; ${rule} comment "input"; }
        chain forward { type filter hook forward priority 0; ${pod} comment "forward"; }
      }`,
    );
    try {
      const links = JSON.parse(topology.exec('N1', 'ip', '-j', 'link', 'show', 'to-X')) as [
        { readonly address: string },
      ];
      const forge = (to: string): string =>
        topology.exec(
          'X',
          'python3',
          '-I',
          '-c',
          FORGER,
          ADDR.X[family],
          to,
          `${NODE_PORT}`,
          'eth0',
          links[0].address,
        );
      forge(ADDR.loopback[family]);
      // One that is no forgery but for its making gets there, after the other.
      forge(ADDR.N1[family]);
      await expect.poll(() => counted('N1', family, 'martian', 'forward')).toBe(1);
      expect(counted('N1', family, 'martian', 'input')).toBe(0);
    } finally {
      topology.exec('N1', 'nft', 'delete', 'table', ip, 'martian');
    }
  });
});

describe('what is masqueraded and then put into a tunnel', () => {
  /** A VXLAN between N1 and N2, by which c is reached. */
  function dig(room: 'N1' | 'N2', number: number): void {
    const peer = room === 'N1' ? 'N2' : 'N1';
    const ends = `local ${ADDR[room][4]} remote ${ADDR[peer][4]} dstport ${VXLAN_PORT}`;
    for (const command of [
      `link add tunnel type vxlan id 7 ${ends}`,
      `addr add 10.99.0.${number}/24 dev tunnel`,
      `addr add fd00:99::${number}/64 dev tunnel nodad`,
      'link set tunnel up',
    ]) {
      topology.exec(room, 'ip', ...command.split(' '));
    }
  }

  it('is translated on the inside alone', async () => {
    dig('N1', 1);
    dig('N2', 2);
    topology.exec('N1', 'ip', 'route', 'replace', ADDR.c[4], 'via', '10.99.0.2');
    topology.exec('N1', 'ip', 'route', 'replace', ADDR.c[6], 'via', 'fd00:99::2');
    const outer = `udp dport ${VXLAN_PORT}`;
    topology.exec(
      'N1',
      'nft',
      `table ip tunnel {
        chain last { type filter hook postrouting priority 300;
          ${outer} counter comment "outer"
          ${outer} meta mark & 0x4000 != 0 counter comment "marked"
        }
      }`,
    );
    using netns = topology.netns;
    using proxy = new SweptProxy(netns);
    proxy.sync(cluster(outerService(), { c: READY }));
    for (const family of FAMILIES) {
      // Whoever answers sees the node's address in the tunnel.
      const seen = family === 4 ? '10.99.0.1' : 'fd00:99::1';
      const reply = await topology.connect('X', 'N1', NODE_PORT, 'TCP', family);
      expect(reply).toEqual({ name: 'c', seen });
    }
    expect(counted('N1', 4, 'tunnel', 'outer')).toBeGreaterThan(4);
    expect(counted('N1', 4, 'tunnel', 'marked')).toBe(0);
    using conntrack = ConntrackConnection.open(netns);
    const flows = flowList(conntrack, { family: 4, original: { protocol: 17 } });
    const tunnels = flows.filter(({ original }) => original.destinationPort === VXLAN_PORT);
    expect(tunnels.length).toBeGreaterThan(0);
    for (const { status } of tunnels) expect(status).not.toContain('SRC_NAT');
    // As a control: the connections inside are.
    const inside = flowList(conntrack, { original: { destinationPort: NODE_PORT, protocol: 6 } });
    expect(inside).toHaveLength(2);
    for (const { status } of inside) expect(status).toContain('SRC_NAT');
  });
});
