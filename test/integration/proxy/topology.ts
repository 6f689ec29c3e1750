import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Protocol } from '../../../src/cluster/objects.ts';
import { createNamedNetns, deleteNamedNetns, Netns } from '../../../src/sys/netns.ts';
import type { Reply } from '../../conformance/proxy/network.ts';
import {
  ADDR,
  type Client,
  FAMILIES,
  type Family,
  type Place,
} from '../../conformance/proxy/world.ts';

/*
 * The cluster of the suite in namespaces of this machine:
 *
 *      a ──┐                      ┌── X
 *          ├── N1 (the rules) ────┤
 *      b ──┘         │            └── world: every address that is nobody's
 *                    N2, with c and d
 *
 * The way from N1 to addresses it does not know leads into the world, which answers: a packet that no
 * rule took is seen there.
 */

const PORTS = [80, 81, 443, 8080, 8081, 30_001, 30_002];
/** What is neither answered nor refused in this time was dropped. */
const TIMEOUT_MS = 400;

/** The programs that stand for those in a namespace. */
class Station {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (line: { result?: unknown; failure?: string }) => void>();
  #id = 0;

  constructor(netns: string) {
    const program = join(import.meta.dirname, 'station.ts');
    this.#child = spawn(
      'ip',
      ['netns', 'exec', netns, process.execPath, '--no-warnings', program],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('no pipe to the station');
    createInterface({ input: stdout }).on('line', (line) => {
      const answer = JSON.parse(line) as { id: number; result?: unknown; failure?: string };
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  ask(command: object): Promise<unknown> {
    this.#id += 1;
    const id = this.#id;
    this.#child.stdin?.write(`${JSON.stringify({ id, ...command })}\n`);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result, failure }) => {
        if (failure === undefined) resolve(result);
        else reject(new Error(failure));
      });
    });
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }
}

export type Room = 'N1' | 'N2' | 'a' | 'b' | 'X' | 'world';
const ROOMS: readonly Room[] = ['N1', 'N2', 'a', 'b', 'X', 'world'];

/** Everything of one run; closing it takes all of it away. */
export class Topology implements AsyncDisposable {
  readonly #prefix: string;
  readonly #stations = new Map<Room, Station>();

  private constructor(prefix: string) {
    this.#prefix = prefix;
  }

  static async build(tag: string): Promise<Topology> {
    const topology = new Topology(`podwire-${tag}-${process.pid}`);
    try {
      for (const room of ROOMS) createNamedNetns(`/run/netns/${topology.name(room)}`);
      topology.#wire();
      for (const room of ROOMS) topology.#stations.set(room, new Station(topology.name(room)));
      await topology.#listen();
    } catch (error) {
      await topology[Symbol.asyncDispose]();
      throw error;
    }
    return topology;
  }

  name(room: Room): string {
    return `${this.#prefix}-${room}`;
  }

  /** The namespace the rules are made in. */
  get netns(): Netns {
    return Netns.open(`/run/netns/${this.name('N1')}`);
  }

  /** Runs a program in a room and gives its output. */
  exec(room: Room, file: string, ...args: string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.name(room), file, ...args], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
  }

  /** One connection; who answered and whom they saw, or how it failed. */
  async connect(
    from: Client,
    to: Place,
    port: number,
    protocol: Protocol,
    family: Family,
    fromPort?: number,
  ): Promise<Reply> {
    const place = PLACE_OF[from];
    const station = this.#stations.get(place);
    const reply = await station?.ask({
      command: 'connect',
      protocol,
      from: from === 'H' ? undefined : ADDR[from][family],
      ...(fromPort === undefined ? {} : { fromPort }),
      to: ADDR[to][family],
      port,
      timeoutMs: TIMEOUT_MS,
    });
    return reply as Reply;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const station of this.#stations.values()) station.close();
    for (const room of ROOMS) deleteNamedNetns(`/run/netns/${this.name(room)}`);
  }

  /** Runs ip(8) in a room; its arguments by words. */
  #ip(room: Room, words: string): void {
    this.exec(room, 'ip', ...words.split(' '));
  }

  /** A cable between N1 and another room, with a router's address on N1's side. */
  #cable(room: Room, router: Readonly<Record<Family, string>>): void {
    this.#ip('N1', `link add to-${room} type veth peer name eth0 netns ${this.name(room)}`);
    this.#ip('N1', `link set to-${room} up`);
    this.#ip(room, 'link set eth0 up');
    for (const family of FAMILIES) {
      this.#ip('N1', `addr add ${router[family]}/${family === 4 ? 32 : 128} dev to-${room} nodad`);
      this.#ip(room, `-${family} route add ${router[family]} dev eth0`);
      this.#ip(room, `-${family} route add default via ${router[family]} dev eth0`);
    }
  }

  /** An address of a room, and N1's way to it. */
  #address(room: Room, text: string, family: Family): void {
    const bits = family === 4 ? 32 : 128;
    this.#ip(room, `addr add ${text}/${bits} dev eth0 nodad`);
    this.#ip('N1', `-${family} route add ${text} dev to-${room}`);
  }

  #wire(): void {
    for (const room of ROOMS) {
      this.#ip(room, 'link set lo up');
      // Link-local addresses are there at once, and neighbours are asked from the first packet on.
      this.exec(room, 'sysctl', '-qw', 'net.ipv6.conf.default.accept_dad=0');
    }
    // The kernel refuses one connection a second and client, and the suite tries many.
    const limits = ['net.ipv4.icmp_ratelimit=0', 'net.ipv6.icmp.ratelimit=0'];
    const forwarding = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'];
    this.exec('N1', 'sysctl', '-qw', ...forwarding, ...limits);
    const router = { 4: '169.254.1.1', 6: 'fd00:fe::1' };
    for (const family of FAMILIES) {
      for (const own of [ADDR.N1, ADDR.other]) {
        this.#ip('N1', `addr add ${own[family]}/${family === 4 ? 32 : 128} dev lo`);
      }
    }
    for (const room of ROOMS) if (room !== 'N1') this.#cable(room, router);
    for (const family of FAMILIES) {
      this.#address('a', ADDR.a[family], family);
      this.#address('b', ADDR.b[family], family);
      for (const each of [ADDR.N2, ADDR.c, ADDR.d]) this.#address('N2', each[family], family);
      this.#address('X', ADDR.X[family], family);
      this.#ip('N1', `-${family} route add default dev to-world src ${ADDR.N1[family]}`);
      for (const each of NOBODYS) {
        this.#ip('world', `addr add ${each[family]}/${family === 4 ? 32 : 128} dev eth0 nodad`);
      }
    }
  }

  async #listen(): Promise<void> {
    const at = async (room: Room, name: string, address: string): Promise<void> => {
      await this.#stations.get(room)?.ask({ command: 'listen', name, address, ports: PORTS });
    };
    await Promise.all(
      FAMILIES.flatMap((family) => [
        at('a', 'a', ADDR.a[family]),
        at('b', 'b', ADDR.b[family]),
        at('N2', 'c', ADDR.c[family]),
        at('N2', 'd', ADDR.d[family]),
        at('N1', 'N1', ADDR.N1[family]),
        at('N1', 'N1', ADDR.other[family]),
        at('N1', 'N1', ADDR.loopback[family]),
        ...NOBODYS.map((each) => at('world', 'world', each[family])),
      ]),
    );
  }
}

/** Addresses that no room has: what no rule takes ends up there. */
const NOBODYS = [ADDR.vip, ADDR.vip2, ADDR.unused, ADDR.lb, ADDR.external];

const PLACE_OF: Readonly<Record<Client, Room>> = {
  a: 'a',
  b: 'b',
  c: 'N2',
  d: 'N2',
  H: 'N1',
  X: 'X',
};
