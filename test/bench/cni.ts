import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNamedNetns, deleteNamedNetns, Netns } from '../../src/sys/netns.ts';
import { peerMissing, peerProgram } from '../peers/peer.ts';
import { type AsyncCandidate, interleaveAsync, type Sample, timeAsyncMs } from './measure.ts';
import { type Comparison, type Goal, publish } from './report.ts';

/*
 * What a pod waits for: ADD and DEL of bridge with host-local, also with ipMasq and with portmap behind
 * it, by our executables and by the reference's, one pod after the other and eight at once. A call
 * is what a runtime makes: a process, its environment and stdin, and its end. Every pod has a
 * namespace that was made before the clock, every side a node of its own.
 */

const ROUNDS_SERIAL = 21;
const ROUNDS_PARALLEL = 7;
const PARALLEL = 8;

/** A chain of plugins with its options, on either side. */
interface Case {
  readonly name: string;
  /** What each side is told beside the rest; the defaults differ. */
  readonly bridge: object;
  readonly portmap?: object;
  readonly limits: { readonly ADD: number; readonly DEL: number };
}

/** DEL has to be at least one and a half times as fast. */
const WITH_RULES = { ADD: 1, DEL: 1 / 1.5 };
const CASES: readonly Case[] = [
  { name: 'plain', bridge: {}, limits: { ADD: 3, DEL: 1 } },
  ...['nftables', 'iptables', undefined].map((backend) => ({
    name: `ipMasq, ${backend ?? "each side's default"}`,
    bridge: { ipMasq: true, ...(backend === undefined ? {} : { ipMasqBackend: backend }) },
    limits: WITH_RULES,
  })),
  ...['nftables', 'iptables', undefined].map((backend) => ({
    name: `portmap behind it, ${backend ?? "each side's default"}`,
    bridge: {},
    portmap: backend === undefined ? {} : { backend },
    limits: WITH_RULES,
  })),
];

const SIDES = { podwire: ourProgram, reference: theirProgram } as const;
type Side = keyof typeof SIDES;
type Verb = 'ADD' | 'DEL';

function ourProgram(type: string): string {
  return join(import.meta.dirname, '../../dist/cni', type);
}

function theirProgram(type: string): string {
  return peerProgram('cni-plugins', type);
}

/** A pod to be: its namespace, its id, and a port of the host that is its own. */
interface Pod {
  readonly id: string;
  readonly path: string;
  readonly hostPort: number;
  /** What ADD of bridge said, for portmap. */
  result?: unknown;
}

/** What both sides have of a case: a node, and pods that were not used yet. */
class Node implements Disposable {
  readonly #side: Side;
  readonly #case: Case;
  readonly #netns: Netns;
  readonly #path: string;
  readonly #dataDir: string;
  readonly #pods: Pod[];

  constructor(side: Side, one: Case, podCount: number) {
    this.#side = side;
    this.#case = one;
    const name = `podwire-bench-cni-${process.pid}-${side}`;
    this.#path = `/run/netns/${name}`;
    createNamedNetns(this.#path);
    this.#netns = Netns.open(this.#path);
    this.#dataDir = mkdtempSync(join(tmpdir(), 'podwire-bench-cni-'));
    this.#pods = Array.from({ length: podCount }, (_, index) => {
      const path = `/run/netns/${name}-${index}`;
      createNamedNetns(path);
      return { id: `pod-${index}`, path, hostPort: 20_000 + index };
    });
  }

  /** The pods of a round. */
  pods(round: number, count: number): Pod[] {
    return this.#pods.slice(round * count, (round + 1) * count);
  }

  /** Makes the calls of a verb for one pod, as a runtime chains them. */
  async call(verb: Verb, pod: Pod): Promise<void> {
    const portmap = this.#case.portmap;
    const bridge = async (): Promise<void> => {
      const output = await this.#run('bridge', verb, pod, this.#bridgeConfig());
      if (verb === 'ADD') pod.result = JSON.parse(output);
    };
    const ports = async (): Promise<void> => {
      if (portmap === undefined) return;
      const portMappings = [{ hostPort: pod.hostPort, containerPort: 80, protocol: 'tcp' }];
      await this.#run('portmap', verb, pod, {
        ...this.#base('portmap'),
        ...portmap,
        runtimeConfig: { portMappings },
        prevResult: pod.result,
      });
    };
    for (const each of verb === 'ADD' ? [bridge, ports] : [ports, bridge]) await each();
  }

  #base(type: string): object {
    return { cniVersion: '1.0.0', name: 'bench', type };
  }

  #bridgeConfig(): object {
    return {
      ...this.#base('bridge'),
      bridge: 'br0',
      isDefaultGateway: true,
      ...this.#case.bridge,
      ipam: { type: 'host-local', dataDir: this.#dataDir, subnet: '10.1.0.0/16' },
    };
  }

  async #run(type: string, verb: Verb, pod: Pod, config: object): Promise<string> {
    const program = SIDES[this.#side](type);
    const env = {
      PATH: process.env.PATH,
      CNI_COMMAND: verb,
      CNI_CONTAINERID: pod.id,
      CNI_NETNS: pod.path,
      CNI_IFNAME: 'eth0',
      // Where the reference finds its host-local.
      CNI_PATH: join(program, '..'),
    };
    const child = this.#netns.run(() =>
      spawn(program, [], { env, stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const { promise, resolve } = Promise.withResolvers<number | null>();
    child.on('close', resolve);
    child.stdin.end(JSON.stringify(config));
    const status = await promise;
    if (status !== 0) throw new Error(`${program} ${verb} of ${this.#case.name}: ${output}`);
    return output;
  }

  [Symbol.dispose](): void {
    this.#netns.close();
    for (const { path } of this.#pods) deleteNamedNetns(path);
    deleteNamedNetns(this.#path);
    rmSync(this.#dataDir, { recursive: true, force: true });
  }
}

/** ADD and DEL of a case on both sides, `count` pods at once: milliseconds for each pod. */
async function compare(one: Case, count: number, rounds: number): Promise<Record<Verb, Sample[]>> {
  using nodes = new DisposableStack();
  const sides = Object.keys(SIDES) as Side[];
  // One round more, which warms up.
  const byside = sides.map((side) => ({
    side,
    node: nodes.use(new Node(side, one, (rounds + 1) * count)),
  }));
  const verbs = ['ADD', 'DEL'] as const;
  const candidates = verbs.flatMap((verb) =>
    byside.map(({ side, node }): AsyncCandidate => {
      let round = 0;
      return {
        name: side,
        run: async () => {
          const pods = node.pods(round, count);
          round += 1;
          const ms = await timeAsyncMs(() => Promise.all(pods.map((pod) => node.call(verb, pod))));
          return ms / count;
        },
      };
    }),
  );
  const samples = await interleaveAsync(candidates, rounds);
  return { ADD: samples.slice(0, sides.length), DEL: samples.slice(sides.length) };
}

async function compareAll(title: string, count: number, rounds: number) {
  const rows: Record<Verb, Comparison['rows'][number][]> = { ADD: [], DEL: [] };
  const goals: Goal[] = [];
  for (const one of CASES) {
    const samples = await compare(one, count, rounds);
    for (const verb of ['ADD', 'DEL'] as const) {
      const [ours, theirs] = samples[verb];
      if (ours === undefined || theirs === undefined) throw new Error('a side was not measured');
      rows[verb].push({ name: one.name, ours, theirs });
      goals.push({
        text: `${verb}, ${title}, ${one.name}: time beside the reference`,
        figure: ours.median / theirs.median,
        limit: one.limits[verb],
      });
    }
  }
  const comparisons = (['ADD', 'DEL'] as const).map((verb) => ({
    title: `${verb}, ${title}`,
    unit: 'ms',
    rows: rows[verb],
  }));
  return { comparisons, goals };
}

const missing = peerMissing('cni-plugins');
if (missing === undefined) {
  const serial = await compareAll('one after the other', 1, ROUNDS_SERIAL);
  const parallel = await compareAll(`${PARALLEL} at once, for each`, PARALLEL, ROUNDS_PARALLEL);
  publish({
    name: 'bench-cni',
    tables: [],
    comparisons: [...serial.comparisons, ...parallel.comparisons],
    goals: [...serial.goals, ...parallel.goals],
  });
} else {
  process.stdout.write(`skipped: the reference plugins: ${missing}\n`);
}
