import type { Registry } from 'prom-client';
import type { Store } from '../../cluster/store.ts';
import type { HealthRegistry } from '../health/registry.ts';
import type { Logger } from '../log.ts';
import { NodeAnnouncer, type PatchObject } from './announcer.ts';
import { OverlayKeeper } from './keeper.ts';
import { registerOverlay } from './metrics.ts';
import type { OverlaySettings } from './settings.ts';
import { SubnetLeaser, type SubnetRegistration } from './subnet-leaser.ts';

/** Who and where the node is. */
export interface NodeOverlayOptions {
  readonly store: Store;
  readonly nodeName: string;
  readonly settings: OverlaySettings;
  /** Changes objects of the cluster; undefined where the source can't. */
  readonly patch: PatchObject | undefined;
  /** The node's registration, where it has none but its own word for its subnets. */
  readonly registration: SubnetRegistration | undefined;
  readonly log: Logger;
  readonly health: HealthRegistry;
  readonly registry: Registry;
}

/** The overlay of the node the process is on, and what the others and people are told of it. */
export class NodeOverlay implements Disposable {
  readonly #opened = new DisposableStack();
  #leaser: SubnetLeaser | undefined;

  /** Begins to make it, and to keep it. Throws SysError where the kernel does not let it. */
  constructor(options: NodeOverlayOptions) {
    const { store, nodeName, settings, patch, registration, log, health, registry } = options;
    const opened = this.#opened;
    using undo = new DisposableStack();
    undo.use(opened);
    const announcer = patch === undefined ? undefined : opened.use(new NodeAnnouncer(patch, log));
    const keeper = opened.use(
      new OverlayKeeper({
        store,
        nodeName,
        settings,
        log,
        onReady: (node, tunnels) => announcer?.announce(node, tunnels, settings.id),
      }),
    );
    if (registration !== undefined) {
      const about = { store, nodeName, settings, registration, log, health };
      this.#leaser = opened.use(new SubnetLeaser(about));
    }
    registerOverlay(registry, () => keeper.status);
    opened.use(health.probe('overlay-failing', () => keeper.status.notReady));
    const problems = () => new Map(keeper.status.problems.map((each) => [each.node, each.text]));
    opened.use(health.probe('overlay-node-refused', problems));
    undo.move();
  }

  /** The node was registered anew: what it had claimed is to be claimed again. */
  registered(): void {
    this.#leaser?.renew();
  }

  /** Ends it; what is in the kernel stays, so that packets go on. */
  [Symbol.dispose](): void {
    this.#opened.dispose();
  }
}
