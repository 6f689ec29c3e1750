import { ENOENT } from '../../sys/errno.ts';
import type { Netns } from '../../sys/netns.ts';
import type { Attributes, AttributeTable } from '../attribute.ts';
import { Connection } from '../connection.ts';
import { netlinkErrno } from '../error.ts';
import { decodePayload, encodePayload } from '../message.ts';
import {
  chainAttributes,
  elementListAttributes,
  nfgenmsg,
  ruleAttributes,
  setAttributes,
  tableAttributes,
} from './attributes.ts';
import type { Expression } from './expression.ts';
import { messageType } from './message-type.ts';

const NETLINK_NETFILTER = 12; // linux/netlink.h

/** The packet families podwire has tables in (linux/netfilter.h). */
export const NFPROTO = { 4: 2, 6: 10 } as const;

/** A chain as the kernel has it; `hook` is undefined for one that is only jumped to. */
export interface Chain {
  readonly name: string;
  readonly type: string | undefined;
  readonly hook: { readonly number: number; readonly priority: number } | undefined;
}

/** A set or map as the kernel has it; the type numbers are those of `types.ts`. */
export interface SetInfo {
  readonly name: string;
  readonly flags: number;
  readonly keyType: number;
  readonly keyLength: number;
  readonly dataType: number;
  readonly dataLength: number;
}

/** What an element of a map holds: bytes, or a verdict to go on in a chain. */
export type ElementData =
  | { readonly value: Uint8Array }
  | { readonly verdict: { readonly code: number; readonly chain: string } };

/** An element of a set (`data` undefined) or map. */
export interface Element {
  readonly key: Uint8Array;
  readonly data: ElementData | undefined;
}

/**
 * A conversation with nf_tables in one network namespace. It lists here; changes are made by a
 * Batch, which the kernel applies whole or not at all.
 */
export class NftablesConnection implements Disposable {
  readonly netlink: Connection;

  private constructor(netlink: Connection) {
    this.netlink = netlink;
  }

  /** Opens it in `netns`, or in the namespace the thread is in. It stays in that namespace. */
  static open(netns?: Netns): NftablesConnection {
    return new NftablesConnection(Connection.open(NETLINK_NETFILTER, netns));
  }

  close(): void {
    this.netlink.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The names of the tables of a family. */
export function tableList(connection: NftablesConnection, family: 4 | 6): string[] {
  return dump(connection, 'list tables', 'GETTABLE', family, tableAttributes, {}).map(
    (table) => table.name ?? '',
  );
}

/** The chains of a table. */
export function chainList(connection: NftablesConnection, family: 4 | 6, table: string): Chain[] {
  // The kernel filters this dump by family only.
  return dump(connection, 'list chains', 'GETCHAIN', family, chainAttributes, {})
    .filter((chain) => chain.table === table)
    .map(({ name, type, hook }) => ({
      name: name ?? '',
      type,
      hook:
        hook === undefined
          ? undefined
          : { number: hook.number ?? 0, priority: (hook.priority ?? 0) | 0 },
    }));
}

/** The rules of a table by the name of their chain, in order, each as its expressions. */
export function ruleList(
  connection: NftablesConnection,
  family: 4 | 6,
  table: string,
): Map<string, (readonly Expression[])[]> {
  const rules = new Map<string, (readonly Expression[])[]>();
  for (const rule of dump(connection, 'list rules', 'GETRULE', family, ruleAttributes, { table })) {
    if (rule.table !== table) continue;
    const chain = rule.chain ?? '';
    const list = rules.get(chain) ?? [];
    list.push(rule.expressions ?? []);
    rules.set(chain, list);
  }
  return rules;
}

/** The sets and maps of a table, without their elements. */
export function setList(connection: NftablesConnection, family: 4 | 6, table: string): SetInfo[] {
  return dump(connection, 'list sets', 'GETSET', family, setAttributes, { table })
    .filter((set) => set.table === table)
    .map((set) => ({
      name: set.name ?? '',
      flags: set.flags ?? 0,
      keyType: set.keyType ?? 0,
      keyLength: set.keyLength ?? 0,
      dataType: set.dataType ?? 0,
      dataLength: set.dataLength ?? 0,
    }));
}

/** The elements of a set or map. */
export function elementList(
  connection: NftablesConnection,
  family: 4 | 6,
  table: string,
  set: string,
): Element[] {
  const filter = { table, set };
  const operation = `list elements of ${set}`;
  return dump(connection, operation, 'GETSETELEM', family, elementListAttributes, filter).flatMap(
    (list) => (list.elements ?? []).map(decodeElement),
  );
}

type ListedElement = NonNullable<Attributes<typeof elementListAttributes>['elements']>[number];

function decodeElement({ key, data }: ListedElement): Element {
  const verdict = data?.verdict;
  let decoded: ElementData | undefined;
  if (verdict !== undefined) {
    decoded = { verdict: { code: verdict.code ?? 0, chain: verdict.chain ?? '' } };
  } else if (data?.value !== undefined) {
    decoded = { value: data.value };
  }
  return { key: key?.value ?? new Uint8Array(), data: decoded };
}

/** A dump of a table that is not there lists nothing. */
function dump<T extends AttributeTable>(
  connection: NftablesConnection,
  operation: string,
  type: Parameters<typeof messageType>[0],
  family: 4 | 6,
  attributes: T,
  filter: Attributes<T>,
): Attributes<T>[] {
  const payload = { header: nfgenmsg, attributes };
  const request = {
    operation,
    type: messageType(type),
    write: (writer: Parameters<typeof encodePayload>[0]) =>
      encodePayload(writer, payload, { family: NFPROTO[family] }, filter),
  };
  try {
    return connection.netlink.dump(
      request,
      (message) => decodePayload(payload, message.payload).attributes,
    );
  } catch (error) {
    if (netlinkErrno(error) === ENOENT) return [];
    throw error;
  }
}
