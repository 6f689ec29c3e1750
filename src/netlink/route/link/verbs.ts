import { ENODEV } from '../../../sys/errno.ts';
import type { Request } from '../../connection.ts';
import { encodePayload, NLM_F_CREATE, NLM_F_EXCL } from '../../message.ts';
import { happens } from '../../outcome.ts';
import type { RouteConnection } from '../connection.ts';
import {
  encodeKindChanges,
  encodeSettings,
  encodeSpec,
  type LinkChanges,
  type LinkSpec,
} from './spec.ts';
import {
  linkPayload,
  RTM_DELLINK,
  RTM_DELLINKPROP,
  RTM_NEWLINK,
  RTM_NEWLINKPROP,
} from './table.ts';

/** Makes a link. Throws NetlinkError, with errno EEXIST when the name is taken. */
export function linkAdd(connection: RouteConnection, spec: LinkSpec): void {
  const { header, attributes } = encodeSpec(spec);
  connection.netlink.execute({
    operation: `add link ${spec.name} of kind ${spec.kind}`,
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    write: (writer) => encodePayload(writer, linkPayload, header, attributes),
  });
}

/**
 * Changes the link `index` in one request. The kernel checks all of it first, but stops where one
 * step fails and keeps the steps before. A link that moves to another namespace has another
 * index there when its own is taken.
 */
export function linkSet(connection: RouteConnection, index: number, changes: LinkChanges): void {
  const { header, attributes } = encodeSettings(changes);
  const { name: ifname, addrGenMode } = changes;
  const all = {
    ...attributes,
    ifname,
    afSpec: addrGenMode === undefined ? undefined : { inet6: { addrGenMode } },
    linkinfo: encodeKindChanges(changes),
  };
  connection.netlink.execute({
    operation: `set link ${index}`,
    type: RTM_NEWLINK,
    write: (writer) => encodePayload(writer, linkPayload, { ...header, index }, all),
  });
}

/** Removes the link `index`, and a veth's other end with it. Gives false when there is none. */
export function linkDel(connection: RouteConnection, index: number): boolean {
  return happens(ENODEV, () => connection.netlink.execute(deletion(index)));
}

/**
 * Starts to remove the link `index`: the kernel waits some milliseconds until nobody looks at it any
 * more. The function it gives waits for the end, as `linkDel` does, and must be called; until then
 * the connection is taken.
 */
export function linkDelStart(connection: RouteConnection, index: number): () => boolean {
  const finish = connection.netlink.start(deletion(index));
  return () => happens(ENODEV, finish);
}

function deletion(index: number): Request {
  return {
    operation: `delete link ${index}`,
    type: RTM_DELLINK,
    write: (writer) => encodePayload(writer, linkPayload, { index }, {}),
  };
}

/** Gives the link another name beside its own, of at most 127 octets. Throws NetlinkError EEXIST. */
export function linkAltNameAdd(connection: RouteConnection, index: number, name: string): void {
  altName(connection, RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL, index, name);
}

/** Takes the other name from the link. Throws NetlinkError, EINVAL when it does not have it. */
export function linkAltNameDel(connection: RouteConnection, index: number, name: string): void {
  altName(connection, RTM_DELLINKPROP, 0, index, name);
}

function altName(
  connection: RouteConnection,
  type: number,
  flags: number,
  index: number,
  name: string,
): void {
  const attributes = { propList: { altIfname: [name] } };
  connection.netlink.execute({
    operation: `${type === RTM_NEWLINKPROP ? 'add' : 'delete'} name ${name} of link ${index}`,
    type,
    flags,
    write: (writer) => encodePayload(writer, linkPayload, { index }, attributes),
  });
}
