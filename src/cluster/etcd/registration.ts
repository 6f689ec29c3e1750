import type { EtcdAccess } from './access.ts';
import { type Claim, claimKey } from './claim.ts';
import { EtcdClient } from './client.ts';
import { EtcdKeys } from './keys.ts';
import { LeaseHolder } from './lease.ts';
import { RANGE, TXN } from './messages.ts';

/** What a node says of itself. */
export interface NodeFacts {
  readonly name: string;
  /** In text form. */
  readonly addresses: readonly string[];
  readonly podCIDRs?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What a registration tells its owner. */
export interface RegistrationEvents {
  /**
   * The node is there, for the first time or again. What was claimed before may be gone with the lease, and
   * has to be claimed again.
   */
  onRegistered(): void;
  /**
   * Something is wrong, which is tried again; called once for each new message. Of another machine that registers
   * the same node it is said each time, after `onRegistered`.
   */
  onError(message: string): void;
  onRecovered(): void;
}

/**
 * Keeps a Node in etcd under a lease, so that it goes away some time after the node does. Whatever becomes of
 * it, the lease or the object, it is put again.
 */
export class NodeRegistration implements Disposable {
  readonly #client: EtcdClient;
  readonly #keys: EtcdKeys;
  readonly #events: RegistrationEvents;
  readonly #holder: LeaseHolder;
  readonly #ended = new AbortController();
  #facts: NodeFacts;
  #lease: bigint | undefined;
  /** Another machine had registered the node when we last looked. */
  #isContested = false;
  #waiting = Promise.withResolvers<bigint>();

  constructor(
    options: {
      readonly access: EtcdAccess;
      readonly prefix: string;
      readonly userAgent: string;
      readonly facts: NodeFacts;
      readonly ttlSeconds?: number;
    },
    events: RegistrationEvents,
  ) {
    const { access, prefix, userAgent, facts, ttlSeconds } = options;
    this.#client = new EtcdClient(access, userAgent);
    this.#keys = new EtcdKeys(prefix);
    this.#events = events;
    this.#facts = facts;
    this.#holder = new LeaseHolder(
      this.#client,
      {
        onGranted: (lease, signal) => this.#granted(lease, signal),
        onKept: (lease, signal) => this.#look(lease, signal),
        onError: (message) => events.onError(message),
        onRecovered: () => events.onRecovered(),
      },
      ttlSeconds,
    );
  }

  start(): void {
    this.#holder.start();
  }

  /** Says something else of the node from now on; resolves when etcd has it. Rejects as EtcdClient.call. */
  async update(facts: Partial<Omit<NodeFacts, 'name'>>): Promise<void> {
    this.#facts = { ...this.#facts, ...facts };
    if (this.#lease !== undefined) await this.#put(this.#lease, this.#ended.signal);
  }

  /**
   * Claims a name of a set for as long as the node is there, such as a subnet; see claimKey. Waits for the
   * lease.
   */
  async claim(set: string, name: string): Promise<Claim> {
    const lease = this.#lease ?? (await this.#waiting.promise);
    const key = `${this.#keys.claims}${set}/${name}`;
    return claimKey(this.#client, key, this.#facts.name, lease, this.#ended.signal);
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
    this.#holder[Symbol.dispose]();
    this.#client[Symbol.dispose]();
  }

  async #granted(lease: bigint, signal: AbortSignal): Promise<void> {
    await this.#put(lease, signal);
    this.#lease = lease;
    this.#waiting.resolve(lease);
    this.#events.onRegistered();
  }

  /** Puts the node again when it is not as we put it. */
  async #look(lease: bigint, signal: AbortSignal): Promise<void> {
    const { kvs } = await this.#client.call(RANGE, { key: this.#key }, signal);
    const [found] = kvs;
    const isOurs =
      found !== undefined &&
      found.lease === lease &&
      Buffer.from(JSON.stringify(this.#object)).equals(found.value);
    if (isOurs) {
      if (this.#isContested) this.#events.onRecovered();
      this.#isContested = false;
      return;
    }
    await this.#put(lease, signal);
    this.#events.onRegistered();
    this.#isContested = found !== undefined && found.lease !== 0n && found.lease !== lease;
    if (!this.#isContested) return;
    const { name } = this.#facts;
    this.#events.onError(`the node "${name}" is registered by another machine, too`);
  }

  async #put(lease: bigint, signal: AbortSignal): Promise<void> {
    const put = { key: this.#key, value: Buffer.from(JSON.stringify(this.#object)), lease };
    await this.#client.call(TXN, { success: [{ put }] }, signal);
  }

  get #key(): Buffer {
    return Buffer.from(this.#keys.of('Node', '', this.#facts.name));
  }

  get #object(): object {
    const { name, addresses, podCIDRs = [], labels, annotations } = this.#facts;
    const internal = addresses.map((address) => ({ type: 'InternalIP', address }));
    const [podCIDR] = podCIDRs;
    return {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {
        name,
        ...(labels === undefined ? {} : { labels }),
        ...(annotations === undefined ? {} : { annotations }),
      },
      spec: podCIDR === undefined ? {} : { podCIDR, podCIDRs },
      status: { addresses: [...internal, { type: 'Hostname', address: name }] },
    };
  }
}
