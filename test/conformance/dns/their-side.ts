import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Station } from '../../integration/dns-corefile/station.ts';
import { peerProgram } from '../../peers/peer.ts';
import { ControlPlane, TOKENS } from '../kube/control-plane.ts';
import type { ApiObject } from './objects.ts';

/** A real kube-apiserver, and CoreDNS that follows it, in a station's namespace. */
export class TheirSide implements AsyncDisposable {
  readonly kubeconfig: string;
  readonly #station: Station;
  readonly #plane: ControlPlane;
  #coreDns: ChildProcess | undefined;

  private constructor(station: Station, plane: ControlPlane) {
    this.#station = station;
    this.#plane = plane;
    this.kubeconfig = plane.kubeconfig('coredns', { token: TOKENS.admin });
  }

  /** Starts the API server, which tells the cluster its address; serves when it resolves. */
  static async start(station: Station, address: string): Promise<TheirSide> {
    const plane = await ControlPlane.start({
      etcd: 'debian',
      prefix: ['ip', 'netns', 'exec', station.netns],
      serverFlags: [
        `--advertise-address=${address}`,
        '--service-cluster-ip-range=10.96.0.0/16,fd00:96::/112',
      ],
    });
    return new TheirSide(station, plane);
  }

  /** Puts objects into the API server and gives all that it then has. */
  load(objects: readonly ApiObject[]): readonly ApiObject[] {
    const list = { apiVersion: 'v1', kind: 'List', items: objects };
    this.#plane.kubectl(JSON.stringify(list), 'create', '--validate=false', '-f', '-');
    const all = ['namespaces', 'services', 'endpointslices'].map((kind) =>
      this.#plane.kubectl('', 'get', kind, '-A', '-o', 'json'),
    );
    return all.flatMap((text) => (JSON.parse(text) as { items: ApiObject[] }).items);
  }

  /** Starts CoreDNS on a Corefile. */
  startCoreDns(corefile: string): void {
    const path = join(this.#station.directory, 'Corefile');
    writeFileSync(path, corefile);
    const program = peerProgram('coredns', 'coredns');
    const args = ['netns', 'exec', this.#station.netns, program, '-conf', path];
    this.#coreDns = spawn('ip', args, { stdio: 'ignore' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#coreDns;
    if (child !== undefined && child.exitCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await this.#plane[Symbol.asyncDispose]();
  }
}
