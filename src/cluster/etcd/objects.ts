import { PodwireError } from '../../errors.ts';
import { FieldError } from '../decode.ts';
import type { ClusterObject } from '../objects.ts';
import type { EtcdAccess } from './access.ts';
import { EtcdClient } from './client.ts';
import { parseValue, readObject } from './entry.ts';
import { EtcdKeys } from './keys.ts';
import { type Entry, list } from './list.ts';
import { RANGE, TXN } from './messages.ts';

/** What etcd takes as one transaction where nobody says otherwise (`--max-txn-ops`, `--max-request-bytes`). */
const TXN_OPS_MAX = 128;
const TXN_BYTES_MAX = 1_400_000;
const PAGE_OBJECTS = 500;

/** An object to be put: where it belongs, and all of it as it is kept. */
export interface StoredObject {
  readonly object: ClusterObject;
  readonly raw: unknown;
}

/** An object that was found: what it is, or what is wrong with it, by its key. */
export interface FoundObject {
  /** All of it, as it was put; undefined where it is not JSON. */
  readonly raw: unknown;
  readonly object: ClusterObject | undefined;
  readonly problem: string | undefined;
}

/** What a put came to, in kubectl's words. */
export type PutOutcome = 'created' | 'configured' | 'unchanged';

/** The objects in etcd, for those who write them. */
export class EtcdObjects implements Disposable {
  readonly #client: EtcdClient;
  readonly #keys: EtcdKeys;
  readonly #ended = new AbortController();

  constructor(access: EtcdAccess, prefix: string, userAgent: string) {
    this.#client = new EtcdClient(access, userAgent);
    this.#keys = new EtcdKeys(prefix);
  }

  /**
   * Puts objects: all of them or none, as long as they fit into one transaction; more are put in several, in
   * their order. Gives what became of each. Rejects as EtcdClient.call, and with PodwireError for an object
   * that is too large.
   */
  async put(objects: readonly StoredObject[]): Promise<PutOutcome[]> {
    const puts = objects.map(({ object, raw }) => ({
      key: Buffer.from(this.#keys.ofObject(object)),
      value: Buffer.from(JSON.stringify(raw)),
    }));
    const outcomes: PutOutcome[] = [];
    for (const some of inTransactions(puts)) {
      const request = { success: some.map((put) => ({ put: { ...put, prevKv: true } })) };
      const { responses } = await this.#client.call(TXN, request, this.#ended.signal);
      some.forEach(({ value }, index) => {
        const before = responses[index]?.put?.prevKv?.value;
        if (before === undefined) outcomes.push('created');
        else outcomes.push(value.equals(before) ? 'unchanged' : 'configured');
      });
    }
    return outcomes;
  }

  /** All objects of a kind, or those of a namespace, in the order of their keys. Rejects as EtcdClient.call. */
  async list(kind: ClusterObject['kind'], namespace: string | undefined): Promise<FoundObject[]> {
    const below = this.#keys.below(kind);
    const prefix = namespace === undefined ? below : `${below}${namespace}/`;
    const found: FoundObject[] = [];
    for await (const page of list(this.#client, prefix, PAGE_OBJECTS, this.#ended.signal)) {
      found.push(...page.entries.map((entry) => this.#read(entry)));
    }
    return found;
  }

  /** One object; undefined when there is none. Rejects as EtcdClient.call. */
  async get(
    kind: ClusterObject['kind'],
    namespace: string,
    name: string,
  ): Promise<FoundObject | undefined> {
    const key = this.#keys.of(kind, namespace, name);
    const { kvs } = await this.#client.call(RANGE, { key: Buffer.from(key) }, this.#ended.signal);
    const [found] = kvs;
    return found && this.#read({ key, value: found.value });
  }

  /** Deletes objects, as `put` puts them. Gives for each whether it was there. Rejects as EtcdClient.call. */
  async delete(
    objects: readonly {
      readonly kind: ClusterObject['kind'];
      readonly namespace: string;
      readonly name: string;
    }[],
  ): Promise<boolean[]> {
    const deletes = objects.map(({ kind, namespace, name }) => ({
      key: Buffer.from(this.#keys.of(kind, namespace, name)),
    }));
    const outcomes: boolean[] = [];
    for (const some of inTransactions(deletes)) {
      const request = { success: some.map((each) => ({ deleteRange: each })) };
      const { responses } = await this.#client.call(TXN, request, this.#ended.signal);
      outcomes.push(...some.map((_, index) => (responses[index]?.deleteRange?.deleted ?? 0n) > 0n));
    }
    return outcomes;
  }

  #read({ key, value }: Entry): FoundObject {
    let raw: unknown;
    try {
      raw = parseValue(value);
      return { raw, object: readObject(this.#keys, key, raw), problem: undefined };
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      return { raw, object: undefined, problem: `${key}: ${error.message}` };
    }
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
    this.#client[Symbol.dispose]();
  }
}

interface Op {
  readonly key: Uint8Array;
  readonly value?: Uint8Array;
}

/** Cuts what is to be done into what etcd takes as one. Throws PodwireError for what is too large alone. */
function inTransactions<T extends Op>(ops: readonly T[]): T[][] {
  const all: T[][] = [];
  let bytes = 0;
  for (const op of ops) {
    const own = op.key.length + (op.value?.length ?? 0);
    if (own > TXN_BYTES_MAX) {
      const problem = `${op.key}: ${own} bytes, etcd takes at most ${TXN_BYTES_MAX}`;
      throw new PodwireError('ERR_ETCD_TOO_LARGE', problem);
    }
    bytes += own;
    const last = all.at(-1);
    if (last === undefined || last.length === TXN_OPS_MAX || bytes > TXN_BYTES_MAX) {
      all.push([op]);
      bytes = own;
    } else last.push(op);
  }
  return all;
}
