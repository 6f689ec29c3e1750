import { EEXIST, ENOENT } from '../../sys/errno.ts';
import {
  decodePayload,
  encodePayload,
  type Message,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from '../message.ts';
import { happens } from '../outcome.ts';
import type { RouteConnection } from '../route/connection.ts';
import type { Writer } from '../writer.ts';
import {
  decodeHtbClass,
  encodeHtbClass,
  type HtbClass,
  htbAttributes,
  type KernelHtbClass,
} from './htb.ts';
import { TCA_OPTIONS, tcAttributes, tcmsg } from './message.ts';
import { decodeStats, type TcStats } from './stats.ts';

const RTM_NEWTCLASS = 40; // linux/rtnetlink.h
const RTM_DELTCLASS = 41;
const RTM_GETTCLASS = 42;

const classPayload = {
  header: tcmsg,
  attributes: {
    ...tcAttributes,
    options: { id: TCA_OPTIONS, type: { choice: { htb: htbAttributes }, by: 'kind' } },
  },
} as const;

/** What a class is made with. */
export interface ClassSpec {
  readonly linkIndex: number;
  /** Handle of the qdisc, or of the class above. */
  readonly parent: number;
  /** Its handle: the qdisc's major number and one of its own. */
  readonly classId: number;
  readonly kind: 'htb';
  readonly htb: HtbClass;
}

/** A class as the kernel has it. */
export interface TrafficClass {
  readonly linkIndex: number;
  readonly parent: number;
  readonly classId: number;
  readonly kind: string;
  readonly htb?: KernelHtbClass | undefined;
  readonly stats: TcStats;
}

/** Adds a class to a qdisc that has classes. Gives false when it is there. */
export function classAdd(connection: RouteConnection, spec: ClassSpec): boolean {
  return happens(EEXIST, () => send(connection, NLM_F_CREATE | NLM_F_EXCL, 'add', spec));
}

/** Adds a class or changes the one that is there. */
export function classReplace(connection: RouteConnection, spec: ClassSpec): void {
  send(connection, NLM_F_CREATE | NLM_F_REPLACE, 'replace', spec);
}

function send(connection: RouteConnection, flags: number, verb: string, spec: ClassSpec): void {
  const { linkIndex, parent, classId, kind, htb } = spec;
  const options = { htb: encodeHtbClass(htb) };
  connection.netlink.execute({
    operation: `${verb} ${kind} class ${classId.toString(16)} on link ${linkIndex}`,
    type: RTM_NEWTCLASS,
    flags,
    write: (writer) =>
      encodePayload(
        writer,
        classPayload,
        { ifindex: linkIndex, parent, handle: classId },
        { kind, options },
      ),
  });
}

/** Removes a class. Gives false when there is none. Throws NetlinkError, EBUSY while it is used. */
export function classDel(connection: RouteConnection, linkIndex: number, classId: number): boolean {
  return happens(ENOENT, () =>
    connection.netlink.execute({
      operation: `delete class ${classId.toString(16)} of link ${linkIndex}`,
      type: RTM_DELTCLASS,
      write: (writer) =>
        encodePayload(writer, classPayload, { ifindex: linkIndex, handle: classId }, {}),
    }),
  );
}

/** The classes of a link. */
export function classList(connection: RouteConnection, linkIndex: number): TrafficClass[] {
  const request = {
    operation: `list classes of link ${linkIndex}`,
    type: RTM_GETTCLASS,
    write: (writer: Writer) => encodePayload(writer, classPayload, { ifindex: linkIndex }, {}),
  };
  return connection.netlink.dump(request, decodeClass);
}

function decodeClass(message: Message): TrafficClass {
  const { header, attributes } = decodePayload(classPayload, message.payload);
  const htb = attributes.options?.htb;
  return {
    linkIndex: header.ifindex,
    parent: header.parent,
    classId: header.handle,
    kind: attributes.kind ?? '',
    ...(htb === undefined ? {} : { htb: decodeHtbClass(htb) }),
    stats: decodeStats(attributes),
  };
}
