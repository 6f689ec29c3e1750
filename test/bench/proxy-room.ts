import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { createNamedNetns, deleteNamedNetns, Netns } from '../../src/sys/netns.ts';
import { ENDPOINT_RANGE } from './proxy-objects.ts';

/*
 * Where one candidate of `make bench-proxy` runs:
 *
 *     client 172.20.0.2 ─── node (the rules) ─── server, which is every endpoint there is
 *                             └─ api 192.168.255.1, for who needs an API server
 */

export const CLIENT_RANGE = '172.20.0.0/16';
export const NODE_ADDRESS = '192.168.255.2';
export const API_ADDRESS = '192.168.255.1';
/** Where the API server keeps what it has, for who is in the node's namespace. */
export const ETCD_URL = `http://${API_ADDRESS}:2379`;
/** What a client's connections cost at most, and it is given up. */
const CONNECT_TIMEOUT_SECONDS = 3;

/** Blocking sockets, for the time of one connect is some tens of microseconds. */
const CLIENT = `
import json, socket, sys, time
rounds = int(sys.argv[1])
targets = [(address, int(port)) for address, port in (line.split() for line in sys.stdin)]
times = []
for at in range(rounds):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(${CONNECT_TIMEOUT_SECONDS})
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\\1\\0\\0\\0\\0\\0\\0\\0')
    start = time.perf_counter_ns()
    s.connect(targets[at % len(targets)])
    times.append(time.perf_counter_ns() - start)
    s.close()
print(json.dumps(times))
`;

const SERVER = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('0.0.0.0', 8080))
s.listen(4096)
print('ready', flush=True)
while True:
    s.accept()[0].close()
`;

type Place = 'client' | 'node' | 'server' | 'api';
const PLACES: readonly Place[] = ['client', 'node', 'server', 'api'];

/** The namespaces of one run; closing it takes them away. What runs inside is ended by who started it. */
export class Room implements Disposable {
  readonly #prefix: string;
  readonly netns: Netns;

  constructor(tag: string) {
    this.#prefix = `podwire-bench-${process.pid}-${tag}`;
    try {
      for (const place of PLACES) createNamedNetns(`/run/netns/${this.name(place)}`);
      this.#wire();
      this.netns = Netns.open(`/run/netns/${this.name('node')}`);
    } catch (error) {
      this.#remove();
      throw error;
    }
  }

  name(place: Place): string {
    return `${this.#prefix}-${place}`;
  }

  /** The command that runs another in a place. */
  enter(place: Place, command: string, ...args: readonly string[]): [string, string[]] {
    return ['ip', ['netns', 'exec', this.name(place), command, ...args]];
  }

  /** The program that answers for all endpoints; it prints a line when it does. */
  server(): [string, string[]] {
    return this.enter('server', 'python3', '-I', '-c', SERVER);
  }

  /** Starts that, and waits until it listens. */
  async startServer(): Promise<ChildProcess> {
    const child = spawn(...this.server(), { stdio: ['ignore', 'pipe', 'inherit'] });
    await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
    return child;
  }

  /** Connects to cluster IPs, or other addresses, one after the other; how long each took, in us. */
  connect(addresses: readonly string[], port: number, rounds: number): number[] {
    return this.connectTo(
      addresses.map((address) => `${address} ${port}`),
      rounds,
    );
  }

  /** The same for addresses and ports, such as `10.96.0.1 80`. */
  connectTo(targets: readonly string[], rounds: number): number[] {
    const args = ['python3', '-I', '-c', CLIENT, `${rounds}`] as const;
    const output = execFileSync(...this.enter('client', ...args), {
      encoding: 'utf8',
      input: targets.join('\n'),
      maxBuffer: 1 << 26,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    return (JSON.parse(output) as number[]).map((nanoseconds) => nanoseconds / 1000);
  }

  [Symbol.dispose](): void {
    this.netns.close();
    this.#remove();
  }

  #remove(): void {
    for (const place of PLACES) deleteNamedNetns(`/run/netns/${this.name(place)}`);
  }

  #ip(place: Place, words: string): void {
    execFileSync(...this.enter(place, 'ip', ...words.split(' ')), { stdio: 'pipe' });
  }

  #cable(place: Place, address: string, router: string): void {
    this.#ip('node', `link add ${place} type veth peer name eth0 netns ${this.name(place)}`);
    this.#ip('node', `addr add ${router}/24 dev ${place}`);
    this.#ip('node', `link set ${place} up`);
    this.#ip(place, `addr add ${address}/24 dev eth0`);
    this.#ip(place, 'link set eth0 up');
    this.#ip(place, `route add default via ${router}`);
  }

  #wire(): void {
    for (const place of PLACES) this.#ip(place, 'link set lo up');
    this.#cable('client', '172.20.0.2', '172.20.0.1');
    this.#cable('server', '172.21.0.2', '172.21.0.1');
    this.#cable('api', API_ADDRESS, NODE_ADDRESS);
    this.#ip('node', `route add ${ENDPOINT_RANGE} via 172.21.0.2`);
    this.#ip('server', `route add local ${ENDPOINT_RANGE} dev lo`);
    execFileSync(...this.enter('node', 'sysctl', '-qw', 'net.ipv4.ip_forward=1'));
  }
}
