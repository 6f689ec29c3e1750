import type { RouteConnection } from '../../../netlink/route/connection.ts';
import { readSysctl } from '../../../sys/sysctl.ts';
import { readActual } from './apply.ts';
import { deviceFaults, findDevice, sysctlsOf } from './device.ts';
import { difference } from './difference.ts';
import type { Overlay } from './plan.ts';

/**
 * Holds the kernel against the overlay of the namespace the thread is in, and gives the first thing
 * that is not as it should be, in words, or undefined. What is there beside it does no harm.
 */
export function checkOverlay(connection: RouteConnection, overlay: Overlay): string | undefined {
  const { device, entries } = overlay;
  const { name } = device;
  const link = findDevice(connection, device);
  if (link === undefined) return `vxlan device "${name}" not found`;
  const [fault] = deviceFaults(device, link);
  if (fault !== undefined) return fault.text;
  for (const [sysctl, value] of sysctlsOf(device)) {
    const actual = readSysctl(sysctl) ?? value;
    if (actual !== value) return `${sysctl} is ${actual}, expected ${value}`;
  }
  const { missing } = difference(entries, readActual(connection, link));
  const [first] = [
    ...missing.addresses.map((prefix) => `address ${prefix}`),
    ...missing.neighs.map(({ dst, mac }) => `neighbour ${dst} with ${mac}`),
    ...missing.fdb.map(({ mac, endpoint }) => `FDB entry ${mac} at ${endpoint}`),
    ...missing.routes.map(({ dst, gateway }) => `route ${dst} via ${gateway}`),
  ];
  return first === undefined ? undefined : `expected ${first} on "${name}"`;
}
