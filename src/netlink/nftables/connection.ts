import { ENOENT } from '../../sys/errno.ts';
import type { Netns } from '../../sys/netns.ts';
import type { Attributes, AttributeTable } from '../attribute.ts';
import { Connection } from '../connection.ts';
import { netlinkErrno } from '../error.ts';
import { decodePayload, encodePayload, type Message } from '../message.ts';
import { NETLINK_NETFILTER, nfgenmsg } from '../netfilter.ts';
import type { Writer } from '../writer.ts';
import { generationAttributes } from './attributes.ts';
import { type Family, familyOf, NFPROTO } from './family.ts';
import { type MessageName, messageType } from './message-type.ts';

/**
 * A conversation with nf_tables in one network namespace. `list.ts` reads through it; changes are
 * made by a Batch, which the kernel applies whole or not at all.
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

  /** The same over a connection that is open, such as one to the fake kernel; closed with it. */
  static over(netlink: Connection): NftablesConnection {
    return new NftablesConnection(netlink);
  }

  close(): void {
    this.netlink.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** One object of a listing, with the family of the table it is in. */
export interface Listed<T extends AttributeTable> {
  readonly family: Family;
  readonly attributes: Attributes<T>;
  /** The attributes as they came, valid until the next receive. */
  readonly bytes: Uint8Array;
}

/** What is asked for: a kind of message, the family, and attributes that narrow it down. */
export interface Query<T extends AttributeTable> {
  readonly operation: string;
  readonly type: MessageName;
  /** Without it objects of every family are listed. */
  readonly family: Family | undefined;
  readonly attributes: T;
  readonly filter: Attributes<T>;
}

/**
 * Lists objects. A table that is not there has none. Tables of families that podwire does not know
 * are passed over.
 */
export function dump<T extends AttributeTable, R>(
  connection: NftablesConnection,
  query: Query<T>,
  decode: (listed: Listed<T>) => R,
): R[] {
  try {
    return connection.netlink
      .dump(requestOf(query), (message) => decodeListed(query.attributes, message, decode))
      .flat();
  } catch (error) {
    if (netlinkErrno(error) === ENOENT) return [];
    throw error;
  }
}

/** Gets what one request names; undefined when it is not there. */
export function get<T extends AttributeTable, R>(
  connection: NftablesConnection,
  query: Query<T>,
  decode: (listed: Listed<T>) => R,
): R | undefined {
  const found: R[] = [];
  try {
    connection.netlink.execute(requestOf(query), (message) => {
      found.push(...decodeListed(query.attributes, message, decode));
    });
  } catch (error) {
    if (netlinkErrno(error) === ENOENT) return undefined;
    throw error;
  }
  return found[0];
}

function requestOf<T extends AttributeTable>(
  query: Query<T>,
): { operation: string; type: number; write: (writer: Writer) => void } {
  const { operation, type, family, attributes, filter } = query;
  const header = { family: family === undefined ? 0 : NFPROTO[family] };
  return {
    operation,
    type: messageType(type),
    write: (writer) => encodePayload(writer, { header: nfgenmsg, attributes }, header, filter),
  };
}

function decodeListed<T extends AttributeTable, R>(
  attributes: T,
  message: Message,
  decode: (listed: Listed<T>) => R,
): R[] {
  const decoded = decodePayload({ header: nfgenmsg, attributes }, message.payload);
  const family = familyOf(decoded.header.family);
  if (family === undefined) return [];
  const bytes = message.payload.subarray(nfgenmsg.sizeBytes);
  return [decode({ family, attributes: decoded.attributes, bytes })];
}

/** The generation the ruleset is at: any change of any table of the namespace gives a new one. */
export function generationGet(connection: NftablesConnection): number {
  const query = {
    operation: 'get generation',
    type: 'GETGEN',
    family: undefined,
    attributes: generationAttributes,
    filter: {},
  } as const;
  let id = 0;
  connection.netlink.execute(requestOf(query), ({ payload }) => {
    id =
      decodePayload({ header: nfgenmsg, attributes: generationAttributes }, payload).attributes
        .id ?? 0;
  });
  return id;
}
