import { EEXIST, ENOENT } from '../../sys/errno.ts';
import type { Netns } from '../../sys/netns.ts';
import type { Attributes, AttributeTable } from '../attribute.ts';
import { Connection, type Request } from '../connection.ts';
import { netlinkErrno } from '../error.ts';
import { decodePayload, encodePayload, NLM_F_CREATE, NLM_F_EXCL } from '../message.ts';
import { NETLINK_NETFILTER, NFPROTO_IP, nfgenmsg } from '../netfilter.ts';
import { happens } from '../outcome.ts';
import { entryCommandAttributes, setCommandAttributes, twoSetsAttributes } from './attributes.ts';
import { decodeEntry, type Entry, encodeEntry, type SetRef } from './entry.ts';
import { IPSET_ERR_EXIST, IpsetError, withNamedErrors } from './error.ts';
import { type CommandName, messageType } from './message-type.ts';
import { decodeSet, encodeSet, type Ipset, type IpsetSpec } from './set.ts';
import type { SetType } from './set-type.ts';

/** The newest version of the protocol that is spoken here (IPSET_PROTOCOL). */
const PROTOCOL_MAX = 7;
/** Attributes hold at most 64 KiB, and an entry with the longest comment is under 512 bytes. */
const ENTRIES_PER_MESSAGE_MAX = 100;

/** A conversation with ipset in one network namespace, in the version of the kernel's protocol. */
export class IpsetConnection implements Disposable {
  readonly netlink: Connection;
  #protocol: number | undefined;

  private constructor(netlink: Connection) {
    this.netlink = netlink;
  }

  /** Opens it in `netns`, or in the namespace the thread is in. It stays in that namespace. */
  static open(netns?: Netns): IpsetConnection {
    return new IpsetConnection(Connection.open(NETLINK_NETFILTER, netns));
  }

  /** The version of the protocol that both sides know. Asks the kernel once. */
  get protocol(): number {
    this.#protocol ??= negotiate(this.netlink);
    return this.#protocol;
  }

  close(): void {
    this.netlink.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function negotiate(netlink: Connection): number {
  let protocol = PROTOCOL_MAX;
  const values = { protocol: PROTOCOL_MAX };
  const request = requestOf('negotiate protocol', 'PROTOCOL', setCommandAttributes, values);
  netlink.execute(request, ({ payload }) => {
    protocol = Math.min(PROTOCOL_MAX, decode(setCommandAttributes, payload).protocol ?? 0);
  });
  return protocol;
}

/** Makes a set; false when there is one of that name. */
export function ipsetCreate(connection: IpsetConnection, set: IpsetSpec): boolean {
  const { name, type, family } = set;
  const values = encodeSet(set, newestRevision(connection, type, family));
  const flags = NLM_F_CREATE | NLM_F_EXCL;
  return execute(connection, `create set ${name}`, 'CREATE', type, values, flags, EEXIST);
}

/** The kernel has several revisions of each type, and makes a set of the one it is told. */
function newestRevision(
  connection: IpsetConnection,
  type: SetType,
  family: 4 | 6 | undefined,
): number {
  const { protocol, netlink } = connection;
  const number = family === undefined ? 0 : NFPROTO_IP[family];
  const values = { protocol, typeName: type, family: number };
  const request = requestOf(`ask for type ${type}`, 'TYPE', setCommandAttributes, values);
  let revision = 0;
  withNamedErrors(type, () =>
    netlink.execute(request, ({ payload }) => {
      revision = decode(setCommandAttributes, payload).revision ?? 0;
    }),
  );
  return revision;
}

/** Removes a set, which no rule and no list must refer to; false when there is none. */
export function ipsetDestroy(connection: IpsetConnection, name: string): boolean {
  return execute(
    connection,
    `destroy set ${name}`,
    'DESTROY',
    undefined,
    { name },
    NLM_F_EXCL,
    ENOENT,
  );
}

/** Removes all entries of a set; false when there is none of that name. */
export function ipsetFlush(connection: IpsetConnection, name: string): boolean {
  return execute(connection, `flush set ${name}`, 'FLUSH', undefined, { name }, NLM_F_EXCL, ENOENT);
}

/** Gives a set another name; no rule must refer to it. */
export function ipsetRename(connection: IpsetConnection, name: string, otherName: string): void {
  twoSets(connection, `rename set ${name} to ${otherName}`, 'RENAME', name, otherName);
}

/** Gives two sets each other's name at once; whoever refers to one has the other from then on. */
export function ipsetSwap(connection: IpsetConnection, name: string, otherName: string): void {
  twoSets(connection, `swap sets ${name} and ${otherName}`, 'SWAP', name, otherName);
}

function twoSets(
  connection: IpsetConnection,
  operation: string,
  command: CommandName,
  name: string,
  otherName: string,
): void {
  const values = { protocol: connection.protocol, name, otherName };
  const request = requestOf(operation, command, twoSetsAttributes, values);
  withNamedErrors(undefined, () => connection.netlink.execute(request));
}

/** All sets with their entries, or the one of that name. Types not known here are left out. */
export function ipsetList(connection: IpsetConnection, name?: string): Ipset[] {
  const { protocol, netlink } = connection;
  const request = requestOf('list sets', 'LIST', setCommandAttributes, { protocol, name });
  let messages: Attributes<typeof setCommandAttributes>[];
  try {
    messages = netlink.dump(request, ({ payload }) => decode(setCommandAttributes, payload));
  } catch (error) {
    if (netlinkErrno(error) === ENOENT) return [];
    throw error;
  }
  // The first message about a set describes it; those that follow have more of its entries.
  const sets = new Map<string, Ipset & { readonly entries: Entry[] }>();
  for (const message of messages) {
    const described = message.typeName === undefined ? undefined : decodeSet(message);
    if (described !== undefined) sets.set(described.name, { ...described, entries: [] });
    const set = sets.get(message.name ?? '');
    if (set === undefined) continue;
    for (const entry of message.entries ?? []) set.entries.push(decodeEntry(set.type, entry));
  }
  return [...sets.values()];
}

/** Adds an entry; false when it is there already, and then nothing of it changes. */
export function entryAdd(connection: IpsetConnection, set: SetRef, entry: Entry): boolean {
  return entryCommand(connection, 'ADD', set, entry, NLM_F_EXCL);
}

/** Deletes an entry; false when it is not there. */
export function entryDel(connection: IpsetConnection, set: SetRef, entry: Entry): boolean {
  return entryCommand(connection, 'DEL', set, entry, NLM_F_EXCL);
}

/** Whether an entry is there; for networks, whether one of them has the address. */
export function entryTest(connection: IpsetConnection, set: SetRef, entry: Entry): boolean {
  return entryCommand(connection, 'TEST', set, entry, 0);
}

/**
 * Adds entries, many to a message. Those that are there already get the timeout, comment and
 * counters they are given here. Throws IpsetError for the first that is refused, by its place; those
 * before it are in the set.
 */
export function entriesAdd(
  connection: IpsetConnection,
  set: SetRef,
  entries: readonly Entry[],
): void {
  entriesCommand(connection, 'ADD', set, entries);
}

/** Deletes entries, many to a message; those that are not there are passed over. */
export function entriesDel(
  connection: IpsetConnection,
  set: SetRef,
  entries: readonly Entry[],
): void {
  entriesCommand(connection, 'DEL', set, entries);
}

const VERBS = { ADD: 'add', DEL: 'delete', TEST: 'test' } as const;

function entryCommand(
  connection: IpsetConnection,
  command: keyof typeof VERBS,
  set: SetRef,
  entry: Entry,
  flags: number,
  place = '',
): boolean {
  const { protocol, netlink } = connection;
  const values = { protocol, name: set.name, data: encodeEntry(set, entry) };
  const operation = `${VERBS[command]} entry${place} of set ${set.name}`;
  const request = requestOf(operation, command, entryCommandAttributes, values);
  try {
    withNamedErrors(set.type, () => netlink.execute({ ...request, flags }));
    return true;
  } catch (error) {
    if (error instanceof IpsetError && error.errno === IPSET_ERR_EXIST) return false;
    throw error;
  }
}

function entriesCommand(
  connection: IpsetConnection,
  command: 'ADD' | 'DEL',
  set: SetRef,
  entries: readonly Entry[],
): void {
  const { protocol, netlink } = connection;
  for (let at = 0; at < entries.length; at += ENTRIES_PER_MESSAGE_MAX) {
    const part = entries.slice(at, at + ENTRIES_PER_MESSAGE_MAX);
    const encoded = part.map((entry, index) => ({ ...encodeEntry(set, entry), line: at + index }));
    const values = { protocol, name: set.name, line: at, entries: encoded };
    const operation = `${VERBS[command]} entries of set ${set.name}`;
    const request = requestOf(operation, command, entryCommandAttributes, values);
    try {
      withNamedErrors(set.type, () => netlink.execute(request));
    } catch (error) {
      if (!(error instanceof IpsetError)) throw error;
      // The kernel does not say which one it was. One at a time, which changes nothing for those
      // that are in the set by now, the same one is refused again.
      part.forEach((entry, index) => {
        entryCommand(connection, command, set, entry, 0, ` ${at + index}`);
      });
      throw error;
    }
  }
}

/** Executes a command about one set; false when the kernel answers `errno`, which is an outcome. */
function execute(
  connection: IpsetConnection,
  operation: string,
  command: CommandName,
  type: SetType | undefined,
  values: Attributes<typeof setCommandAttributes>,
  flags: number,
  errno: number,
): boolean {
  const { protocol, netlink } = connection;
  const request = requestOf(operation, command, setCommandAttributes, { protocol, ...values });
  return happens(errno, () => withNamedErrors(type, () => netlink.execute({ ...request, flags })));
}

function requestOf<T extends AttributeTable>(
  operation: string,
  command: CommandName,
  attributes: T,
  values: Attributes<T>,
): Request {
  return {
    operation,
    type: messageType(command),
    write: (writer) =>
      encodePayload(writer, { header: nfgenmsg, attributes }, { family: NFPROTO_IP[4] }, values),
  };
}

function decode<T extends AttributeTable>(attributes: T, payload: Uint8Array): Attributes<T> {
  return decodePayload({ header: nfgenmsg, attributes }, payload).attributes;
}
