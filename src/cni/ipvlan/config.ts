import { hasIpam } from '../protocol/delegate.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Call } from '../protocol/plugin.ts';
import type { Result } from '../protocol/result.ts';
import { type Sublink, unknownMode } from '../sublink/config.ts';

const MODES = ['l2', 'l3', 'l3s'] as const;

/** Reads the ipvlan plugin's own fields. Throws CniError. */
export function parseIpvlan(call: Call): Sublink {
  const { fields, prevResult } = call.config;
  const name = fields.string('mode') || 'l2';
  const mode = MODES.find((each) => each === name);
  if (mode === undefined) throw unknownMode('ipvlan', name);
  return {
    settings: { kind: 'ipvlan', ipvlan: { mode } },
    check(link) {
      const found = link.ipvlan?.mode;
      if (found === mode) return;
      throw new CniError(
        CNI_CODE.internal,
        `container ipvlan mode ${found} does not match expected value: ${mode}`,
      );
    },
    ...(call.environment.verb === 'ADD' ? chainedOn(call, prevResult) : {}),
  };
}

/** In a chain the link of the plugin before is the master, and its addresses become the pod's. */
function chainedOn(call: Call, previous: Result | undefined): Pick<Sublink, 'master' | 'chained'> {
  if (!hasIpam(call) && (previous === undefined || previous.ips.length === 0)) {
    throw call.config.fields.wrong(
      'ipam',
      'an IPAM plugin, or addresses in prevResult',
      call.config.fields.value('ipam'),
    );
  }
  if (previous === undefined) return {};
  const isNamed = (call.config.fields.string('master') ?? '') !== '';
  const [first, ...others] = previous.interfaces;
  if (!isNamed && (first === undefined || first.name === '' || others.length > 0)) {
    throw new CniError(
      CNI_CODE.invalidConfig,
      'chained master failure. PrevResult lacks a single named interface',
    );
  }
  return { master: first?.name, chained: previous };
}
