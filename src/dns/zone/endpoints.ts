import { type Endpoint, type EndpointSlice, isReady } from '../../cluster/objects.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import { tryParseAddr } from '../../ipaddr/parse-addr.ts';

const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** A named or unnamed port, with its protocol in the letters of DNS: `tcp`. */
export interface NamedPort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
}

/** One address of a ready endpoint, and what it is called. */
export interface EndpointAddress {
  readonly addr: Addr;
  /** The label before the Service's name; with the cluster's after it where there are several. */
  readonly host: string;
  readonly zone: string | undefined;
  readonly ports: readonly NamedPort[];
}

/**
 * The addresses of the ready endpoints in `slices`. An endpoint is called by its host name, by its
 * pod's name where `usePodNames` and that is a label, or by its address with dashes. `clusterOf` gives
 * the label of the cluster a slice is from, where names have one.
 */
export function readyAddresses(
  slices: readonly EndpointSlice[],
  usePodNames: boolean,
  clusterOf: (slice: EndpointSlice) => string = () => '',
): EndpointAddress[] {
  return slices.flatMap((slice) => {
    const ports = slice.ports.flatMap(({ name, protocol, port }) =>
      port === undefined ? [] : [{ name, protocol: protocol.toLowerCase(), port }],
    );
    const cluster = clusterOf(slice);
    return slice.endpoints.filter(isReady).flatMap((endpoint) =>
      addressesOf(endpoint.addresses).map((addr) => ({
        addr,
        host: `${hostOf(endpoint, addr, usePodNames)}${cluster === '' ? '' : `.${cluster}`}`,
        zone: endpoint.zone,
        ports,
      })),
    );
  });
}

function hostOf({ hostname, podName }: Endpoint, addr: Addr, usePodNames: boolean): string {
  if (hostname !== undefined && hostname !== '') return hostname;
  if (usePodNames && podName !== undefined && LABEL.test(podName)) return podName;
  return dashedAddr(addr);
}

/** The address as a label: `10-0-0-1`; one that would end in a dash gets a zero (`fd00--0`). */
export function dashedAddr(addr: Addr): string {
  const label = `${addr}`.replace(/[.:]/g, '-');
  return label.endsWith('-') ? `${label}0` : label;
}

/** The addresses among `texts`; what is none, such as `None`, is left out. */
export function addressesOf(texts: readonly string[]): Addr[] {
  return texts.map((text) => tryParseAddr(text)).filter((addr) => addr !== undefined);
}
