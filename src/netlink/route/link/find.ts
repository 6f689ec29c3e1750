import { ENODEV } from '../../../sys/errno.ts';
import { encodePayload } from '../../message.ts';
import { happens } from '../../outcome.ts';
import type { Writer } from '../../writer.ts';
import type { RouteConnection } from '../connection.ts';
import { decodeLink, type Link, type LinkAttributes } from './link.ts';
import { linkPayload, RTEXT_FILTER_SKIP_STATS, RTM_GETLINK } from './table.ts';

/** IFNAMSIZ (linux/if.h) without the zero at the end: a longer name can only be an altname. */
const NAME_BYTES_MAX = 15;

/** The link called `name`, by its own name or another one of it, or undefined. */
export function linkByName(connection: RouteConnection, name: string): Link | undefined {
  const attributes = name.length > NAME_BYTES_MAX ? { altIfname: name } : { ifname: name };
  return linkGet(connection, `get link ${name}`, 0, attributes);
}

/** The link with the index, or undefined. */
export function linkByIndex(connection: RouteConnection, index: number): Link | undefined {
  return linkGet(connection, `get link ${index}`, index, {});
}

/** The first link with the alias, or undefined. The kernel has no index of those: all are listed. */
export function linkByAlias(connection: RouteConnection, alias: string): Link | undefined {
  return linkList(connection).find((link) => link.alias === alias);
}

function linkGet(
  connection: RouteConnection,
  operation: string,
  index: number,
  attributes: LinkAttributes,
): Link | undefined {
  let link: Link | undefined;
  const write = (writer: Writer): void => encodePayload(writer, linkPayload, { index }, attributes);
  happens(ENODEV, () =>
    connection.netlink.execute({ operation, type: RTM_GETLINK, write }, (message) => {
      link = decodeLink(message);
    }),
  );
  return link;
}

/** Which links `linkList` gives. */
export interface LinkFilter {
  /** Index of the master. */
  readonly master?: number | undefined;
  readonly kind?: string | undefined;
}

/** The links of the namespace, by index. */
export function linkList(connection: RouteConnection, filter: LinkFilter = {}): Link[] {
  const { master, kind } = filter;
  const attributes = {
    extMask: RTEXT_FILTER_SKIP_STATS,
    master,
    linkinfo: kind === undefined ? undefined : { kind },
  };
  const request = {
    operation: 'list links',
    type: RTM_GETLINK,
    write: (writer: Writer) => encodePayload(writer, linkPayload, {}, attributes),
  };
  // The kernel gives every link when it does not know the kind at all.
  return connection.netlink
    .dump(request, decodeLink)
    .filter((link) => kind === undefined || link.kind === kind);
}
