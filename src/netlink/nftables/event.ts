import { unreachable } from '../../errors.ts';
import { decodePayload, type Message } from '../message.ts';
import { nfgenmsg } from '../netfilter.ts';
import {
  chainAttributes,
  elementListAttributes,
  generationAttributes,
  ruleAttributes,
  setAttributes,
  tableAttributes,
} from './attributes.ts';
import { type Chain, decodeChain } from './chain.ts';
import { decodeElementChanges, type ElementChange } from './element.ts';
import { familyOf, type TableRef } from './family.ts';
import { type MessageName, messageType } from './message-type.ts';
import { decodeObject, type NamedObject } from './object.ts';
import { decodeRule, type Rule } from './rule.ts';
import { decodeSet, type SetInfo } from './set.ts';
import { decodeTable, type Table } from './table.ts';

/** NFNLGRP_NFTABLES (linux/netfilter/nfnetlink.h): the multicast group that tells of changes. */
export const NFNLGRP_NFTABLES = 7;

/** What a transaction made of the ruleset, and who made it. */
export interface Generation {
  readonly id: number;
  readonly processId: number;
  readonly processName: string;
}

/**
 * One thing that changed. The kernel tells of all changes of a transaction, then of the generation
 * they made.
 */
export type NftablesEvent =
  | { readonly kind: 'generation'; readonly generation: Generation }
  | ({ readonly action: 'new' | 'delete'; readonly table: TableRef } & (
      | { readonly kind: 'table'; readonly value: Table }
      | { readonly kind: 'chain'; readonly value: Chain }
      | { readonly kind: 'rule'; readonly value: Rule }
      | { readonly kind: 'set'; readonly value: SetInfo }
      | {
          readonly kind: 'elements';
          readonly set: string;
          readonly value: readonly ElementChange[];
        }
      | { readonly kind: 'object'; readonly value: NamedObject }
    ));

type Kind = Exclude<NftablesEvent['kind'], 'generation'>;

const KINDS: ReadonlyMap<number, readonly [Kind, 'new' | 'delete']> = new Map(
  (
    [
      ['NEWTABLE', 'table', 'new'],
      ['DELTABLE', 'table', 'delete'],
      ['NEWCHAIN', 'chain', 'new'],
      ['DELCHAIN', 'chain', 'delete'],
      ['NEWRULE', 'rule', 'new'],
      ['DELRULE', 'rule', 'delete'],
      ['NEWSET', 'set', 'new'],
      ['DELSET', 'set', 'delete'],
      ['NEWSETELEM', 'elements', 'new'],
      ['DELSETELEM', 'elements', 'delete'],
      ['NEWOBJ', 'object', 'new'],
      ['DELOBJ', 'object', 'delete'],
    ] as const satisfies readonly (readonly [MessageName, Kind, 'new' | 'delete'])[]
  ).map(([name, kind, action]) => [messageType(name), [kind, action]]),
);

/**
 * The event a message of NFNLGRP_NFTABLES tells of; undefined for one of a kind that is not known
 * here. Throws DecodeError.
 */
export function decodeEvent(message: Message): NftablesEvent | undefined {
  if (message.type === messageType('NEWGEN')) return decodeGeneration(message);
  const known = KINDS.get(message.type);
  const family = familyOf(message.payload[0] ?? 0);
  if (known === undefined || family === undefined) return undefined;
  const [kind, action] = known;
  const decode = <T extends Parameters<typeof decodePayload>[0]['attributes']>(attributes: T) =>
    decodePayload({ header: nfgenmsg, attributes }, message.payload).attributes;
  switch (kind) {
    case 'table': {
      const value = decodeTable(family, decode(tableAttributes));
      return { kind, action, table: { family, name: value.name }, value };
    }
    case 'chain': {
      const attributes = decode(chainAttributes);
      const table = { family, name: attributes.table ?? '' };
      return { kind, action, table, value: decodeChain(family, attributes) };
    }
    case 'rule': {
      const attributes = decode(ruleAttributes);
      const table = { family, name: attributes.table ?? '' };
      return { kind, action, table, value: decodeRule(attributes) };
    }
    case 'set': {
      const attributes = decode(setAttributes);
      const table = { family, name: attributes.table ?? '' };
      return { kind, action, table, value: decodeSet(attributes) };
    }
    case 'elements': {
      const { table: name = '', set = '', elements = [] } = decode(elementListAttributes);
      const table = { family, name };
      return { kind, action, table, set, value: decodeElementChanges(elements) };
    }
    case 'object': {
      const { table: name, ...value } = decodeObject(message.payload.subarray(nfgenmsg.sizeBytes));
      return { kind, action, table: { family, name }, value };
    }
    default:
      return unreachable(kind);
  }
}

function decodeGeneration(message: Message): NftablesEvent {
  const payload = { header: nfgenmsg, attributes: generationAttributes };
  const {
    id = 0,
    processId = 0,
    processName = '',
  } = decodePayload(payload, message.payload).attributes;
  return { kind: 'generation', generation: { id, processId, processName } };
}
