import { EEXIST } from '../../sys/errno.ts';
import type { AttributeTable } from '../attribute.ts';
import { decodePayload, encodePayload } from '../message.ts';
import { happens } from '../outcome.ts';
import { struct } from '../struct.ts';
import type { Writer } from '../writer.ts';
import type { RouteConnection } from './connection.ts';

const RTM_NEWNSID = 88; // linux/rtnetlink.h
const RTM_GETNSID = 90;
const NETNSA_NSID_NOT_ASSIGNED = -1; // linux/net_namespace.h

/** NETNSA_*. */
const netnsAttributes = {
  nsid: { id: 1, type: 's32' },
  pid: { id: 2, type: 'u32' },
  fd: { id: 3, type: 'u32' },
} as const satisfies AttributeTable;

const netnsPayload = {
  header: struct('rtgenmsg', { family: 'u8', pad1: 'u8', pad2: 'u16' }),
  attributes: netnsAttributes,
} as const;

/** Another namespace, by an open descriptor, such as a Netns has, or as that of a process. */
export type NetnsReference = { readonly fd: number } | { readonly pid: number };

function referTo(netns: NetnsReference): NetnsReference {
  return 'fd' in netns ? { fd: netns.fd } : { pid: netns.pid };
}

/**
 * Gives a namespace its number in the one of the connection, by which links tell where their other
 * end is; by default the next number free. A number stays as long as the namespace does. Gives false
 * when it has a number already. Throws NetlinkError, ENOSPC when the number is taken.
 */
export function netnsIdSet(
  connection: RouteConnection,
  netns: NetnsReference,
  id: number = NETNSA_NSID_NOT_ASSIGNED,
): boolean {
  return happens(EEXIST, () =>
    connection.netlink.execute({
      operation: `set number ${id} of a namespace`,
      type: RTM_NEWNSID,
      write: (writer) => encodePayload(writer, netnsPayload, {}, { nsid: id, ...referTo(netns) }),
    }),
  );
}

/** The number of a namespace in the one of the connection, or undefined when it has none. */
export function netnsIdGet(connection: RouteConnection, netns: NetnsReference): number | undefined {
  let id: number | undefined;
  connection.netlink.execute(
    {
      operation: 'get number of a namespace',
      type: RTM_GETNSID,
      write: (writer) => encodePayload(writer, netnsPayload, {}, referTo(netns)),
    },
    (message) => {
      id = decodePayload(netnsPayload, message.payload).attributes.nsid;
    },
  );
  return id === NETNSA_NSID_NOT_ASSIGNED ? undefined : id;
}

/** The numbers other namespaces have in the one of the connection. */
export function netnsIdList(connection: RouteConnection): number[] {
  const request = {
    operation: 'list numbers of namespaces',
    type: RTM_GETNSID,
    write: (writer: Writer) => encodePayload(writer, netnsPayload, {}, {}),
  };
  return connection.netlink
    .dump(request, (message) => decodePayload(netnsPayload, message.payload).attributes.nsid)
    .filter((id) => id !== undefined);
}
