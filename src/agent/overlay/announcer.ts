import { isDeepStrictEqual } from 'node:util';
import { FLANNEL, type Node } from '../../cluster/objects.ts';
import type { Logger } from '../log.ts';
import type { AppliedTunnel } from './apply.ts';

/** Before the API server is asked again; doubled each time. */
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 60_000;

/** Changes an object of the cluster, by its path in the API. */
export type PatchObject = (path: string, patch: object) => Promise<void>;

/** What an object of this node is to say. */
interface Announcement {
  readonly node: Node;
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * Says in this node's object how the others reach its pods, by flannel's annotations, and that its
 * network is there (core/v1 NodeNetworkUnavailable). What it says already is not said again.
 */
export class NodeAnnouncer implements Disposable {
  readonly #patch: PatchObject;
  readonly #log: Logger;
  #wanted: Announcement | undefined;
  /**
   * What was said last, which the node's object may have only later. Once anything was, so was the
   * condition, which is not among what is known of nodes.
   */
  #said: Announcement | undefined;
  #isBusy = false;
  #retryMs = RETRY_MIN_MS;
  #timer: NodeJS.Timeout | undefined;

  constructor(patch: PatchObject, log: Logger) {
    this.#patch = patch;
    this.#log = log;
  }

  /** Has the node's object say what is so now. */
  announce(node: Node, tunnels: readonly AppliedTunnel[], id: number): void {
    this.#wanted = { node, annotations: annotationsOf(tunnels, id) };
    // Whoever waits to ask again does so with what is wanted then.
    if (this.#timer === undefined) void this.#say();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#wanted = undefined;
  }

  async #say(): Promise<void> {
    const wanted = this.#wanted;
    if (wanted === undefined || this.#isBusy) return;
    const { node, annotations } = wanted;
    const differs = Object.entries(annotations).some(
      ([name, value]) => node.metadata.annotations[name] !== value,
    );
    const said = this.#said;
    const isSaid = said?.node === node && isDeepStrictEqual(said.annotations, annotations);
    if (said !== undefined && (isSaid || !differs)) return;
    this.#isBusy = true;
    try {
      const path = `/api/v1/nodes/${encodeURIComponent(node.metadata.name)}/status`;
      await this.#patch(path, {
        metadata: { annotations },
        status: { conditions: [networkIsUp()] },
      });
      this.#said = wanted;
      this.#retryMs = RETRY_MIN_MS;
      this.#log.info({ node: node.metadata.name }, 'the node says how its pods are reached');
    } catch (error) {
      if (this.#wanted === undefined) return;
      this.#log.error({ error: (error as Error).message }, 'can not change the Node; trying again');
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        void this.#say();
      }, this.#retryMs);
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    } finally {
      this.#isBusy = false;
    }
    // What is wanted may be something else by now.
    if (this.#wanted !== wanted && this.#timer === undefined) void this.#say();
  }
}

function annotationsOf(tunnels: readonly AppliedTunnel[], id: number): Record<string, string> {
  const ofFamily = tunnels.map(({ tunnel: { family, local }, mac }) => ({
    [FLANNEL[family].data]: JSON.stringify({ VNI: id, VtepMAC: `${mac}` }),
    [FLANNEL[family].endpoint]: `${local}`,
  }));
  return Object.assign({ [FLANNEL.manager]: 'true', [FLANNEL.type]: 'vxlan' }, ...ofFamily);
}

function networkIsUp(): object {
  const now = new Date().toISOString();
  return {
    type: 'NetworkUnavailable',
    status: 'False',
    reason: 'OverlayIsUp',
    message: 'podwire has made the overlay',
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  };
}
