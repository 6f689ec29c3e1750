import { ERESTART } from '../../sys/errno.ts';
import { type Attributes, type AttributeTable, encodeAttributes } from '../attribute.ts';
import { type Ack, NetlinkError } from '../error.ts';
import {
  encodeMessage,
  encodePayload,
  NLM_F_ACK,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  NLM_F_REQUEST,
} from '../message.ts';
import { nfgenmsg } from '../netfilter.ts';
import { Writer } from '../writer.ts';
import {
  batchAttributes,
  chainAttributes,
  elementListAttributes,
  objectAttributes,
  objectAttributesOf,
  ruleAttributes,
  setAttributes,
  tableAttributes,
} from './attributes.ts';
import {
  BatchError,
  type BatchFault,
  BatchLostError,
  GenerationChangedError,
} from './batch-error.ts';
import { type ChainSpec, encodeChain } from './chain.ts';
import type { NftablesConnection } from './connection.ts';
import { type Element, encodeElement } from './element.ts';
import type { SetRef } from './expression/match.ts';
import { NFPROTO, type TableRef } from './family.ts';
import { faultIn } from './fault.ts';
import { tableName } from './list.ts';
import {
  BATCH_BEGIN,
  BATCH_END,
  BATCH_RESOURCE,
  type MessageName,
  messageType,
} from './message-type.ts';
import { encodeObject, OBJECT_TYPE, type ObjectSpec, type ObjectType } from './object.ts';
import { encodeRule, type RuleSpec } from './rule.ts';
import { encodeSet, type SetShape, type SetSpec } from './set.ts';
import { encodeTable, type TableSpec } from './table.ts';

/** An attribute holds at most 64 KiB; this many bytes of elements stay well below. */
const ELEMENT_BYTES_PER_MESSAGE_MAX = 48 << 10;
/** The name the kernel fills in for a set without one. */
const ANONYMOUS_SET = '__set%d';
const ANONYMOUS_MAP = '__map%d';

/** A message of the batch, for when it is refused. */
interface Operation {
  readonly description: string;
  readonly sequence: number;
  /** Where it is in the batch. */
  readonly at: number;
  readonly flags: number;
  readonly attributes: AttributeTable;
}

/**
 * Changes to tables, collected and then applied by `commit` as one transaction: the packet path
 * sees all of them or none. Verbs give the batch its messages in the order called.
 */
export class Batch {
  readonly #connection: NftablesConnection;
  readonly #writer = new Writer();
  readonly #operations: Operation[] = [];
  #setCount = 0;

  constructor(connection: NftablesConnection) {
    this.#connection = connection;
  }

  /** How many messages the batch has. */
  get length(): number {
    return this.#operations.length;
  }

  /** Adds a table; there already is fine, unless another connection owns it. */
  tableAdd(table: TableSpec): void {
    this.#add('add', 'NEWTABLE', NLM_F_CREATE, table, '', tableAttributes, encodeTable(table));
  }

  /** Deletes a table with all in it. */
  tableDel(table: TableRef): void {
    this.#add('delete', 'DELTABLE', 0, table, '', tableAttributes, { name: table.name });
  }

  /** Adds a chain, a base chain where it has a hook; there already is fine. */
  chainAdd(table: TableRef, chain: ChainSpec): void {
    const values = encodeChain(table.family, table.name, chain);
    const object = `chain ${chain.name}`;
    this.#add('add', 'NEWCHAIN', NLM_F_CREATE, table, object, chainAttributes, values);
  }

  /** Deletes a chain, which must have no rules and not be jumped to. */
  chainDel(table: TableRef, name: string): void {
    const values = { table: table.name, name };
    this.#add('delete', 'DELCHAIN', 0, table, `chain ${name}`, chainAttributes, values);
  }

  /** Deletes every rule of a chain. */
  chainFlush(table: TableRef, chain: string): void {
    const values = { table: table.name, chain };
    this.#add('flush', 'DELRULE', 0, table, `chain ${chain}`, ruleAttributes, values);
  }

  /** Adds a rule at the end of a chain, or after the rule with the handle `after`. */
  ruleAdd(table: TableRef, chain: string, rule: RuleSpec, after?: bigint): void {
    const values = { ...encodeRule(table.name, chain, rule), position: after };
    const flags = NLM_F_CREATE | NLM_F_APPEND;
    this.#add('add', 'NEWRULE', flags, table, ruleName(chain, rule), ruleAttributes, values);
  }

  /** Adds a rule at the beginning of a chain, or before the rule with the handle `before`. */
  ruleInsert(table: TableRef, chain: string, rule: RuleSpec, before?: bigint): void {
    const values = { ...encodeRule(table.name, chain, rule), position: before };
    const object = ruleName(chain, rule);
    this.#add('insert', 'NEWRULE', NLM_F_CREATE, table, object, ruleAttributes, values);
  }

  /** Puts a rule in the place of the one with this handle; it gets a handle of its own. */
  ruleReplace(table: TableRef, chain: string, handle: bigint, rule: RuleSpec): void {
    const values = { ...encodeRule(table.name, chain, rule), handle };
    const object = ruleName(chain, rule);
    this.#add('replace', 'NEWRULE', NLM_F_REPLACE, table, object, ruleAttributes, values);
  }

  /** Deletes the rule with this handle. */
  ruleDel(table: TableRef, chain: string, handle: bigint): void {
    const values = { table: table.name, chain, handle };
    const object = `rule ${handle} of chain ${chain}`;
    this.#add('delete', 'DELRULE', 0, table, object, ruleAttributes, values);
  }

  /** Adds a set or map; there already is fine when it is of the same shape. */
  setAdd(table: TableRef, set: SetSpec): void {
    this.#setAdd(table, set, false);
  }

  /**
   * Adds a set or map without a name, with all its elements. What it gives is for a lookup in a
   * rule of the same batch; the set goes when that rule does.
   */
  anonymousSetAdd(
    table: TableRef,
    set: Omit<SetSpec, 'name'>,
    elements: readonly Element[],
  ): Exclude<SetRef, string> {
    const flags = [...new Set(['constant' as const, ...(set.flags ?? [])])];
    const name =
      set.data === undefined && set.objects === undefined ? ANONYMOUS_SET : ANONYMOUS_MAP;
    const named = { ...set, name, flags };
    const id = this.#setAdd(table, named, true);
    this.#elements('add', 'NEWSETELEM', NLM_F_CREATE, table, named, elements, id);
    return { name, id };
  }

  /** Deletes a set or map, which no rule must refer to. */
  setDel(table: TableRef, name: string): void {
    const values = { table: table.name, name };
    this.#add('delete', 'DELSET', 0, table, `set ${name}`, setAttributes, values);
  }

  /** Adds elements; those that are there already must have the same data. */
  elementsAdd(table: TableRef, set: SetShape, elements: readonly Element[]): void {
    this.#elements('add', 'NEWSETELEM', NLM_F_CREATE, table, set, elements);
  }

  /** Adds elements, none of which must be there already. */
  elementsCreate(table: TableRef, set: SetShape, elements: readonly Element[]): void {
    const flags = NLM_F_CREATE | NLM_F_EXCL;
    this.#elements('create', 'NEWSETELEM', flags, table, set, elements);
  }

  /** Deletes elements, which must be there. */
  elementsDel(
    table: TableRef,
    set: SetShape,
    elements: readonly Pick<Element, 'key' | 'keyEnd' | 'catchAll'>[],
  ): void {
    this.#elements('delete', 'DELSETELEM', 0, table, set, elements);
  }

  /** Deletes all elements of a set or map. */
  setFlush(table: TableRef, name: string): void {
    const values = { table: table.name, set: name };
    this.#add('flush', 'DELSETELEM', 0, table, `set ${name}`, elementListAttributes, values);
  }

  /** Adds a named object; there already is fine. */
  objectAdd(table: TableRef, object: ObjectSpec): void {
    const values = {
      table: table.name,
      name: object.name,
      type: OBJECT_TYPE[object.type],
      ...encodeObject(object),
    };
    // The table is that of the object's own type, and so are the data; the compiler sees a union.
    const attributes = objectAttributesOf[object.type] as (typeof objectAttributesOf)['counter'];
    const typed = values as Attributes<typeof attributes>;
    const name = `${object.type} ${object.name}`;
    this.#add('add', 'NEWOBJ', NLM_F_CREATE, table, name, attributes, typed);
  }

  /** Deletes a named object, which no rule or element must use. */
  objectDel(table: TableRef, type: ObjectType, name: string): void {
    const values = { table: table.name, name, type: OBJECT_TYPE[type] };
    this.#add('delete', 'DELOBJ', 0, table, `${type} ${name}`, objectAttributes, values);
  }

  /**
   * Applies the batch, if it has any messages; it can't be used after that. With `generation`, only
   * while the ruleset still is at it. Nothing is applied when it throws: BatchError when the kernel
   * refuses, GenerationChangedError when another change came first.
   */
  commit(options: { readonly generation?: number | undefined } = {}): void {
    const last = this.#operations.at(-1);
    if (last === undefined) return;
    const { generation } = options;
    const datagram = new Writer(this.#writer.length + 64);
    const begin = this.#frame(datagram, BATCH_BEGIN, { generation });
    const bodyAt = datagram.length;
    // Only the last change asks for an answer; refusals are always sent.
    this.#writer.patchU16(last.at + FLAGS_OFFSET, last.flags | NLM_F_ACK);
    datagram.raw(this.#writer.bytes());
    this.#frame(datagram, BATCH_END, {});
    const { sequence } = last;
    const acks = this.#connection.netlink.exchange(datagram.bytes(), sequence);
    if (generation !== undefined && acks.get(begin)?.errno === ERESTART) {
      throw new GenerationChangedError(generation);
    }
    this.#check(acks, begin, datagram.bytes().subarray(bodyAt));
    if (!acks.has(sequence)) throw new BatchLostError(last.description);
  }

  /** Throws what was refused, if anything was. */
  #check(acks: ReadonlyMap<number, Ack>, begin: number, body: Uint8Array): void {
    const faults: BatchFault[] = [];
    for (const [index, operation] of this.#operations.entries()) {
      const ack = acks.get(operation.sequence);
      if (ack === undefined || ack.errno === 0) continue;
      const fault = faultIn(ack, operation.attributes, body.subarray(operation.at));
      faults.push({ index, ack, error: new NetlinkError(operation.description, ack, fault) });
    }
    const [first, ...others] = faults;
    if (first !== undefined) throw new BatchError([first, ...others]);
    // What concerns the batch as a whole is answered to its beginning.
    const whole = acks.get(begin);
    if (whole !== undefined && whole.errno !== 0) throw new NetlinkError('nftables batch', whole);
  }

  #setAdd(table: TableRef, set: SetSpec, anonymous: boolean): number {
    this.#setCount += 1;
    const values = encodeSet(table.name, set, this.#setCount, anonymous);
    const object = `${values.dataType === undefined ? 'set' : 'map'} ${set.name}`;
    this.#add('add', 'NEWSET', NLM_F_CREATE, table, object, setAttributes, values);
    return this.#setCount;
  }

  #elements(
    verb: string,
    type: MessageName,
    flags: number,
    table: TableRef,
    set: SetShape,
    elements: readonly Element[],
    setId?: number,
  ): void {
    const object = `elements of set ${set.name}`;
    for (let next = 0; next < elements.length; ) {
      const part: ReturnType<typeof encodeElement>[number][] = [];
      for (
        let bytes = 0;
        next < elements.length && bytes < ELEMENT_BYTES_PER_MESSAGE_MAX;
        next += 1
      ) {
        const element = elements[next];
        if (element === undefined) break;
        part.push(...encodeElement(set, element));
        bytes += elementBytesMax(element);
      }
      const values = { table: table.name, set: set.name, elements: part, setId };
      this.#add(verb, type, flags, table, object, elementListAttributes, values);
    }
  }

  #add<T extends AttributeTable>(
    verb: string,
    type: MessageName,
    flags: number,
    table: TableRef,
    object: string,
    attributes: T,
    values: Attributes<T>,
  ): void {
    const sequence = this.#connection.netlink.nextSequence();
    const header = { type: messageType(type), flags: NLM_F_REQUEST | flags, sequence };
    const name = object === '' ? tableName(table) : `${object} of ${tableName(table)}`;
    const description = `${verb} ${name}`;
    const at = this.#writer.length;
    this.#operations.push({ description, sequence, at, flags: header.flags, attributes });
    const payload = { header: nfgenmsg, attributes };
    encodeMessage(this.#writer, header, () =>
      encodePayload(this.#writer, payload, { family: NFPROTO[table.family] }, values),
    );
  }

  #frame(writer: Writer, type: number, values: Attributes<typeof batchAttributes>): number {
    const sequence = this.#connection.netlink.nextSequence();
    encodeMessage(writer, { type, flags: NLM_F_REQUEST, sequence }, () => {
      nfgenmsg.encode(writer, { resourceId: BATCH_RESOURCE });
      encodeAttributes(writer, batchAttributes, values);
    });
    return sequence;
  }
}

/** Where the flags are in struct nlmsghdr. */
const FLAGS_OFFSET = 6;

function ruleName(chain: string, rule: RuleSpec): string {
  const comment = rule.comment === undefined ? '' : ` "${rule.comment}"`;
  return `rule${comment} of chain ${chain}`;
}

/** What the attributes of an element take at most beside its bytes. */
const ELEMENT_OVERHEAD_BYTES = 64;
/** The same for a comment, a timeout or an expression. */
const ELEMENT_EXTRA_BYTES = 256;

function elementBytesMax(element: Element): number {
  const { key, keyEnd, data, comment, timeoutMs, expressions = [] } = element;
  const value = data !== undefined && 'value' in data ? data.value.length : 0;
  const named = data !== undefined && !('value' in data) ? ELEMENT_EXTRA_BYTES : 0;
  const extra =
    (comment === undefined ? 0 : 1) + (timeoutMs === undefined ? 0 : 1) + expressions.length;
  const keys = key.length + (keyEnd === undefined ? 0 : keyEnd.length + ELEMENT_OVERHEAD_BYTES);
  return ELEMENT_OVERHEAD_BYTES + keys + value + named + extra * ELEMENT_EXTRA_BYTES;
}
