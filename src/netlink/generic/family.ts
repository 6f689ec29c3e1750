import { PodwireError } from '../../errors.ts';
import { ENOENT } from '../../sys/errno.ts';
import type { Netns } from '../../sys/netns.ts';
import type { AttributeTable } from '../attribute.ts';
import { Connection } from '../connection.ts';
import { netlinkErrno } from '../error.ts';
import { decodePayload, encodePayload } from '../message.ts';
import { struct } from '../struct.ts';

const NETLINK_GENERIC = 16; // linux/netlink.h

/** struct genlmsghdr (linux/genetlink.h), which begins every message. */
export const genlmsghdr = struct('genlmsghdr', { command: 'u8', version: 'u8', reserved: 'u16' });

/* The controller of generic netlink, which knows the other families (linux/genetlink.h). */
const GENL_ID_CTRL = 0x10;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_VERSION = 2;

/** CTRL_ATTR_OP_*. */
const operationAttributes = {
  command: { id: 1, type: 'u32' },
  flags: { id: 2, type: 'u32' },
} as const satisfies AttributeTable;

/** CTRL_ATTR_MCAST_GRP_*. */
const groupAttributes = {
  name: { id: 1, type: 'string' },
  id: { id: 2, type: 'u32' },
} as const satisfies AttributeTable;

/** CTRL_ATTR_*. */
const controllerAttributes = {
  id: { id: 1, type: 'u16' },
  name: { id: 2, type: 'string' },
  version: { id: 3, type: 'u32' },
  operations: { id: 6, type: { indexed: { nested: operationAttributes }, first: 1 } },
  groups: { id: 7, type: { indexed: { nested: groupAttributes }, first: 1 } },
} as const satisfies AttributeTable;

const payload = { header: genlmsghdr, attributes: controllerAttributes };

/** A family of generic netlink, as this kernel has numbered it. */
export interface GenericFamily {
  readonly name: string;
  /** The netlink message type of all its messages. */
  readonly id: number;
  readonly version: number;
  /** The commands it takes, by their numbers. */
  readonly commands: readonly number[];
  /** The numbers of its multicast groups by name, for a Subscription. */
  readonly groups: ReadonlyMap<string, number>;
}

/** The kernel has no family of this name: it was built without it, or its module is not loaded. */
export class GenericFamilyMissingError extends PodwireError {
  readonly family: string;

  constructor(family: string, module: string | undefined) {
    const hint = module === undefined ? '' : `; is the module ${module} loaded?`;
    super('ERR_GENERIC_FAMILY', `the kernel has no generic netlink family "${family}"${hint}`);
    this.family = family;
  }
}

/** Opens generic netlink in `netns`, or in the namespace the thread is in. */
export function openGeneric(netns?: Netns): Connection {
  return Connection.open(NETLINK_GENERIC, netns);
}

/**
 * The family of this name, at most 15 octets. The kernel tries to load a module that names itself
 * after it. Throws GenericFamilyMissingError; `module` is for its words.
 */
export function familyByName(connection: Connection, name: string, module?: string): GenericFamily {
  let family: GenericFamily | undefined;
  try {
    connection.execute(
      {
        operation: `find generic netlink family ${name}`,
        type: GENL_ID_CTRL,
        write: (writer) => {
          const header = { command: CTRL_CMD_GETFAMILY, version: CTRL_VERSION };
          encodePayload(writer, payload, header, { name });
        },
      },
      (message) => {
        family = decodeFamily(message.payload);
      },
    );
  } catch (error) {
    if (netlinkErrno(error) !== ENOENT) throw error;
  }
  if (family === undefined) throw new GenericFamilyMissingError(name, module);
  return family;
}

function decodeFamily(bytes: Uint8Array): GenericFamily {
  const { attributes } = decodePayload(payload, bytes);
  const { name = '', id = 0, version = 0, operations = [], groups = [] } = attributes;
  return {
    name,
    id,
    version,
    commands: operations.map(({ command = 0 }) => command),
    groups: new Map(groups.map((group) => [group.name ?? '', group.id ?? 0])),
  };
}
