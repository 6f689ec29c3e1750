import { EEXIST, ENOENT, ESRCH } from '../../sys/errno.ts';
import type { Netns } from '../../sys/netns.ts';
import type { Attributes } from '../attribute.ts';
import type { Connection, OnMessage, Request } from '../connection.ts';
import { familyByName, type GenericFamily, genlmsghdr, openGeneric } from '../generic/family.ts';
import { decodePayload, encodePayload } from '../message.ts';
import { happens } from '../outcome.ts';
import { commandAttributes, infoAttributes } from './attributes.ts';
import {
  type Destination,
  type DestinationKey,
  type DestinationSpec,
  decodeDestination,
  encodeDestination,
  encodeDestinationKey,
} from './destination.ts';
import {
  decodeService,
  encodeService,
  encodeServiceKey,
  type Service,
  type ServiceKey,
  type ServiceSpec,
  serviceFamily,
} from './service.ts';

/** IPVS_GENL_VERSION. */
const VERSION = 1;

/** IPVS_CMD_*, those podwire sends. */
const COMMAND = {
  NEW_SERVICE: 1,
  SET_SERVICE: 2,
  DEL_SERVICE: 3,
  GET_SERVICE: 4,
  NEW_DEST: 5,
  SET_DEST: 6,
  DEL_DEST: 7,
  GET_DEST: 8,
  SET_CONFIG: 12,
  GET_CONFIG: 13,
  GET_INFO: 15,
  ZERO: 16,
  FLUSH: 17,
} as const;

const payload = { header: genlmsghdr, attributes: commandAttributes };

/** A conversation with IPVS in one network namespace. */
export class IpvsConnection implements Disposable {
  readonly #netlink: Connection;
  readonly #family: GenericFamily;

  private constructor(netlink: Connection, family: GenericFamily) {
    this.#netlink = netlink;
    this.#family = family;
  }

  /**
   * Opens it in `netns`, or in the namespace the thread is in. Throws GenericFamilyMissingError where
   * the kernel has no IPVS; one that has it as a module loads it now.
   */
  static open(netns?: Netns): IpvsConnection {
    using stack = new DisposableStack();
    const netlink = stack.use(openGeneric(netns));
    const connection = new IpvsConnection(netlink, familyByName(netlink, 'IPVS', 'ip_vs'));
    stack.move();
    return connection;
  }

  /** Executes a command. Throws NetlinkError. */
  execute(
    operation: string,
    command: keyof typeof COMMAND,
    values: Attributes<typeof commandAttributes>,
    onMessage?: OnMessage,
  ): void {
    this.#netlink.execute(this.#request(operation, command, values), onMessage);
  }

  /** Lists what a command gives. Throws NetlinkError. */
  dump(
    operation: string,
    command: keyof typeof COMMAND,
    values: Attributes<typeof commandAttributes>,
  ): Attributes<typeof commandAttributes>[] {
    const request = this.#request(operation, command, values);
    return this.#netlink.dump(request, (message) => decode(message.payload));
  }

  close(): void {
    this.#netlink.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #request(
    operation: string,
    command: keyof typeof COMMAND,
    values: Attributes<typeof commandAttributes>,
  ): Request {
    const header = { command: COMMAND[command], version: VERSION };
    return {
      operation,
      type: this.#family.id,
      write: (writer) => encodePayload(writer, payload, header, values),
    };
  }
}

function decode(bytes: Uint8Array): Attributes<typeof commandAttributes> {
  return decodePayload(payload, bytes).attributes;
}

/** Makes a service; false when it is there already, whatever its options are. */
export function serviceAdd(connection: IpvsConnection, service: ServiceSpec): boolean {
  const operation = `add service ${serviceName(service)}`;
  const values = { service: encodeService(service) };
  return happens(EEXIST, () => connection.execute(operation, 'NEW_SERVICE', values));
}

/** Changes a service's options to these; false when it is not there. */
export function serviceUpdate(connection: IpvsConnection, service: ServiceSpec): boolean {
  const operation = `change service ${serviceName(service)}`;
  const values = { service: encodeService(service) };
  return happens(ESRCH, () => connection.execute(operation, 'SET_SERVICE', values));
}

/** Removes a service with its destinations; false when it is not there. */
export function serviceDel(connection: IpvsConnection, service: ServiceKey): boolean {
  const operation = `delete service ${serviceName(service)}`;
  const values = { service: encodeServiceKey(service) };
  return happens(ESRCH, () => connection.execute(operation, 'DEL_SERVICE', values));
}

/** One service; undefined when it is not there. */
export function serviceGet(connection: IpvsConnection, service: ServiceKey): Service | undefined {
  const operation = `get service ${serviceName(service)}`;
  const values = { service: encodeServiceKey(service) };
  let found: Service | undefined;
  happens(ESRCH, () =>
    connection.execute(operation, 'GET_SERVICE', values, (message) => {
      found = decodeService(decode(message.payload).service ?? {});
    }),
  );
  return found;
}

/** All services of the namespace. */
export function serviceList(connection: IpvsConnection): Service[] {
  return connection
    .dump('list services', 'GET_SERVICE', {})
    .map(({ service = {} }) => decodeService(service));
}

/** Adds a destination to a service; false when the service has it already. */
export function destinationAdd(
  connection: IpvsConnection,
  service: ServiceKey,
  destination: DestinationSpec,
): boolean {
  const operation = `add ${destinationName(service, destination)}`;
  const values = {
    service: encodeServiceKey(service),
    destination: encodeDestination(destination),
  };
  return happens(EEXIST, () => connection.execute(operation, 'NEW_DEST', values));
}

/** Changes a destination to this; false when the service does not have it. */
export function destinationUpdate(
  connection: IpvsConnection,
  service: ServiceKey,
  destination: DestinationSpec,
): boolean {
  const operation = `change ${destinationName(service, destination)}`;
  const values = {
    service: encodeServiceKey(service),
    destination: encodeDestination(destination),
  };
  return happens(ENOENT, () => connection.execute(operation, 'SET_DEST', values));
}

/** Takes a destination from a service; false when the service does not have it. */
export function destinationDel(
  connection: IpvsConnection,
  service: ServiceKey,
  destination: DestinationKey,
): boolean {
  const operation = `delete ${destinationName(service, destination)}`;
  const values = {
    service: encodeServiceKey(service),
    destination: encodeDestinationKey(destination),
  };
  return happens(ENOENT, () => connection.execute(operation, 'DEL_DEST', values));
}

/** The destinations of a service; none when it is not there. */
export function destinationList(connection: IpvsConnection, service: ServiceKey): Destination[] {
  const operation = `list destinations of service ${serviceName(service)}`;
  const values = { service: encodeServiceKey(service) };
  return connection
    .dump(operation, 'GET_DEST', values)
    .map(({ destination = {} }) => decodeDestination(serviceFamily(service), destination));
}

/** Sets the counters of a service and its destinations to zero, or those of all services. */
export function statisticsReset(connection: IpvsConnection, service?: ServiceKey): void {
  const [operation, values] =
    service === undefined
      ? ['reset statistics', {}]
      : [
          `reset statistics of service ${serviceName(service)}`,
          { service: encodeServiceKey(service) },
        ];
  connection.execute(operation, 'ZERO', values);
}

/** Removes all services of the namespace. */
export function serviceFlush(connection: IpvsConnection): void {
  connection.execute('flush services', 'FLUSH', {});
}

/** After how long a connection without a packet is forgotten. */
export interface Timeouts {
  readonly tcpSeconds: number;
  /** Of TCP after a FIN. */
  readonly tcpFinSeconds: number;
  readonly udpSeconds: number;
}

/** The timeouts of the namespace. */
export function timeoutsGet(connection: IpvsConnection): Timeouts {
  let timeouts: Timeouts = { tcpSeconds: 0, tcpFinSeconds: 0, udpSeconds: 0 };
  connection.execute('get timeouts', 'GET_CONFIG', {}, (message) => {
    const { timeoutTcp = 0, timeoutTcpFin = 0, timeoutUdp = 0 } = decode(message.payload);
    timeouts = { tcpSeconds: timeoutTcp, tcpFinSeconds: timeoutTcpFin, udpSeconds: timeoutUdp };
  });
  return timeouts;
}

/** Changes the timeouts; those that are left out stay. */
export function timeoutsSet(connection: IpvsConnection, timeouts: Partial<Timeouts>): void {
  const { tcpSeconds, tcpFinSeconds, udpSeconds } = timeouts;
  // The kernel takes 0 as "leave it", and wants all of them.
  connection.execute('set timeouts', 'SET_CONFIG', {
    timeoutTcp: tcpSeconds ?? 0,
    timeoutTcpFin: tcpFinSeconds ?? 0,
    timeoutUdp: udpSeconds ?? 0,
  });
}

/** What IPVS says of itself. */
export interface Info {
  /** As three numbers, such as 1.2.1. */
  readonly version: string;
  /** How many buckets the table of connections has. */
  readonly connectionTableSize: number;
}

/** IPVS's version and the size of its table. */
export function infoGet(connection: IpvsConnection): Info {
  let info: Info = { version: '', connectionTableSize: 0 };
  connection.execute('get info', 'GET_INFO', {}, (message) => {
    const decoded = decodePayload(
      { header: genlmsghdr, attributes: infoAttributes },
      message.payload,
    );
    const { version = 0, connectionTableSize = 0 } = decoded.attributes;
    const parts = [version >> 16, version >> 8, version].map((part) => part & 255);
    info = { version: parts.join('.'), connectionTableSize };
  });
  return info;
}

/** A service as error messages name it. */
function serviceName(service: ServiceKey): string {
  if ('mark' in service) return `of mark ${service.mark}`;
  return `${endName(service)} protocol ${service.protocol}`;
}

function destinationName(service: ServiceKey, destination: DestinationKey): string {
  return `destination ${endName(destination)} of service ${serviceName(service)}`;
}

function endName({ address, port }: DestinationKey): string {
  return address.family === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}
