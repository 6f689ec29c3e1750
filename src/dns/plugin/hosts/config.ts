import { tryParseAddr } from '../../../ipaddr/parse-addr.ts';
import type { Directive } from '../../corefile/parse.ts';
import {
  expectArgs,
  fail,
  numberBetween,
  oneArg,
  parseDurationMs,
  zonesOf,
} from '../../corefile/values.ts';
import type { DirectiveContext } from '../plugin.ts';
import { type HostsTable, parseHosts } from './table.ts';

const FILE = '/etc/hosts';
const TTL_SECONDS = 3600;
const RELOAD_MS = 5_000;

/** `hosts [FILE [ZONES...]] [{ [INLINE] ttl S; no_reverse; reload D; fallthrough [ZONES...] }]` */
export interface HostsConfig {
  readonly file: string;
  readonly zones: readonly string[];
  readonly inline: HostsTable;
  readonly ttlSeconds: number;
  readonly hasReverse: boolean;
  /** 0 is never again. */
  readonly reloadMs: number;
  /** Where names that are not there go on to the next plugin; undefined is nowhere. */
  readonly fallthrough: readonly string[] | undefined;
  /** Types hosts have not go on as well. */
  readonly fallsThroughUnsupported: boolean;
}

export function parseHostsConfig(
  [directive]: readonly Directive[],
  context: DirectiveContext,
): HostsConfig {
  const [file, ...zones] = directive?.args ?? [];
  const own = zonesOf(zones, context.zones);
  const lines: string[] = [];
  let ttlSeconds = TTL_SECONDS;
  let hasReverse = true;
  let reloadMs = RELOAD_MS;
  let fallthrough: readonly string[] | undefined;
  let fallsThroughUnsupported = false;
  for (const line of directive?.body ?? []) {
    switch (line.name.text) {
      case 'ttl':
        ttlSeconds = numberBetween(oneArg(line), 1, 65_535);
        break;
      case 'no_reverse':
        expectArgs(line, 0, 0);
        hasReverse = false;
        break;
      case 'reload':
        reloadMs = parseDurationMs(oneArg(line));
        break;
      case 'fallthrough':
        fallthrough = zonesOf(line.args, own);
        break;
      case 'fallthrough_unsupported':
        expectArgs(line, 0, 0);
        fallsThroughUnsupported = true;
        break;
      default:
        if (tryParseAddr(line.name.text) === undefined) {
          fail(line.name, `hosts: expected an option or an address, got "${line.name.text}"`);
        }
        if (line.args.length === 0) fail(line.name, 'hosts: expected a name after the address');
        lines.push([line.name, ...line.args].map(({ text }) => text).join(' '));
    }
  }
  return {
    file: file?.text ?? FILE,
    zones: own,
    inline: parseHosts(lines.join('\n')),
    ttlSeconds,
    hasReverse,
    reloadMs,
    fallthrough,
    fallsThroughUnsupported,
  };
}
