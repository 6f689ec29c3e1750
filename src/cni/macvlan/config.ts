import { type Mac, tryParseMac } from '../../ipaddr/mac.ts';
import { parseArgs } from '../protocol/args.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Call } from '../protocol/plugin.ts';
import { type Sublink, unknownMode } from '../sublink/config.ts';

const MODES = ['bridge', 'private', 'vepa', 'passthru'] as const;
const BC_QUEUE_LENGTH_MAX = 0xffff_ffff;

/** Reads the macvlan plugin's own fields. Throws CniError. */
export function parseMacvlan(call: Call): Sublink {
  const { fields } = call.config;
  const name = fields.string('mode') || 'bridge';
  const mode = MODES.find((each) => each === name);
  if (mode === undefined) throw unknownMode('macvlan', name);
  const length = fields.integer('bcqueuelen') ?? 0;
  if (length < 0 || length > BC_QUEUE_LENGTH_MAX) {
    throw fields.wrong('bcqueuelen', `a number from 0 to ${BC_QUEUE_LENGTH_MAX}`, length);
  }
  return {
    // Left out it is the kernel's own length.
    settings: { kind: 'macvlan', macvlan: { mode, bcQueueLength: length || undefined } },
    mac: parseMac(call),
    check(link) {
      const found = link.macvlan?.mode;
      if (found === mode) return;
      throw new CniError(
        CNI_CODE.internal,
        `container macvlan mode ${found} does not match expected value: ${mode}`,
      );
    },
  };
}

/** The runtime's wish comes before args.cni, that before CNI_ARGS, that before the configuration. */
function parseMac(call: Call): Mac | undefined {
  const { fields } = call.config;
  const text =
    fields.object('runtimeConfig')?.string('mac') ||
    fields.object('args')?.object('cni')?.string('mac') ||
    parseArgs(call.environment.args, ['MAC', 'IP', 'GATEWAY']).get('MAC') ||
    fields.string('mac') ||
    '';
  if (text === '') return undefined;
  const mac = tryParseMac(text);
  if (mac === undefined) throw fields.wrong('mac', 'a MAC address', text);
  return mac;
}
