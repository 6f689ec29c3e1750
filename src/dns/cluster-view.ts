import type { ClusterState } from '../cluster/store.ts';
import type { Addr } from '../ipaddr/addr.ts';
import { encodeMessage } from './message/encode.ts';
import { type Message, parseMessage } from './message/message.ts';
import { canonicalName } from './message/name.ts';
import type { ClusterAnswer, ClusterView } from './plugin/plugin.ts';
import { Answerer, OUTCOME } from './server/answer.ts';
import type { QueryContext } from './server/fallback.ts';
import type { Table } from './table/table.ts';
import { formatName } from './wire/name.ts';

const REPLY_BYTES_MAX = 65_535;

/** What there is of a cluster for plugins to see. */
export interface ClusterViewSource {
  readonly table: Table;
  readonly state: ClusterState;
  readonly domain: string;
}

/** The cluster as plugins see it: the same table and the same answers as the threads'. */
export class TableClusterView implements ClusterView {
  readonly domain: string;
  readonly #source: ClusterViewSource;
  readonly #answerer = new Answerer({ recursionAvailable: true });
  readonly #reply = new Uint8Array(REPLY_BYTES_MAX);

  constructor(source: ClusterViewSource) {
    this.domain = canonicalName(source.domain);
    this.#source = source;
  }

  answer(request: Message, context: QueryContext): ClusterAnswer | undefined {
    const wire = encodeMessage(request);
    const client = context.client.toBytes();
    const answerer = this.#answerer;
    const length = answerer.answer(
      this.#source.table,
      wire,
      wire.length,
      this.#reply,
      true,
      client,
    );
    if (length === 0 || answerer.outcome === OUTCOME.OUTSIDE) return undefined;
    if (answerer.outcome === OUTCOME.FALLTHROUGH) return undefined;
    const message = parseMessage(this.#reply.slice(0, length));
    if (answerer.outcome !== OUTCOME.EXTERNAL) return { message };
    const { bytes, length: nameLength } = answerer.target;
    return { message, target: formatName(bytes.subarray(0, nameLength)) };
  }

  namespaceOf(client: Addr): string | undefined {
    const text = client.toString();
    for (const { podIPs, metadata } of this.#source.state.pods.values()) {
      if (podIPs.includes(text)) return metadata.namespace;
    }
    return undefined;
  }

  notReady(): string | undefined {
    return this.#source.table.isSynced
      ? undefined
      : 'the objects of the cluster are not complete yet';
  }
}
