import { PodwireError } from '../../errors.ts';
import type { Attributes, AttributeTable } from '../attribute.ts';
import { NetlinkError } from '../error.ts';
import {
  encodeMessage,
  encodePayload,
  NLM_F_ACK,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_REQUEST,
} from '../message.ts';
import { Writer } from '../writer.ts';
import {
  chainAttributes,
  elementListAttributes,
  nfgenmsg,
  ruleAttributes,
  setAttributes,
  tableAttributes,
} from './attributes.ts';
import { type Element, NFPROTO, type NftablesConnection } from './connection.ts';
import type { Expression } from './expression.ts';
import { BATCH_BEGIN, BATCH_END, BATCH_RESOURCE, messageType } from './message-type.ts';
import { type DataType, VERDICT } from './types.ts';
import { commentUserdata, setUserdata } from './userdata.ts';

/** An attribute holds at most 64 KiB; this many elements of the largest kind stay well below. */
const ELEMENTS_PER_MESSAGE_MAX = 512;

const NFT_SET_MAP = 0x8;

/** The kernel neither took nor refused a batch, which no working kernel does. */
export class BatchLostError extends PodwireError {
  constructor(operation: string) {
    super('ERR_NFTABLES_BATCH', `nftables batch ending with "${operation}": no answer`);
  }
}

/** A base chain's place in the packet's way (linux/netfilter.h, nf_inet_hooks). */
export interface Hook {
  readonly type: 'nat' | 'filter';
  readonly number: number;
  readonly priority: number;
}

/** A set, or with `data` a map. */
export interface SetSpec {
  readonly name: string;
  readonly comment: string;
  readonly key: DataType;
  readonly data: DataType | undefined;
  /** The key is one number in host byte order, for `nft list`. */
  readonly hostEndianKey?: boolean;
  /** The data is one number in host byte order, for `nft list`. */
  readonly hostEndianData?: boolean;
}

/**
 * Changes to one family's tables, collected and then applied by `commit` as one transaction: the
 * packet path sees all of them or none. Verbs give the batch its messages in the order called.
 */
export class Batch {
  readonly #connection: NftablesConnection;
  readonly #writer = new Writer(1 << 16);
  readonly #operations = new Map<number, string>();
  #last:
    | { readonly sequence: number; readonly flagsAt: number; readonly flags: number }
    | undefined;

  constructor(connection: NftablesConnection) {
    this.#connection = connection;
    this.#frame(BATCH_BEGIN);
  }

  /** How many messages the batch has. */
  get length(): number {
    return this.#operations.size;
  }

  /** Adds a table; there already is fine. */
  tableAdd(family: 4 | 6, name: string, comment: string): void {
    this.#add(`add table ${name}`, 'NEWTABLE', NLM_F_CREATE, family, tableAttributes, {
      name,
      userdata: commentUserdata(comment),
    });
  }

  /** Deletes a table with all in it. */
  tableDel(family: 4 | 6, name: string): void {
    this.#add(`delete table ${name}`, 'DELTABLE', 0, family, tableAttributes, { name });
  }

  /** Adds a chain, a base chain where `hook` is given; there already is fine. */
  chainAdd(family: 4 | 6, table: string, name: string, comment: string, hook?: Hook): void {
    this.#add(`add chain ${name}`, 'NEWCHAIN', NLM_F_CREATE, family, chainAttributes, {
      table,
      name,
      hook: hook === undefined ? undefined : { number: hook.number, priority: hook.priority >>> 0 },
      type: hook?.type,
      userdata: commentUserdata(comment),
    });
  }

  /** Deletes a chain, which must have no rules and not be jumped to. */
  chainDel(family: 4 | 6, table: string, name: string): void {
    this.#add(`delete chain ${name}`, 'DELCHAIN', 0, family, chainAttributes, { table, name });
  }

  /** Adds a rule at the end of a chain. */
  ruleAdd(
    family: 4 | 6,
    table: string,
    chain: string,
    expressions: readonly Expression[],
    comment: string,
  ): void {
    const flags = NLM_F_CREATE | NLM_F_APPEND;
    this.#add(`add rule to ${chain}`, 'NEWRULE', flags, family, ruleAttributes, {
      table,
      chain,
      expressions,
      userdata: commentUserdata(comment),
    });
  }

  /** Deletes every rule of a chain. */
  chainFlush(family: 4 | 6, table: string, chain: string): void {
    this.#add(`flush chain ${chain}`, 'DELRULE', 0, family, ruleAttributes, { table, chain });
  }

  /** Adds a set or map. */
  setAdd(family: 4 | 6, table: string, spec: SetSpec): void {
    this.#add(`add set ${spec.name}`, 'NEWSET', NLM_F_CREATE, family, setAttributes, {
      table,
      name: spec.name,
      flags: spec.data === undefined ? undefined : NFT_SET_MAP,
      keyType: spec.key.id,
      keyLength: spec.key.lengthBytes,
      dataType: spec.data?.id,
      // The kernel derives the length of a verdict.
      dataLength: spec.data === VERDICT ? undefined : spec.data?.lengthBytes,
      id: this.#operations.size + 1,
      userdata: setUserdata({
        comment: spec.comment,
        hostEndianKey: spec.hostEndianKey ?? false,
        hostEndianData: spec.hostEndianData ?? false,
      }),
    });
  }

  /** Adds elements, which must not be there with other data. */
  elementsAdd(family: 4 | 6, table: string, set: string, elements: readonly Element[]): void {
    this.#elements('NEWSETELEM', 'add elements to', NLM_F_CREATE, family, table, set, elements);
  }

  /** Deletes elements, which must be there. */
  elementsDel(family: 4 | 6, table: string, set: string, keys: readonly Uint8Array[]): void {
    const elements = keys.map((key) => ({ key, data: undefined }));
    this.#elements('DELSETELEM', 'delete elements of', 0, family, table, set, elements);
  }

  /**
   * Applies the batch, if it has any messages; it can't be used after that. Throws NetlinkError of
   * the first message the kernel refused; nothing of the batch is applied then.
   */
  commit(): void {
    const last = this.#last;
    if (last === undefined) return;
    // Only the last change asks for an answer; refusals are always sent.
    this.#writer.patchU16(last.flagsAt, last.flags | NLM_F_ACK);
    this.#frame(BATCH_END);
    const acks = this.#connection.netlink.exchange(this.#writer.bytes());
    for (const [sequence, ack] of acks) {
      if (ack.errno === 0) continue;
      throw new NetlinkError(this.#operations.get(sequence) ?? 'nftables batch', ack);
    }
    if (!acks.has(last.sequence)) {
      throw new BatchLostError(this.#operations.get(last.sequence) ?? '');
    }
  }

  #elements(
    type: 'NEWSETELEM' | 'DELSETELEM',
    verb: string,
    flags: number,
    family: 4 | 6,
    table: string,
    set: string,
    elements: readonly Element[],
  ): void {
    for (let at = 0; at < elements.length; at += ELEMENTS_PER_MESSAGE_MAX) {
      const part = elements.slice(at, at + ELEMENTS_PER_MESSAGE_MAX);
      this.#add(`${verb} ${set}`, type, flags, family, elementListAttributes, {
        table,
        set,
        elements: part.map(({ key, data }) => ({ key: { value: key }, data })),
      });
    }
  }

  #add<T extends AttributeTable>(
    operation: string,
    type: Parameters<typeof messageType>[0],
    flags: number,
    family: 4 | 6,
    attributes: T,
    values: Attributes<T>,
  ): void {
    const sequence = this.#connection.netlink.nextSequence();
    const header = { type: messageType(type), flags: NLM_F_REQUEST | flags, sequence };
    this.#last = { sequence, flagsAt: this.#writer.length + 6, flags: header.flags };
    this.#operations.set(sequence, operation);
    const payload = { header: nfgenmsg, attributes };
    encodeMessage(this.#writer, header, () =>
      encodePayload(this.#writer, payload, { family: NFPROTO[family] }, values),
    );
  }

  #frame(type: number): void {
    const sequence = this.#connection.netlink.nextSequence();
    encodeMessage(this.#writer, { type, flags: NLM_F_REQUEST, sequence }, () =>
      nfgenmsg.encode(this.#writer, { resourceId: BATCH_RESOURCE }),
    );
  }
}
