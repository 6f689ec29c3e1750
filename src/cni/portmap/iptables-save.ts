import { tryParseAddr } from '../../ipaddr/parse-addr.ts';
import { tryParsePrefix } from '../../ipaddr/prefix.ts';
import type { SavedRule } from '../../iptables/save.ts';
import { type Forward, PROTOCOL, type Protocol } from './forward.ts';

/** The forward that a rule does; undefined for any other rule. */
export function savedForward({ options, target }: SavedRule): Forward | undefined {
  if (target !== 'DNAT') return undefined;
  const protocol = options.get('-p') ?? '';
  const [, host = '', port] =
    /^\[?([^\]]*)\]?:(\d+)$/.exec(options.get('--to-destination') ?? '') ?? [];
  const pod = tryParseAddr(host);
  const hostPort = Number(options.get('--dport'));
  if (!(protocol in PROTOCOL) || pod === undefined || !Number.isInteger(hostPort)) return undefined;
  const hostIp = tryParsePrefix(options.get('-d') ?? '')?.addr;
  return { protocol: protocol as Protocol, hostIp, hostPort, pod, podPort: Number(port) };
}
