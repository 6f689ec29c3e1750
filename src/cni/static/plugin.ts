import { requirePrevResult } from '../protocol/config.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Plugin } from '../protocol/plugin.ts';
import { parseStatic } from './config.ts';

/** The IPAM plugin that gives the addresses that are written down for it. */
export const staticIpam: Plugin = {
  type: 'static',
  about: 'static (podwire): gives the addresses of the configuration',

  add(call) {
    return { interfaces: [], ...parseStatic(call) };
  },

  // Nothing is kept of what was given.
  del() {},

  check(call) {
    const { ips } = parseStatic(call);
    const prevResult = requirePrevResult(call.config);
    for (const { address, gateway } of ips) {
      const given = prevResult.ips.find((each) => each.address.equals(address));
      // ADD may have been told no gateway, and whoever wires the pod chose one.
      const agrees = gateway === undefined || given?.gateway?.equals(gateway) === true;
      if (given !== undefined && agrees) continue;
      const details =
        given === undefined
          ? `expected ${address}, prevResult has ${prevResult.ips.map((ip) => ip.address).join(', ') || 'no address'}`
          : `expected gateway ${gateway}, prevResult has ${given.gateway ?? 'none'}`;
      const { ifName } = call.environment;
      throw new CniError(
        CNI_CODE.internal,
        `static: Failed to match addr ${address.addr} on interface ${ifName}`,
        details,
      );
    }
  },

  status(call) {
    parseStatic(call);
  },
};
